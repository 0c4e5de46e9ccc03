use std::time::Duration;

use dunlin_bench_data::{NOW, connection_id, connection_ids, topic};
use dunlin_connection_store::{Connection, ConnectionStore, MemoryStore, Shard, Topic};
use futures_util::FutureExt;

use crate::path::Workload;

/// Runs what a store in memory answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the store in memory does not wait")
}

/// The store, with so many connections that all follow one topic.
pub(super) fn store_with(subscribers: u64) -> MemoryStore {
    let store = MemoryStore::new();
    let topics = [topic(0)];
    for id in connection_ids(subscribers) {
        now(store.add(&Connection::new(id.clone(), NOW))).expect("the store in memory does not fail");
        now(store.replace_topics(&id, &topics, NOW)).expect("the store in memory does not fail");
    }
    store
}

/// A list of ten topics, of which half are replaced each time, among a thousand connections.
pub(super) fn replace() -> Box<dyn Workload> {
    let store = store_with(1_000);
    let id = connection_id(0);
    let lists: [Vec<Topic>; 2] = [(0..10).map(topic).collect(), (5..15).map(topic).collect()];
    let mut turn = 0;
    now(store.replace_topics(&id, &lists[1], NOW)).expect("the store in memory does not fail");
    Box::new(move || {
        let replacement = now(store.replace_topics(&id, &lists[turn], NOW)).expect("the connection is there");
        assert_eq!(replacement.added.len(), 5);
        turn = 1 - turn;
    })
}

/// A page of a thousand subscribers.
pub(super) fn enumerate() -> Box<dyn Workload> {
    let store = store_with(1_000);
    let topic = topic(0);
    Box::new(move || {
        let later = NOW + Duration::from_secs(1);
        let page = now(store.subscribers(&topic, Shard::new(0), None, 1_000, later)).expect("it only reads");
        assert_eq!(page.subscribers.len(), 1_000);
    })
}
