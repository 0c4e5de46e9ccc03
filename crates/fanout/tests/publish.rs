//! What a publish does, case by case, on a paused clock.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::sync::atomic::Ordering;

use dunlin_connection_store::{ConnectionStore as _, ShardCount, StoreErrorKind};
use dunlin_fanout::{Commit, Cost, Fanout, FanoutError, PAGE_ATTEMPTS_MAX, Report, YOUNG_CONNECTION_AGE};
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
    Fanout::new(store, management)
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
    assert!(report.enumerated && report.is_complete() && report.checkpoint.is_none());
    assert_eq!(
        report.cost,
        // The head, four shards, and the estimate.
        Cost { message_bytes: 13, messages_metered: 131, posted_bytes: 131 * 13, store_calls: 6 }
    );
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
async fn what_is_gone_is_pruned_after_one_post() {
    let management =
        FakeManagement::responding(
            |id, _| {
                if id.as_str() < "c0060" { Answer::gone() } else { Answer::delivered() }
            },
        );
    let engine = engine(70, FaultyStore::default(), management).await;
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!((counts(&report), report.posts, report.pruned), ((10, 60, 0, 0), 70, 60));
    assert_eq!(engine.store().prunes.load(Ordering::Relaxed), 3, "batches of 25");
    assert!(!is_stored(&engine, 0).await && !is_stored(&engine, 59).await && is_stored(&engine, 60).await);
    let next = engine.publish(update(2, DEADLINE)).await.unwrap();
    assert_eq!((counts(&next), next.posts), ((10, 0, 0, 0), 10));
}

#[tokio::test(start_paused = true)]
async fn a_young_connection_that_seems_gone_is_tried_again_when_it_is_old_enough() {
    let age = Duration::from_millis(500);
    let management = FakeManagement::new();
    // One is still being established, one really is gone, and one is exactly old enough to be believed.
    management.script(&id(0), [Answer::gone(), Answer::delivered()]);
    management.script(&id(1), [Answer::gone(), Answer::gone()]);
    management.script(&id(2), [Answer::gone()]);
    // By a clock that is ahead of this one, it was made in an hour. It is waited for no longer than any other.
    management.script(&id(3), [Answer::gone(), Answer::gone()]);
    let engine = engine(0, FaultyStore::default(), management).await;
    for (n, made) in [ago(age), ago(age), ago(YOUNG_CONNECTION_AGE), NOW + OLD].into_iter().enumerate() {
        follower(engine.store(), n, made).await;
    }
    let start = Instant::now();
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!((counts(&report), report.posts, report.pruned), ((1, 3, 0, 0), 7, 3));
    assert!(is_stored(&engine, 0).await && !is_stored(&engine, 1).await);
    assert_eq!(start.elapsed(), YOUNG_CONNECTION_AGE);
    let retried = engine.management().posts().into_iter().filter(|post| post.connection_id == id(0)).last();
    assert_eq!(retried.unwrap().began_at - start, YOUNG_CONNECTION_AGE - age);
}

#[tokio::test(start_paused = true)]
async fn a_young_connection_is_skipped_if_there_is_no_time_to_be_sure() {
    let management = FakeManagement::responding(|_, _| Answer::gone());
    let engine = engine(0, FaultyStore::default(), management).await;
    follower(engine.store(), 0, NOW).await;
    let report = engine.publish(update(1, Duration::from_secs(1))).await.unwrap();
    assert_eq!((counts(&report), report.pruned), ((0, 0, 0, 1), 0));
    assert_eq!(report.checkpoint.unwrap().missed[0].connection_id, id(0));
    assert!(is_stored(&engine, 0).await);
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
    for hint in [Duration::from_millis(1_500), Duration::from_secs(45)] {
        let management = FakeManagement::new();
        management.script(&id(0), [Answer::failed(ManagementErrorKind::Throttled).retry_after(hint)]);
        let engine = engine(1, FaultyStore::default(), management).await;
        let start = Instant::now();
        assert_eq!(engine.publish(update(1, 2 * hint)).await.unwrap().delivered, 1);
        let posts = engine.management().posts();
        assert_eq!(posts[1].began_at - start, hint);
    }
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
    let mut late = update(1, Duration::ZERO);
    assert!(matches!(engine.publish(late.clone()).await.unwrap_err(), FanoutError::DeadlinePassed));
    late.deadline -= Duration::from_millis(1);
    let error = engine.publish(late).await.unwrap_err();
    assert_eq!(error.to_string(), "no time left before the deadline");
    assert_eq!(engine.store().heads(&[topic()]).await.unwrap(), [None]);

    let start = Instant::now();
    let slow = engine.publish(update(1, DEADLINE)).await.unwrap_err();
    assert!(matches!(slow, FanoutError::DeadlinePassed));
    assert!(start.elapsed() < DEADLINE);
    assert_eq!(engine.management().posts(), []);
}

#[tokio::test(start_paused = true)]
async fn the_ends_of_what_is_allowed_are_allowed() {
    let long = "x".repeat(128).parse::<dunlin_connection_store::Topic>().unwrap();
    let engine = engine(0, FaultyStore::default(), FakeManagement::new()).await;
    let connection = dunlin_connection_store::Connection::new(id(0), ago(OLD));
    engine.store().add(&connection).await.unwrap();
    engine.store().replace_topics(&id(0), std::slice::from_ref(&long), NOW).await.unwrap();
    let mut edge = update(0, DEADLINE);
    edge.topic = long;
    for (version, bytes, metered) in [(0, 0, 1), (1, 131_072, 4), (u64::MAX, 1, 1)] {
        edge.version = version;
        edge.payload = vec![b'x'; bytes].into();
        // Nearly a year, and still in one go.
        edge.deadline = Instant::now() + 300 * 24 * Duration::from_secs(3600);
        let report = engine.publish(edge.clone()).await.unwrap();
        assert_eq!((report.delivered, report.cost.messages_metered), (1, metered), "{bytes} bytes");
    }
    // There is no time for a post in a nanosecond, but for saying so there is.
    edge.deadline = Instant::now() + Duration::from_nanos(1);
    assert!(!engine.publish(edge).await.is_ok_and(|report| report.is_complete() && report.delivered > 1));
}

#[tokio::test(start_paused = true)]
async fn nobody_following_is_a_complete_pass() {
    let engine = engine(0, FaultyStore::default(), FakeManagement::new()).await;
    let report = engine.publish(update(1, DEADLINE)).await.unwrap();
    assert_eq!((counts(&report), report.posts, report.checkpoint.is_none()), ((0, 0, 0, 0), 0, true));
    assert!(report.is_complete());
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
