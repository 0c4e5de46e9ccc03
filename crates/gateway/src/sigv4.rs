//! Verifies signed requests (C5, C6). `aws-sigv4` only signs, so the canonical form is built here, from the request as it was
//! received; key derivation and the HMAC are that crate's.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::HeaderMap;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::{OffsetDateTime, PrimitiveDateTime, format_description::FormatItem, macros::format_description};

use crate::{Credential, CredentialLookup};

/// Verifies against the credentials that a lookup knows.
pub struct Verifier {
    service: &'static str,
    region: String,
    credentials: Arc<dyn CredentialLookup>,
    keys: Mutex<HashMap<String, CachedKey>>,
}

/// A request as it was received.
pub struct SignedRequest<'a> {
    /// In capitals.
    pub method: &'a str,
    /// As sent, not decoded.
    pub path: &'a str,
    /// As sent, without the question mark.
    pub query: Option<&'a str>,
    /// All of them; the signature says which it covers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// The service of management calls in credential scopes.
pub(crate) const MANAGEMENT_SERVICE: &str = "execute-api";

/// How far a request's time may be from ours, the tolerance that AWS documents for signed requests.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5 * 60);

/// Signing keys kept: one per access key and day. Beyond, all are forgotten and derived again.
const KEYS_MAX: usize = 1_000;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Why a caller is refused. `Display` is what the caller reads.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// There is no signature.
    #[error("Missing Authentication Token")]
    Missing,
    /// What there is cannot be read as one.
    #[error("the Authorization header is not a signature of version 4: {0}")]
    Malformed(&'static str),
    /// It is for another day, region or service.
    #[error("the credential scope must be {expected}, and the request is signed for {given}")]
    Scope {
        /// The scope that would do.
        expected: String,
        /// The scope of the signature.
        given: String,
    },
    /// It is too old, or from the future.
    #[error(
        "the request is signed for {signed}, more than five minutes from now, {now}; set the clock of the caller"
    )]
    Skewed {
        /// The time of the signature.
        signed: String,
        /// Our time.
        now: String,
    },
    /// The access key is not one of ours, or its session token is missing or wrong.
    #[error("The security token included in the request is invalid.")]
    UnknownCredential,
    /// It was made with another secret, or something was changed on the way.
    #[error(
        "The request signature we calculated does not match the signature you provided. \
         Check your AWS Secret Access Key and signing method."
    )]
    Mismatch,
}

impl Denied {
    /// The code that SDKs see.
    pub fn error_type(&self) -> &'static str {
        match self {
            Denied::Missing => "MissingAuthenticationTokenException",
            _ => "ForbiddenException",
        }
    }
}

/// The time in `x-amz-date`.
const AMZ_DATE: &[FormatItem<'_>] = format_description!("[year][month][day]T[hour][minute][second]Z");

struct CachedKey {
    secret: String,
    date: String,
    key: Vec<u8>,
}

impl Verifier {
    /// Verifies requests to `service`, as credential scopes name it, in `region`.
    pub fn new(service: &'static str, region: String, credentials: Arc<dyn CredentialLookup>) -> Self {
        Verifier { service, region, credentials, keys: Mutex::default() }
    }

    /// Whether this request was signed, with a credential that we know, within five minutes of `now`.
    ///
    /// # Errors
    /// [`Denied`] says why it may not pass.
    pub fn verify(&self, request: &SignedRequest<'_>, now: SystemTime) -> Result<(), Denied> {
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let authorization = Authorization::parse(header("authorization").ok_or(Denied::Missing)?)?;
        let amz_date = header("x-amz-date").ok_or(Denied::Malformed("the header x-amz-date is missing"))?;
        let signed_at = PrimitiveDateTime::parse(amz_date, AMZ_DATE)
            .map_err(|_| Denied::Malformed("x-amz-date is not like 20240724T074714Z"))?
            .assume_utc();
        // Whatever is not signed could have been changed on the way.
        for name in ["host", "x-amz-date"] {
            if !authorization.signed_headers.split(';').any(|signed| signed == name) {
                return Err(Denied::Malformed("host and x-amz-date must be among the signed headers"));
            }
        }
        let expected_scope = format!("{}/{}/{}/aws4_request", &amz_date[..8], self.region, self.service);
        if authorization.scope != expected_scope {
            return Err(Denied::Scope { expected: expected_scope, given: authorization.scope.to_owned() });
        }
        let now = OffsetDateTime::from(now);
        if (now - signed_at).unsigned_abs() > CLOCK_SKEW_MAX {
            let now = now.format(AMZ_DATE).unwrap_or_default();
            return Err(Denied::Skewed { signed: amz_date.to_owned(), now });
        }
        let access_key_id = authorization.access_key_id;
        let credential = self.credentials.credential(access_key_id).ok_or(Denied::UnknownCredential)?;
        if let Some(expected) = &credential.session_token {
            let given = header("x-amz-security-token").unwrap_or_default();
            if !bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
                return Err(Denied::UnknownCredential);
            }
        }
        let canonical = hex(Sha256::digest(canonical_request(request, authorization.signed_headers)));
        let to_sign = format!("{ALGORITHM}\n{amz_date}\n{expected_scope}\n{canonical}");
        let key = self.signing_key(access_key_id, &credential, &amz_date[..8], signed_at);
        let expected = calculate_signature(key, to_sign.as_bytes());
        if bool::from(expected.as_bytes().ct_eq(authorization.signature.as_bytes())) {
            Ok(())
        } else {
            Err(Denied::Mismatch)
        }
    }

    /// The day's key of a credential. Deriving it is four of the five HMACs of a signature, so it is kept.
    fn signing_key(&self, id: &str, credential: &Credential, date: &str, time: OffsetDateTime) -> Vec<u8> {
        let secret = &credential.secret_access_key;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = keys.get(id).filter(|cached| cached.date == date && cached.secret == *secret) {
            return cached.key.clone();
        }
        let key = generate_signing_key(secret, time.into(), &self.region, self.service).as_ref().to_vec();
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        let cached = CachedKey { secret: secret.clone(), date: date.to_owned(), key: key.clone() };
        keys.insert(id.to_owned(), cached);
        key
    }
}

/// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
struct Authorization<'a> {
    access_key_id: &'a str,
    /// The rest of the credential: date, region, service and an end mark.
    scope: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Result<Self, Denied> {
        let parameters = header
            .strip_prefix(ALGORITHM)
            .filter(|rest| rest.starts_with(' '))
            .ok_or(Denied::Malformed("it does not begin with AWS4-HMAC-SHA256"))?;
        let parameter = |name: &str| {
            let value = |part: &'a str| part.trim().strip_prefix(name)?.strip_prefix('=');
            parameters.split(',').find_map(value).filter(|value| !value.is_empty())
        };
        let missing = || Denied::Malformed("Credential, SignedHeaders and Signature are expected");
        let credential = parameter("Credential").ok_or_else(missing)?;
        let (access_key_id, scope) = credential.split_once('/').ok_or_else(missing)?;
        Ok(Authorization {
            access_key_id,
            scope,
            signed_headers: parameter("SignedHeaders").ok_or_else(missing)?,
            signature: parameter("Signature").ok_or_else(missing)?,
        })
    }
}

/// The text whose hash is signed.
fn canonical_request(request: &SignedRequest<'_>, signed_headers: &str) -> String {
    let mut text = String::with_capacity(512);
    text.push_str(request.method);
    text.push('\n');
    // The path as sent, encoded once more (C6).
    encode(request.path.as_bytes(), true, &mut text);
    text.push('\n');
    text.push_str(&canonical_query(request.query.unwrap_or_default()));
    text.push('\n');
    for name in signed_headers.split(';') {
        text.push_str(name);
        text.push(':');
        let values = request.headers.get_all(name).iter();
        for (index, value) in values.map(|value| String::from_utf8_lossy(value.as_bytes())).enumerate() {
            if index > 0 {
                text.push(',');
            }
            for (index, word) in value.split_ascii_whitespace().enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                text.push_str(word);
            }
        }
        text.push('\n');
    }
    text.push('\n');
    text.push_str(signed_headers);
    text.push('\n');
    // What the caller claims about its body in a header counts for nothing: this is the body.
    text.push_str(&hex(Sha256::digest(request.body)));
    text
}

fn canonical_query(query: &str) -> String {
    let encoded = |part: &str| {
        let mut text = String::new();
        encode(&percent_decode_str(part).collect::<Vec<u8>>(), false, &mut text);
        text
    };
    let mut pairs: Vec<(String, String)> = (query.split('&').filter(|pair| !pair.is_empty()))
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Percent-encodes everything but unreserved characters, and slashes if asked.
fn encode(bytes: &[u8], keep_slashes: bool, text: &mut String) {
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if plain || (keep_slashes && byte == b'/') {
            text.push(char::from(byte));
        } else {
            push(text, format_args!("%{byte:02X}"));
        }
    }
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::with_capacity(64);
    for byte in bytes.as_ref() {
        push(&mut text, format_args!("{byte:02x}"));
    }
    text
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a String takes whatever is written to it");
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;
    use aws_sigv4::{
        http_request::{SignableBody, SignableRequest, SigningSettings, sign},
        sign::v4::SigningParams,
    };
    use http::Request;

    use super::*;

    const NOW: u64 = 1_721_807_234;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// How a caller signs. The signer is the one that the SDKs for Rust use; nothing of its canonical form is shared with ours.
    struct Caller {
        id: &'static str,
        secret: &'static str,
        token: Option<&'static str>,
        region: &'static str,
        time: u64,
    }

    const OPERATOR: Caller =
        Caller { id: "AKID", secret: "one", token: None, region: "eu-west-1", time: NOW };
    const FUNCTION: Caller = Caller { id: "ASIA", secret: "two", token: Some("t/+="), ..OPERATOR };

    impl Caller {
        fn sign(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request<()> {
            let mut request = Request::builder().method(method).uri(target);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let mut request = request.body(()).unwrap();
            let token = self.token.map(str::to_owned);
            let identity = Credentials::new(self.id, self.secret, token, None, "test").into();
            let params = SigningParams::builder()
                .identity(&identity)
                .region(self.region)
                .name(MANAGEMENT_SERVICE)
                .time(at(self.time))
                .settings(SigningSettings::default())
                .build()
                .unwrap()
                .into();
            let signable =
                SignableRequest::new(method, target, headers.iter().copied(), SignableBody::Bytes(body));
            let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
            instructions.apply_to_request_http1x(&mut request);
            request
        }
    }

    fn verify(request: &Request<()>, body: &[u8]) -> Result<(), Denied> {
        let credentials = |id: &str| match id {
            "AKID" => Some(Credential { secret_access_key: "one".to_owned(), session_token: None }),
            "ASIA" => Some(Credential {
                secret_access_key: "two".to_owned(),
                session_token: Some("t/+=".to_owned()),
            }),
            _ => None,
        };
        let verifier = Verifier::new(MANAGEMENT_SERVICE, "eu-west-1".to_owned(), Arc::new(credentials));
        let signed = SignedRequest {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: request.uri().query(),
            headers: request.headers(),
            body,
        };
        let first = verifier.verify(&signed, at(NOW));
        assert_eq!(verifier.verify(&signed, at(NOW)), first, "the same with a key from the cache");
        first
    }

    const HOST: (&str, &str) = ("host", "localhost:3001");

    #[test]
    fn signed_requests_pass() {
        for target in [
            "/dev/@connections/Zk3pQdXMDoECEeg%3D",
            "/dev/%40connections/Zk3pQdXMDoECEeg%3D",
            "/dev/@connections/Zk3pQdXMDoECEeg=",
            "/dev/x?b=2&a=1&a=%2F%20c&flag&e=",
        ] {
            for caller in [OPERATOR, FUNCTION] {
                let request = caller.sign("POST", target, &[HOST], b"body");
                assert_eq!(verify(&request, b"body"), Ok(()), "{target}");
            }
        }
        let headers = [
            HOST,
            ("content-type", "application/octet-stream"),
            ("x-amz-meta", "  two   words "),
            ("content-length", "0"),
        ];
        assert_eq!(verify(&OPERATOR.sign("GET", "/dev/x", &headers, b""), b""), Ok(()));
    }

    #[test]
    fn whatever_was_changed_is_noticed() {
        let sign =
            || OPERATOR.sign("POST", "/dev/@connections/abc%3D?a=1", &[HOST, ("x-amz-meta", "v")], b"body");
        assert_eq!(verify(&sign(), b"body"), Ok(()));
        assert_eq!(verify(&sign(), b"Body"), Err(Denied::Mismatch));
        let mut request = sign();
        *request.method_mut() = http::Method::DELETE;
        assert_eq!(verify(&request, b"body"), Err(Denied::Mismatch));
        for target in
            ["/dev/@connections/abd%3D?a=1", "/dev/@connections/abc%3D?a=2", "/dev/%40connections/abc%3D?a=1"]
        {
            let mut request = sign();
            *request.uri_mut() = target.parse().unwrap();
            assert_eq!(verify(&request, b"body"), Err(Denied::Mismatch), "{target}");
        }
        for name in ["host", "x-amz-meta"] {
            let mut request = sign();
            request.headers_mut().insert(name, "other".parse().unwrap());
            assert_eq!(verify(&request, b"body"), Err(Denied::Mismatch), "{name}");
        }
        let wrong = Caller { secret: "guess", ..OPERATOR }.sign("GET", "/x", &[HOST], b"");
        assert_eq!(verify(&wrong, b""), Err(Denied::Mismatch));
    }

    #[test]
    fn credentials_must_be_ours_and_whole() {
        let denied = |caller: Caller| verify(&caller.sign("GET", "/x", &[HOST], b""), b"").unwrap_err();
        assert_eq!(denied(Caller { id: "AKIX", ..OPERATOR }), Denied::UnknownCredential);
        assert_eq!(denied(Caller { token: None, ..FUNCTION }), Denied::UnknownCredential);
        assert_eq!(denied(Caller { token: Some("other"), ..FUNCTION }), Denied::UnknownCredential);
        let scope = denied(Caller { region: "us-east-1", ..OPERATOR });
        assert!(scope.to_string().contains("must be 20240724/eu-west-1/execute-api/aws4_request"), "{scope}");
    }

    #[test]
    fn the_clock_may_differ_by_five_minutes() {
        for (time, expected) in [(NOW - 300, true), (NOW + 300, true), (NOW - 301, false), (NOW + 301, false)]
        {
            let request = Caller { time, ..OPERATOR }.sign("GET", "/x", &[HOST], b"");
            let result = verify(&request, b"");
            assert_eq!(result.is_ok(), expected, "{time}");
            if let Err(error) = result {
                assert!(matches!(error, Denied::Skewed { .. }), "{error}");
            }
        }
    }

    #[test]
    fn half_signatures_are_named() {
        let header = |request: &mut Request<()>, name: &'static str, value: &str| {
            request.headers_mut().insert(name, value.parse().unwrap());
        };
        let sign = || OPERATOR.sign("GET", "/x", &[HOST], b"");
        let mut request = sign();
        request.headers_mut().remove("authorization");
        assert_eq!(verify(&request, b""), Err(Denied::Missing));
        for authorization in [
            "Basic x",
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=c",
            "AWS4-HMAC-SHA256 Credential=a/b, Signature=c",
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=x-amz-date, Signature=c",
        ] {
            let mut request = sign();
            header(&mut request, "authorization", authorization);
            assert!(matches!(verify(&request, b""), Err(Denied::Malformed(_))), "{authorization}");
        }
        for date in ["", "20240724", "2024-07-24T07:47:14Z", "99999999T999999Z", "äääääääää"] {
            let mut request = sign();
            request
                .headers_mut()
                .insert("x-amz-date", http::HeaderValue::from_bytes(date.as_bytes()).unwrap());
            assert!(matches!(verify(&request, b""), Err(Denied::Malformed(_))), "{date}");
        }
        let mut request = sign();
        request.headers_mut().remove("x-amz-date");
        assert!(matches!(verify(&request, b""), Err(Denied::Malformed(_))));
    }
}
