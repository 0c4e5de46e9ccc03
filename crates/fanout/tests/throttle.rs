//! Fan-out against a service with a quota: a bucket of so many requests that refills at a rate (fact Q1), on a paused clock.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use dunlin_connection_store::{Connection, ConnectionStore as _, Topic};
use dunlin_fanout::{Fanout, FanoutConfig, Report};
use dunlin_management::{Answer, FakeManagement, ManagementClient as _, ManagementErrorKind};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use support::{FaultyStore, NOW, ago, follower, id, update};
use tokio::time::{Duration, Instant};

const OLD: Duration = Duration::from_secs(600);
const DEADLINE: Duration = Duration::from_secs(900);

/// A service that serves so many a second, and at once as many as its bucket holds.
#[derive(Clone, Debug)]
struct Quota(Arc<Mutex<Bucket>>);

#[derive(Debug)]
struct Bucket {
    per_s: f64,
    burst: f64,
    tokens: f64,
    filled_at: Instant,
}

impl Quota {
    fn new(per_s: f64, burst: f64) -> Self {
        Self(Arc::new(Mutex::new(Bucket { per_s, burst, tokens: burst, filled_at: Instant::now() })))
    }

    fn raise(&self, per_s: f64, burst: f64) {
        let mut bucket = self.0.lock().unwrap();
        (bucket.per_s, bucket.burst) = (per_s, burst);
    }

    fn takes(&self) -> bool {
        let mut bucket = self.0.lock().unwrap();
        let now = Instant::now();
        let tokens = bucket.tokens + (now - bucket.filled_at).as_secs_f64() * bucket.per_s;
        (bucket.tokens, bucket.filled_at) = (tokens.min(bucket.burst), now);
        let takes = bucket.tokens >= 1.0;
        bucket.tokens -= f64::from(u8::from(takes));
        takes
    }

    /// How long this many posts take at least.
    fn ideal(&self, posts: usize) -> Duration {
        let bucket = self.0.lock().unwrap();
        Duration::from_secs_f64((posts as f64 - bucket.burst) / bucket.per_s)
    }

    /// A service with this quota whose answers take 15 to 25 ms.
    fn service(&self) -> FakeManagement {
        let (quota, random) = (self.clone(), Mutex::new(fastrand::Rng::with_seed(1)));
        FakeManagement::responding(move |_, _| {
            let answer = if quota.takes() {
                Answer::delivered()
            } else {
                Answer::failed(ManagementErrorKind::Throttled)
            };
            answer.after(Duration::from_micros(random.lock().unwrap().u64(15_000..25_000)))
        })
    }
}

async fn audience(followers: usize) -> FaultyStore {
    let store = FaultyStore::default();
    for n in 0..followers {
        follower(&store, n, ago(OLD)).await;
    }
    store
}

fn elapsed(report: &Report) -> Duration {
    Duration::from_micros(report.elapsed_us)
}

#[tokio::test(start_paused = true)]
async fn a_throttled_pass_takes_little_longer_than_the_quota_makes_it() {
    for (per_s, burst, followers) in [(500.0, 250.0, 8_000), (2_000.0, 1_000.0, 9_000), (100.0, 20.0, 6_000)]
    {
        let quota = Quota::new(per_s, burst);
        let engine = Fanout::new(audience(followers).await, quota.service());
        let report = engine.publish(update(1, DEADLINE)).await.unwrap();
        let times = elapsed(&report).div_duration_f64(quota.ideal(followers));
        let throttled = report.throttled as f64 / report.posts as f64;
        println!("{per_s}/s, bucket {burst}: {times:.3} of the ideal, {:.1} % throttled", throttled * 100.0);
        assert_eq!(report.delivered, followers as u64);
        assert!(times <= 1.05, "{per_s}/s: {times} times the ideal");
        assert!(throttled < 0.20, "{per_s}/s: {throttled} of the posts were throttled");
        assert!(report.posts_per_s_max.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_governor_most_posts_would_be_throttled() {
    // The reference for the test above: the same quota, met by a window alone.
    let quota = Quota::new(500.0, 250.0);
    let service = quota.service();
    let ids: Vec<_> = (0..2_000).map(id).collect();
    let mut posts = 0_u32;
    let mut waiting: VecDeque<_> = ids.iter().collect();
    let mut in_flight = FuturesUnordered::new();
    while !waiting.is_empty() || !in_flight.is_empty() {
        while in_flight.len() < 64
            && let Some(next) = waiting.pop_front()
        {
            posts += 1;
            let post = service.post(next, "x".into());
            in_flight.push(async move { (next, post.await.is_ok()) });
        }
        if let Some((next, false)) = in_flight.next().await {
            waiting.push_back(next);
        }
    }
    assert!(posts > 3 * 2_000, "{posts} posts for 2,000 connections");
}

#[tokio::test(start_paused = true)]
async fn passes_at_once_share_the_window_and_the_pace() {
    let quota = Quota::new(500.0, 250.0);
    let engine = Fanout::new(audience(1_500).await, quota.service());
    let (first, second) =
        tokio::join!(engine.publish(update(1, DEADLINE)), engine.publish(update(2, DEADLINE)));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!((first.delivered, second.delivered), (1_500, 1_500));
    assert!(engine.management().in_flight_max() <= 64);
    let longer = elapsed(&first).max(elapsed(&second));
    let times = longer.div_duration_f64(quota.ideal(3_000));
    assert!(times <= 1.05, "{times} times the ideal");
    // Neither waits for the other to be done.
    let apart = elapsed(&first).abs_diff(elapsed(&second));
    assert!(apart < longer / 5, "{apart:?} apart after {longer:?}");
}

#[tokio::test(start_paused = true)]
async fn processes_that_know_nothing_of_each_other_share_a_quota() {
    let quota = Quota::new(1_000.0, 500.0);
    let (first, second) = (
        Fanout::new(audience(5_000).await, quota.service()),
        Fanout::new(audience(5_000).await, quota.service()),
    );
    let late = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        second.publish(update(1, DEADLINE)).await.unwrap()
    };
    let (first, late) = tokio::join!(first.publish(update(1, DEADLINE)), late);
    let (first, late) = (elapsed(&first.unwrap()), elapsed(&late) + Duration::from_secs(1));
    let times = first.max(late).div_duration_f64(quota.ideal(10_000));
    println!("{first:?} and {late:?}: {times:.3} of the ideal");
    assert!(times <= 1.2, "{times} times the ideal");
    assert!(
        first.abs_diff(late) < Duration::from_secs(4),
        "the one that came late gets its share: {first:?}, {late:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_small_pass_does_not_wait_for_a_large_one() {
    let service = Quota::new(1e9, 1e9).service();
    let store = audience(3_000).await;
    let other: Topic = "dev-2".parse().unwrap();
    for n in 9_000..9_005 {
        store.add(&Connection::new(id(n), ago(OLD))).await.unwrap();
        store.replace_topics(&id(n), std::slice::from_ref(&other), NOW).await.unwrap();
    }
    let engine = Fanout::new(store, service);
    let small = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut update = update(1, DEADLINE);
        update.topic = other;
        engine.publish(update).await.unwrap()
    };
    let (large, small) = tokio::join!(engine.publish(update(1, DEADLINE)), small);
    assert_eq!((large.unwrap().delivered, small.delivered), (3_000, 5));
    assert!(elapsed(&small) <= Duration::from_millis(50), "two posts' time, not {:?}", elapsed(&small));
    assert_eq!(engine.management().in_flight_max(), 64);
}

#[tokio::test(start_paused = true)]
async fn a_few_slow_readers_do_not_slow_the_others_down() {
    let service = FakeManagement::responding(|id, _| {
        let answer = if id.as_str() < "c0010" {
            Answer::failed(ManagementErrorKind::Throttled)
        } else {
            Answer::delivered()
        };
        answer.after(Duration::from_millis(20))
    });
    let engine = Fanout::new(audience(3_200).await, service);
    let report = engine.publish(update(1, Duration::from_secs(5))).await.unwrap();
    assert_eq!((report.delivered, report.skipped, report.posts_per_s_max), (3_190, 10, None));
    let posts = engine.management().posts().into_iter();
    let start = Instant::now() - Duration::from_micros(report.elapsed_us);
    let last = posts.filter(|post| post.outcome.is_ok()).map(|post| post.began_at - start).max().unwrap();
    assert!(last < Duration::from_millis(1_100), "3,200 a second pass a window of 64: {last:?}");
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_was_raised_is_found_again() {
    let quota = Quota::new(200.0, 100.0);
    let engine = Fanout::new(audience(1_000).await, quota.service());
    let throttled = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert!(throttled.posts_per_s_max.is_some_and(|per_s| per_s < 300), "{throttled:?}");
    // Half a minute without a cut, and the next pass begins as the first did.
    tokio::time::sleep(Duration::from_secs(31)).await;
    quota.raise(10_000.0, 5_000.0);
    let report = engine.publish(update(2, DEADLINE)).await.unwrap();
    assert_eq!(report.posts_per_s_max, None);
    assert!(report.elapsed_us < throttled.elapsed_us / 2);
}

#[tokio::test(start_paused = true)]
async fn windows_that_cannot_be_are_refused() {
    for (window, expected) in [(0, false), (1, true), (1_000, true), (usize::MAX, false)] {
        let config = FanoutConfig { posts_in_flight_max: window, ..FanoutConfig::default() };
        let engine = Fanout::with_config(FaultyStore::default(), FakeManagement::new(), config);
        assert_eq!(engine.is_ok(), expected, "{window}");
    }
}
