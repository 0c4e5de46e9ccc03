//! The binary as the platform starts it, on a Runtime API of two endpoints.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::VecDeque, process::Stdio, sync::Arc, time::Duration};

use dunlin_handler::{RawEvent, testing::TestEvent};
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket},
    process::{Child, Command},
    sync::{Mutex, mpsc},
    time::timeout,
};

/// Far longer than any step takes on a busy machine.
const STEP_TIME_MAX: Duration = Duration::from_secs(30);

/// What the process asked of the Runtime API: path and body.
type Call = (String, Value);

struct RuntimeApi {
    events: Mutex<VecDeque<RawEvent>>,
    calls: mpsc::Sender<Call>,
}

impl RuntimeApi {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let response = Response::builder();
        match (parts.method, path.as_str()) {
            (Method::POST, "/2020-01-01/extension/register") => response
                .header("Lambda-Extension-Identifier", "00000000-0000-0000-0000-000000000001")
                .body(r#"{"functionName":"f","functionVersion":"1","handler":"h"}"#.into()),
            (Method::GET, "/2018-06-01/runtime/invocation/next") => {
                let Some(event) = self.events.lock().await.pop_front() else {
                    return std::future::pending().await;
                };
                response
                    .header("Lambda-Runtime-Aws-Request-Id", "i1")
                    .header("Lambda-Runtime-Deadline-Ms", "4102444800000")
                    .body(event.payload().to_owned().into())
            }
            (Method::GET, _) => std::future::pending().await,
            (_, path) => {
                let body = body.collect().await.unwrap().to_bytes();
                self.calls.send((path.to_owned(), serde_json::from_slice(&body).unwrap())).await.unwrap();
                response.status(202).body(Full::default())
            }
        }
        .unwrap()
    }
}

/// Serves the events and reports what comes back.
async fn runtime_api(events: impl IntoIterator<Item = RawEvent>) -> (String, mpsc::Receiver<Call>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (calls, called) = mpsc::channel(16);
    let api = Arc::new(RuntimeApi { events: Mutex::new(events.into_iter().collect()), calls });
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            socket.set_nodelay(true).unwrap();
            let api = Arc::clone(&api);
            let service = service_fn(move |request| {
                let api = Arc::clone(&api);
                async move { Ok::<_, std::convert::Infallible>(api.answer(request).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    (address, called)
}

fn notify(variables: &[(&str, &str)]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_notify"))
        .env_clear()
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn function<'a>(role: &'a str, runtime_api: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("_HANDLER", role),
        ("AWS_LAMBDA_RUNTIME_API", runtime_api),
        ("AWS_LAMBDA_FUNCTION_NAME", "notify"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ]
}

/// A function that gets updates and has its table there; nobody answers its posts.
fn notify_parameter<'a>(runtime_api: &'a str, table: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut variables = function("notify_parameter", runtime_api);
    variables.extend([
        ("TABLE_NAME", "T"),
        ("MANAGEMENT_ENDPOINT", "http://127.0.0.1:9/dev"),
        ("AWS_ENDPOINT_URL_DYNAMODB", table),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]);
    variables
}

async fn exit(child: Child) -> (Option<i32>, String) {
    let output = timeout(STEP_TIME_MAX, child.wait_with_output()).await.unwrap().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn a_function_answers_events_and_ends_on_sigterm() {
    let secret = r#"{"action":"secret of the client"}"#;
    let events =
        [TestEvent::message("$default", "hello").into(), TestEvent::message("$default", secret).into()];
    let (address, mut called) = runtime_api(events.into_iter().chain([RawEvent::new("{}")])).await;
    let mut variables = function("default", &address);
    variables.push(("AWS_LAMBDA_LOG_FORMAT", "JSON"));
    let child = notify(&variables);

    for (status, code) in [(400, "invalid_body"), (400, "unknown_action"), (400, "invalid_event")] {
        let (path, answer) = timeout(STEP_TIME_MAX, called.recv()).await.unwrap().unwrap();
        assert_eq!(path, "/2018-06-01/runtime/invocation/i1/response");
        assert_eq!(answer["statusCode"], json!(status));
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["error"]["code"], code);
    }

    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let (code, log) = exit(child).await;
    assert_eq!(code, Some(0), "{log}");

    // One object per invocation, with the ids that join it to the client's error, and nothing that the client sent.
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert_eq!(lines[1]["code"], "unknown_action");
    let span = json!({
        "name": "invocation", "invocation_id": "i1", "request_id": "Zk3qBGv-DoEFb1A=",
        "connection_id": "Zk3pQdXMDoECEeg=", "route_key": "$default",
    });
    assert_eq!(lines[1]["span"], span);
    assert!(!log.contains("secret"), "{log}");
}

/// A table that has nothing, and takes everything: to each request of these it answers with an empty object.
async fn empty_table() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            socket.set_nodelay(true).unwrap();
            let service = service_fn(|request: Request<Incoming>| async {
                request.collect().await?;
                let answer = Response::builder().header("content-type", "application/x-amz-json-1.0");
                Ok::<_, hyper::Error>(answer.body(Full::<Bytes>::from("{}")).unwrap())
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

#[tokio::test]
async fn an_update_prints_one_line_of_metrics() {
    let table = empty_table().await;
    let event = r#"{"device_id":"dev-1","version":7,"payload":{"value":"secret of the device"}}"#;
    let (address, mut called) = runtime_api([RawEvent::new(event)]).await;
    let child = notify(&notify_parameter(&address, &table));
    let (path, report) = timeout(STEP_TIME_MAX, called.recv()).await.unwrap().unwrap();
    assert_eq!(path, "/2018-06-01/runtime/invocation/i1/response");
    assert_eq!((&report["commit"], &report["delivered"]), (&json!("committed"), &json!(0)));

    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = timeout(STEP_TIME_MAX, child.wait_with_output()).await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.lines().count(), 1, "{printed}");
    let metrics: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Dunlin/Notify");
    assert_eq!((&metrics["FunctionName"], &metrics["DeviceId"]), (&json!("notify"), &json!("dev-1")));
    assert_eq!((&metrics["Posts"], &metrics["StoreCalls"]), (&json!(0), &json!(2)), "the head and one page");
    assert!(metrics["MessageSize"].as_u64().unwrap() > 20);
    assert!(!printed.contains("secret"), "{printed}");
}

#[tokio::test]
async fn a_failed_invocation_is_reported_as_such() {
    // Nothing listens on the port of the table, so the head cannot be committed.
    let taken = TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let table = format!("http://{}", taken.local_addr().unwrap());
    let event = r#"{"device_id":"dev-1","version":1,"payload":{"value":1}}"#;
    let (address, mut called) = runtime_api([RawEvent::new(event)]).await;
    let _child = notify(&notify_parameter(&address, &table));
    let (path, error) = timeout(STEP_TIME_MAX, called.recv()).await.unwrap().unwrap();
    assert_eq!(path, "/2018-06-01/runtime/invocation/i1/error");
    assert_eq!(error["errorType"], "Handler.Failed");
    assert!(error["errorMessage"].as_str().unwrap().starts_with("internal: "), "{error}");
}

#[tokio::test]
async fn an_environment_that_does_not_fit_is_one_sentence_and_64() {
    let check = async |variables: &[(&str, &str)], names: &str| {
        let (code, log) = exit(notify(variables)).await;
        assert_eq!(code, Some(64), "{log}");
        assert!(log.starts_with("notify: ") && log.contains(names) && log.lines().count() == 1, "{log}");
    };
    check(&[], "_HANDLER is not set").await;
    check(&[("_HANDLER", "conect")], "no role").await;
    check(&[("_HANDLER", "connect")], "TABLE_NAME is not set").await;
    check(&[("_HANDLER", "connect"), ("TABLE_NAME", "T")], "AWS_REGION is not set").await;
    check(&[("_HANDLER", "default")], "AWS_LAMBDA_RUNTIME_API is not set").await;
    let mut endpoint =
        vec![("_HANDLER", "set_notify_list"), ("TABLE_NAME", "T"), ("MANAGEMENT_ENDPOINT", "nowhere")];
    endpoint.extend([("AWS_REGION", "r"), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    check(&endpoint, r#""nowhere""#).await;
}
