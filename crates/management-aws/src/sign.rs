//! Signature version 4 for requests without a query (fact C5).
//!
//! A general signer derives a key from the secret for every request, with four keyed hashes. The key only
//! depends on the day, so it is kept here, and a signature costs one.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::FormatItem;
use time::macros::format_description;

const SERVICE: &str = "execute-api";
const DATE_TIME: &[FormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");
const DATE_CHARS: usize = "20260131".len();
const KEY_BYTES: usize = 32;

/// Signs for one region with one set of credentials; others have a signer of their own, and so a key of their own.
pub(crate) struct Signer {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<HeaderValue>,
    region: String,
    /// The key of a day, as `YYYYMMDD`.
    day_key: Mutex<Option<(String, [u8; KEY_BYTES])>>,
}

/// The headers that make a request a signed one.
pub(crate) struct Signed {
    pub(crate) date: HeaderValue,
    pub(crate) authorization: HeaderValue,
    pub(crate) session_token: Option<HeaderValue>,
}

impl Signer {
    /// # Errors
    /// If the access key id or the session token cannot be a header's value.
    pub(crate) fn new(credentials: &Credentials, region: String) -> Result<Self, InvalidHeaderValue> {
        let sensitive = |token: &str| {
            let mut value = HeaderValue::from_str(token)?;
            value.set_sensitive(true);
            Ok(value)
        };
        HeaderValue::from_str(credentials.access_key_id())?;
        Ok(Self {
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: credentials.secret_access_key().to_owned(),
            session_token: credentials.session_token().map(sensitive).transpose()?,
            region,
            day_key: Mutex::new(None),
        })
    }

    #[cfg(test)]
    pub(crate) fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// Signs a request. `path` is encoded for the signature; `time` is the wall clock.
    ///
    /// # Errors
    /// If the region cannot be part of a header's value.
    pub(crate) fn sign(
        &self,
        method: &str,
        path: &str,
        host: &HeaderValue,
        body: &[u8],
        time: SystemTime,
    ) -> Result<Signed, InvalidHeaderValue> {
        let date_time = OffsetDateTime::from(time).format(DATE_TIME).unwrap_or_default();
        let day = date_time.get(..DATE_CHARS).unwrap_or_default();
        let region = &self.region;

        // Headers in the order of their names, then their names, then the hash of the body.
        let mut canonical = Vec::with_capacity(512);
        for part in [method, "\n", path, "\n\nhost:"] {
            canonical.extend_from_slice(part.as_bytes());
        }
        canonical.extend_from_slice(host.as_bytes());
        canonical.extend_from_slice(b"\nx-amz-date:");
        canonical.extend_from_slice(date_time.as_bytes());
        let names = match &self.session_token {
            Some(token) => {
                canonical.extend_from_slice(b"\nx-amz-security-token:");
                canonical.extend_from_slice(token.as_bytes());
                "host;x-amz-date;x-amz-security-token"
            }
            None => "host;x-amz-date",
        };
        for part in ["\n\n", names, "\n", &sha256_hex(body)] {
            canonical.extend_from_slice(part.as_bytes());
        }

        let scope = format!("{day}/{region}/{SERVICE}/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{date_time}\n{scope}\n{}", sha256_hex(&canonical));
        let signature = calculate_signature(self.key_of(day, time), to_sign.as_bytes());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key_id
        );
        Ok(Signed {
            date: HeaderValue::from_str(&date_time)?,
            authorization: HeaderValue::from_str(&authorization)?,
            session_token: self.session_token.clone(),
        })
    }

    fn key_of(&self, day: &str, time: SystemTime) -> [u8; KEY_BYTES] {
        let mut kept = self.day_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((kept_day, key)) = &*kept
            && kept_day == day
        {
            return *key;
        }
        let derived = generate_signing_key(&self.secret_access_key, time, &self.region, SERVICE);
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(derived.as_ref());
        *kept = Some((day.to_owned(), key));
        key
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * KEY_BYTES);
    for byte in Sha256::digest(bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4;

    use super::*;
    use crate::endpoint::canonical_path;

    /// The general signer's answer for the same request.
    fn reference(
        credentials: &Credentials,
        method: &str,
        path: &str,
        body: &[u8],
        time: SystemTime,
    ) -> String {
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name("execute-api")
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let request = SignableRequest::new(
            method,
            format!("http://localhost:3001{path}"),
            [("host", "localhost:3001")].into_iter(),
            SignableBody::Bytes(body),
        )
        .unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        let (_, value) = instructions.headers().find(|(name, _)| *name == "authorization").unwrap();
        value.to_owned()
    }

    #[test]
    fn agrees_with_the_general_signer_on_every_day() {
        let host = HeaderValue::from_static("localhost:3001");
        for token in [None, Some("FwoGZXIvYXdzEXAMPLE//token==".to_owned())] {
            let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", token, None, "test");
            let signer = Signer::new(&credentials, "eu-west-1".to_owned()).unwrap();
            // The day changes and changes back, so that the kept key is used, replaced and replaced again.
            for (n, seconds) in
                [1_760_000_000, 1_760_000_001, 1_760_090_000, 1_760_000_000].into_iter().enumerate()
            {
                let time = UNIX_EPOCH + Duration::from_secs(seconds);
                let (method, path) =
                    [("POST", "/dev/@connections/L0SM9cOFvHcCIhw%3D"), ("GET", "/a/b~c/d")][n % 2];
                let body = &b"{\"type\":\"hello\"}"[..n * 5];
                let signed = signer.sign(method, &canonical_path(path), &host, body, time).unwrap();
                assert_eq!(
                    signed.authorization.to_str().unwrap(),
                    reference(&credentials, method, path, body, time),
                    "{method} {path} at {seconds}"
                );
            }
        }
    }

    #[test]
    fn each_region_has_a_key_of_its_own() {
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", None, None, "test");
        let host = HeaderValue::from_static("localhost:3001");
        let signature = |region: &str| {
            let signer = Signer::new(&credentials, region.to_owned()).unwrap();
            let signed = signer.sign("GET", "/dev", &host, b"", UNIX_EPOCH).unwrap();
            let text = signed.authorization.to_str().unwrap().to_owned();
            assert!(text.contains(&format!("/{region}/execute-api/")), "{text}");
            text.rsplit('=').next().unwrap().to_owned()
        };
        assert_eq!(signature("eu-west-1"), signature("eu-west-1"));
        assert_ne!(signature("eu-west-1"), signature("us-east-1"));
    }

    #[test]
    fn what_cannot_be_a_header_is_refused() {
        for (key, token) in [("AKID", Some("a\nb".to_owned())), ("AK\nID", None)] {
            let credentials = Credentials::new(key, "secret", token, None, "test");
            assert!(Signer::new(&credentials, "eu-west-1".to_owned()).is_err());
        }
    }
}
