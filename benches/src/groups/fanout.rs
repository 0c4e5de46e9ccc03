//! One update to many followers: what the engine adds to the posts. Time is tokio's paused clock, so that waiting costs
//! nothing, and what is left is work.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use dunlin_connection_store::{
    Connection, ConnectionStore, MemoryStore, Shard, ShardCount, Subscription, Timestamp, TopicShard,
};
use dunlin_events::ConnectionId;
use dunlin_fanout::{Fanout, POSTS_IN_FLIGHT_MAX, PRUNE_BATCH_MAX, Report, Update};
use dunlin_management::{ManagementClient, ManagementErrorKind, PostOutcome};
use futures_util::stream::{self, StreamExt as _};
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

use crate::{
    data::{NOW, connection_ids, size_name, topic},
    null_management::{Cost, NullManagement, Quota},
    pairs::{Figure, Group, Pair, Stopwatch, Unit, Work},
};

/// A push of some 120 bytes, as the load test's.
const PAYLOAD: Bytes = Bytes::from_static(
    br#"{"type":"parameters","device_id":"load-0123abcd-00042","version":7,"value":{"t":"00000000001234567890","n":"0000000007"}}"#,
);

/// Far beyond what a pass takes here.
const DEADLINE: Duration = Duration::from_secs(600);

/// Processor time of one post of the lean management client.
const POST_COST: Duration = Duration::from_micros(20);

/// Older than the age below which a post that finds nobody is not believed.
const LATER: Timestamp = Timestamp::from_epoch_ms(NOW.epoch_ms() + 60_000);

pub(super) fn fill(group: &mut Group) {
    group.pair("plan/1_shard", || plan(1));
    group.pair("plan/256_shards", || plan(256));
    for subscribers in [100, 1_000] {
        group.pair(&format!("publish/{}", size_name(subscribers)), move || {
            publish(subscribers, NullManagement::new)
        });
    }
    group.pair("publish_20us/100", || {
        let cost = Cost::of(POST_COST);
        publish(100, move || NullManagement::costing(cost))
    });
    group.pair("publish_later/1k", || publish_later(1_000));
    group.pair("retry/1k", || retry(1_000));
    group.pair("prune/1k", || prune(1_000));
    group.pair("throttled/1k", || throttled(1_000));
    group.figure("throttled_time/10k", |_| throttled_time(10_000));
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime needs nothing but memory")
}

async fn store_with(subscribers: u64) -> MemoryStore {
    let store = MemoryStore::new();
    follow(&store, subscribers).await;
    store
}

async fn follow(store: &MemoryStore, subscribers: u64) {
    let topics = [topic(0)];
    for id in connection_ids(subscribers) {
        store.add(&Connection::new(id.clone(), NOW)).await.expect("the store in memory does not fail");
        store.replace_topics(&id, &topics, LATER).await.expect("the store in memory does not fail");
    }
}

fn update(version: u64) -> Update {
    Update {
        topic: topic(0),
        version,
        payload: PAYLOAD,
        now: LATER,
        deadline: Instant::now() + DEADLINE,
        seed: version,
    }
}

/// An engine that publishes one update after the other.
struct Publisher<M> {
    runtime: Runtime,
    fanout: Fanout<MemoryStore, M>,
    version: u64,
}

impl<M: ManagementClient> Publisher<M> {
    fn new(runtime: Runtime, store: MemoryStore, management: M) -> Self {
        // The engine's clock begins in the runtime, which pauses it.
        let fanout = runtime.block_on(async { Fanout::new(store, management) });
        Publisher { runtime, fanout, version: 0 }
    }

    fn publish(&mut self) -> Report {
        self.version += 1;
        self.runtime
            .block_on(async { self.fanout.publish(update(self.version)).await })
            .expect("nothing here fails")
    }

    /// Each update reaches so many.
    fn delivering(mut self, subscribers: u64) -> Work {
        Work::each(
            move || self.publish(),
            move |report| assert_eq!((report.delivered, report.is_complete()), (subscribers, true)),
        )
    }
}

/// A topic that nobody follows, in so many shards; against the calls of the store that a pass needs.
fn plan(shards: u16) -> Pair {
    let grown = || {
        let runtime = runtime();
        let (store, count) = (MemoryStore::new(), ShardCount::new(shards).expect("so many may be"));
        runtime.block_on(store.grow_shards(&topic(0), count)).expect("the store in memory does not fail");
        (runtime, store)
    };
    let (runtime, store) = grown();
    let subject = Publisher::new(runtime, store, NullManagement::new()).delivering(0);
    let (runtime, store) = grown();
    let (topic, mut version) = (topic(0), 0);
    let reference = Work::each(
        move || {
            version += 1;
            runtime.block_on(async {
                let committed = store.commit_head(&topic, version, PAYLOAD).await;
                let mut found = 0;
                for shard in 0..shards {
                    let page = store.subscribers(&topic, Shard::new(shard), None, 1_000, LATER).await;
                    found += page.expect("the store in memory does not fail").subscribers.len();
                }
                (committed.is_ok(), found)
            })
        },
        |done| assert_eq!(*done, (true, 0)),
    );
    Pair::new(subject, "the store's calls", reference)
}

/// Commit, enumerate, post, report; against a loop over the same posts. What the engine adds to each is the difference.
fn publish(subscribers: u64, management: impl Fn() -> NullManagement) -> Pair {
    let runtime = runtime();
    let store = runtime.block_on(store_with(subscribers));
    let subject = Publisher::new(runtime, store, management()).delivering(subscribers);
    Pair::new(subject, "a loop of the same posts", bare_posts(subscribers, management(), 1))
}

/// The same posts, one after the other, `rounds` times.
fn bare_posts(subscribers: u64, management: NullManagement, rounds: u64) -> Work {
    let (runtime, ids) = (runtime(), connection_ids(subscribers));
    Work::each(
        move || {
            runtime.block_on(async {
                let mut answered = 0;
                for _ in 0..rounds {
                    for id in &ids {
                        answered += u64::from(management.post(id, PAYLOAD).await.is_ok());
                    }
                }
                answered
            })
        },
        move |answered| assert_eq!(*answered, rounds * subscribers),
    )
}

/// Posts that are answered later, as those over a network: as many are in flight as the window allows.
fn publish_later(subscribers: u64) -> Pair {
    let runtime = self::runtime();
    let store = runtime.block_on(store_with(subscribers));
    let subject = Publisher::new(runtime, store, NullManagement::later()).delivering(subscribers);
    let (runtime, ids, management) = (self::runtime(), connection_ids(subscribers), NullManagement::later());
    let reference = Work::each(
        move || {
            let posts = stream::iter(&ids)
                .map(|id| management.post(id, PAYLOAD))
                .buffer_unordered(POSTS_IN_FLIGHT_MAX)
                .fold(0, async |sum, answer| sum + u64::from(matches!(answer, Ok(PostOutcome::Delivered))));
            runtime.block_on(posts)
        },
        move |delivered| assert_eq!(*delivered, subscribers),
    );
    Pair::new(subject, "a buffered stream of the same posts", reference)
}

/// Every first attempt fails and every second one is taken; against a loop of twice the posts.
fn retry(subscribers: u64) -> Pair {
    let runtime = runtime();
    let store = runtime.block_on(store_with(subscribers));
    let management = NullManagement::failing_every_second(ManagementErrorKind::Unavailable);
    let mut publisher = Publisher::new(runtime, store, management);
    let subject = Work::each(
        move || publisher.publish(),
        move |report| {
            assert_eq!((report.delivered, report.is_complete()), (subscribers, true));
            assert!(report.posts > subscribers, "{report:?}");
        },
    );
    Pair::new(subject, "a loop of twice the posts", bare_posts(subscribers, NullManagement::new(), 2))
}

/// Everyone is gone; against the same posts and the store's own calls that prune. That they come back is not measured.
fn prune(subscribers: u64) -> Pair {
    let store = Arc::new(MemoryStore::new());
    let (runtime, shared) = (self::runtime(), Arc::clone(&store));
    let fanout = runtime.block_on(async { Fanout::new(shared, NullManagement::gone()) });
    let mut version = 0;
    let subject = Work::custom(move |iterations, stopwatch: &mut Stopwatch| {
        let mut pruned = 0;
        for _ in 0..iterations {
            runtime.block_on(follow(&store, subscribers));
            version += 1;
            let report = stopwatch.measure(|| {
                runtime.block_on(async { fanout.publish(update(version)).await }).expect("nothing here fails")
            });
            pruned += report.pruned;
        }
        pruned / subscribers
    });
    let (store, management) = (MemoryStore::new(), NullManagement::gone());
    // In the order in which they are enumerated.
    let (runtime, mut ids) = (self::runtime(), connection_ids(subscribers));
    ids.sort_unstable();
    let place = TopicShard { topic: topic(0), shard: Shard::new(0) };
    let reference = Work::custom(move |iterations, stopwatch: &mut Stopwatch| {
        let mut pruned = 0;
        for _ in 0..iterations {
            runtime.block_on(follow(&store, subscribers));
            let (store, management, place) = (&store, &management, &place);
            pruned += stopwatch.measure(|| runtime.block_on(post_and_prune(store, management, &ids, place)));
        }
        pruned / subscribers
    });
    Pair::new(subject, "the same posts and the store's prune", reference)
}

async fn post_and_prune(
    store: &MemoryStore,
    management: &NullManagement,
    ids: &[ConnectionId],
    place: &TopicShard,
) -> u64 {
    let mut pruned = 0;
    for batch in ids.chunks(PRUNE_BATCH_MAX) {
        let mut gone = Vec::with_capacity(batch.len());
        for id in batch {
            if matches!(management.post(id, PAYLOAD).await, Ok(PostOutcome::Gone)) {
                gone.push(Subscription { place: place.clone(), connection_id: id.clone() });
            }
        }
        store.prune(&gone).await.expect("the store in memory does not fail");
        pruned += gone.len() as u64;
    }
    pruned
}

/// A quota that a pass meets soon.
const QUOTA: Quota = Quota { per_s: 500.0, burst: 250.0, latency: Duration::from_millis(20) };

/// What the pace costs: a pass through a quota, against a buffered stream of as many posts within it.
fn throttled(subscribers: u64) -> Pair {
    let runtime = self::runtime();
    let store = Arc::new(runtime.block_on(store_with(subscribers)));
    let mut version = 0;
    let subject = Work::custom(move |iterations, stopwatch: &mut Stopwatch| {
        let mut delivered = 0;
        for _ in 0..iterations {
            version += 1;
            // A pace and a bucket of its own for each: what one pass learned would be the next one's.
            let engine = async { Fanout::new(Arc::clone(&store), NullManagement::within(QUOTA)) };
            let fanout = runtime.block_on(engine);
            let report = stopwatch.measure(|| {
                runtime.block_on(async { fanout.publish(update(version)).await }).expect("nothing here fails")
            });
            assert!(report.throttled > 0, "{report:?}");
            delivered += report.delivered;
        }
        delivered / subscribers
    });
    let wide = Quota { burst: subscribers as f64, ..QUOTA };
    let (runtime, ids) = (self::runtime(), connection_ids(subscribers));
    let reference = Work::custom(move |iterations, stopwatch: &mut Stopwatch| {
        let mut delivered = 0;
        for _ in 0..iterations {
            let management = runtime.block_on(async { NullManagement::within(wide) });
            let posts = stream::iter(&ids)
                .map(|id| management.post(id, PAYLOAD))
                .buffer_unordered(POSTS_IN_FLIGHT_MAX)
                .fold(0, async |sum, answer| sum + u64::from(matches!(answer, Ok(PostOutcome::Delivered))));
            delivered += stopwatch.measure(|| runtime.block_on(posts));
        }
        delivered / subscribers
    });
    Pair::new(subject, "a buffered stream within a quota", reference)
}

/// Time until everyone is reached, against what the quota makes it. The clock is tokio's: no machine decides.
fn throttled_time(subscribers: u64) -> Figure {
    let runtime = self::runtime();
    let store = runtime.block_on(store_with(subscribers));
    let fanout = runtime.block_on(async { Fanout::new(store, NullManagement::within(QUOTA)) });
    let report = runtime.block_on(async { fanout.publish(update(1)).await }).expect("nothing here fails");
    assert_eq!((report.delivered, report.is_complete()), (subscribers, true), "{report:?}");
    let ns = |time: Duration| time.as_secs_f64() * 1e9;
    let took = Duration::from_micros(report.elapsed_us);
    Figure::new(Unit::Nanoseconds, vec![ns(took)]).against("(N - burst) / rate", vec![ns(QUOTA.ideal(subscribers))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::doubles;

    #[test]
    fn twice_the_subscribers_cost_twice_as_much() {
        doubles("publish", |times| publish(times * 500, NullManagement::new).into_sides().0);
        doubles("posts", |times| bare_posts(times * 500, NullManagement::new(), 1));
        doubles("retry", |times| retry(times * 500).into_sides().0);
        doubles("prune", |times| prune(times * 500).into_sides().0);
    }

    #[test]
    fn a_stated_cost_is_paid() {
        let cost = Cost::of(Duration::from_micros(20));
        doubles("cost", move |times| bare_posts(10, NullManagement::costing(cost.times(times)), 1));
    }
}
