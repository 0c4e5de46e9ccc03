//! Both clients against one server: the same requests, and the same meaning of every answer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::fmt::Debug;
use std::time::{Duration, UNIX_EPOCH};

use dunlin_events::ConnectionId;
use dunlin_management::{
    ConnectionInfo, DeleteOutcome, ManagementClient, ManagementError, ManagementErrorKind, PostOutcome,
};
use dunlin_management_aws::{ClientConfig, Credentials, LeanManagementClient, SdkManagementClient};
use support::{ACCESS_KEY_ID, REGION, SECRET, Say, Server};
use tokio::net::{TcpListener, TcpSocket};

fn config(endpoint: &str, session_token: Option<&str>) -> ClientConfig {
    let token = session_token.map(str::to_owned);
    ClientConfig::new(endpoint, REGION, Credentials::new(ACCESS_KEY_ID, SECRET, token, None, "test")).unwrap()
}

fn id() -> ConnectionId {
    "L0SM9cOFvHcCIhw=".parse().unwrap()
}

/// What a call came to, without its payload.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Through,
    Gone,
    Failed(ManagementErrorKind, Option<Duration>),
}

fn came<T: PartialEq + Debug>(result: Result<T, ManagementError>, gone: &T) -> Came {
    match result {
        Ok(outcome) if outcome == *gone => Came::Gone,
        Ok(_) => Came::Through,
        Err(error) => Came::Failed(error.kind(), error.retry_after()),
    }
}

async fn call_all(client: &impl ManagementClient) -> [Came; 3] {
    [
        came(client.post(&id(), "{}".into()).await, &PostOutcome::Gone),
        came(client.get(&id()).await, &None),
        came(client.delete(&id()).await, &DeleteOutcome::Gone),
    ]
}

/// Checks what both clients make of an answer, for each of the three requests, and that they ask once.
async fn check(say: Say, expected: Came) {
    let server =
        Server::start(&[("POST", say.clone()), ("GET", say.clone()), ("DELETE", say.clone())], None).await;
    let lean = LeanManagementClient::new(config(&server.endpoint(), None)).unwrap();
    let sdk = SdkManagementClient::new(config(&server.endpoint(), None)).unwrap();
    for came in call_all(&lean).await {
        assert_eq!(came, expected, "the lean client on {say:?}");
    }
    for came in call_all(&sdk).await {
        assert_eq!(came, expected, "the SDK client on {say:?}");
    }
    assert_eq!(server.seen().len(), 6, "one request per call: {say:?}");
}

fn say(status: u16, error_type: Option<&'static str>, body: &'static str) -> Say {
    let headers = error_type.map(|name| ("x-amzn-errortype", name)).into_iter().collect();
    Say { status, headers, body, ..Say::default() }
}

#[tokio::test]
async fn every_answer_means_the_same_to_both() {
    use ManagementErrorKind::{Forbidden, InvalidConnection, Throttled, TooLarge, Unavailable};
    let failed = |kind| Came::Failed(kind, None);
    check(say(410, Some("GoneException"), ""), Came::Gone).await;
    check(say(410, Some("GoneException"), "<not json>"), Came::Gone).await;
    check(say(410, None, ""), Came::Gone).await;
    check(
        say(400, Some("BadRequestException"), r#"{"message":"Invalid connectionId: x"}"#),
        failed(InvalidConnection),
    )
    .await;
    check(say(403, Some("ForbiddenException"), r#"{"message":"no"}"#), failed(Forbidden)).await;
    check(say(403, None, r#"{"message":"Forbidden"}"#), failed(Forbidden)).await;
    check(say(413, Some("PayloadTooLargeException"), ""), failed(TooLarge)).await;
    check(say(429, Some("LimitExceededException"), ""), failed(Throttled)).await;
    check(say(500, None, "<html>"), failed(Unavailable)).await;
    check(say(503, Some("ServiceUnavailableException"), ""), failed(Unavailable)).await;
    let mut hinted = say(429, Some("LimitExceededException"), "");
    hinted.headers.push(("retry-after", "2"));
    check(hinted, Came::Failed(Throttled, Some(Duration::from_secs(2)))).await;
}

const CONNECTION: &str = r#"{"connectedAt":"2026-11-21T20:00:00.250Z","identity":{"sourceIp":"203.0.113.9",
    "userAgent":"curl/8"},"lastActiveAt":"2026-11-21T20:00:01Z"}"#;

async fn check_success(client: &impl ManagementClient, server: &Server) {
    assert_eq!(client.post(&id(), "{\"n\":1}".into()).await.unwrap(), PostOutcome::Delivered);
    assert_eq!(client.delete(&id()).await.unwrap(), DeleteOutcome::Deleted);
    let connected_at = UNIX_EPOCH + Duration::from_millis(1_795_291_200_250);
    assert_eq!(
        client.get(&id()).await.unwrap(),
        Some(ConnectionInfo {
            connected_at,
            last_active_at: connected_at + Duration::from_millis(750),
            source_ip: Some([203, 0, 113, 9].into()),
            user_agent: Some("curl/8".to_owned()),
        })
    );
    let seen = server.seen();
    let lines: Vec<&str> = seen.iter().map(|seen| seen.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /dev/@connections/L0SM9cOFvHcCIhw%3D",
            "DELETE /dev/@connections/L0SM9cOFvHcCIhw%3D",
            "GET /dev/@connections/L0SM9cOFvHcCIhw%3D"
        ]
    );
    assert_eq!(seen[0].body, "{\"n\":1}");
    assert!(seen.iter().all(|seen| seen.headers.contains_key("host")));
    assert_eq!(server.connections(), 1, "one connection serves calls that follow each other");
}

#[tokio::test]
async fn successes_are_read_and_signatures_hold_with_and_without_a_session() {
    let answers =
        [("POST", say(200, None, "")), ("DELETE", say(204, None, "")), ("GET", say(200, None, CONNECTION))];
    for token in [None, Some("FwoGZXIvYXdzEXAMPLE//token==")] {
        let server = Server::start(&answers, token).await;
        check_success(&LeanManagementClient::new(config(&server.endpoint(), token)).unwrap(), &server).await;
        let server = Server::start(&answers, token).await;
        check_success(&SdkManagementClient::new(config(&server.endpoint(), token)).unwrap(), &server).await;
    }
}

#[tokio::test]
async fn the_test_server_refuses_a_wrong_signature() {
    let server = Server::start(&[("POST", say(200, None, ""))], None).await;
    let credentials = Credentials::new(ACCESS_KEY_ID, "another secret", None, None, "test");
    let config = ClientConfig::new(&server.endpoint(), REGION, credentials).unwrap();
    let client = LeanManagementClient::new(config).unwrap();
    let error = client.post(&id(), "{}".into()).await.unwrap_err();
    assert_eq!(error.kind(), ManagementErrorKind::Internal);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("418 SignatureOfTheTestDoesNotMatch"), "{source}");
}

#[tokio::test]
async fn the_lean_client_sends_little() {
    let server = Server::start(&[("POST", say(200, None, ""))], None).await;
    let client = LeanManagementClient::new(config(&server.endpoint(), None)).unwrap();
    client.post(&id(), "{}".into()).await.unwrap();
    let mut names: Vec<String> = server.seen()[0].headers.keys().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(names, ["authorization", "content-length", "host", "x-amz-date"]);
}

async fn check_unavailable(client: &impl ManagementClient) {
    for came in call_all(client).await {
        assert_eq!(came, Came::Failed(ManagementErrorKind::Unavailable, None));
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_or_hangs_up_or_never_answers_is_unavailable() {
    // A port that is taken, so that no other program gets it, and on which nobody listens.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody = taken.local_addr().unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs_up = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });

    let silent = Say { hangs: true, ..Say::default() };
    let silent =
        Server::start(&[("POST", silent.clone()), ("GET", silent.clone()), ("DELETE", silent)], None).await;

    for address in [nobody, hangs_up, silent.address] {
        let config =
            config(&format!("http://{address}/dev"), None).with_request_timeout(Duration::from_millis(200));
        check_unavailable(&LeanManagementClient::new(config.clone()).unwrap()).await;
        check_unavailable(&SdkManagementClient::new(config).unwrap()).await;
    }
}
