//! `/_dunlin/…`: the token, the clock, and what the clock moves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use dunlin_gateway::{GatewayConfig, StageThrottles, Throttle};
use futures_util::FutureExt;
use serde_json::{Value, json};

use crate::{
    harness::{Act, Stack, api, config, route, two_way, with_timeout},
    management::Caller,
};

pub(crate) const TOKEN: &str = "the-control-token";

pub(crate) fn controlled() -> GatewayConfig {
    GatewayConfig { control_token: Some(TOKEN.to_owned()), ..config() }
}

/// One call of the control surface, with the token.
pub(crate) async fn control(caller: &mut Caller, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut request = caller.unsigned(method, &format!("/_dunlin/{path}"), body);
    request.headers_mut().insert("x-dunlin-control-token", TOKEN.parse().unwrap());
    let (status, _, body) = caller.send(request).await;
    (status.as_u16(), serde_json::from_str(&body).unwrap())
}

pub(crate) async fn advance(caller: &mut Caller, by: Duration) -> Value {
    let millis = u64::try_from(by.as_millis()).unwrap();
    let (status, reading) = control(caller, "POST", "clock", json!({ "advance_ms": millis })).await;
    assert_eq!(status, 200, "{reading}");
    reading
}

async fn start() -> Stack {
    let routes = vec![
        route("$connect"),
        route("$disconnect"),
        with_timeout(two_way("slow"), Duration::from_secs(29)),
        two_way("$default"),
    ];
    let stack = Stack::start_with(controlled(), vec![api("a1b2c3d4e5", routes)]).await;
    stack.script.on("default", Act::Echo);
    stack
}

fn target(id: &str) -> String {
    format!("/dev/@connections/{}", id.replace('=', "%3D"))
}

#[tokio::test]
async fn everything_needs_the_token_and_nothing_is_there_without_one() {
    let stack = start().await;
    let mut caller = Caller::new(&stack).await;
    for token in [None, Some("wrong")] {
        let mut request = caller.unsigned("GET", "/_dunlin/clock", "");
        if let Some(token) = token {
            request.headers_mut().insert("x-dunlin-control-token", token.parse().unwrap());
        }
        let (status, _, body) = caller.send(request).await;
        assert_eq!(status, 403);
        assert!(body.contains("x-dunlin-control-token is missing or wrong"), "{body}");
    }
    assert_eq!(control(&mut caller, "GET", "counters", Value::Null).await.0, 200);
    let (status, problem) = control(&mut caller, "GET", "clocks", Value::Null).await;
    assert_eq!(status, 404);
    assert!(problem["message"].as_str().unwrap().starts_with("there is no /_dunlin/clocks; "), "{problem}");
    assert_eq!(control(&mut caller, "DELETE", "clock", Value::Null).await.0, 405);

    // As any path of the service that is not there.
    let strict = Stack::start(vec![route("$default")]).await;
    let mut caller = Caller::new(&strict).await;
    let known = control(&mut caller, "GET", "counters", Value::Null).await;
    assert_eq!(known, (403, json!({ "message": "Forbidden" })));
    let unknown = caller.unsigned("GET", "/elsewhere", "");
    let (status, _, body) = caller.send(unknown).await;
    assert_eq!((status.as_u16(), body.as_str()), (403, r#"{"message":"Forbidden"}"#));
}

#[tokio::test]
async fn bad_calls_of_the_clock_get_a_sentence() {
    let stack = start().await;
    let mut caller = Caller::new(&stack).await;
    for (body, problem) in [
        (json!({}), "missing field `advance_ms`"),
        (json!({ "advance_ms": -1 }), "invalid value"),
        (json!({ "advance_ms": 1, "by": 2 }), "unknown field `by`"),
        (json!({ "advance_ms": u64::MAX }), "above the 316224000000 that are allowed"),
    ] {
        let (status, answer) = control(&mut caller, "POST", "clock", body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(problem), "{answer}");
    }
    let (_, reading) = control(&mut caller, "GET", "clock", Value::Null).await;
    assert_eq!(reading["ahead_ms"], 0);
    // Told before all of it has come.
    let host = stack.host();
    let head = format!(
        "POST /_dunlin/clock HTTP/1.1\r\nHost: {host}\r\nx-dunlin-control-token: {TOKEN}\r\n\
         Content-Length: 262145\r\n\r\n"
    );
    let answer = stack.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("the body has more than 262144 bytes"), "{answer}");
}

/// Q4, Q6: what is due has begun when the answer comes, so that nothing needs to be waited for.
#[tokio::test]
async fn idle_and_old_connections_go_with_the_clock() {
    let stack = start().await;
    let (mut client, id) = stack.connect_with_id().await;
    let mut caller = Caller::new(&stack).await;
    advance(&mut caller, Duration::from_secs(599)).await;
    assert_eq!(caller.call("GET", &target(&id), "").await.0, 200);
    advance(&mut caller, Duration::from_secs(2)).await;
    assert_eq!(caller.call("GET", &target(&id), "").await.0, 410);
    assert_eq!(client.closed().await, (1001, "Going away".to_owned()));
    let event = stack.script.json("disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1001);

    let (mut client, id) = stack.connect_with_id().await;
    for _ in 0..13 {
        advance(&mut caller, Duration::from_secs(550)).await;
        client.send("still here").await;
        assert_eq!(client.text().await, "still here");
    }
    advance(&mut caller, Duration::from_secs(50)).await;
    assert_eq!(caller.call("POST", &target(&id), "x").await.0, 410);
    assert_eq!(client.closed().await.0, 1001);
}

/// G1: a function that never answers is given up as soon as its time has passed.
#[tokio::test]
async fn integrations_time_out_with_the_clock() {
    let stack = start().await;
    stack.script.on("slow", Act::Hang);
    let mut client = stack.connect().await;
    let mut caller = Caller::new(&stack).await;
    client.send(r#"{"action":"slow"}"#).await;
    stack.script.event("slow").await;
    advance(&mut caller, Duration::from_secs(29)).await;
    assert!(client.text().await.contains("Endpoint request timed out"));
}

#[tokio::test]
async fn events_and_ids_have_the_clocks_time() {
    let stack = start().await;
    let mut caller = Caller::new(&stack).await;
    let before = stack.connect_with_id().await.1;
    let reading = advance(&mut caller, Duration::from_secs(86_400)).await;
    assert_eq!(reading["ahead_ms"], 86_400_000);
    let (now, _client) = (reading["now_ms"].as_u64().unwrap(), stack.connect().await);
    let event = stack.script.json("connect").await;
    let connected_at = event["requestContext"]["connectedAt"].as_u64().unwrap();
    assert!((now..now + 60_000).contains(&connected_at), "{connected_at} after {now}");
    let after = event["requestContext"]["connectionId"].as_str().unwrap();
    // E2: ids sort by time.
    assert!(base64_bytes(after) > base64_bytes(&before));
}

fn base64_bytes(id: &str) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::URL_SAFE};
    URL_SAFE.decode(id).unwrap()
}

/// Who signs has a clock of its own.
#[tokio::test]
async fn signatures_are_of_the_worlds_time() {
    let stack = start().await;
    let (mut client, id) = stack.connect_with_id().await;
    let mut caller = Caller::new(&stack).await;
    advance(&mut caller, Duration::from_secs(599)).await;
    let (status, headers, _) = caller.call("POST", &target(&id), "x").await;
    assert_eq!(status, 200);
    assert_eq!(client.text().await, "x");
    // SDKs correct their clock by this header.
    let date = headers["date"].to_str().unwrap().to_owned();
    let (_, reading) = control(&mut caller, "GET", "clock", Value::Null).await;
    let minute = |epoch_ms: u64| dunlin_events::request_time(epoch_ms)[12..17].to_owned();
    assert_ne!(date[17..22], minute(reading["now_ms"].as_u64().unwrap()), "{date}");
}

#[tokio::test]
async fn throttles_refill_with_the_clock() {
    let mut api = api("a1b2c3d4e5", vec![two_way("$default")]);
    let default = Some(Throttle { rate_per_second: 0.01, burst: 1 });
    api.stages[0].throttles = StageThrottles { default, ..StageThrottles::default() };
    let stack = Stack::start_with(controlled(), vec![api]).await;
    stack.script.on("default", Act::Echo);
    // The handshake took the only token of `$connect`; messages have their own.
    let mut client = stack.connect().await;
    let mut caller = Caller::new(&stack).await;
    for (seconds, passes) in [(0, true), (0, false), (80, false), (40, true)] {
        advance(&mut caller, Duration::from_secs(seconds)).await;
        client.send("x").await;
        assert_eq!(client.text().await == "x", passes);
    }
}

#[tokio::test]
async fn whoever_follows_the_clock_is_waited_for() {
    let followed = Arc::new(AtomicU64::new(0));
    let config = GatewayConfig {
        on_advance: Some({
            let followed = Arc::clone(&followed);
            Arc::new(move |ahead: Duration| {
                let followed = Arc::clone(&followed);
                async move {
                    tokio::task::yield_now().await;
                    followed.store(ahead.as_secs(), SeqCst);
                }
                .boxed()
            })
        }),
        ..controlled()
    };
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![])]).await;
    let mut caller = Caller::new(&stack).await;
    advance(&mut caller, Duration::from_secs(60)).await;
    advance(&mut caller, Duration::from_secs(60)).await;
    assert_eq!(followed.load(SeqCst), 120);
}
