//! What a pass does when its time runs out, and how it goes on, on a paused clock.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use dunlin_connection_store::{ConnectionStore as _, ShardCount, StoreErrorKind};
use dunlin_fanout::{Checkpoint, Commit, Fanout, FanoutConfig, FanoutError};
use dunlin_management::{Answer, FakeManagement, ManagementErrorKind};
use support::{FaultyStore, ago, follower, id, topic, update};
use tokio::time::{Duration, Instant};

const OLD: Duration = Duration::from_secs(600);
const DEADLINE: Duration = Duration::from_secs(10);

async fn audience(followers: usize, shards: u16, store: FaultyStore) -> FaultyStore {
    store.grow_shards(&topic(), ShardCount::new(shards).unwrap()).await.unwrap();
    for n in 0..followers {
        follower(&store, n, ago(OLD)).await;
    }
    store
}

/// As it would come back from a queue.
fn sent(checkpoint: &Checkpoint) -> Checkpoint {
    serde_json::from_str(&serde_json::to_string(checkpoint).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn posts_begin_in_four_fifths_of_the_time_and_those_in_flight_are_waited_for() {
    // Five waves begin, at 0, 1.9, 3.8, 5.7 and 7.6 seconds; the last is answered after 9.5.
    let management =
        FakeManagement::responding(|_, _| Answer::delivered().after(Duration::from_millis(1_900)));
    let engine = Fanout::new(audience(400, 1, FaultyStore::default()).await, management);
    let start = Instant::now();
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!((report.delivered, report.skipped, report.enumerated), (5 * 64, 400 - 5 * 64, true));
    assert_eq!(start.elapsed(), Duration::from_millis(9_500));
    assert_eq!(engine.management().in_flight_max(), 64);
    assert_eq!(report.post_latency.min_us, 1_900_000);
    let checkpoint = report.checkpoint.unwrap();
    assert_eq!((checkpoint.position, checkpoint.missed.len()), (None, 80));
}

#[tokio::test(start_paused = true)]
async fn a_post_that_is_not_answered_in_time_is_left_to_the_checkpoint() {
    let management = FakeManagement::new();
    management.script(&id(1), [Answer::delivered().after(Duration::from_secs(60))]);
    let engine = Fanout::new(audience(3, 1, FaultyStore::default()).await, management);
    let start = Instant::now();
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!((report.delivered, report.skipped, report.posts), (2, 1, 3));
    assert_eq!(start.elapsed(), Duration::from_millis(9_750), "a margin is kept for returning");
    let checkpoint = report.checkpoint.unwrap();
    assert_eq!(checkpoint.missed[0].connection_id, id(1));
    let rest = engine.resume(update(1, DEADLINE), sent(&checkpoint)).await.unwrap();
    assert_eq!((rest.commit, rest.delivered, rest.posts), (Commit::Repeated, 1, 1));
    assert!(rest.is_complete() && rest.checkpoint.is_none());
}

#[tokio::test(start_paused = true)]
async fn resumed_passes_together_reach_everyone_once() {
    let management = FakeManagement::responding(|_, _| Answer::delivered().after(Duration::from_millis(100)));
    let store = audience(500, 7, FaultyStore::default()).await;
    let config =
        FanoutConfig { page_subscribers_max: 30, posts_in_flight_max: 10, ..FanoutConfig::default() };
    let engine = Fanout::with_config(store, management, config).unwrap();
    let mut report = engine.publish(update(1, Duration::from_secs(1))).await.unwrap();
    let mut passes = 1;
    while let Some(checkpoint) = &report.checkpoint {
        assert!(!report.is_complete());
        assert!(checkpoint.missed.len() <= 10 + 30, "what waits in memory is bounded");
        report = engine.resume(update(1, Duration::from_secs(1)), sent(checkpoint)).await.unwrap();
        passes += 1;
    }
    assert_eq!(passes, 7, "ten at a time, in eight waves a pass");
    for n in 0..500 {
        assert_eq!(engine.management().posts_to(&id(n)).len(), 1, "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_failing_store_did_not_tell_is_where_the_next_pass_goes_on() {
    let store = FaultyStore {
        page_fails_every: 3,
        page_failure: Some(StoreErrorKind::Internal),
        ..FaultyStore::default()
    };
    let engine = Fanout::new(audience(100, 5, store).await, FakeManagement::new());
    let first = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert!(!first.enumerated && first.skipped == 0 && first.delivered > 0);
    let checkpoint = first.checkpoint.unwrap();
    assert_eq!(checkpoint.position.as_ref().unwrap().shard.index(), 2, "two shards were read");
    let second = engine.resume(update(1, DEADLINE), sent(&checkpoint)).await.unwrap();
    let third = engine.resume(update(1, DEADLINE), second.checkpoint.unwrap()).await.unwrap();
    assert!(third.is_complete());
    assert_eq!(first.delivered + second.delivered + third.delivered, 100);
}

#[tokio::test(start_paused = true)]
async fn a_newer_update_makes_the_rest_of_an_older_one_superfluous() {
    let management = FakeManagement::responding(|_, _| Answer::delivered().after(Duration::from_secs(1)));
    let engine = Fanout::new(audience(300, 1, FaultyStore::default()).await, management);
    let first = engine.publish(update(1, Duration::from_secs(2))).await.unwrap();
    engine.publish(update(2, DEADLINE)).await.unwrap();
    let posts = engine.management().posts().len();
    let rest = engine.resume(update(1, DEADLINE), first.checkpoint.unwrap()).await.unwrap();
    assert!(rest.is_older() && rest.posts == 0);
    assert_eq!(engine.management().posts().len(), posts);
}

#[tokio::test(start_paused = true)]
async fn a_pass_whose_retries_come_too_late_ends_and_keeps_a_bounded_list() {
    let hint = Duration::from_secs(60);
    let management = FakeManagement::responding(move |_, _| {
        Answer::failed(ManagementErrorKind::Throttled).retry_after(hint)
    });
    let store = audience(200, 1, FaultyStore::default()).await;
    let config =
        FanoutConfig { retries_waiting_max: 20, page_subscribers_max: 30, ..FanoutConfig::default() };
    let engine = Fanout::with_config(store, management, config).unwrap();
    let start = Instant::now();
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody waits for a retry that would come too late");
    assert!(report.posts < 20 + 64 && report.delivered == 0);
    let checkpoint = report.checkpoint.unwrap();
    assert!(checkpoint.position.is_some() && checkpoint.missed.len() < 200);
}

#[tokio::test(start_paused = true)]
async fn the_checkpoint_of_another_update_is_refused() {
    let engine = Fanout::new(audience(3, 1, FaultyStore::default()).await, FakeManagement::new());
    let other = Checkpoint { topic: topic(), version: 6, position: None, missed: Vec::new() };
    let error = engine.resume(update(7, DEADLINE), other).await.unwrap_err();
    assert!(matches!(&error, FanoutError::Checkpoint(_)));
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(reason, "it is of version 6 of dev-1");
    assert_eq!(engine.store().heads(&[topic()]).await.unwrap(), [None], "nothing was committed");
}
