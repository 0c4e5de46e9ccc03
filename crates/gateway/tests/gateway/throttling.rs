//! Throttles of routes, stages and the account (Q1, Q2), with the clock in our hands.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use dunlin_gateway::{AccountThrottles, Gateway, StageConfig, StageThrottles, Throttle};

use crate::{
    harness::{Act, Script, Stack, api, config, route, two_way, upgrade_lines},
    management::Caller,
};

fn throttle(rate_per_second: f64, burst: u32) -> Throttle {
    Throttle { rate_per_second, burst }
}

/// A gateway whose stage `dev` and account have these throttles, and its clock in milliseconds.
async fn start(stage: StageThrottles, account: AccountThrottles) -> (Stack, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(1_000));
    let mut config = config();
    let ticks = Arc::clone(&clock);
    config.ticks = Arc::new(move || Duration::from_millis(ticks.load(SeqCst)));
    config.account_throttles = account;
    let routes = vec![route("$connect"), two_way("join"), two_way("$default")];
    let mut api = api("a1b2c3d4e5", routes);
    api.stages[0].throttles = stage;
    let stack = Stack::start_with(config, vec![api]).await;
    for function in ["join", "default"] {
        stack.script.on(function, Act::Echo);
    }
    (stack, clock)
}

async fn statuses(stack: &Stack, target: &str, handshakes: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..handshakes {
        statuses.push(stack.handshake(target, &upgrade_lines(&stack.host())).await);
    }
    statuses
}

/// H14: and nobody is asked about those who come too fast.
#[tokio::test]
async fn handshakes_beyond_the_bucket_get_429() {
    let routes = HashMap::from([("$connect".to_owned(), throttle(1.0, 2))]);
    let (stack, clock) = start(StageThrottles { default: None, routes }, AccountThrottles::default()).await;
    assert_eq!(statuses(&stack, "/dev", 4).await, [101, 101, 429, 429]);
    assert_eq!(stack.script.unseen("connect"), 2);
    // Another stage has buckets of its own.
    assert_eq!(statuses(&stack, "/prod", 4).await, [101; 4]);
    clock.fetch_add(1_000, SeqCst);
    assert_eq!(statuses(&stack, "/dev", 2).await, [101, 429]);
}

/// Q2.
#[tokio::test]
async fn a_stage_with_zeros_refuses_everything() {
    let stage = StageThrottles { default: Some(throttle(0.0, 0)), ..StageThrottles::default() };
    let (stack, clock) = start(stage, AccountThrottles::default()).await;
    assert_eq!(statuses(&stack, "/dev", 2).await, [429, 429]);
    clock.fetch_add(1_000_000, SeqCst);
    assert_eq!(statuses(&stack, "/dev", 1).await, [429]);
}

/// U1: a frame, and the connection stays. Each route has its own bucket.
#[tokio::test]
async fn messages_beyond_the_bucket_get_a_frame() {
    let stage = StageThrottles {
        default: Some(throttle(1.0, 1)),
        routes: HashMap::from([("join".to_owned(), throttle(1.0, 2))]),
    };
    let (stack, clock) = start(stage, AccountThrottles::default()).await;
    let mut client = stack.connect().await;
    let join = r#"{"action":"join"}"#;
    for (message, passes) in [(join, true), (join, true), (join, false), ("other", true), ("other", false)] {
        client.send(message).await;
        let answer = client.text().await;
        if passes {
            assert_eq!(answer, message);
        } else {
            assert!(answer.starts_with(r#"{"message": "Too Many Requests", "connectionId":""#), "{answer}");
        }
    }
    clock.fetch_add(1_000, SeqCst);
    client.send("other").await;
    assert_eq!(client.text().await, "other");
}

#[tokio::test]
async fn the_account_has_one_bucket_for_everything() {
    let account = AccountThrottles { requests: Some(throttle(0.0, 3)), connects: Some(throttle(0.0, 2)) };
    let (stack, _clock) = start(StageThrottles::default(), account).await;
    let (mut client, id) = stack.connect_with_id().await;
    client.send("hello").await;
    assert_eq!(client.text().await, "hello");
    let mut caller = Caller::new(&stack).await;
    let target = format!("/dev/@connections/{}", id.replace('=', "%3D"));
    assert_eq!(caller.call("POST", &target, "x").await.0, 200);
    assert_eq!(client.text().await, "x");
    // The bucket is empty, and the one of connects is not.
    let (status, headers, _) = caller.call("POST", &target, "y").await;
    assert_eq!(status, 429);
    assert_eq!(headers["x-amzn-errortype"], "LimitExceededException");
    assert_eq!(statuses(&stack, "/prod", 1).await, [429]);
    client.send("hello").await;
    assert!(client.text().await.contains("Too Many Requests"));
}

#[test]
fn the_quotas_of_the_service() {
    let account = AccountThrottles::of_service();
    assert_eq!(account.requests, Some(throttle(10_000.0, 5_000)));
    assert_eq!(account.connects, Some(throttle(500.0, 500)));
}

#[test]
fn a_throttle_that_is_no_number_is_named() {
    let mut api = api("a1", vec![]);
    let throttles = StageThrottles { default: Some(throttle(f64::NAN, 1)), ..StageThrottles::default() };
    api.stages = vec![StageConfig { name: "dev".to_owned(), throttles, ..StageConfig::default() }];
    assert_eq!(
        Gateway::new(config(), vec![api], Script::default()).err().unwrap().to_string(),
        "API a1: stage \"dev\" has a throttle whose rate is no number from 0 up"
    );
}
