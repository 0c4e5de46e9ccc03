//! A function's process against a Runtime API: one event at a time, several at once, what it cannot read, and its end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;

use dunlin_handler::{RawEvent, testing::TestEvent};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::{RuntimeApi, exit, function};
use tokio::process::Child;

fn event(route_key: &str, body: &str) -> String {
    RawEvent::from(TestEvent::message(route_key, body)).payload().to_owned()
}

fn terminate(child: &Child) {
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
}

fn response(id: &str) -> String {
    format!("/2018-06-01/runtime/invocation/{id}/response")
}

#[tokio::test]
async fn several_events_run_at_once_where_the_platform_allows_it() {
    let mut api = RuntimeApi::start(true).await;
    let child = function(&api.address, &[("AWS_LAMBDA_MAX_CONCURRENCY", "4")]);
    api.polls(4).await;

    // Twice, so that every worker comes back for more. None of the four is answered before all are there.
    for round in 0..2 {
        let mut expected = BTreeMap::new();
        for number in 0..4 {
            let (id, body) = (format!("r{round}-{number}"), format!(r#"{{"number":{number}}}"#));
            api.send(&id, event("meet", &body)).await;
            expected.insert(response(&id), json!({"statusCode": 200, "body": body}));
        }
        let mut answered = BTreeMap::new();
        for _ in 0..4 {
            answered.extend([api.call().await]);
        }
        assert_eq!(answered, expected, "each answer goes to its own event");
    }

    // What fails in one worker does not touch the others.
    api.send("p", event("panics", "{}")).await;
    let (path, answer) = api.call().await;
    assert_eq!((path, &answer["statusCode"]), (response("p"), &json!(500)));
    api.polls(4).await;
    assert_eq!(api.polls_max(), 4);

    terminate(&child);
    let (code, log) = exit(child).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("\nbye\n"), "{log}");
}

#[tokio::test]
async fn one_event_at_a_time_is_the_rule() {
    let mut api = RuntimeApi::start(true).await;
    let child = function(&api.address, &[]);
    for number in 0..3 {
        api.send(&format!("i{number}"), event("describe", "{}")).await;
    }
    for number in 0..3 {
        let (path, answer) = api.call().await;
        assert_eq!(path, response(&format!("i{number}")));
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["request_id"], "Zk3qBGv-DoEFb1A=");
        assert!(body["seconds_left"].as_u64().unwrap() > 1_000_000, "{body}");
    }
    api.polls(1).await;
    assert_eq!(api.polls_max(), 1);

    terminate(&child);
    assert_eq!(exit(child).await.0, Some(0));
}

#[tokio::test]
async fn an_event_that_cannot_be_read_fails_alone() {
    let mut api = RuntimeApi::start(true).await;
    let child = function(&api.address, &[]);
    let bad: [&[u8]; 5] = [b"", b"{", b"\"\xff\xfe\"", b"{\"requestContext\":\"\xc3\"}", b"nul"];
    for bytes in bad {
        api.send("bad", bytes.to_vec()).await;
        let (path, error) = api.call().await;
        assert_eq!(path, "/2018-06-01/runtime/invocation/bad/error");
        assert!(error["errorMessage"].is_string(), "{error}");
    }
    // JSON that is no event is the router's to refuse: its caller gets a proxy result.
    for text in ["{}", "null", "17", "[[]]", r#""\ud800""#] {
        api.send("odd", text).await;
        let (path, answer) = api.call().await;
        assert_eq!((path, &answer["statusCode"]), (response("odd"), &json!(400)), "{text}: {answer}");
    }
    api.send("good", event("describe", "{}")).await;
    assert_eq!(api.call().await.0, response("good"));

    terminate(&child);
    let (code, log) = exit(child).await;
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test]
async fn a_function_without_graceful_shutdown_is_a_function_still() {
    let mut api = RuntimeApi::start(false).await;
    let mut child = function(&api.address, &[]);
    api.send("i1", event("describe", "{}")).await;
    assert_eq!(api.call().await.0, response("i1"));
    child.start_kill().unwrap();
    let (_, log) = exit(child).await;
    assert!(log.contains("no graceful shutdown"), "{log}");
}

#[tokio::test]
async fn what_keeps_a_function_from_running_is_a_sentence() {
    let check = async |variables: &[(&str, &str)], names: &str| {
        let (code, log) = exit(function("127.0.0.1:1", variables)).await;
        assert_eq!(code, Some(1), "{log}");
        assert!(log.lines().last().unwrap().starts_with("probe: ") && log.contains(names), "{log}");
    };
    check(&[("AWS_LAMBDA_RUNTIME_API", "")], "AWS_LAMBDA_RUNTIME_API is not set").await;
    check(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much")], "\"much\"").await;
    check(&[("AWS_LAMBDA_MAX_CONCURRENCY", "many")], "AWS_LAMBDA_MAX_CONCURRENCY").await;
    check(&[], "the Lambda runtime stopped").await;
}
