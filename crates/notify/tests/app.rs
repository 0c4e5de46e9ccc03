//! The app's contract, on the in-memory store and the fake management API.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use dunlin_connection_store::ConnectionStore;
use dunlin_handler::{
    DEADLINE_MARGIN, RawEvent,
    testing::{CONNECTED_AT_MS, CONNECTION_ID, TestEvent, send, send_event},
};
use dunlin_management::{Answer, ManagementErrorKind, PostOutcome};
use dunlin_notify::{LAST_VALUE_ATTEMPTS_MAX, LAST_VALUES_TIME_MAX, REPLY_MARGIN};
use serde_json::{Value, json};
use support::{Broken, NOW_MS, Stack, id, message, update};

#[tokio::test]
async fn a_list_is_replaced_as_a_whole() {
    let stack = Stack::new();
    stack.connect("a").await;
    let check = async |ids: Value, list: Value, added: Value, removed: Value| {
        let reply = stack.set("a", ids).await;
        assert_eq!(
            reply,
            json!({"type": "notify_list", "device_ids": list, "added": added, "removed": removed})
        );
    };
    check(json!(["dev-1", "dev-2"]), json!(["dev-1", "dev-2"]), json!(["dev-1", "dev-2"]), json!([])).await;
    check(json!(["dev-3", "dev-2"]), json!(["dev-3", "dev-2"]), json!(["dev-3"]), json!(["dev-1"])).await;
    check(json!(["dev-2", "dev-2"]), json!(["dev-2"]), json!([]), json!(["dev-3"])).await;
    check(json!([]), json!([]), json!([]), json!(["dev-2"])).await;
    assert_eq!(stack.publish(&update("dev-2", 1, 0)).await["delivered"], 0);
}

#[tokio::test]
async fn updates_reach_those_who_follow_the_device() {
    let stack = Stack::new();
    for connection in ["a", "b", "c"] {
        stack.connect(connection).await;
    }
    stack.set("a", json!(["dev-1", "dev-2"])).await;
    stack.set("b", json!(["dev-2"])).await;

    let event = r#"{"device_id":"dev-1","received_at":1760000000000,"version":7,"payload":{"value":{"t": 21.50,"é":[null]},"x":1},"y":2}"#;
    let report = stack.publish(event).await;
    assert_eq!(
        (&report["commit"], &report["delivered"], &report["enumerated"]),
        (&json!("committed"), &json!(1), &json!(true))
    );
    let report = stack.publish(&update("dev-2", 1, 5)).await;
    assert_eq!(report["delivered"], 2);

    // The value arrives as the device wrote it.
    let first = r#"{"type":"parameters","device_id":"dev-1","version":7,"value":{"t": 21.50,"é":[null]}}"#;
    let second = r#"{"type":"parameters","device_id":"dev-2","version":1,"value":5}"#;
    assert_eq!(stack.received("a"), [first, second]);
    assert_eq!(stack.received("b"), [second]);
    assert!(stack.received("c").is_empty());
}

#[tokio::test]
async fn an_older_update_is_not_pushed() {
    let stack = Stack::new();
    stack.connect("a").await;
    stack.set("a", json!(["dev-1"])).await;
    for (version, value, commit, delivered) in [
        (2, 20, "committed", 1),
        (1, 10, "older", 0),
        (2, 21, "older", 0),
        // The service repeats an invocation that failed, and nobody knows how far it came (N5).
        (2, 20, "repeated", 1),
        (3, 30, "committed", 1),
    ] {
        let report = stack.publish(&update("dev-1", version, value)).await;
        assert_eq!(
            (&report["commit"], &report["delivered"]),
            (&json!(commit), &json!(delivered)),
            "{version} {value}"
        );
    }
    let values: Vec<_> = stack
        .received("a")
        .iter()
        .map(|push| serde_json::from_str::<Value>(push).unwrap()["value"].clone())
        .collect();
    assert_eq!(values, [20, 20, 30]);
}

#[tokio::test]
async fn without_a_version_the_time_of_receipt_serves() {
    let stack = Stack::new();
    stack.connect("a").await;
    stack.set("a", json!(["dev-1"])).await;
    for (received_at, delivered) in [(1000, 1), (999, 0), (1001, 1)] {
        let event =
            json!({"device_id": "dev-1", "received_at": received_at, "payload": {"value": received_at}});
        assert_eq!(stack.publish(&event.to_string()).await["delivered"], delivered, "{received_at}");
    }
    assert!(stack.received("a")[1].contains(r#""version":1001"#));
}

#[tokio::test]
async fn a_client_never_starts_blind() {
    let stack = Stack::new();
    stack.publish(&update("dev-1", 7, 21)).await;
    stack.connect("a").await;

    stack.set("a", json!(["dev-1", "silent"])).await;
    let last = r#"{"type":"parameters","device_id":"dev-1","version":7,"value":21}"#;
    assert_eq!(stack.received("a"), [last]);

    // Only what is new to the list is pushed.
    stack.set("a", json!(["dev-1"])).await;
    assert_eq!(stack.received("a").len(), 1);
    stack.set("a", json!([])).await;
    stack.set("a", json!(["dev-1"])).await;
    assert_eq!(stack.received("a"), [last, last]);
}

#[tokio::test(start_paused = true)]
async fn a_last_value_is_tried_again_but_not_for_ever() {
    let stack = Stack::new();
    stack.publish(&update("dev-1", 7, 21)).await;
    stack.connect("a").await;
    let throttled = Answer::failed(ManagementErrorKind::Throttled);
    stack.management.script(&id("a"), [throttled, throttled]);
    stack.set("a", json!(["dev-1"])).await;
    assert_eq!(stack.received("a").len(), 1);

    stack.set("a", json!([])).await;
    stack.management.script(&id("a"), vec![throttled; LAST_VALUE_ATTEMPTS_MAX as usize]);
    assert_eq!(stack.set("a", json!(["dev-1"])).await["type"], "notify_list");
    assert_eq!(stack.received("a").len(), 1);
    assert_eq!(stack.management.posts().len(), 3 + LAST_VALUE_ATTEMPTS_MAX as usize);
}

#[tokio::test(start_paused = true)]
async fn posts_that_hang_do_not_keep_the_answer_back() {
    let stack = Stack::new();
    stack.publish(&update("dev-1", 7, 21)).await;
    stack.connect("a").await;
    let hour = Answer::delivered().after(Duration::from_secs(3600));
    stack.management.script(&id("a"), [hour, hour]);

    let start = tokio::time::Instant::now();
    let deadline = start + LAST_VALUES_TIME_MAX * 10;
    let event = message("a", json!(["dev-1"])).deadline(deadline.into_std());
    assert_eq!(send(&mut stack.lists(), event).await.json()["type"], "notify_list");
    assert_eq!(start.elapsed(), LAST_VALUES_TIME_MAX);

    // A nearer deadline counts.
    stack.set("a", json!([])).await;
    let start = tokio::time::Instant::now();
    let event = message("a", json!(["dev-1"])).deadline((start + Duration::from_secs(2)).into_std());
    assert_eq!(send(&mut stack.lists(), event).await.json()["type"], "notify_list");
    assert_eq!(start.elapsed(), Duration::from_secs(2) - DEADLINE_MARGIN - REPLY_MARGIN);
}

#[tokio::test]
async fn a_connection_found_gone_is_forgotten() {
    let stack = Stack::new();
    stack.publish(&update("dev-1", 1, 0)).await;
    for connection in ["a", "b"] {
        stack.connect(connection).await;
        stack.set(connection, json!(["dev-2"])).await;
        stack.management.hang_up(&id(connection));
    }
    // By the last value ...
    stack.set("a", json!(["dev-1", "dev-2"])).await;
    assert!(stack.store.connection(&id("a"), stack.now()).await.unwrap().is_none());

    // ... and by an update.
    let report = stack.publish(&update("dev-2", 1, 0)).await;
    assert_eq!((&report["gone"], &report["pruned"]), (&json!(1), &json!(1)));
    assert!(stack.store.connection(&id("b"), stack.now()).await.unwrap().is_none());
    assert_eq!(stack.publish(&update("dev-2", 2, 0)).await["gone"], 0);
}

#[tokio::test]
async fn a_young_connection_that_seems_gone_is_kept() {
    let stack = Stack::new();
    stack.publish(&update("dev-1", 1, 0)).await;
    stack.management.script(&id("a"), [Answer::gone()]);
    let event = message("a", json!(["dev-1"])).connected_at_ms(NOW_MS - 1_999);
    send(&mut stack.lists(), event).await;
    assert_eq!(stack.management.posts().last().unwrap().outcome, Ok(PostOutcome::Gone));
    assert!(stack.store.connection(&id("a"), stack.now()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_message_of_a_forgotten_connection_adds_it_again() {
    let stack = Stack::new();
    assert_eq!(stack.set("a", json!(["dev-1"])).await["added"], json!(["dev-1"]));
    assert_eq!(stack.publish(&update("dev-1", 1, 0)).await["delivered"], 1);
    let connection = stack.store.connection(&id("a"), stack.now()).await.unwrap().unwrap();
    assert_eq!(connection.connected_at.epoch_ms(), CONNECTED_AT_MS, "the event tells when it was made");
}

#[tokio::test]
async fn a_disconnect_ends_all_of_it() {
    let stack = Stack::new();
    stack.connect("a").await;
    stack.set("a", json!(["dev-1"])).await;
    for _ in 0..2 {
        let event = TestEvent::disconnect(1001, "Going away").connection_id("a");
        assert_eq!(send(&mut stack.disconnects(), event).await.status(), 200, "twice is no error");
    }
    assert!(stack.store.connection(&id("a"), stack.now()).await.unwrap().is_none());
    assert_eq!(stack.publish(&update("dev-1", 1, 0)).await["delivered"], 0);
}

#[tokio::test]
async fn each_mistake_in_a_list_has_its_code_and_changes_nothing() {
    let stack = Stack::new();
    stack.connect(CONNECTION_ID).await;
    stack.set(CONNECTION_ID, json!(["dev-1"])).await;
    let many = json!({"device_ids": (0..101).map(|n| format!("dev-{n}")).collect::<Vec<_>>()}).to_string();
    for (body, code, names) in [
        ("hello", "invalid_body", "not JSON"),
        ("[]", "invalid_body", "expected"),
        ("{}", "invalid_body", "`device_ids`"),
        (r#"{"device_ids":"dev-1"}"#, "invalid_body", "`device_ids`"),
        (r#"{"device_ids":["dev-1",7]}"#, "invalid_body", "`device_ids[1]`"),
        (r#"{"device_ids":["dev-1",""]}"#, "invalid_device_id", "device_ids[1]"),
        (r#"{"device_ids":["dev/1"]}"#, "invalid_device_id", "device_ids[0]"),
        (&many, "too_many_devices", "at most 100"),
    ] {
        let reply =
            send(&mut stack.lists(), TestEvent::message("set_notify_list", body).request_id("r1")).await;
        assert_eq!((reply.status(), reply.error_code()), (400, Some(code)), "{body}");
        let error = &reply.json()["error"];
        assert!(error["message"].as_str().unwrap().contains(names), "{body}: {error}");
        assert_eq!(error["requestId"], "r1");
    }
    let connection = stack.store.connection(&id(CONNECTION_ID), stack.now()).await.unwrap().unwrap();
    assert_eq!(connection.topics.len(), 1);
}

#[tokio::test]
async fn default_says_what_is_wrong() {
    for (body, code, names) in [
        (r#"{"action":"subscribe"}"#, "unknown_action", r#""subscribe""#),
        (r#"{"device_ids":[]}"#, "unknown_action", r#"no "action""#),
        (r#"{"action":7}"#, "unknown_action", "not a text"),
        ("17", "unknown_action", "set_notify_list"),
        ("hello", "invalid_body", "not JSON"),
        (r#"{"action":"subscribe""#, "invalid_body", "not JSON"),
        ("", "invalid_body", "not JSON"),
    ] {
        let reply = send(&mut dunlin_notify::default(), TestEvent::message("$default", body)).await;
        assert_eq!((reply.status(), reply.error_code()), (400, Some(code)), "{body}");
        assert!(reply.body().unwrap().contains(&names.replace('"', "\\\"")), "{body}: {:?}", reply.body());
    }
    let long = json!({"action": "x".repeat(100_000)}).to_string();
    let reply = send(&mut dunlin_notify::default(), TestEvent::message("$default", long)).await;
    assert!(reply.body().unwrap().len() < 300);
}

#[tokio::test]
async fn updates_that_can_never_be_pushed_are_answered_and_not_repeated() {
    let stack = Stack::new();
    let large =
        json!({"device_id": "dev-1", "version": 1, "payload": {"value": "x".repeat(128 * 1024)}}).to_string();
    let long = update(&"x".repeat(129), 1, 0);
    let with_value =
        |value: &str| format!(r#"{{"device_id":"dev-1","version":1,"payload":{{"value":{value}}}}}"#);
    let deep = with_value(&("[".repeat(10_000) + &"]".repeat(10_000)));
    let (cut_off, not_a_number) = (with_value("[1,"), with_value("NaN"));
    for (event, code) in [
        ("17", "invalid_event"),
        ("{}", "invalid_event"),
        (r#"{"device_id":"dev-1","version":1}"#, "invalid_event"),
        (r#"{"device_id":"dev-1","version":1,"payload":{}}"#, "invalid_event"),
        (r#"{"device_id":"dev-1","version":-1,"payload":{"value":1}}"#, "invalid_event"),
        (r#"{"device_id":"dev-1","version":"1","payload":{"value":1}}"#, "invalid_event"),
        (r#"{"device_id":"dev-1","payload":{"value":1}}"#, "no_version"),
        (r#"{"device_id":"dev-1","version":1.5,"payload":{"value":1}}"#, "invalid_event"),
        (r#"{"device_id":"dev-1","version":1e30,"payload":{"value":1}}"#, "invalid_event"),
        (r#"{"device_id":"dev-1","version":18446744073709551616,"payload":{"value":1}}"#, "invalid_event"),
        (r#"{"device_id":"dev-1","device_id":"dev-2","version":1,"payload":{"value":1}}"#, "invalid_event"),
        (r#"{"device_id":["dev-1"],"version":1,"payload":{"value":1}}"#, "invalid_event"),
        (r#"{"device_id":"dev-1","version":1,"payload":null}"#, "invalid_event"),
        (&cut_off, "invalid_event"),
        (&not_a_number, "invalid_event"),
        (r#"{"device_id":"a#b","version":1,"payload":{"value":1}}"#, "invalid_device_id"),
        (r#"{"device_id":"","version":1,"payload":{"value":1}}"#, "invalid_device_id"),
        (&long, "invalid_device_id"),
        (&large, "payload_too_large"),
    ] {
        let answer = stack.publish(event).await;
        assert_eq!(
            (&answer["type"], &answer["error"]["code"]),
            (&json!("error"), &json!(code)),
            "{event:.60}"
        );
    }
    assert_eq!(stack.store.heads(&["dev-1".parse().unwrap()]).await.unwrap(), [None]);
    // A value is passed on as the text that it is, however deep.
    assert_eq!(stack.publish(&deep).await["commit"], "committed");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_invocation_bounds_the_pass() {
    let stack = Stack::new();
    stack.connect("a").await;
    stack.set("a", json!(["dev-1"])).await;
    stack.management.script(&id("a"), [Answer::delivered().after(Duration::from_secs(3600))]);
    let start = tokio::time::Instant::now();
    let deadline = (start + Duration::from_secs(7)).into_std();
    let event = RawEvent::new(update("dev-1", 1, 0)).deadline(deadline);
    let answer = tower_call(&mut stack.updates(), event).await;
    assert_eq!((&answer["delivered"], &answer["skipped"]), (&json!(0), &json!(1)));
    assert!(
        start.elapsed() <= Duration::from_secs(7) && start.elapsed() > Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_store_that_fails_is_internal_and_says_no_more() {
    for broken in [Broken::Errors, Broken::Panics] {
        let mut lists = dunlin_notify::set_notify_list(broken.app());
        for _ in 0..2 {
            let reply = send(&mut lists, message("a", json!(["dev-1"]))).await;
            assert_eq!((reply.status(), reply.error_code()), (500, Some("internal")));
            assert!(!reply.body().unwrap().contains("secret"), "{:?}", reply.body());
        }
        let connect = &mut dunlin_notify::connect(broken, support::now);
        assert_eq!(send(connect, TestEvent::connect()).await.status(), 500, "the handshake is refused");
        assert_eq!(
            send(&mut dunlin_notify::disconnect(broken), TestEvent::disconnect(1000, "")).await.status(),
            500
        );

        // The invocation fails, so that the service repeats it (N5).
        let mut updates = dunlin_notify::notify_parameter(broken.app());
        let error = send_event(&mut updates, update("dev-1", 1, 0)).await.unwrap_err().to_string();
        assert!(error.starts_with("internal") && !error.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_deadline_that_has_passed_fails_the_invocation() {
    let stack = Stack::new();
    let event = RawEvent::new(update("dev-1", 1, 0)).deadline(Instant::now());
    let mut updates = stack.updates();
    assert!(tower::Service::call(&mut updates, event).await.is_err());
}

async fn tower_call(function: &mut dunlin_handler::EventHandler, event: RawEvent) -> Value {
    serde_json::from_str(tower::Service::call(function, event).await.unwrap().as_str()).unwrap()
}
