//! Signatures of version 4: method, target, headers and body, each below the other. Whatever a caller writes is refused, since it
//! does not know the secret; and what the SDKs' own signer makes of the same request passes.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign},
    sign::v4::SigningParams,
};
use dunlin_gateway::{
    Credential,
    sigv4::{SignedRequest, Verifier},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use percent_encoding::percent_decode_str;

use super::parts;
use crate::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "signature",
    run,
    words: &[
        b"AWS4-HMAC-SHA256 ",
        b"Credential=AKID/20240724/eu-west-1/execute-api/aws4_request",
        b", SignedHeaders=host;x-amz-date",
        b", Signature=",
        b"authorization: ",
        b"x-amz-date: 20240724T074714Z",
        b"x-amz-security-token: ",
        b"host: localhost",
        b"host",
        b";",
        b",",
        b"=",
        b"/",
        b"X-Amz-Algorithm=AWS4-HMAC-SHA256",
        b"&X-Amz-Credential=AKID%2F20240724%2Feu-west-1%2Fexecute-api%2Faws4_request",
        b"&X-Amz-Signature=",
        b"&X-Amz-Expires=60",
        b"&X-Amz-Date=20240724T074714Z",
        b"&X-Amz-SignedHeaders=host",
        b"%",
        b"%2F",
        b"%zz",
        b"?",
        b"&",
        b"\n---\n",
        b"\n",
        b"+",
        b"~",
        b" ",
        b"  ",
        b"\xc3\xa4",
        b"20240724T074714Z",
        b"99991231T235959Z",
        b"-0011231T235959Z",
    ],
    input_bytes_max: 2_048,
};

const ID: &str = "AKID";
const SECRET: &str = "a secret that no input has";
const REGION: &str = "eu-west-1";

/// 2024-07-24, 07:47:14.
const NOW: Duration = Duration::from_secs(1_721_807_234);

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let lookup = |id: &str| {
        (id == ID).then(|| Credential { secret_access_key: SECRET.to_owned(), session_token: None })
    };
    Verifier::new("execute-api", REGION.to_owned(), Arc::new(lookup))
});

fn run(bytes: &[u8]) {
    let [method, target, lines, body] = parts::<4>(bytes);
    let mut headers = HeaderMap::new();
    for line in lines.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.trim())) {
            headers.append(name, value);
        }
    }
    let (path, query) =
        target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
    let request = SignedRequest { method: &method, path, query, headers: &headers, body: body.as_bytes() };
    let now = SystemTime::UNIX_EPOCH + NOW;
    let Err(denied) = VERIFIER.verify(&request, now) else { panic!("a signature that nobody made passes") };
    let told = denied.to_string();
    assert!(told.len() < 500 && !told.contains(SECRET) && !told.contains('\n'), "{told}");
    // The same with a signature of the right length that is in no way the right one.
    signed_by_reference(&method, &target, &headers, &body, now);
}

/// Signs as the SDKs do, if this is a request that can be sent.
fn signed_by_reference(method: &str, target: &str, given: &HeaderMap, body: &str, now: SystemTime) {
    // Signers differ in these: bytes that are no UTF-8 may be replaced, to some a plus sign is a space, and a tab in a header's value is one of several spaces.
    let has_tab = given.values().any(|value| value.as_bytes().contains(&b'\t'));
    let is_text = target.is_ascii() && percent_decode_str(target).decode_utf8().is_ok();
    if !is_text || target.contains('+') || has_tab {
        return;
    }
    // What would stand there twice, or makes the query a signature of its own.
    let is_free = |name: &HeaderName| {
        !matches!(name.as_str(), "host" | "authorization") && !name.as_str().starts_with("x-amz-")
    };
    let is_sendable = target.starts_with('/') && target.parse::<Uri>().is_ok_and(|uri| uri == *target);
    if !is_sendable || target.contains("X-Amz-") || http::Method::from_bytes(method.as_bytes()).is_err() {
        return;
    }
    let mut request = Request::builder().method(method).uri(target).header("host", "localhost:3001");
    for (name, value) in given.iter().filter(|(name, value)| is_free(name) && value.to_str().is_ok()) {
        request = request.header(name, value);
    }
    let Ok(mut request) = request.body(()) else { return };
    let headers: Vec<(String, String)> = (request.headers().iter())
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let identity = Credentials::new(ID, SECRET, None, None, "fuzz").into();
    // Of paths that are served nothing can be left out; the verifier takes all of them as they come.
    let mut settings = SigningSettings::default();
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let params = SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("execute-api")
        .time(now)
        .settings(settings)
        .build()
        .expect("all parameters are there");
    let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let signable = SignableRequest::new(method, target, pairs, SignableBody::Bytes(body.as_bytes()));
    let Ok(signed) = signable.and_then(|signable| sign(signable, &params.into())) else { return };
    signed.into_parts().0.apply_to_request_http1x(&mut request);
    let (path, query) = (request.uri().path(), request.uri().query());
    let received = SignedRequest { method, path, query, headers: request.headers(), body: body.as_bytes() };
    assert_eq!(VERIFIER.verify(&received, now), Ok(()), "{request:?}");
    let other = SignedRequest { body: b"another body than any input has", ..received };
    assert!(VERIFIER.verify(&other, now).is_err());
}
