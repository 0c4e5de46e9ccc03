use std::{
    fmt,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4::SigningParams,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Unmet, fails};

/// The name that signatures of both the management API and of `$connect` carry (C5, A9).
const SERVICE: &str = "execute-api";

/// How long a presigned URL is good for: ours.
const PRESIGNED_FOR: Duration = Duration::from_secs(60);

/// What calls are signed with.
#[derive(Clone)]
pub struct Keys {
    credentials: Credentials,
    region: String,
    /// The gateway's clock, as far ahead of this machine's.
    ahead: Duration,
}

impl Keys {
    /// Keys of one region.
    pub fn new(id: &str, secret: &str, token: Option<String>, region: &str) -> Self {
        let credentials = Credentials::new(id, secret, token, None, "conformance");
        Keys { credentials, region: region.to_owned(), ahead: Duration::ZERO }
    }

    /// The same with a clock that is so far ahead.
    #[must_use]
    pub fn ahead(self, ahead: Duration) -> Self {
        Keys { ahead, ..self }
    }

    /// The same id with a secret that is not its own.
    #[must_use]
    pub fn forged(&self) -> Self {
        let id = self.credentials.access_key_id();
        let token = self.credentials.session_token().map(str::to_owned);
        Keys {
            credentials: Credentials::new(id, "not the secret", token, None, "conformance"),
            ..self.clone()
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("region", &self.region).finish_non_exhaustive()
    }
}

/// The headers that sign a request with this URL and body.
///
/// # Errors
/// The request cannot be signed.
pub fn sign_headers(
    keys: &Keys,
    method: &str,
    url: &str,
    host: &str,
    body: &[u8],
) -> Result<Vec<(String, String)>, Unmet> {
    let headers = [("host", host)];
    let instructions = instructions(keys, method, url, &headers, body, SigningSettings::default())?;
    let (headers, _) = instructions.into_parts();
    Ok(headers.into_iter().map(|header| (header.name().to_owned(), header.value().to_owned())).collect())
}

/// The query, without its question mark, that signs a GET of this URL.
///
/// # Errors
/// The request cannot be signed.
pub fn presign(keys: &Keys, url: &str, host: &str) -> Result<String, Unmet> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(PRESIGNED_FOR);
    let headers = [("host", host)];
    let (_, parameters) = instructions(keys, "GET", url, &headers, b"", settings)?.into_parts();
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let pairs = parameters.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

fn instructions(
    keys: &Keys,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    settings: SigningSettings,
) -> Result<aws_sigv4::http_request::SigningInstructions, Unmet> {
    let identity = keys.credentials.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&keys.region)
        .name(SERVICE)
        .time(SystemTime::now() + keys.ahead)
        .settings(settings)
        .build();
    let request = SignableRequest::new(method, url, headers.iter().copied(), SignableBody::Bytes(body));
    let signed = match (params, request) {
        (Ok(params), Ok(request)) => sign(request, &params.into()).map_err(|error| error.to_string()),
        (Err(error), _) => Err(error.to_string()),
        (_, Err(error)) => Err(error.to_string()),
    };
    match signed {
        Ok(signed) => Ok(signed.into_parts().0),
        Err(problem) => fails("a request that can be signed", problem),
    }
}
