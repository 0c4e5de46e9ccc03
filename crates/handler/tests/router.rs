//! A router as a function uses it: events in, proxy results and posts out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use dunlin_events::ConnectionId;
use dunlin_handler::{
    Authorizer, Body, BoxError, Closed, Connection, Deadline, EventHandler, HandlerError, Headers, Json,
    Payload, QueryMap, RawEvent, Reply, ReplyChannel, RequestContext, RequestId, Router, State, one_way,
    testing::{CONNECTED_AT_MS, CONNECTION_ID, RecordedPosts, TestEvent, send, send_event},
};
use serde::Deserialize;
use serde_json::{Value, json};

async fn name() -> &'static str {
    "named"
}

async fn fallback() -> &'static str {
    "fallback"
}

async fn refuse() -> HandlerError {
    HandlerError::new("refused", "not today").status(403)
}

async fn panics() {
    panic!("secret of the handler");
}

#[tokio::test]
async fn messages_go_to_their_route_and_the_rest_to_default() {
    let mut router = Router::new().route("name", name).default(fallback);
    assert_eq!(router.route_keys(), ["$default", "name"]);
    for (route_key, expected) in [("name", "named"), ("$default", "fallback"), ("Name", "fallback")] {
        assert_eq!(
            send(&mut router, TestEvent::message(route_key, "{}")).await.body(),
            Some(expected),
            "{route_key}"
        );
    }
}

#[tokio::test]
async fn without_default_the_router_answers_by_itself() {
    let mut router = Router::new().route("name", name).route("other", name).disconnect(fallback);
    let reply = send(&mut router, TestEvent::message("$default", r#"{"action":"nome"}"#)).await;
    assert_eq!((reply.status(), reply.error_code()), (400, Some("unknown_action")));
    assert_eq!(reply.json()["error"]["message"], "no route takes this message; there are name, other");

    let reply = send(&mut router, TestEvent::message("$default", "hello")).await;
    assert_eq!((reply.status(), reply.error_code()), (400, Some("invalid_body")));

    // As the service does without such a route (H9).
    let reply = send(&mut router, TestEvent::connect()).await;
    assert_eq!((reply.status(), reply.body()), (200, None));
}

#[tokio::test]
async fn default_takes_neither_handshakes_nor_ends() {
    let mut router = Router::new().default(refuse);
    assert_eq!(send(&mut router, TestEvent::connect()).await.status(), 200);
    assert_eq!(send(&mut router, TestEvent::disconnect(1000, "")).await.status(), 200);
    assert_eq!(send(&mut router, TestEvent::message("$default", "{}")).await.status(), 403);
}

#[tokio::test]
async fn a_refused_handshake_has_the_status_of_the_error() {
    let posts = RecordedPosts::default();
    let mut router = Router::new().connect(one_way(refuse)).reply_channel(posts.clone());
    let reply = send(&mut router, TestEvent::connect()).await;
    assert_eq!((reply.status(), reply.error_code()), (403, Some("refused")));
    assert!(posts.all().is_empty(), "a connection that does not exist yet cannot be posted to (C8)");
}

#[tokio::test]
async fn a_one_way_route_answers_and_fails_over_the_channel() {
    let posts = RecordedPosts::default();
    let mut router = Router::new()
        .route("name", one_way(name))
        .route("refuse", one_way(refuse))
        .route("panics", one_way(panics))
        .reply_channel(posts.clone());

    for (route_key, status) in [("name", 200), ("refuse", 403), ("panics", 500)] {
        let reply = send(&mut router, TestEvent::message(route_key, "{}").request_id("r1")).await;
        assert_eq!((reply.status(), reply.body()), (status, None), "{route_key}");
    }
    let texts = posts.texts();
    assert_eq!(texts[0], "named");
    assert_eq!(
        texts[1],
        r#"{"type":"error","error":{"code":"refused","message":"not today","requestId":"r1"}}"#
    );
    assert!(texts[2].contains("\"internal\"") && !texts[2].contains("secret"), "{}", texts[2]);
    assert!(posts.all().iter().all(|(connection, _)| connection.as_str() == CONNECTION_ID));
}

#[tokio::test]
async fn a_channel_that_fails_or_is_missing_costs_the_message_only() {
    struct Broken;
    impl ReplyChannel for Broken {
        fn post<'a>(
            &'a self,
            _: &'a ConnectionId,
            _: Bytes,
        ) -> futures_util::future::BoxFuture<'a, Result<(), BoxError>> {
            Box::pin(std::future::ready(Err("no route to host".into())))
        }
    }
    let router = Router::new().route("name", one_way(name));
    for mut router in [router.clone(), router.reply_channel(Broken)] {
        let reply = send(&mut router, TestEvent::message("name", "{}")).await;
        assert_eq!((reply.status(), reply.body()), (200, None));
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_router_lives() {
    async fn late() {
        tokio::task::yield_now().await;
        panic!("secret of the handler");
    }
    #[derive(Debug)]
    struct Explosive;
    impl<'de> Deserialize<'de> for Explosive {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("secret of the argument");
        }
    }
    async fn argument(_: Json<Explosive>) {}

    let mut router = Router::new().route("panics", panics).route("late", late).route("argument", argument);
    for route_key in ["panics", "late", "argument", "panics"] {
        let reply = send(&mut router, TestEvent::message(route_key, "{}")).await;
        assert_eq!((reply.status(), reply.error_code()), (500, Some("internal")), "{route_key}");
        assert!(!reply.body().unwrap().contains("secret"), "{route_key}");
    }
}

#[tokio::test]
async fn an_event_that_is_not_about_a_connection_gets_400_and_nothing_else_happens() {
    let calls = Arc::new(AtomicU32::new(0));
    async fn count(State(calls): State<Arc<AtomicU32>>) {
        calls.fetch_add(1, Ordering::Relaxed);
    }
    let posts = RecordedPosts::default();
    let mut router = Router::new()
        .connect(count)
        .default(one_way(count))
        .reply_channel(posts.clone())
        .with_state(Arc::clone(&calls));

    let bad = [
        "{}",
        "null",
        "17",
        "",
        "{",
        r#"{"requestContext":null}"#,
        r#"{"requestContext":{"routeKey":"$connect","eventType":"CONNECT"}}"#,
        r#"{"requestContext":{"routeKey":"$connect","connectionId":""}}"#,
        r#"{"requestContext":{"routeKey":"$connect","connectionId":"a/b"}}"#,
        r#"{"requestContext":{"routeKey":"$connect","connectionId":7}}"#,
        r#"{"requestContext":{"eventType":"UPGRADE","connectionId":"Zk3pQdXMDoECEeg="}}"#,
    ];
    for payload in bad {
        let reply = send(&mut router, RawEvent::new(payload)).await;
        assert_eq!((reply.status(), reply.error_code()), (400, Some("invalid_event")), "{payload}");
    }
    assert_eq!(send(&mut router, TestEvent::message("x", "{}").without_connection_id()).await.status(), 400);
    assert_eq!((calls.load(Ordering::Relaxed), posts.all().len()), (0, 0));

    // The least that is enough.
    let least = r#"{"requestContext":{"eventType":"CONNECT","connectionId":"x"}}"#;
    assert_eq!(send(&mut router, RawEvent::new(least)).await.status(), 200);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn arguments_come_in_any_order() {
    #[derive(Deserialize)]
    struct Principal {
        #[serde(rename = "principalId")]
        id: String,
    }
    #[expect(clippy::too_many_arguments, reason = "all of them, in one go")]
    async fn all(
        Json(json): Json<Value>,
        connection: Connection,
        context: RequestContext,
        State(state): State<u8>,
        Authorizer(principal): Authorizer<Principal>,
        request_id: RequestId,
        Authorizer(none): Authorizer<Option<Principal>>,
        Deadline(deadline): Deadline,
    ) -> Reply {
        let all = json!([
            json,
            connection.id,
            connection.connected_at_ms,
            context.source_ip,
            context.stage,
            state,
            principal.id,
            none.is_some(),
            request_id.0,
            deadline.is_some(),
        ]);
        Reply::json(&all).unwrap()
    }
    let mut router = Router::new().route("all", all).with_state(7);
    let event = TestEvent::message("all", "[1]")
        .authorizer(&json!({"principalId": "user-42", "tenant": "north"}))
        .request_id("r1")
        .deadline(Instant::now() + Duration::from_secs(1));
    let reply = send(&mut router, event).await;
    assert_eq!(
        *reply.json(),
        json!([[1], CONNECTION_ID, CONNECTED_AT_MS, "203.0.113.17", "dev", 7, "user-42", true, "r1", true])
    );

    // The template promises an authorizer, and none ran: ours to repair, not the client's.
    assert_eq!(send(&mut router, TestEvent::message("all", "[1]")).await.error_code(), Some("internal"));
}

#[tokio::test]
async fn the_handshake_is_readable_on_connect_and_the_end_on_disconnect() {
    async fn connect(headers: Headers, query: QueryMap) -> Reply {
        Reply::json(&json!([headers.get("authorization"), query.get("token"), headers.iter().count()]))
            .unwrap()
    }
    async fn disconnect(closed: Closed, headers: Headers) -> Reply {
        Reply::json(&json!([closed.code, closed.reason, headers.get("authorization")])).unwrap()
    }
    let mut router = Router::new().connect(connect).disconnect(disconnect);
    let event = TestEvent::connect().header("Authorization", "Bearer x").query("token", "abc");
    assert_eq!(*send(&mut router, event).await.json(), json!(["Bearer x", "abc", 2]));
    let event = TestEvent::disconnect(1001, "Going away");
    assert_eq!(*send(&mut router, event).await.json(), json!([1001, "Going away", null]));
}

#[tokio::test]
async fn a_body_in_base64_is_decoded_first() {
    let mut router = Router::new().default(async |Json(number): Json<u8>| number.to_string());
    for (body, expected) in
        [("MTc=", "17"), ("MTc", "not valid base64"), ("/w==", "not UTF-8"), ("eA==", "not JSON")]
    {
        let reply = send(&mut router, TestEvent::message("$default", body).base64()).await;
        assert!(reply.body().unwrap().contains(expected), "{body}: {:?}", reply.body());
    }
    assert_eq!(
        send(&mut router, TestEvent::message("$default", "MTc=")).await.error_code(),
        Some("invalid_body")
    );
}

#[tokio::test]
async fn bytes_are_taken_as_they_are() {
    let mut router = Router::new().default(async |Body(bytes): Body| format!("{bytes:?}"));
    let reply = send(&mut router, TestEvent::message("$default", "AAECA//+/Q==").base64()).await;
    assert_eq!(reply.body(), Some(r#"b"\0\x01\x02\x03\xff\xfe\xfd""#));
    assert_eq!(send(&mut router, TestEvent::message("$default", "é")).await.body(), Some(r#"b"\xc3\xa9""#));
}

#[tokio::test]
async fn a_handshake_is_answered_with_any_status_and_body() {
    async fn connect(query: QueryMap) -> Reply {
        let status = query.get("status").and_then(|status| status.parse().ok()).unwrap_or(200);
        Reply::text("not today").status(status).subprotocol("v1")
    }
    let mut router = Router::new().connect(connect);
    for (status, success) in [(200, true), (204, true), (301, false), (401, false), (503, false)] {
        let reply = send(&mut router, TestEvent::connect().query("status", status.to_string())).await;
        assert_eq!((reply.status(), reply.is_success()), (status, success));
        assert_eq!((reply.body(), reply.subprotocol()), (Some("not today"), Some("v1")));
    }
}

#[tokio::test]
async fn an_argument_that_cannot_be_read_may_be_the_handlers_own_affair() {
    async fn lenient(number: Result<Json<u8>, HandlerError>, caller: Authorizer<Option<Value>>) -> String {
        assert!(caller.0.is_none());
        number.map_or_else(|error| error.message().to_owned(), |Json(number)| number.to_string())
    }
    let mut router = Router::new().default(lenient);
    assert_eq!(send(&mut router, TestEvent::message("$default", "17")).await.body(), Some("17"));
    let reply = send(&mut router, TestEvent::message("$default", "1000")).await;
    assert_eq!(reply.body(), Some("the message does not fit: an integer from 0 to 255 is expected"));
}

#[tokio::test]
async fn what_an_authorizer_returned_is_typed_or_refused_as_ours() {
    #[derive(Deserialize)]
    struct Caller {
        level: u8,
        admin: bool,
    }
    async fn level(Authorizer(caller): Authorizer<Caller>) -> String {
        format!("{} {}", caller.level, caller.admin)
    }
    let mut router = Router::new().default(level);
    let mut check = async |returned: Value, expected: Option<&str>| {
        let event = TestEvent::message("$default", "{}").authorizer(&returned);
        let reply = send(&mut router, event).await;
        assert_eq!(reply.body().filter(|_| reply.is_success()), expected, "{returned}");
        assert_eq!(reply.error_code(), expected.is_none().then_some("internal"), "{returned}");
    };
    // The service makes texts of all values (A5); a test, or another gateway, may not.
    check(json!({"principalId": "p", "level": "7", "admin": "true"}), Some("7 true")).await;
    check(json!({"level": 7, "admin": false, "integrationLatency": 111}), Some("7 false")).await;
    check(json!({"level": "300", "admin": "true"}), None).await;
    check(json!({"level": "7"}), None).await;
    check(json!("7"), None).await;
    check(Value::Null, None).await;
}

#[tokio::test]
async fn routers_are_put_together() {
    let devices = Router::new().route("name", name).route("other", name);
    let mut router = Router::new().default(fallback).route("other", fallback).merge(devices);
    assert_eq!(router.route_keys(), ["$default", "name", "other"]);
    assert_eq!(send(&mut router, TestEvent::message("other", "{}")).await.body(), Some("named"));
}

#[tokio::test]
async fn a_reply_that_no_frame_holds_becomes_an_error() {
    let mut router = Router::new().default(async || "x".repeat(128 * 1024 + 1));
    let reply = send(&mut router, TestEvent::message("$default", "{}")).await;
    assert_eq!((reply.status(), reply.error_code()), (500, Some("internal")));
}

#[tokio::test]
async fn a_plain_event_fails_only_by_our_fault() {
    #[derive(Deserialize)]
    struct Reading {
        value: i64,
    }
    async fn reading(
        Payload(reading): Payload<Reading>,
        RequestId(id): RequestId,
    ) -> Result<Json<i64>, HandlerError> {
        assert!(reading.value != 0, "secret of the handler");
        if reading.value < 0 {
            return Err(HandlerError::new("negative", format!("{id} is negative")));
        }
        i8::try_from(reading.value)?;
        Ok(Json(reading.value * 2))
    }
    let mut function = EventHandler::new(reading).with_state(());

    assert_eq!(send_event(&mut function, r#"{"value":21}"#).await.unwrap(), 42);
    for (event, code) in [
        (r#"{"value":-1}"#, "negative"),
        (r#"{"value":"x"}"#, "invalid_event"),
        ("{}", "invalid_event"),
        ("{", "invalid_event"),
    ] {
        let answer = send_event(&mut function, event).await.unwrap();
        assert_eq!((&answer["type"], &answer["error"]["code"]), (&json!("error"), &json!(code)), "{event}");
    }
    for event in [r#"{"value":300}"#, r#"{"value":0}"#] {
        let error = send_event(&mut function, event).await.unwrap_err().to_string();
        assert!(error.starts_with("internal: ") && !error.contains("secret"), "{event}: {error}");
    }

    let mut misplaced = EventHandler::new(async |_: Connection| "").with_state(());
    assert!(send_event(&mut misplaced, "{}").await.is_err(), "a plain event has no connection");
}
