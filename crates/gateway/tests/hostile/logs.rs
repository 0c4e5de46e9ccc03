//! What may not get into a log, at any level: secrets, signatures, tokens, query values, headers and payloads.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use dunlin_gateway::{
    Authorization, AuthorizerConfig, BackendError, LoggingLevel, RouteConfig, RouteObservation,
    StageObservation,
};
use tokio::io::AsyncWriteExt;
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

use crate::harness::{Act, Stack, api, config, read_head, route, status_of, two_way, upgrade_lines};

/// Stands in everything that is not to be logged.
const MARK: &str = "m4rk";

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Log;

    fn make_writer(&'w self) -> Log {
        self.clone()
    }
}

impl Log {
    /// Everything that this thread logs, and so all of a test's gateway.
    fn capture() -> (Log, tracing::subscriber::DefaultGuard) {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// What was logged, which must have these words and no secret.
    #[track_caller]
    fn check(&self, expected: &[&str]) {
        let text = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
        for words in expected {
            assert!(text.contains(words), "the log lacks {words:?}:\n{text}");
        }
        for secret in [MARK, "operator-secret", "function-secret", "function-token", "AKIDOPERATOR"] {
            let line = text.lines().find(|line| line.to_lowercase().contains(&secret.to_lowercase()));
            assert_eq!(line, None, "{secret} was logged");
        }
    }
}

fn authorization(credential: &str, signature: &str) -> String {
    format!(
        "Authorization: AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature={signature}\r\n"
    )
}

#[tokio::test]
async fn failing_verifications() {
    let (log, _guard) = Log::capture();
    let stack = Stack::start(vec![]).await;
    let date = "X-Amz-Date: 20240724T074714Z\r\n";
    let scope = "20240724/eu-west-1/execute-api/aws4_request";
    for (name, headers) in [
        (
            "a signature that is too old",
            format!("{}{date}", authorization(&format!("AKIDOPERATOR/{scope}"), MARK)),
        ),
        ("another scope", format!("{}{date}", authorization("AKIDOPERATOR/20240724/us-east-1/x/y", MARK))),
        (
            "a scope that is none",
            format!("{}{date}", authorization(&format!("AKIDOPERATOR/{MARK} {MARK}"), MARK)),
        ),
        ("a basic authorization", format!("Authorization: Basic {MARK}\r\n")),
        ("two authorizations", authorization("a/b", MARK).repeat(2)),
        (
            "a date that is none",
            format!("{}X-Amz-Date: {MARK}\r\n", authorization(&format!("a/{scope}"), "x")),
        ),
        ("no authorization", format!("X-Amz-Security-Token: {MARK}\r\n")),
    ] {
        let request = format!(
            "POST /dev/@connections/{MARK}?token={MARK} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}Content-Length: 4\r\n\r\n{MARK}",
            stack.host()
        );
        assert_eq!(status_of(&stack.raw(request.as_bytes()).await), 403, "{name}");
    }
    log.check(&["management call denied"]);
}

/// A mark of now: only the signature is wrong.
#[tokio::test]
async fn wrong_signatures() {
    let (log, _guard) = Log::capture();
    let mut config = crate::harness::config();
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_721_807_234);
    config.clock = Arc::new(move || now);
    let routes = vec![RouteConfig { authorization: Authorization::Iam, ..route("$connect") }];
    let stack = Stack::start_with(config, vec![crate::harness::api("a1b2c3d4e5", routes)]).await;
    let scope = "20240724/eu-west-1/execute-api/aws4_request";
    for id in ["AKIDOPERATOR", "ASIAFUNCTION", "AKIDNOBODY"] {
        let authorization = authorization(&format!("{id}/{scope}"), MARK);
        let headers =
            format!("{authorization}X-Amz-Date: 20240724T074714Z\r\nX-Amz-Security-Token: {MARK}\r\n");
        let call = format!(
            "GET /dev/@connections/x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
            stack.host()
        );
        assert_eq!(status_of(&stack.raw(call.as_bytes()).await), 403, "{id}");
        let lines = format!("{}{headers}", upgrade_lines(&stack.host()));
        assert_eq!(stack.handshake(&format!("/dev?token={MARK}"), &lines).await, 403, "{id}");
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={id}%2F{}&X-Amz-Date=20240724T074714Z&X-Amz-Expires=60\
             &X-Amz-SignedHeaders=host&X-Amz-Security-Token={MARK}&X-Amz-Signature={MARK}",
            scope.replace('/', "%2F")
        );
        assert_eq!(
            stack.handshake(&format!("/dev?{query}"), &upgrade_lines(&stack.host())).await,
            403,
            "{id}"
        );
    }
    log.check(&["does not match the signature you provided", "handshake refused"]);
}

#[tokio::test]
async fn failing_handshakes() {
    let (log, _guard) = Log::capture();
    let authorizer = AuthorizerConfig {
        name: "auth".to_owned(),
        function: "auth".to_owned(),
        permitted: dunlin_gateway::Permitted::default(),
        identity_sources: vec!["route.request.querystring.token".to_owned()],
    };
    let routes = vec![RouteConfig { authorization: Authorization::Custom(authorizer), ..route("$connect") }];
    let stack = Stack::start(routes).await;
    let good = upgrade_lines(&stack.host());
    let lines =
        format!("{good}Authorization: Bearer {MARK}\r\nCookie: session={MARK}\r\nX-Api-Key: {MARK}\r\n");
    for act in [
        Act::status(200),
        Act::Fail(BackendError::Unavailable),
        Act::thrown("Unauthorized"),
        Act::Answer(format!("{{\"principalId\":\"{MARK}\"")),
        Act::Answer(format!("\"{MARK}\"")),
    ] {
        stack.script.on("auth", act);
        let status = stack.handshake(&format!("/dev?token={MARK}"), &lines).await;
        assert!(matches!(status, 401 | 403 | 500), "{status}");
    }
    for (target, lines) in [
        (format!("/{MARK}"), lines.clone()),
        (format!("/dev?{MARK}={}", MARK.repeat(1_200)), lines.clone()),
        ("/dev".to_owned(), lines.replace("dGhlIHNhbXBsZSBub25jZQ==", MARK)),
        ("/dev".to_owned(), lines.replace(&stack.host(), MARK)),
        ("/dev".to_owned(), lines.replace("Version: 13", &format!("Version: {MARK}"))),
        ("/dev".to_owned(), format!("{lines}{MARK}\r\n")),
    ] {
        assert_ne!(stack.handshake(&target, &lines).await, 101);
    }
    log.check(&["handshake refused"]);
}

#[tokio::test]
async fn failing_messages() {
    let (log, _guard) = Log::capture();
    let stack = Stack::start(vec![route("$connect"), route("$disconnect"), two_way("$default")]).await;
    for act in [
        Act::Answer(format!("\"{MARK}\"")),
        Act::Answer(format!("{{\"statusCode\":\"{MARK}\"}}")),
        Act::Answer(format!("{{\"statusCode\":200,\"body\":\"{MARK}!\",\"isBase64Encoded\":true}}")),
        Act::Fail(BackendError::Unavailable),
        Act::Echo,
    ] {
        stack.script.on("default", act);
        let mut client = stack.connect_to(&format!("/dev?token={MARK}"), &[("cookie", MARK)]).await;
        client.send(MARK).await;
        client.text().await;
        client.send(&format!("{{\"{MARK}\": ")).await;
        client.text().await;
        futures_util::SinkExt::send(
            &mut client.socket,
            tokio_tungstenite::tungstenite::Message::binary(MARK),
        )
        .await
        .unwrap();
        assert_eq!(client.closed().await.0, 1003);
        drop(client);
        stack.script.event("disconnect").await;
    }
    // A connection that breaks the protocol with a reason.
    let mut stream = stack.tcp().await;
    let request = format!("GET /dev HTTP/1.1\r\n{}\r\n", upgrade_lines(&stack.host()));
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(status_of(&read_head(&mut stream).await), 101);
    stream
        .write_all(&[&[0x88, 0x80 | 6, 0, 0, 0, 0, 0x0f, 0xa0][..], MARK.as_bytes()].concat())
        .await
        .unwrap();
    stack.script.event("disconnect").await;
    log.check(&["message failed", "disconnected"]);
}

/// L4: what a stage asks for, of the routes that it asks it for, and no more of a message than 1,024 bytes.
#[tokio::test]
async fn execution_logs() {
    let (log, _guard) = Log::capture();
    let setting =
        |logging_level, data_trace| RouteObservation { detailed_metrics: false, logging_level, data_trace };
    let mut api =
        api("a1b2c3d4e5", vec![two_way("traced"), two_way("told"), two_way("failing"), two_way("off")]);
    api.stages[0].observation = StageObservation {
        default: setting(LoggingLevel::Error, false),
        routes: HashMap::from([
            ("traced".to_owned(), setting(LoggingLevel::Info, true)),
            ("told".to_owned(), setting(LoggingLevel::Info, false)),
            ("off".to_owned(), setting(LoggingLevel::Off, true)),
        ]),
    };
    let stack = Stack::start_with(config(), vec![api]).await;
    let mut client = stack.connect().await;
    for route in ["traced", "told", "off"] {
        stack.script.on(route, Act::Echo);
        let text = format!(r#"{{"action":"{route}","text":"body of {route} {}"}}"#, "x".repeat(2_000));
        client.send(&text).await;
        assert_eq!(client.text().await, text);
    }
    for (act, expected) in [(Act::Echo, "failing"), (Act::thrown("on purpose"), "Internal server error")] {
        stack.script.on("failing", act);
        client.send(r#"{"action":"failing"}"#).await;
        assert!(client.text().await.contains(expected));
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("dunlin_gateway::execution")).collect();
    let with = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
    // The message and its answer.
    assert_eq!(with("body of traced"), 2, "{lines:#?}");
    assert_eq!(with("MESSAGE traced of "), 1);
    assert_eq!((with("body of told"), with("MESSAGE told of ")), (0, 1));
    assert_eq!(with(": 200, integration 200 after "), 2);
    assert_eq!((with("body of off"), with("MESSAGE off of ")), (0, 0));
    assert_eq!((with("MESSAGE failing of "), with("on purpose")), (1, 1), "one of two failed");
    for line in lines {
        let own = line.split_once("dunlin_gateway::execution: ").unwrap().1;
        assert!(own.len() <= 1_024 && own.starts_with('('), "{own}");
    }
}
