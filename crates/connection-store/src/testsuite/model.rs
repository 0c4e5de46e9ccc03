//! Calls at random, held against the store in memory: what it answers is what every store answers.

use std::sync::Arc;
use std::time::Duration;

use super::{NOW, followers_at, id, shards, topic};
use crate::{
    Connection, ConnectionStore, MemoryStore, Shard, StoreError, StoreErrorKind, Subscription, Timestamp,
    Topic, TopicShard,
};

/// Calls of the case. Enough for connections to come, expire and come again, and for topics to grow.
const CALLS: u32 = 400;

const SEED: u64 = 0x5eed;

const CONNECTIONS: [&str; 5] = ["a", "b", "c", "d", "e"];
const TOPICS: [&str; 4] = ["t", "u", "v", "w"];

/// A few connections and topics, all methods, time that goes on: after each call both stores agree on its answer, and
/// after each change on who follows what.
pub async fn random_calls_end_as_in_memory<S: ConnectionStore>(store: Arc<S>) {
    let model = MemoryStore::new();
    let mut random = Random(SEED);
    let mut now = NOW;
    for call in 0..CALLS {
        let name = random.pick(&CONNECTIONS);
        let topics: Vec<Topic> = (0..random.below(4)).map(|_| topic(random.pick(&TOPICS))).collect();
        let t = topic(random.pick(&TOPICS));
        let changed = match random.below(12) {
            0 | 1 => {
                let mut connection = Connection::new(id(name), now);
                connection.expires_at = now + Duration::from_millis(1 + 20_000 * random.below(4));
                agree(call, "add", store.add(&connection).await, model.add(&connection).await);
                true
            }
            2..=5 => {
                let ours = store.replace_topics(&id(name), &topics, now).await;
                agree(call, "replace_topics", ours, model.replace_topics(&id(name), &topics, now).await);
                true
            }
            6 => {
                agree(call, "remove", store.remove(&id(name)).await, model.remove(&id(name)).await);
                true
            }
            7 => {
                let place = TopicShard { topic: t, shard: Shard::new(0) };
                let gone = [Subscription { place, connection_id: id(name) }];
                agree(call, "prune", store.prune(&gone).await, model.prune(&gone).await);
                true
            }
            8 => {
                let version = random.below(20);
                let payload = random.pick(&["one", "two"]);
                let ours = store.commit_head(&t, version, payload.into()).await;
                agree(call, "commit_head", ours, model.commit_head(&t, version, payload.into()).await);
                false
            }
            9 => {
                let count = shards([1, 1, 2, 3][random.below(4) as usize]);
                let ours = store.grow_shards(&t, count).await;
                agree(call, "grow_shards", ours, model.grow_shards(&t, count).await);
                false
            }
            10 => {
                let ours = store.record_estimate(&t, call.into()).await;
                agree(call, "record_estimate", ours, model.record_estimate(&t, call.into()).await);
                agree(call, "heads", store.heads(&topics).await, model.heads(&topics).await);
                false
            }
            _ => {
                now = now + Duration::from_millis(random.below(9_000));
                true
            }
        };
        let (ours, theirs) = (store.connection(&id(name), now).await, model.connection(&id(name), now).await);
        agree(call, "connection", ours, theirs);
        if changed {
            let limit = 1 + random.below(4) as usize;
            assert_same_followers(call, &store, &model, random.pick(&TOPICS), limit, now).await;
        }
    }
    for name in TOPICS {
        assert_same_followers(CALLS, &store, &model, name, 100, now).await;
    }
}

async fn assert_same_followers(
    call: u32,
    store: &impl ConnectionStore,
    model: &MemoryStore,
    name: &str,
    limit: usize,
    now: Timestamp,
) {
    let ours = followers_at(store, name, shards(3), limit, now).await;
    let theirs = followers_at(model, name, shards(3), limit, now).await;
    assert_eq!(ours, theirs, "followers of {name} after call {call} of seed {SEED}");
}

#[track_caller]
fn agree<T: PartialEq + std::fmt::Debug>(
    call: u32,
    method: &str,
    ours: Result<T, StoreError>,
    theirs: Result<T, StoreError>,
) {
    let kind = |error: StoreError| -> StoreErrorKind { error.kind() };
    assert_eq!(ours.map_err(kind), theirs.map_err(kind), "{method}, call {call} of seed {SEED}");
}

/// splitmix64: the suite brings no generator of its own along.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
