//! What a publish does, case by case, on a paused clock.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::sync::atomic::Ordering;

use dunlin_connection_store::{ConnectionStore as _, ShardCount, StoreErrorKind};
use dunlin_fanout::{
    Commit, DEADLINE_MARGIN, Fanout, FanoutConfig, FanoutError, PAGE_ATTEMPTS_MAX, Report,
    YOUNG_CONNECTION_AGE,
};
use dunlin_management::{Answer, FakeManagement, ManagementErrorKind};
use support::{FaultyStore, NOW, ago, follower, id, topic, update};
use tokio::time::{Duration, Instant};

const OLD: Duration = Duration::from_secs(600);
const DEADLINE: Duration = Duration::from_secs(3);

type Engine = Fanout<FaultyStore, FakeManagement>;

async fn engine(followers: usize, store: FaultyStore, management: FakeManagement) -> Engine {
    for n in 0..followers {
        follower(&store, n, ago(OLD)).await;
    }
    Fanout::new(store, management, FanoutConfig::default())
}

/// Delivered, gone, failed, skipped.
fn counts(report: &Report) -> (u64, u64, u64, u64) {
    (report.delivered, report.gone, report.failed, report.skipped)
}

async fn is_stored(engine: &Engine, n: usize) -> bool {
    engine.store().connection(&id(n), NOW).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn every_follower_gets_the_frame_once() {
    let engine = engine(130, FaultyStore::default(), FakeManagement::new()).await;
    engine.store().grow_shards(&topic(), ShardCount::new(4).unwrap()).await.unwrap();
    follower(engine.store(), 130, ago(OLD)).await;
    let report = engine.publish(update(7, DEADLINE)).await.unwrap();
    assert_eq!(counts(&report), (131, 0, 0, 0));
    assert_eq!((report.commit, report.head_version, report.posts), (Commit::Committed, 7, 131));
    assert!(report.enumerated && report.is_complete());
    for n in 0..131 {
        assert_eq!(engine.management().posts_to(&id(n)), ["{\"version\":7}"], "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_update_is_not_pushed_and_the_same_one_is_pushed_again() {
    let engine = engine(1, FaultyStore::default(), FakeManagement::new()).await;
    engine.publish(update(7, DEADLINE)).await.unwrap();
    let older = engine.publish(update(6, DEADLINE)).await.unwrap();
    assert!(older.is_older());
    assert_eq!((counts(&older), older.head_version), ((0, 0, 0, 0), 7));
    assert_eq!(engine.management().posts().len(), 1);
    let again = engine.publish(update(7, DEADLINE)).await.unwrap();
    assert_eq!((again.commit, again.delivered), (Commit::Repeated, 1));
    let mut other = update(7, DEADLINE);
    other.payload = "{}".into();
    assert!(engine.publish(other).await.unwrap().is_older(), "one version is one update");
    assert_eq!(engine.management().posts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_pruned_unless_it_is_young() {
    let management =
        FakeManagement::responding(
            |id, _| {
                if id.as_str() < "c0060" { Answer::gone() } else { Answer::delivered() }
            },
        );
    let engine = engine(70, FaultyStore::default(), management).await;
    for (n, age) in [(0, YOUNG_CONNECTION_AGE - Duration::from_millis(1)), (1, YOUNG_CONNECTION_AGE)] {
        engine.store().remove(&id(n)).await.unwrap();
        follower(engine.store(), n, ago(age)).await;
    }
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!(counts(&report), (10, 60, 0, 0));
    assert_eq!(report.pruned, 59);
    assert_eq!(engine.store().prunes.load(Ordering::Relaxed), 3, "batches of 25");
    assert!(is_stored(&engine, 0).await, "perhaps it is only being established");
    assert!(!is_stored(&engine, 1).await && !is_stored(&engine, 59).await);
    assert!(is_stored(&engine, 60).await);
    let next = engine.publish(update(2, DEADLINE)).await.unwrap();
    assert_eq!((next.delivered, next.gone), (10, 1));
}

#[tokio::test(start_paused = true)]
async fn throttled_and_unavailable_posts_are_tried_again() {
    let management = FakeManagement::responding(|_, before| match before {
        0 => Answer::failed(ManagementErrorKind::Throttled),
        1 => Answer::failed(ManagementErrorKind::Unavailable),
        _ => Answer::delivered(),
    });
    let engine = engine(10, FaultyStore::default(), management).await;
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!(counts(&report), (10, 0, 0, 0));
    assert_eq!((report.posts, report.throttled), (30, 10));
}

#[tokio::test(start_paused = true)]
async fn the_services_hint_is_waited_for() {
    let hint = Duration::from_millis(1_500);
    let management = FakeManagement::new();
    management.script(&id(0), [Answer::failed(ManagementErrorKind::Throttled).retry_after(hint)]);
    let engine = engine(1, FaultyStore::default(), management).await;
    let start = Instant::now();
    assert_eq!(engine.publish(update(1, DEADLINE)).await.unwrap().delivered, 1);
    let posts = engine.management().posts();
    assert!(posts[1].began_at >= start + hint, "{:?} after the start", posts[1].began_at - start);
}

#[tokio::test(start_paused = true)]
async fn other_failures_are_counted_and_not_tried_again() {
    let management = FakeManagement::responding(|_, _| Answer::failed(ManagementErrorKind::Forbidden));
    let engine = engine(5, FaultyStore::default(), management).await;
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!((counts(&report), report.posts), ((0, 0, 5, 0), 5));
    assert!(!report.is_complete());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_pass_and_the_rest_is_skipped() {
    // 64 at a time and a second each: three waves fit, the fourth is cut off.
    let management = FakeManagement::responding(|_, _| Answer::delivered().after(Duration::from_millis(900)));
    let engine = engine(300, FaultyStore::default(), management).await;
    let start = Instant::now();
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!(counts(&report), (3 * 64, 0, 0, 300 - 3 * 64));
    assert!(report.enumerated, "all were found, if not reached");
    assert_eq!(start.elapsed(), DEADLINE - DEADLINE_MARGIN);
    assert_eq!(engine.management().in_flight_max(), 64);
    assert_eq!(report.post_latency.min_us, 900_000);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_would_come_too_late_is_not_waited_for() {
    let hint = Duration::from_secs(4);
    let management = FakeManagement::responding(move |_, _| {
        Answer::failed(ManagementErrorKind::Throttled).retry_after(hint)
    });
    let engine = engine(3, FaultyStore::default(), management).await;
    let start = Instant::now();
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!((counts(&report), report.posts), ((0, 0, 0, 3), 3));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_does_not_hold_up_the_others() {
    // Twice as many never read as there are places in flight.
    let management = FakeManagement::responding(|id, _| {
        if id.as_str() < "c0128" {
            Answer::failed(ManagementErrorKind::Throttled)
        } else {
            Answer::delivered().after(Duration::from_millis(10))
        }
    });
    let engine = engine(400, FaultyStore::default(), management).await;
    let start = Instant::now();
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!(counts(&report), (272, 0, 0, 128));
    let last =
        engine.management().posts().into_iter().filter(|post| post.outcome.is_ok()).map(|post| post.began_at);
    assert!(last.max().unwrap() < start + Duration::from_millis(500), "the others were served at once");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stumbles_is_asked_again_and_one_that_fails_is_reported() {
    let stumbling = FaultyStore {
        page_fails_every: 2,
        page_failure: Some(StoreErrorKind::Throttled),
        ..FaultyStore::default()
    };
    let stumbles = engine(20, stumbling, FakeManagement::new()).await;
    stumbles.store().grow_shards(&topic(), ShardCount::new(8).unwrap()).await.unwrap();
    let report = stumbles.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!((report.delivered, report.enumerated), (20, true));
    assert_eq!(
        stumbles.store().pages.load(Ordering::Relaxed),
        15,
        "eight pages, and all but one asked for twice"
    );

    for (failure, pages) in [(StoreErrorKind::Throttled, PAGE_ATTEMPTS_MAX), (StoreErrorKind::Internal, 1)] {
        let failing =
            FaultyStore { page_fails_every: 1, page_failure: Some(failure), ..FaultyStore::default() };
        let fails = engine(20, failing, FakeManagement::new()).await;
        let report = fails.publish(update(1, DEADLINE)).await.unwrap();
        assert_eq!((report.delivered, report.enumerated), (0, false));
        assert!(!report.is_complete());
        assert_eq!(fails.store().pages.load(Ordering::Relaxed), pages, "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_does_not_cost_the_report() {
    let hanging = FaultyStore { prune_hangs: true, ..FaultyStore::default() };
    let management = FakeManagement::responding(|_, _| Answer::gone());
    let engine = engine(30, hanging, management).await;
    let start = Instant::now();
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!((report.gone, report.pruned), (30, 0));
    assert!(start.elapsed() < DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_published_is_refused_before_anything_is_done() {
    let slow = FaultyStore { latency: Duration::from_secs(5), ..FaultyStore::default() };
    let engine = engine(1, slow, FakeManagement::new()).await;
    let mut large = update(1, DEADLINE);
    large.payload = vec![b'x'; 131_073].into();
    let error = engine.publish(large).await.unwrap_err();
    assert!(matches!(error, FanoutError::PayloadTooLarge { payload_bytes: 131_073 }));
    assert_eq!(error.to_string(), "payload of 131073 bytes is over the 131072 bytes of a message");
    let late = engine.publish(update(1, Duration::ZERO)).await.unwrap_err();
    assert!(matches!(late, FanoutError::DeadlinePassed));
    assert_eq!(engine.store().heads(&[topic()]).await.unwrap(), [None]);

    let start = Instant::now();
    let slow = engine.publish(update(1, DEADLINE)).await.unwrap_err();
    assert!(matches!(slow, FanoutError::DeadlinePassed));
    assert!(start.elapsed() < DEADLINE);
    assert_eq!(engine.management().posts(), []);
}

#[tokio::test(start_paused = true)]
async fn the_estimate_follows_a_large_audience_and_leaves_a_steady_one_alone() {
    let engine = engine(40, FaultyStore::default(), FakeManagement::new()).await;
    let recorded = async |version| {
        engine.publish(update(version, DEADLINE)).await.unwrap();
        let head = engine.store().heads(&[topic()]).await.unwrap().remove(0).unwrap();
        (head.subscriber_estimate, engine.store().estimates.load(Ordering::Relaxed))
    };
    assert_eq!(recorded(1).await, (None, 0), "a small audience needs no plan");
    for n in 40..100 {
        follower(engine.store(), n, ago(OLD)).await;
    }
    assert_eq!(recorded(2).await, (Some(100), 1));
    follower(engine.store(), 100, ago(OLD)).await;
    assert_eq!(recorded(3).await, (Some(100), 1));
}
