use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use dunlin_lambda_host::{Authorize, FunctionConfig, HostConfig};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use crate::support::{Fixture, Gate, PATIENCE};

/// The Invoke API of a host with the probe.
struct Served {
    fixture: Fixture,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

struct Reply {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn check(&self, status: u16, error_type: &str, message: &str) {
        let body = self.json();
        let text = body["Message"].as_str().or(body["message"].as_str()).unwrap();
        let said = (self.status, self.headers["x-amzn-errortype"].as_str(), text);
        assert_eq!(said, (status, error_type, message));
    }
}

impl Served {
    async fn new(authorize: Option<Authorize>) -> Self {
        Self::with(authorize, |_, _| {}).await
    }

    async fn with(
        authorize: Option<Authorize>,
        change: impl FnOnce(&mut HostConfig, &mut FunctionConfig),
    ) -> Self {
        let fixture = Fixture::with(change);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let host = Arc::clone(&fixture.host);
        let task = tokio::spawn(async move {
            host.serve_invoke_api(listener, authorize, async { drop(stopped.await) }).await;
        });
        Self { fixture, address, stop: Some(stop), task }
    }

    async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: lambda\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut reply = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut reply)).await.unwrap().unwrap();
        let end = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&reply[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Reply { status, headers, body: reply[end + 4..].to_vec() }
    }

    async fn invoke(&self, function: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.call("POST", &format!("/2015-03-31/functions/{function}/invocations"), headers, body).await
    }
}

#[tokio::test]
async fn a_function_answers_over_http() {
    let served = Served::new(None).await;
    let reply = served.invoke("probe", &[], br#"{"n":1}"#).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["event"], json!({"n": 1}));
    assert_eq!(reply.headers["x-amz-executed-version"], "$LATEST");
    assert_eq!(reply.headers["x-amzn-requestid"].len(), 36);
    assert!(!reply.headers.contains_key("x-amz-function-error"));
    assert!(!reply.headers.contains_key("x-amz-log-result"));
    // An ARN, with its colons escaped as SDKs do, and no payload.
    let arn = "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aprobe";
    let reply = served.invoke(arn, &[], b"").await;
    assert_eq!((reply.status, reply.json()["event"].clone()), (200, json!({})));
    let path = "/2015-03-31/functions/probe/invocations?Qualifier=%24LATEST";
    assert_eq!(served.call("POST", path, &[], b"{}").await.status, 200);
    // The client's context is unpacked.
    let context = STANDARD.encode(r#"{"client":{}}"#);
    let reply = served.invoke("probe", &[("X-Amz-Client-Context", &context)], br#"{"do":"headers"}"#).await;
    assert_eq!(reply.json()["lambda-runtime-client-context"], r#"{"client":{}}"#);
}

#[tokio::test]
async fn a_function_error_is_still_a_200() {
    let served = Served::new(None).await;
    let reply = served.invoke("probe", &[("X-Amz-Log-Type", "Tail")], br#"{"do":"error"}"#).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["x-amz-function-error"], "Unhandled");
    assert_eq!(reply.json()["errorMessage"], "as asked");

    let event = br#"{"do":"print","lines":["hello"]}"#;
    let reply = served.invoke("probe", &[("X-Amz-Log-Type", "Tail")], event).await;
    let id = &reply.headers["x-amzn-requestid"];
    let log = String::from_utf8(STANDARD.decode(&reply.headers["x-amz-log-result"]).unwrap()).unwrap();
    let start = format!(
        "START RequestId: {id} Version: $LATEST\nhello\nto standard error\nEND RequestId: {id}\nREPORT RequestId: {id}\t"
    );
    assert!(log.starts_with(&start), "{log}");
    assert!(log.contains("Memory Size: 128 MB\tMax Memory Used: "), "{log}");
}

#[tokio::test]
async fn events_are_accepted_and_dry_runs_run_nothing() {
    let served = Served::new(None).await;
    let reply = served.invoke("probe", &[("X-Amz-Invocation-Type", "DryRun")], b"{}").await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert!(served.fixture.host.environments().is_empty());

    let gate = Gate::open().await;
    let event = json!({"do": "gate", "gate": gate.address()}).to_string();
    let reply = served.invoke("probe", &[("X-Amz-Invocation-Type", "Event")], event.as_bytes()).await;
    assert_eq!((reply.status, reply.body.len()), (202, 0));
    // It runs, though nobody waits for it.
    gate.visitor().await.let_pass("").await;
}

#[tokio::test]
async fn wrong_requests_are_told_what_is_wrong() {
    let served = Served::new(None).await;
    served.invoke("other", &[], b"{}").await.check(
        404,
        "ResourceNotFoundException",
        "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:other",
    );
    served.call("POST", "/2015-03-31/functions/probe/invocations?Qualifier=7", &[], b"{}").await.check(
        404,
        "ResourceNotFoundException",
        "Function not found: arn:aws:lambda:eu-west-1:123456789012:function:probe:7; functions have no versions or aliases \
         here, only $LATEST",
    );
    served.call("GET", "/2015-03-31/functions", &[], b"").await.check(
        404,
        "ResourceNotFoundException",
        "GET /2015-03-31/functions is not served here; invoke with POST /2015-03-31/functions/{name}/invocations",
    );
    served.invoke("probe", &[], b"{\"a\":}").await.check(
        400,
        "InvalidRequestContentException",
        "Could not parse request body into json: expected value at line 1 column 6",
    );
    served.invoke("probe", &[("X-Amz-Invocation-Type", "Later")], b"{}").await.check(
        400,
        "InvalidParameterValueException",
        "X-Amz-Invocation-Type is \"Later\"; it is RequestResponse, Event or DryRun",
    );
    served.invoke("probe", &[], &vec![b' '; 6_291_478]).await.check(
        413,
        "RequestTooLargeException",
        "6291478 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)",
    );
    let large = format!("\"{}\"", "x".repeat(1_048_576));
    served.invoke("probe", &[("X-Amz-Invocation-Type", "Event")], large.as_bytes()).await.check(
        413,
        "RequestTooLargeException",
        "1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
    );
    served.invoke("probe", &[("Origin", "http://localhost:3000")], b"{}").await.check(
        403,
        "AccessDeniedException",
        "web pages may not invoke functions",
    );
    assert!(served.fixture.host.environments().is_empty(), "none of these started a process");
}

#[tokio::test]
async fn a_throttled_invocation_is_told_in_the_services_words() {
    let served = Served::with(None, |_, function| function.reserved_concurrency = Some(0)).await;
    let reply = served.invoke("probe", &[], b"{}").await;
    reply.check(429, "TooManyRequestsException", "Rate Exceeded.");
    let body = json!({
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
        "Type": "User",
        "message": "Rate Exceeded.",
    });
    assert_eq!(reply.json(), body);
    // An event is taken all the same.
    assert_eq!(served.invoke("probe", &[("X-Amz-Invocation-Type", "Event")], b"{}").await.status, 202);
}

#[tokio::test]
async fn a_client_context_is_bounded_and_has_to_be_base64() {
    let served = Served::new(None).await;
    let context = STANDARD.encode("x".repeat(2_685));
    assert_eq!(context.len(), 3_580);
    let reply = served.invoke("probe", &[("X-Amz-Client-Context", &context)], br#"{"do":"headers"}"#).await;
    assert_eq!(reply.json()["lambda-runtime-client-context"].as_str().unwrap().len(), 2_685);
    let long = "x".repeat(3_584);
    served.invoke("probe", &[("X-Amz-Client-Context", &long)], b"{}").await.check(
        400,
        "InvalidParameterValueException",
        "X-Amz-Client-Context has 3584 bytes; at most 3583 are taken",
    );
    served.invoke("probe", &[("X-Amz-Client-Context", "?")], b"{}").await.check(
        400,
        "InvalidParameterValueException",
        "X-Amz-Client-Context is not base64 of one line of JSON",
    );
}

#[tokio::test]
async fn hostile_requests_get_an_answer_and_hurt_nobody() {
    let served = Served::new(None).await;
    let invocations = "/2015-03-31/functions/probe/invocations";
    let head = |path: &str, header: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: l\r\nConnection: close\r\n{header}\r\n\r\n").into_bytes()
    };
    let long_name = format!("/2015-03-31/functions/{}/invocations", "x".repeat(20_000));
    let mut binary_type = head(invocations, "Content-Length: 2\r\nX-Amz-Invocation-Type: *");
    let at = binary_type.iter().position(|&byte| byte == b'*').unwrap();
    binary_type[at] = 0xff;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut deep_body =
        head(invocations, &format!("Content-Length: {}\r\nX-Amz-Invocation-Type: DryRun", deep.len()));
    deep_body.extend_from_slice(deep.as_bytes());
    let mut twice = head(&format!("{invocations}?Qualifier=1&Qualifier=%24LATEST"), "Content-Length: 2");
    twice.extend_from_slice(b"{}");
    binary_type.extend_from_slice(b"{}");
    let requests: [(&[u8], &[&str]); 10] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", &["400"]),
        (b"POST\r\n\r\n", &["400"]),
        (&head("/2015-03-31/functions/../invocations", "Content-Length: 0"), &["404"]),
        (&head("/2015-03-31/functions/%00%ff%2e%2e/invocations", "Content-Length: 0"), &["404"]),
        (&head(&long_name, "Content-Length: 0"), &["404"]),
        (&head(invocations, "Content-Length: -1"), &["400"]),
        (&head(invocations, "Content-Length: 1\r\nContent-Length: 2"), &["400"]),
        (&binary_type, &["400"]),
        (&deep_body, &["204", "400"]),
        (&twice, &["404"]),
    ];
    for (request, expected) in requests {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut reply = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut reply)).await.unwrap().unwrap();
        let reply = String::from_utf8_lossy(&reply);
        let status = reply.split(' ').nth(1).unwrap_or_default();
        assert!(
            expected.contains(&status),
            "{:?}: {reply}",
            String::from_utf8_lossy(&request[..request.len().min(80)])
        );
    }
    // One that says more than it sends, and goes.
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(&head(invocations, "Content-Length: 100")).await.unwrap();
    drop(stream);
    assert!(served.fixture.host.environments().is_empty(), "none of these started a process");
    assert_eq!(served.invoke("probe", &[], b"{}").await.status, 200);
}

#[tokio::test]
async fn the_hook_decides_who_may_invoke() {
    let authorize: Authorize = Arc::new(|parts, body| {
        if parts.headers.contains_key("authorization") && body == b"{}" {
            Ok(())
        } else {
            Err((StatusCode::FORBIDDEN, "the signature does not match".to_owned()))
        }
    });
    let served = Served::new(Some(authorize)).await;
    let reply = served.invoke("probe", &[], b"{}").await;
    reply.check(403, "AccessDeniedException", "the signature does not match");
    assert_eq!(served.invoke("probe", &[("Authorization", "yes")], b"{}").await.status, 200);
}

#[tokio::test]
async fn the_server_stops_and_so_does_the_host() {
    let mut served = Served::new(None).await;
    assert_eq!(served.invoke("probe", &[], b"{}").await.status, 200);
    drop(served.stop.take());
    timeout(PATIENCE, &mut served.task).await.unwrap().unwrap();

    let mut served = Served::new(None).await;
    served.fixture.host.shutdown().await;
    timeout(PATIENCE, &mut served.task).await.unwrap().unwrap();
}
