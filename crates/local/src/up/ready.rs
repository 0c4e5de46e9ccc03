//! The ready file: every address and credential of a running stack, for programs.

use std::path::PathBuf;

use dunlin_stack::{ApiKey, Stack};
use serde::Serialize;

use super::{credentials::Keyring, data};
use crate::failure::Failure;

/// The ready file's contents. Version 1; a reader ignores keys that it does not know.
#[derive(Serialize)]
pub(super) struct Ready<'a> {
    pub(super) version: u32,
    pub(super) pid: u32,
    pub(super) region: &'a str,
    pub(super) account_id: &'a str,
    pub(super) access_key_id: &'a str,
    pub(super) secret_access_key: &'a str,
    /// Absent where there is no home folder to keep one in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca_file: Option<PathBuf>,
    /// `host:port`.
    pub(super) mqtt: String,
    pub(super) dynamodb: String,
    pub(super) lambda: String,
    /// Absent where there is nothing to control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) control_token: Option<&'a str>,
    /// One entry per API and stage.
    pub(super) apis: Vec<ReadyApi>,
    /// The template's custom domains.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) domains: Vec<ReadyDomain>,
    /// The template's API keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) api_keys: Vec<ReadyApiKey>,
}

/// One base path of a custom domain. The name leads to `address` only where somebody sees to that.
#[derive(Serialize)]
pub(super) struct ReadyDomain {
    pub(super) name: String,
    pub(super) base_path: String,
    pub(super) api_id: String,
    pub(super) stage: String,
    pub(super) address: String,
    pub(super) ws: String,
    pub(super) wss: String,
    pub(super) management: String,
    pub(super) management_tls: String,
}

/// An API key.
#[derive(Serialize)]
pub(super) struct ReadyApiKey {
    pub(super) logical_id: String,
    pub(super) id: String,
    pub(super) value: String,
}

/// Each key with its value, made up or not.
pub(super) fn api_keys(stack: &Stack, keyring: &Keyring) -> Vec<ReadyApiKey> {
    let entry = |(key, value): (&ApiKey, &String)| ReadyApiKey {
        logical_id: key.logical_id.clone(),
        id: key.key_id.clone(),
        value: value.clone(),
    };
    stack.api_keys.iter().zip(&keyring.api_keys).map(entry).collect()
}

/// One API at one stage. URLs include the stage and have no trailing slash.
#[derive(Serialize)]
pub(super) struct ReadyApi {
    pub(super) logical_id: String,
    pub(super) api_id: String,
    pub(super) stage: String,
    pub(super) ws: String,
    pub(super) wss: String,
    pub(super) management: String,
    pub(super) management_tls: String,
}

/// A written ready file, removed when it goes out of scope.
pub(super) struct ReadyFile(PathBuf);

impl ReadyFile {
    pub(super) fn write(file: PathBuf, ready: &Ready<'_>) -> Result<Self, Failure> {
        let text =
            serde_json::to_string_pretty(ready).map_err(|error| Failure::internal(error.to_string()))?;
        data::write_private(&file, &(text + "\n")).map_err(|failure| Failure {
            message: format!("{}; choose another place with --ready-file", failure.message),
            ..failure
        })?;
        Ok(ReadyFile(file))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}
