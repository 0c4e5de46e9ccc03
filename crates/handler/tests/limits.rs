//! Limits, layers, and both ways back.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use dunlin_events::ConnectionId;
use dunlin_handler::{
    BoxError, Deadline, EventHandler, HandlerError, Json, Limits, Payload, Reply, ReplyChannel, Router,
    State, one_way,
    testing::{RecordedPosts, TestEvent, send, send_event},
};
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};
use tower::{Service, ServiceBuilder};

async fn never() {
    std::future::pending::<()>().await;
}

async fn echo(Json(message): Json<Value>) -> Json<Value> {
    Json(message)
}

fn in_three_seconds() -> std::time::Instant {
    Instant::now().into_std() + Duration::from_secs(3)
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_ended_before_the_platform_ends_the_process() {
    let posts = RecordedPosts::default();
    let router =
        Router::new().route("never", never).route("one_way", one_way(never)).reply_channel(posts.clone());
    for (margin, elapsed_ms) in [(200, 2_800), (1_000, 2_000), (5_000, 1_500)] {
        let limits = Limits { deadline_margin: Duration::from_millis(margin), ..Limits::default() };
        let mut router = router.clone().limits(limits);
        let start = Instant::now();
        let event = TestEvent::message("never", "{}").deadline(in_three_seconds());
        let reply = send(&mut router, event).await;
        assert_eq!((reply.status(), reply.error_code()), (504, Some("timeout")));
        // A margin that is longer than the time leaves the handler half of it.
        assert_eq!(start.elapsed(), Duration::from_millis(elapsed_ms), "{margin}");
    }
    let event = TestEvent::message("one_way", "{}").deadline(in_three_seconds());
    assert_eq!(send(&mut router.clone(), event).await.body(), None);
    assert_eq!(
        posts.json()[0]["error"]["code"],
        "timeout",
        "the client learns of it the way that the route has"
    );

    let mut function = EventHandler::new(async |_: Payload<Value>| never().await).with_state(());
    let event = dunlin_handler::RawEvent::new("{}").deadline(in_three_seconds());
    let error = send_event(&mut function, event).await.unwrap_err().to_string();
    assert!(error.starts_with("timeout: "), "{error}");
}

/// What a handler plans with is what it has: whoever works until then still answers.
#[tokio::test(start_paused = true)]
async fn a_handler_knows_when_it_is_ended() {
    async fn works(Deadline(deadline): Deadline) -> String {
        let deadline = Instant::from_std(deadline.unwrap());
        tokio::time::sleep_until(deadline - Duration::from_millis(1)).await;
        "done".to_owned()
    }
    let limits = Limits { deadline_margin: Duration::from_millis(500), ..Limits::default() };
    let mut router = Router::new().route("works", works).limits(limits);
    let start = Instant::now();
    let reply = send(&mut router, TestEvent::message("works", "{}").deadline(in_three_seconds())).await;
    assert_eq!(reply.body(), Some("done"));
    assert_eq!(start.elapsed(), Duration::from_millis(2_499));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_while_it_is_ended_is_a_panic() {
    struct Explosive;
    impl Drop for Explosive {
        fn drop(&mut self) {
            panic!("secret of the drop");
        }
    }
    async fn explodes() {
        let _held = Explosive;
        std::future::pending::<()>().await;
    }
    let mut router = Router::new().default(explodes);
    for _ in 0..2 {
        let event = TestEvent::message("$default", "{}").deadline(in_three_seconds());
        let reply = send(&mut router, event).await;
        assert_eq!((reply.status(), reply.error_code()), (500, Some("internal")));
    }
}

#[tokio::test]
async fn no_more_handlers_run_at_once_than_may() {
    async fn wait(State(go): State<Arc<Notify>>) {
        go.notified().await;
    }
    let go = Arc::new(Notify::new());
    let limits = Limits { in_flight_max: Some(2), ..Limits::default() };
    let mut router = Router::new().default(wait).limits(limits).with_state(Arc::clone(&go));
    let mut clone = router.clone();

    let mut running = [router.call(message()), clone.call(message())];
    assert!(running.iter_mut().all(|answer| answer.now_or_never().is_none()));
    let reply = send(&mut clone, message()).await;
    assert_eq!((reply.status(), reply.error_code()), (429, Some("overloaded")));

    // A place is free as soon as an answer is there, or nobody waits for it.
    let [first, second] = running;
    drop(first);
    go.notify_one();
    second.await.unwrap();
    go.notify_one();
    assert_eq!(send(&mut router, message()).await.status(), 200);
}

fn message() -> dunlin_handler::RawEvent {
    TestEvent::message("$default", "{}").into()
}

#[tokio::test]
async fn bodies_are_measured_as_they_are_decoded() {
    let limits = Limits { body_bytes_max: Some(8), ..Limits::default() };
    let mut router = Router::new().default(echo).limits(limits);
    let mut check = async |event: TestEvent, expected: Option<&str>| {
        assert_eq!(send(&mut router, event.clone()).await.error_code(), expected, "{event:?}");
    };
    check(TestEvent::message("$default", "\"123456\""), None).await;
    check(TestEvent::message("$default", "\"1234567\""), Some("body_too_large")).await;
    check(TestEvent::message("$default", "IjEyMzQ1NiI=").base64(), None).await;
    check(TestEvent::message("$default", "IjEyMzQ1NjciCg==").base64(), Some("body_too_large")).await;
    check(TestEvent::connect(), None).await;

    let mut function =
        EventHandler::new(async |Payload(event): Payload<Value>| Json(event)).limits(limits).with_state(());
    assert_eq!(send_event(&mut function, r#"{"a":17}"#).await.unwrap(), json!({"a": 17}));
    let answer = send_event(&mut function, r#"{"a":170}"#).await.unwrap();
    assert_eq!(answer["error"]["code"], "body_too_large");
}

#[tokio::test]
async fn a_reply_chooses_its_way() {
    async fn both(Json(message): Json<Value>) -> Result<Reply, HandlerError> {
        let reply = Reply::json(&message)?;
        Ok(if message["post"] == true { reply.posted() } else { reply })
    }
    let posts = RecordedPosts::default();
    let mut router = Router::new().connect(both_text).route("both", both).reply_channel(posts.clone());
    async fn both_text() -> Reply {
        Reply::text("welcome").posted()
    }

    let reply = send(&mut router, TestEvent::message_json("both", &json!({"post": false}))).await;
    assert_eq!(reply.parse::<Value>(), json!({"post": false}));
    assert!(posts.all().is_empty());

    let event = TestEvent::message_json("both", &json!({"post": true})).connection_id("abc");
    let reply = send(&mut router, event).await;
    assert_eq!((reply.status(), reply.body()), (200, None));
    assert_eq!((posts.to("abc"), posts.to("other")), (vec![r#"{"post":true}"#.to_owned()], vec![]));

    // A connection that is not made yet cannot be posted to (C8); the answer stays one.
    let reply = send(&mut router, TestEvent::connect()).await;
    assert_eq!((reply.is_success(), posts.all().len()), (true, 1));
}

#[tokio::test]
async fn a_channel_that_panics_costs_the_message_only() {
    struct Panics;
    impl ReplyChannel for Panics {
        fn post<'a>(&'a self, _: &'a ConnectionId, _: Bytes) -> BoxFuture<'a, Result<(), BoxError>> {
            panic!("secret of the channel");
        }
    }
    let mut router = Router::new().default(one_way(echo)).reply_channel(Panics);
    let reply = send(&mut router, message()).await;
    assert_eq!((reply.status(), reply.body()), (200, None));
}

#[tokio::test(start_paused = true)]
async fn towers_own_layers_go_around_a_router() {
    let router = Router::new().route("never", never).route("echo", echo);
    let mut layered = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .map_request(|event: dunlin_handler::RawEvent| event.invocation_id("i1"))
        .service(router);
    assert_eq!(send(&mut layered, TestEvent::message("echo", "17")).await.body(), Some("17"));
    let late = layered.call(TestEvent::message("never", "{}").into()).await.unwrap_err();
    assert!(late.is::<tower::timeout::error::Elapsed>());
}
