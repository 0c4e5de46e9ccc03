//! `/_dunlin/faults`: each fault, as a client, a caller or a function meets it.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, error::ProtocolError};

use crate::{
    control::{advance, control, controlled},
    harness::{Act, Client, Stack, api, route, soon, two_way, with_timeout},
    management::Caller,
};

async fn start() -> (Stack, Caller) {
    let routes = vec![
        route("$connect"),
        route("$disconnect"),
        two_way("join"),
        with_timeout(two_way("$default"), Duration::from_secs(5)),
    ];
    let stack = Stack::start_with(controlled(), vec![api("a1b2c3d4e5", routes)]).await;
    stack.script.on("default", Act::Echo);
    stack.script.on("join", Act::Echo);
    let caller = Caller::new(&stack).await;
    (stack, caller)
}

async fn put(caller: &mut Caller, id: &str, rule: Value) -> Value {
    let (status, answer) = control(caller, "PUT", &format!("faults/{id}"), rule).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn hits(caller: &mut Caller, id: &str) -> u64 {
    let (_, rules) = control(caller, "GET", "faults", Value::Null).await;
    let rule = rules.as_array().unwrap().iter().find(|rule| rule["id"] == id).unwrap();
    rule["hits"].as_u64().unwrap()
}

async fn echo(client: &mut Client, text: &str) -> String {
    client.send(text).await;
    client.text().await
}

fn target(id: &str) -> String {
    format!("/dev/@connections/{}", id.replace('=', "%3D"))
}

/// The stream ends without a close frame.
async fn is_cut(client: &mut Client) -> bool {
    matches!(
        soon(client.socket.next()).await,
        Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_)))
    )
}

#[tokio::test]
async fn rules_come_and_go() {
    let (_stack, mut caller) = start().await;
    let rules = json!([
        { "id": "a", "fault": "disconnect_drop", "count": 1 },
        { "id": "b", "fault": "post_error", "status": 429, "share": 0.5, "seed": 7 },
    ]);
    let (status, shown) = control(&mut caller, "PUT", "faults", rules).await;
    assert_eq!(status, 200);
    let expected = json!([
        { "id": "a", "fault": "disconnect_drop", "count": 1, "hits": 0 },
        { "id": "b", "fault": "post_error", "share": 0.5, "seed": 7, "status": 429, "hits": 0 },
    ]);
    assert_eq!(shown, expected);
    assert_eq!(put(&mut caller, "a", json!({ "fault": "cut", "route": "x" })).await[0]["fault"], "cut");
    assert_eq!(put(&mut caller, "c", json!({ "fault": "cold_start" })).await.as_array().unwrap().len(), 3);
    let (_, left) = control(&mut caller, "DELETE", "faults/a", Value::Null).await;
    assert_eq!(left[0]["id"], "b");
    let (status, problem) = control(&mut caller, "DELETE", "faults/a", Value::Null).await;
    assert_eq!((status, &problem["message"]), (404, &json!("there is no rule a")));
    assert_eq!(control(&mut caller, "DELETE", "faults", Value::Null).await, (200, json!([])));
    assert_eq!(control(&mut caller, "GET", "faults", Value::Null).await, (200, json!([])));
}

#[tokio::test]
async fn bad_rules_get_a_sentence_and_change_nothing() {
    let (_stack, mut caller) = start().await;
    put(&mut caller, "kept", json!({ "fault": "disconnect_drop" })).await;
    let many: Vec<Value> = (0..65).map(|n| json!({ "id": n.to_string(), "fault": "cut" })).collect();
    for (path, body, problem) in [
        ("faults", json!({}), "the body is not what is expected: invalid type: map"),
        ("faults", json!([{ "id": "a", "fault": "flood" }]), "unknown variant `flood`, expected one of"),
        ("faults", json!([{ "id": "a", "fault": "cut", "rout": "x" }]), "unknown field `rout`"),
        (
            "faults",
            json!([{ "id": "a", "fault": "cut" }, { "id": "a", "fault": "cut" }]),
            "two rules have the id a",
        ),
        ("faults", json!([{ "id": "a", "fault": "post_error" }]), "rule a: \"post_error\" needs a status"),
        ("faults", json!(many), "65 rules are more than the 64"),
        ("faults/b", json!({ "id": "c", "fault": "cut" }), "the path says b and the rule says c"),
        ("faults/b%20b", json!({ "fault": "cut" }), "a rule has the id \"b b\""),
    ] {
        let (status, answer) = control(&mut caller, "PUT", path, body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(problem), "{answer}");
    }
    let (_, rules) = control(&mut caller, "GET", "faults", Value::Null).await;
    assert_eq!(rules, json!([{ "id": "kept", "fault": "disconnect_drop", "hits": 0 }]));
}

#[tokio::test]
async fn a_disconnect_is_dropped_told_again_or_late() {
    let (stack, mut caller) = start().await;
    let told = async |client: Client| {
        drop(client);
        stack.script.json("disconnect").await["requestContext"]["connectionId"].as_str().unwrap().to_owned()
    };
    put(&mut caller, "drop", json!({ "fault": "disconnect_drop", "count": 1 })).await;
    let (lost, _) = stack.connect_with_id().await;
    drop(lost);
    let (kept, id) = stack.connect_with_id().await;
    while hits(&mut caller, "drop").await == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(told(kept).await, id, "the first one never comes");

    put(&mut caller, "again", json!({ "fault": "disconnect_duplicate", "count": 1 })).await;
    let (client, id) = stack.connect_with_id().await;
    assert_eq!(told(client).await, id);
    let again = stack.script.json("disconnect").await;
    assert_eq!(again["requestContext"]["connectionId"], id.as_str());

    put(&mut caller, "late", json!({ "fault": "disconnect_delay", "delay_ms": 600_000 })).await;
    let (client, id) = stack.connect_with_id().await;
    drop(client);
    while hits(&mut caller, "late").await == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stack.script.unseen("disconnect"), 0);
    // X2: ten minutes late, on the gateway's clock.
    advance(&mut caller, Duration::from_secs(600)).await;
    let late = stack.script.json("disconnect").await;
    assert_eq!(late["requestContext"]["connectionId"], id.as_str());
}

#[tokio::test]
async fn a_share_of_posts_fails() {
    let (stack, mut caller) = start().await;
    let (mut client, id) = stack.connect_with_id().await;
    let (_other, other_id) = stack.connect_with_id().await;
    for (status, error_type) in
        [(410, "GoneException"), (429, "LimitExceededException"), (500, "InternalServerErrorException")]
    {
        put(
            &mut caller,
            "post",
            json!({ "fault": "post_error", "status": status, "connection": id, "count": 2 }),
        )
        .await;
        for _ in 0..2 {
            let (got, headers, _) = caller.call("POST", &target(&id), "x").await;
            assert_eq!((got.as_u16(), &headers["x-amzn-errortype"].to_str().unwrap()), (status, &error_type));
        }
        assert_eq!(caller.call("POST", &target(&other_id), "x").await.0, 200);
        assert_eq!(caller.call("GET", &target(&id), "").await.0, 200);
        assert_eq!(caller.call("POST", &target(&id), "y").await.0, 200);
        assert_eq!(client.text().await, "y");
    }
    let half = json!({ "fault": "post_error", "status": 429, "share": 0.5, "seed": 3 });
    let mut runs = Vec::new();
    for _ in 0..2 {
        put(&mut caller, "post", half.clone()).await;
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(caller.call("POST", &target(&other_id), "x").await.0.as_u16());
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1], "the same seed hits the same posts");
    assert!(runs[0].contains(&200) && runs[0].contains(&429), "{runs:?}");
}

#[tokio::test]
async fn sockets_are_cut_at_once_or_on_a_route() {
    let (stack, mut caller) = start().await;
    let (mut one, id) = stack.connect_with_id().await;
    let (mut other, _) = stack.connect_with_id().await;
    put(&mut caller, "now", json!({ "fault": "cut", "connection": id })).await;
    assert!(is_cut(&mut one).await);
    let event = stack.script.json("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1006);
    assert_eq!(event["requestContext"]["connectionId"], id.as_str());

    put(&mut caller, "join", json!({ "fault": "cut", "route": "join" })).await;
    assert_eq!(echo(&mut other, "x").await, "x");
    other.send(r#"{"action":"join"}"#).await;
    assert!(is_cut(&mut other).await);
    // The message itself got through.
    stack.script.event("join").await;

    put(&mut caller, "connect", json!({ "fault": "cut", "route": "$connect", "count": 1 })).await;
    assert!(is_cut(&mut stack.connect().await).await);
    assert_eq!(echo(&mut stack.connect().await, "x").await, "x");
}

#[tokio::test]
async fn a_frozen_connection_goes_on_when_its_rule_goes() {
    let (stack, mut caller) = start().await;
    let (mut client, id) = stack.connect_with_id().await;
    put(&mut caller, "ice", json!({ "fault": "freeze", "connection": id })).await;
    client.send("hello").await;
    // C3: nothing is written any more, so that in the end the buffer is full; the bound is two messages of 128 KiB.
    let large = "x".repeat(128 * 1024 - 64);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(caller.call("POST", &target(&id), large.clone()).await.0.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(stack.script.unseen("default"), 0, "nothing was read either");
    assert_eq!(control(&mut caller, "DELETE", "faults/ice", Value::Null).await.0, 200);
    assert_eq!(client.text().await, large);
    assert_eq!(client.text().await, large);
    assert_eq!(client.text().await, "hello");
}

#[tokio::test]
async fn functions_are_slow_or_fail() {
    let (stack, mut caller) = start().await;
    let mut client = stack.connect().await;
    for (fault, count) in [("function_error", 1), ("function_throttle", 1), ("function_crash", 1)] {
        put(&mut caller, "f", json!({ "fault": fault, "route": "join", "count": count })).await;
        assert_eq!(echo(&mut client, "x").await, "x", "another route");
        let answer = echo(&mut client, r#"{"action":"join"}"#).await;
        assert!(answer.contains("Internal server error"), "{fault}: {answer}");
        assert_eq!(echo(&mut client, r#"{"action":"join"}"#).await, r#"{"action":"join"}"#);
    }
    // Slower than the integration waits: the function is not called before, and so never.
    put(&mut caller, "f", json!({ "fault": "function_delay", "delay_ms": 60_000, "function": "default" }))
        .await;
    let seen = stack.script.unseen("default");
    client.send("x").await;
    while hits(&mut caller, "f").await == 0 {
        tokio::task::yield_now().await;
    }
    advance(&mut caller, Duration::from_secs(5)).await;
    assert!(client.text().await.contains("Endpoint request timed out"));
    assert_eq!(stack.script.unseen("default"), seen);
    // Slow, and yet in time.
    put(&mut caller, "f", json!({ "fault": "function_delay", "delay_ms": 4_000, "count": 1 })).await;
    client.send("y").await;
    while hits(&mut caller, "f").await == 0 {
        tokio::task::yield_now().await;
    }
    advance(&mut caller, Duration::from_secs(4)).await;
    assert_eq!(client.text().await, "y");

    // H10: a handshake whose function fails.
    put(&mut caller, "f", json!({ "fault": "function_error", "route": "$connect", "count": 1 })).await;
    let lines = crate::harness::upgrade_lines(&stack.host());
    assert_eq!(stack.handshake("/dev", &lines).await, 502);
    assert_eq!(stack.handshake("/dev", &lines).await, 101);
}
