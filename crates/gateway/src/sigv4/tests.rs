use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
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

const OPERATOR: Caller = Caller { id: "AKID", secret: "one", token: None, region: "eu-west-1", time: NOW };
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
        "ASIA" => {
            Some(Credential { secret_access_key: "two".to_owned(), session_token: Some("t/+=".to_owned()) })
        }
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
    for (time, expected) in [(NOW - 300, true), (NOW + 300, true), (NOW - 301, false), (NOW + 301, false)] {
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
        request.headers_mut().insert("x-amz-date", http::HeaderValue::from_bytes(date.as_bytes()).unwrap());
        assert!(matches!(verify(&request, b""), Err(Denied::Malformed(_))), "{date}");
    }
    let mut request = sign();
    request.headers_mut().remove("x-amz-date");
    assert!(matches!(verify(&request, b""), Err(Denied::Malformed(_))));
}

#[test]
fn nothing_may_stand_twice() {
    for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
        let mut request = FUNCTION.sign("GET", "/x", &[HOST], b"");
        let value = request.headers()[name].clone();
        request.headers_mut().append(name, value);
        assert!(matches!(verify(&request, b""), Err(Denied::Malformed(_))), "{name}");
    }
    let mut request = OPERATOR.sign("GET", "/x", &[HOST], b"");
    let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
    let signature = authorization.rsplit_once("Signature=").unwrap().1;
    let twice = format!("{authorization}, Signature={signature}");
    request.headers_mut().insert("authorization", twice.parse().unwrap());
    assert!(matches!(verify(&request, b""), Err(Denied::Malformed(_))));
}

/// What is told and logged is short and of one line.
#[test]
fn a_scope_cannot_carry_anything() {
    let query = presigned(&OPERATOR, "/dev", 60).uri().query().unwrap().to_owned();
    for part in ["x%0aforged%20line", &"x".repeat(5_000), "%1b[31m", "%C3%A4"] {
        let query = query.replace("eu-west-1", part);
        let url = format!("http://localhost:3001/dev?{query}");
        let request = Request::builder().uri(url).header(HOST.0, HOST.1).body(()).unwrap();
        assert!(matches!(verify(&request, b""), Err(Denied::Malformed(_))), "{part}");
    }
}

/// How a browser gets a signature: in the query, for a while (A9).
fn presigned(caller: &Caller, target: &str, expires: u64) -> Request<()> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(expires));
    let token = caller.token.map(str::to_owned);
    let identity = Credentials::new(caller.id, caller.secret, token, None, "test").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(caller.region)
        .name(MANAGEMENT_SERVICE)
        .time(at(caller.time))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let url = format!("http://localhost:3001{target}");
    let signable = SignableRequest::new("GET", &url, [HOST].into_iter(), SignableBody::Bytes(b""));
    let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
    let mut request = Request::builder().uri(&url).header(HOST.0, HOST.1).body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    request
}

#[test]
fn presigned_queries_pass_for_as_long_as_they_say() {
    for target in ["/dev", "/dev?token=a%20b&x="] {
        for caller in [OPERATOR, FUNCTION] {
            assert_eq!(verify(&presigned(&caller, target, 60), b""), Ok(()), "{target}");
        }
    }
    for (time, expires, passes) in [
        (NOW - 3_600, 3_600, true),
        (NOW - 3_601, 3_600, false),
        (NOW + 300, 60, true),
        (NOW + 301, 60, false),
    ] {
        let verified = verify(&presigned(&Caller { time, ..OPERATOR }, "/dev", expires), b"");
        assert_eq!(verified.is_ok(), passes, "{verified:?}");
    }
}

#[test]
fn presigned_queries_cover_what_they_name() {
    let query = presigned(&OPERATOR, "/dev?token=a", 60).uri().query().unwrap().to_owned();
    let denied = |query: &str| {
        let url = format!("http://localhost:3001/dev?{query}");
        verify(&Request::builder().uri(url).header(HOST.0, HOST.1).body(()).unwrap(), b"").unwrap_err()
    };
    assert_eq!(denied(&query.replace("token=a", "token=b")), Denied::Mismatch);
    assert_eq!(denied(&format!("{query}&more=1")), Denied::Mismatch);
    assert_eq!(denied("token=a"), Denied::Missing);
    for (from, to) in [
        ("AWS4-HMAC-SHA256", "AWS4"),
        ("X-Amz-Expires=60", "X-Amz-Expires=604801"),
        ("X-Amz-Expires=60", "X-Amz-Expires=x"),
        ("X-Amz-Expires=60", "X-Amz-Expires=60&X-Amz-Expires=60"),
        ("X-Amz-Date", "X-Date"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=other"),
    ] {
        assert!(query.contains(from), "{query}");
        assert!(matches!(denied(&query.replace(from, to)), Denied::Malformed(_)), "{to}");
    }
}
