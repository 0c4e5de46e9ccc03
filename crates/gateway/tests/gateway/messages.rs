//! Sections 2 and 3.2: where messages go, and what comes back.

use std::{sync::Arc, time::Duration};

use dunlin_gateway::{BackendError, Integration, Permitted, RouteConfig};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::harness::{Act, Stack, api, config, route, two_way, with_timeout};

/// The exact bytes of an error frame.
fn frame(message: &str, connection_id: &str, request_id: &str) -> String {
    format!(r#"{{"message": "{message}", "connectionId":"{connection_id}", "requestId":"{request_id}"}}"#)
}

fn context<'a>(event: &'a Value, key: &str) -> &'a str {
    event["requestContext"][key].as_str().unwrap()
}

#[tokio::test]
async fn no_route_is_forbidden() {
    let stack = Stack::start(vec![route("$connect"), route("join")]).await;
    let (mut client, id) = stack.connect_with_id().await;
    for message in [r#"{"action":"leave"}"#, r#"{"action":"$connect"}"#, "no json"] {
        client.send(message).await;
        let text = client.text().await;
        let parsed: Value = serde_json::from_str(&text).unwrap();
        // R8; the request id is a new one, since no function learns of the message.
        assert_eq!(text, frame("Forbidden", &id, parsed["requestId"].as_str().unwrap()));
    }
    assert_eq!(stack.script.unseen("connect"), 0, "R5");
    assert_eq!(stack.gateway.counters().error_frames_total, 3);
}

#[tokio::test]
async fn failures_become_frames_on_one_way_routes_too() {
    let mut forbidden = route("forbidden");
    if let Some(Integration::LambdaProxy(proxy)) = &mut forbidden.integration {
        proxy.permitted = Permitted::From(Vec::new());
    }
    let routes = vec![
        route("$connect"),
        route("one"),
        two_way("two"),
        with_timeout(route("slow"), Duration::from_millis(50)),
        forbidden,
        RouteConfig { integration: None, ..route("nothing") },
    ];
    let stack = Stack::start(routes).await;
    let (mut client, id) = stack.connect_with_id().await;
    let answer = |text: &str| Act::Answer(text.to_owned());
    let big = format!(r#"{{"statusCode":200,"body":"{}"}}"#, "x".repeat(131_073));
    // R9, R10, R10b, R10c, T5, U19.
    for (action, act, expected) in [
        ("one", Act::thrown("boom"), "Internal server error"),
        ("two", Act::thrown("boom"), "Internal server error"),
        ("one", Act::Fail(BackendError::NotFound), "Internal server error"),
        ("one", Act::Fail(BackendError::Throttled), "Internal server error"),
        ("one", answer(r#"{"ConnectionId":"x","Data":"y","statusCode":200}"#), "Internal server error"),
        ("one", answer("\"text\""), "Internal server error"),
        ("two", answer("[200]"), "Internal server error"),
        (
            "two",
            answer(r#"{"statusCode":200,"body":"/w==","isBase64Encoded":true}"#),
            "Internal server error",
        ),
        ("two", answer(&big), "Internal server error"),
        ("slow", Act::Hang, "Endpoint request timed out"),
    ] {
        stack.script.on(action, act);
        client.send(&format!(r#"{{"action":"{action}"}}"#)).await;
        let event = stack.script.json(action).await;
        assert_eq!(client.text().await, frame(expected, &id, context(&event, "requestId")), "{action}");
    }
    for action in ["forbidden", "nothing"] {
        client.send(&format!(r#"{{"action":"{action}"}}"#)).await;
        let text = client.text().await;
        assert!(text.starts_with(r#"{"message": "Internal server error", "#), "{action}: {text}");
    }
    assert_eq!(stack.script.unseen("forbidden"), 0);
}

#[tokio::test]
async fn only_two_way_routes_answer() {
    let stack = Stack::start(vec![route("one"), two_way("two"), two_way("$default")]).await;
    let answer = |text: &str| Act::Answer(text.to_owned());
    let mut client = stack.connect().await;
    // T1: thrown away, so that the next answer is the other route's.
    for thrown_away in [r#"{"statusCode":200,"body":"from one"}"#, "null", ""] {
        stack.script.on("one", answer(thrown_away));
        client.send(r#"{"action":"one"}"#).await;
        stack.script.event("one").await;
    }
    for (text, expected) in [
        // T3, U6: whatever the status.
        (r#"{"statusCode":200,"body":"from two"}"#, "from two"),
        (r#"{"statusCode":500,"body":"too","headers":{"a":"b"}}"#, "too"),
        // T4.
        (r#"{"statusCode":200}"#, ""),
        // U24.
        (r#"{"statusCode":200,"body":"w6Q=","isBase64Encoded":true}"#, "ä"),
    ] {
        stack.script.on("two", answer(text));
        client.send(r#"{"action":"two"}"#).await;
        assert_eq!(client.text().await, expected);
    }
    // R4, R6; the key is $default, not what the expression yields.
    stack.script.on("default", Act::Echo);
    for message in ["no json", r#"{"action":"unknown"}"#, "{}", ""] {
        client.send(message).await;
        assert_eq!(client.text().await, message);
        assert_eq!(context(&stack.script.json("default").await, "routeKey"), "$default");
    }
}

#[tokio::test]
async fn expressions_reach_into_messages() {
    let mut api = api("a1b2c3d4e5", vec![two_way("chat/join"), two_way("$default")]);
    api.route_selection_expression = "${request.body.meta.service}/${request.body.action}".to_owned();
    let stack = Stack::start_with(config(), vec![api]).await;
    stack.script.on("chat/join", Act::Answer(r#"{"statusCode":200,"body":"joined"}"#.to_owned()));
    stack.script.on("default", Act::Answer(r#"{"statusCode":200,"body":"default"}"#.to_owned()));
    let mut client = stack.connect().await;
    for (message, expected) in [
        (r#"{"action":"join","meta":{"service":"chat"}}"#, "joined"),
        (r#"{action:"join",meta:{"service":"chat"}}"#, "joined"),
        (r#"{"action":"join","service":"chat"}"#, "default"),
    ] {
        client.send(message).await;
        assert_eq!(client.text().await, expected, "{message}");
    }
}

#[tokio::test]
async fn messages_of_one_connection_run_at_once() {
    // T8; the first to be asked need not be the first to answer (T7).
    let stack = Stack::start(vec![two_way("slow"), two_way("fast")]).await;
    let gate = Arc::new(Semaphore::new(0));
    stack.script.on("slow", Act::Gate(Arc::clone(&gate)));
    stack.script.on("fast", Act::Echo);
    let mut client = stack.connect().await;
    client.send(r#"{"action":"slow"}"#).await;
    stack.script.event("slow").await;
    client.send(r#"{"action":"fast"}"#).await;
    assert_eq!(client.text().await, r#"{"action":"fast"}"#);
    gate.add_permits(1);
    assert_eq!(client.text().await, r#"{"action":"slow"}"#);
    assert_eq!(stack.script.peak(), 2);
}

#[tokio::test]
async fn invocations_of_one_connection_are_bounded() {
    let mut config = config();
    config.limits.invocations_per_connection_max = 2;
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![two_way("$default")])]).await;
    let gate = Arc::new(Semaphore::new(0));
    stack.script.on("default", Act::Gate(Arc::clone(&gate)));
    let mut client = stack.connect().await;
    for number in 0..10 {
        client.send(&number.to_string()).await;
    }
    stack.script.event("default").await;
    stack.script.event("default").await;
    gate.add_permits(10);
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(client.text().await.parse::<u32>().unwrap());
    }
    answers.sort_unstable();
    assert_eq!(answers, (0..10).collect::<Vec<_>>(), "none is lost");
    assert_eq!(stack.script.peak(), 2);
}

#[tokio::test]
async fn fragments_make_one_message() {
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::{
        Message,
        protocol::frame::{
            Frame,
            coding::{Data, OpCode},
        },
    };
    let stack = Stack::start(vec![two_way("$default")]).await;
    stack.script.on("default", Act::Echo);
    let mut client = stack.connect().await;
    let part =
        |bytes: &'static [u8], data, last| Message::Frame(Frame::message(bytes, OpCode::Data(data), last));
    client.socket.send(part("gr\u{fc}".as_bytes().split_last().unwrap().1, Data::Text, false)).await.unwrap();
    client.socket.send(Message::Ping("in between".into())).await.unwrap();
    client.socket.send(part(b"\xbc\xc3\x9f", Data::Continue, false)).await.unwrap();
    client.socket.send(part(b"e", Data::Continue, true)).await.unwrap();
    assert_eq!(client.text().await, "grüße");
    stack.script.event("default").await;
    assert_eq!(stack.script.unseen("default"), 0);
}
