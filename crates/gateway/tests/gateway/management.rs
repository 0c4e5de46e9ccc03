//! Section 6: `@connections`, signed and unsigned.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use bytes::Bytes;
use dunlin_gateway::{Post, PostError};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{io::AsyncWriteExt, sync::Semaphore};

use crate::harness::{Act, REGION, Stack, api, config, read_head, route, soon, two_way, upgrade_lines};

/// One keep-alive connection to the management API.
pub(crate) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    credentials: Credentials,
    time: SystemTime,
}

impl Caller {
    pub(crate) async fn new(stack: &Stack) -> Self {
        let (sender, connection) = soon(handshake(TokioIo::new(stack.tcp().await))).await.unwrap();
        tokio::spawn(connection);
        let credentials = Credentials::new("AKIDOPERATOR", "operator-secret", None, None, "test");
        Caller { sender, host: stack.host(), credentials, time: SystemTime::now() }
    }

    /// The same under another name.
    pub(crate) fn under(self, host: &str) -> Self {
        Caller { host: host.to_owned(), ..self }
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> (StatusCode, HeaderMap, String) {
        soon(self.sender.ready()).await.unwrap();
        let response = soon(self.sender.send_request(request)).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = soon(body.collect()).await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.into()).unwrap())
    }

    pub(crate) fn unsigned(
        &self,
        method: &str,
        target: &str,
        body: impl Into<Bytes>,
    ) -> Request<Full<Bytes>> {
        Request::builder()
            .method(method)
            .uri(target)
            .header("host", &self.host)
            .body(Full::new(body.into()))
            .unwrap()
    }

    /// A request signed as the SDK for Rust signs it.
    pub(crate) fn signed(&self, method: &str, target: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        let body = body.into();
        let mut request = self.unsigned(method, target, body.clone());
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("execute-api")
            .time(self.time)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let headers = [("host", self.host.as_str())];
        let signable =
            SignableRequest::new(method, target, headers.into_iter(), SignableBody::Bytes(&body)).unwrap();
        sign(signable, &params).unwrap().into_parts().0.apply_to_request_http1x(&mut request);
        request
    }

    pub(crate) async fn call(
        &mut self,
        method: &str,
        target: &str,
        body: impl Into<Bytes>,
    ) -> (StatusCode, HeaderMap, String) {
        let request = self.signed(method, target, body);
        self.send(request).await
    }
}

fn path(id: &str) -> String {
    format!("/dev/@connections/{}", id.replace('=', "%3D"))
}

fn error_type(headers: &HeaderMap) -> &str {
    headers.get("x-amzn-errortype").map_or("", |value| value.to_str().unwrap())
}

async fn start() -> Stack {
    Stack::start(vec![route("$connect"), route("$disconnect"), two_way("$default")]).await
}

#[tokio::test]
async fn a_post_becomes_a_text_frame() {
    let stack = start().await;
    let (mut client, id) = stack.connect_with_id().await;
    let mut caller = Caller::new(&stack).await;
    for text in ["{\"type\":\"x\"}", "", "grüße", " as it is\n"] {
        let (status, headers, body) = caller.call("POST", &path(&id), text.to_owned()).await;
        assert_eq!((status.as_u16(), body.as_str()), (200, ""));
        assert!(headers.contains_key("x-amzn-requestid"));
        assert_eq!(client.text().await, text);
    }
    // C6: any mixture of the forms, with a signature over the path as it is sent.
    let bare = id.replace("%3D", "=");
    for target in [
        format!("/dev/%40connections/{}", id.replace('=', "%3D")),
        format!("/dev/%40connections/{bare}"),
        format!("/dev/@connections/{bare}"),
        format!("/dev/@connections/{}", id.replace('=', "%3d")),
    ] {
        let (status, ..) = caller.call("POST", &target, "x").await;
        assert_eq!(status, 200, "{target}");
        assert_eq!(client.text().await, "x");
    }
}

#[tokio::test]
async fn long_posts_arrive_whole_and_longer_ones_not() {
    let stack = start().await;
    let (mut client, id) = stack.connect_with_id().await;
    let mut caller = Caller::new(&stack).await;
    let text = "0123456789abcdef".repeat(8 * 1024);
    let (status, ..) = caller.call("POST", &path(&id), text.clone()).await;
    assert_eq!(status, 200);
    assert_eq!(client.text().await, text);
    let (status, headers, _) = caller.call("POST", &path(&id), format!("{text}x")).await;
    assert_eq!((status.as_u16(), error_type(&headers)), (413, "PayloadTooLargeException"));
    // The rest of the body was read, so that the same connection goes on.
    let (status, headers, _) = caller.call("POST", &path(&id), vec![b'x'; 5_000_000]).await;
    assert_eq!((status.as_u16(), error_type(&headers)), (413, "PayloadTooLargeException"));
    // U11.
    let (status, headers, body) = caller.call("POST", &path(&id), vec![b'a', 0xff]).await;
    assert_eq!((status.as_u16(), error_type(&headers)), (400, "BadRequestException"));
    assert!(body.contains("UTF-8"), "{body}");
    let (status, ..) = caller.call("POST", &path(&id), "after").await;
    assert_eq!(status, 200);
    assert_eq!(client.text().await, "after");
}

#[tokio::test]
async fn get_describes_the_connection() {
    let stack = start().await;
    let mut client = stack.connect_to("/dev", &[("user-agent", "example-client/1.0")]).await;
    let connect = stack.script.json("connect").await;
    let id = connect["requestContext"]["connectionId"].as_str().unwrap();
    let mut caller = Caller::new(&stack).await;
    let (status, headers, before) = caller.call("GET", &path(id), "").await;
    assert_eq!((status.as_u16(), headers["content-type"].to_str().unwrap()), (200, "application/json"));
    let before: Value = serde_json::from_str(&before).unwrap();
    assert_eq!(
        before["identity"],
        serde_json::json!({"sourceIp": "127.0.0.1", "userAgent": "example-client/1.0"})
    );
    let connected_at = before["connectedAt"].as_str().unwrap();
    assert_eq!(connected_at.len(), "2024-07-24T07:47:14.120Z".len(), "{connected_at}");
    let millis = connect["requestContext"]["connectedAt"].as_u64().unwrap() % 1000;
    assert!(connected_at.ends_with(&format!(".{millis:03}Z")), "{connected_at}");
    stack.script.on("default", Act::Echo);
    client.send("activity").await;
    client.text().await;
    let (_, _, after) = caller.call("GET", &path(id), "").await;
    let after: Value = serde_json::from_str(&after).unwrap();
    assert_eq!(after["connectedAt"], before["connectedAt"]);
    assert!(after["lastActiveAt"].as_str() >= before["lastActiveAt"].as_str());
}

#[tokio::test]
async fn delete_closes_and_is_final() {
    let stack = start().await;
    let (mut client, id) = stack.connect_with_id().await;
    let mut caller = Caller::new(&stack).await;
    let (status, ..) = caller.call("POST", &path(&id), "last words").await;
    assert_eq!(status, 200);
    let (status, _, body) = caller.call("DELETE", &path(&id), "").await;
    assert_eq!((status.as_u16(), body.as_str()), (204, ""));
    // C12, U16.
    for method in ["DELETE", "POST", "GET"] {
        let (status, headers, body) = caller.call(method, &path(&id), "").await;
        assert_eq!(
            (status.as_u16(), error_type(&headers), body.as_str()),
            (410, "GoneException", ""),
            "{method}"
        );
    }
    // What was accepted before still arrives.
    assert_eq!(client.text().await, "last words");
    // U9.
    assert_eq!(client.closed().await, (1000, "Connection Closed Normally".to_owned()));
    let event = stack.script.json("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1000);
    assert_eq!(event["requestContext"]["disconnectReason"], "Connection Closed Normally");
}

#[tokio::test]
async fn only_connections_of_that_api_and_stage_are_found() {
    let apis = vec![api("first", vec![route("$connect")]), api("second", vec![])];
    let stack = Stack::start_with(config(), apis).await;
    let (_client, id) = stack.connect_with_id().await;
    let mut caller = Caller::new(&stack).await;
    let check = async |caller: &mut Caller, target: &str, expected: (u16, &str, &str)| {
        let (status, headers, body) = caller.call("GET", target, "").await;
        assert_eq!((status.as_u16(), error_type(&headers), body.as_str()), expected, "{target}");
    };
    let forbidden = (403, "", "{\"message\":\"Forbidden\"}");
    let gone = (410, "GoneException", "");
    assert_eq!(caller.call("GET", &path(&id), "").await.0, 200);
    // A stage that exists and one that does not; wrong paths (C3).
    check(&mut caller, &path(&id).replace("/dev/", "/prod/"), gone).await;
    check(&mut caller, &path(&id).replace("/dev/", "/test/"), forbidden).await;
    for target in
        ["/", "/dev", "/dev/@connections", "/dev/@connections/", "/dev/connections/x", "/@connections/x"]
    {
        check(&mut caller, target, forbidden).await;
    }
    for more in ["more", "", "%ff"] {
        check(&mut caller, &format!("{}/{more}", path(&id)), forbidden).await;
    }
    // Ids: of the right form but never there; of another form.
    check(&mut caller, &path("Zk3pQdXMDoECEeg="), gone).await;
    for bad in ["abc", "Zk3pQdXMDoECEeg", "Zk3pQdXMDoECEegA", "..%2F..%2Fetc"] {
        let (status, headers, body) = caller.call("GET", &format!("/dev/@connections/{bad}"), "").await;
        assert_eq!((status.as_u16(), error_type(&headers)), (400, "BadRequestException"), "{bad}");
        let shown = bad.replace("%2F", "/");
        assert_eq!(body, format!("{{\"message\":\"Invalid connectionId: {shown}\"}}"));
    }
    // A method that does not exist here.
    let (status, ..) = caller.call("PUT", &path(&id), "").await;
    assert_eq!(status, 403);
    // The other API, by its host.
    caller.host = "second.execute-api.eu-west-1.amazonaws.com".to_owned();
    // C14.
    check(&mut caller, &path(&id), forbidden).await;
    check(&mut caller, &path("Zk3pQdXMDoECEeg="), gone).await;
    caller.host = "rebound.example".to_owned();
    check(&mut caller, &path(&id), forbidden).await;
}

#[tokio::test]
async fn callers_must_sign() {
    let stack = start().await;
    let (_client, id) = stack.connect_with_id().await;
    let mut caller = Caller::new(&stack).await;
    for method in ["GET", "POST", "DELETE"] {
        let request = caller.unsigned(method, &path(&id), "");
        let (status, headers, body) = caller.send(request).await;
        assert_eq!(status, 403);
        assert_eq!(error_type(&headers), "MissingAuthenticationTokenException");
        assert_eq!(body, "{\"message\":\"Missing Authentication Token\"}");
    }
    // Nothing is told about connections either.
    let request = caller.unsigned("GET", "/dev/@connections/abc", "");
    assert_eq!(caller.send(request).await.0, 403);

    let denied = async |caller: &mut Caller, expected: &str| {
        let (status, headers, body) = caller.call("POST", &path(&id), "x").await;
        assert_eq!((status.as_u16(), error_type(&headers)), (403, "ForbiddenException"), "{body}");
        assert!(body.contains(expected), "{body}");
    };
    let credentials = |id: &str, secret: &str, token: Option<&str>| {
        Credentials::new(id, secret, token.map(str::to_owned), None, "test")
    };
    caller.credentials = credentials("AKIDOPERATOR", "wrong", None);
    denied(&mut caller, "signature").await;
    caller.credentials = credentials("AKIDNOBODY", "operator-secret", None);
    denied(&mut caller, "token").await;
    caller.credentials = credentials("ASIAFUNCTION", "function-secret", None);
    denied(&mut caller, "token").await;
    caller.credentials = credentials("ASIAFUNCTION", "function-secret", Some("another"));
    denied(&mut caller, "token").await;
    caller.credentials = credentials("ASIAFUNCTION", "function-secret", Some("function-token"));
    assert_eq!(caller.call("POST", &path(&id), "x").await.0, 200);
    caller.time = SystemTime::now() - Duration::from_secs(600);
    denied(&mut caller, "clock").await;

    // A body that was changed on the way.
    caller.time = SystemTime::now();
    let mut request = caller.signed("POST", &path(&id), "x");
    *request.body_mut() = Full::from("y");
    assert_eq!(caller.send(request).await.0, 403);
}

#[tokio::test]
async fn the_clock_of_the_configuration_counts() {
    let mut config = config();
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_721_807_234);
    config.clock = Arc::new(move || then);
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![route("$connect")])]).await;
    let (_client, id) = stack.connect_with_id().await;
    let mut caller = Caller::new(&stack).await;
    assert_eq!(caller.call("GET", &path(&id), "").await.0, 403);
    caller.time = then;
    let (status, headers, body) = caller.call("GET", &path(&id), "").await;
    assert_eq!(status, 200);
    assert_eq!(headers["date"], "Wed, 24 Jul 2024 07:47:14 GMT");
    assert!(body.starts_with(r#"{"connectedAt":"2024-07-24T07:47:14.000Z","#), "{body}");
}

#[tokio::test]
async fn during_connect_there_is_no_connection() {
    // C8, U23.
    let stack = start().await;
    let gate = Arc::new(Semaphore::new(0));
    stack.script.on("connect", Act::Gate(Arc::clone(&gate)));
    let mut stream = stack.tcp().await;
    let lines = upgrade_lines(&stack.host());
    stream.write_all(format!("GET /dev HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
    let event = stack.script.json("connect").await;
    let id = event["requestContext"]["connectionId"].as_str().unwrap();
    let mut caller = Caller::new(&stack).await;
    assert_eq!(caller.call("POST", &path(id), "too early").await.0, 410);
    gate.add_permits(1);
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 101"));
    assert_eq!(caller.call("POST", &path(id), "in time").await.0, 200);
}

#[tokio::test]
async fn a_slow_reader_gets_429_and_not_our_memory() {
    let stack = start().await;
    let (mut slow, id) = stack.connect_with_id().await;
    let (mut quick, quick_id) = stack.connect_with_id().await;
    let mut caller = Caller::new(&stack).await;
    let text = "x".repeat(100_000);
    let mut accepted = 0;
    let refused = loop {
        let (status, headers, _) = caller.call("POST", &path(&id), text.clone()).await;
        if status != 200 {
            break (status.as_u16(), error_type(&headers).to_owned());
        }
        accepted += 1;
        // What the kernel's buffers take is not ours to bound, but it ends.
        assert!(accepted < 1_000, "the outbox has no bound");
    };
    assert_eq!(refused, (429, "LimitExceededException".to_owned()));
    assert_eq!(stack.gateway.counters().posts_throttled_total, 1);
    // Others go on, and so does the slow one once it reads.
    assert_eq!(caller.call("POST", &path(&quick_id), "x").await.0, 200);
    assert_eq!(quick.text().await, "x");
    for _ in 0..accepted {
        assert_eq!(slow.text().await.len(), text.len());
    }
    assert_eq!(caller.call("POST", &path(&id), "again").await.0, 200);
    assert_eq!(slow.text().await, "again");
}

#[tokio::test]
async fn control_needs_its_token() {
    let mut config = config();
    config.control_token = Some("control-token".to_owned());
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![])]).await;
    let _client = stack.connect().await;
    let mut caller = Caller::new(&stack).await;
    let mut check = async |token: Option<&str>, target: &str, expected: u16| {
        let mut request = caller.unsigned("GET", target, "");
        if let Some(token) = token {
            request.headers_mut().insert("x-dunlin-control-token", token.parse().unwrap());
        }
        let (status, _, body) = caller.send(request).await;
        assert_eq!(status, expected, "{body}");
        body
    };
    check(None, "/_dunlin/counters", 403).await;
    check(Some("guess"), "/_dunlin/counters", 403).await;
    check(Some("control-token"), "/_dunlin/other", 404).await;
    let counters: Value =
        serde_json::from_str(&check(Some("control-token"), "/_dunlin/counters", 200).await).unwrap();
    assert_eq!(counters["connections_now"], 1);
    // Without a configured token nobody has it.
    let closed = start().await;
    let mut caller = Caller::new(&closed).await;
    let mut request = caller.unsigned("GET", "/_dunlin/counters", "");
    request.headers_mut().insert("x-dunlin-control-token", "".parse().unwrap());
    assert_eq!(caller.send(request).await.0, 403);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let mut config = config();
    config.limits.head_timeout = Duration::from_secs(1);
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![])]).await;
    let request = format!(
        "POST /dev/@connections/Zk3pQdXMDoECEeg%3D HTTP/1.1\r\nHost: {}\r\nContent-Length: 5\r\n\r\nab",
        stack.host()
    );
    let mut stream = stack.tcp().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 408"));
}

/// One message, framed once, for several clients; and all that can be wrong.
#[tokio::test]
async fn posts_from_within_the_process() {
    let stack = Stack::start(vec![route("$connect"), route("$disconnect")]).await;
    let (mut one, one_id) = stack.connect_with_id().await;
    let (mut other, other_id) = stack.connect_with_id().await;
    let post = |id: &str, payload: &[u8]| stack.gateway.post("a1b2c3d4e5", id, &Post::new(payload)?);
    let news = Post::new("nächstes".as_bytes()).unwrap();
    for id in [&one_id, &other_id, &one_id] {
        assert_eq!(stack.gateway.post("a1b2c3d4e5", id, &news), Ok(()));
    }
    assert_eq!((one.text().await, other.text().await, one.text().await), {
        let text = || "nächstes".to_owned();
        (text(), text(), text())
    });
    // C11: as much as over HTTP.
    assert_eq!(post(&one_id, &[b'x'; 128 * 1024]), Ok(()));
    assert_eq!(one.text().await.len(), 128 * 1024);
    assert_eq!(post(&one_id, &[b'x'; 128 * 1024 + 1]), Err(PostError::TooLarge));
    assert_eq!(post(&one_id, b"\xff"), Err(PostError::NotText));
    assert_eq!(post("nobody", b"x"), Err(PostError::Gone));
    assert_eq!(stack.gateway.post("another", &one_id, &news), Err(PostError::Gone));
    drop(other);
    stack.script.event("disconnect").await;
    assert_eq!(post(&other_id, b"x"), Err(PostError::Gone));
    assert_eq!(stack.gateway.counters().messages_out_total, 4);
}
