//! Who may call the stack: the operator, and each function by its own role.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use dunlin_gateway::Credential;
use dunlin_stack::{ApiKey, Function, Stack};
use serde::{Deserialize, Serialize};

use super::data;
use crate::failure::Failure;

/// One caller's credentials. `Debug` is left out: secrets do not belong in a log.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Credentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    /// Only a function's are temporary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_token: Option<String>,
}

/// Everybody's credentials.
pub(super) struct Keyring {
    pub(super) operator: Credentials,
    /// By function name.
    pub(super) functions: BTreeMap<String, Credentials>,
    /// What a caller of `/_dunlin/` shows in a header.
    pub(super) control_token: String,
    /// Values of the template's API keys, in its order; made up where it has none.
    pub(super) api_keys: Vec<String>,
}

/// What `--data` keeps, so that a client's settings hold over a restart.
#[derive(Serialize, Deserialize)]
struct Kept {
    operator: Credentials,
    control_token: String,
}

/// Letters and digits that access key ids are made of.
const KEY_ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Keyring {
    /// The operator's credentials from `data`, or new ones, and new ones for each function of the stack.
    pub(super) fn open(data_dir: Option<&Path>, stack: &Stack) -> Result<Self, Failure> {
        let kept = match data_dir {
            Some(dir) => load_or_make(dir)?,
            None => make()?,
        };
        let functions = stack
            .functions
            .iter()
            .map(|Function { name, .. }| {
                let session_token = Some(random_text::<48>()?);
                let secret_access_key = random_text::<30>()?;
                let access_key_id = key_id("ASIA")?;
                Ok((name.clone(), Credentials { access_key_id, secret_access_key, session_token }))
            })
            .collect::<Result<_, Failure>>()?;
        let api_key = |key: &ApiKey| key.value.clone().map_or_else(random_text::<30>, Ok);
        let api_keys = stack.api_keys.iter().map(api_key).collect::<Result<_, Failure>>()?;
        Ok(Keyring { operator: kept.operator, functions, control_token: kept.control_token, api_keys })
    }

    /// Everybody's, by access key id, to verify signatures with.
    pub(super) fn lookup(&self) -> Arc<HashMap<String, Credential>> {
        let entry = |caller: &Credentials| {
            let credential = Credential {
                secret_access_key: caller.secret_access_key.clone(),
                session_token: caller.session_token.clone(),
            };
            (caller.access_key_id.clone(), credential)
        };
        Arc::new(std::iter::once(&self.operator).chain(self.functions.values()).map(entry).collect())
    }
}

fn load_or_make(dir: &Path) -> Result<Kept, Failure> {
    let file = dir.join("credentials.json");
    if let Some(text) = data::read(&file)? {
        return serde_json::from_str(&text).map_err(|error| {
            Failure::data(format!("{}: {error}; remove the file to get new credentials", file.display()))
        });
    }
    let kept = make()?;
    let text = serde_json::to_string_pretty(&kept).map_err(|error| Failure::internal(error.to_string()))?;
    data::write_private(&file, &text)?;
    Ok(kept)
}

fn make() -> Result<Kept, Failure> {
    let operator = Credentials {
        access_key_id: key_id("AKIA")?,
        secret_access_key: random_text::<30>()?,
        session_token: None,
    };
    Ok(Kept { operator, control_token: random_text::<24>()? })
}

/// Twenty characters, the first four say of what kind.
fn key_id(kind: &str) -> Result<String, Failure> {
    let tail = random::<16>()?.map(|byte| char::from(KEY_ID_ALPHABET[usize::from(byte % 32)]));
    Ok(kind.chars().chain(tail).collect())
}

fn random_text<const BYTES: usize>() -> Result<String, Failure> {
    Ok(STANDARD_NO_PAD.encode(random::<BYTES>()?))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], Failure> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::internal(format!("the system has no randomness: {error}")))?;
    Ok(bytes)
}
