//! The store in memory, against the ordered maps that it is made of.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::collections::BTreeMap;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dunlin_benches::{NOW, connection_id, connection_ids, size_name, topic};
use dunlin_connection_store::{
    Connection, ConnectionStore, MemoryStore, Shard, ShardCount, StoreError, Subscriber, Topic,
};
use dunlin_events::ConnectionId;
use futures_util::FutureExt;

/// Connections that follow the same topic while others come and go.
const OTHERS: u64 = 1_000;

/// Topics of a list that is replaced; half of them stay.
const LIST: usize = 10;

/// By topic and shard: its subscribers.
type Rows = BTreeMap<(Topic, Shard), BTreeMap<ConnectionId, Subscriber>>;

/// The store in memory never waits.
fn now<T>(future: impl Future<Output = Result<T, StoreError>>) -> T {
    future
        .now_or_never()
        .expect("the store in memory never waits")
        .expect("the store in memory does not fail")
}

fn follow(store: &MemoryStore, id: &ConnectionId, topics: &[Topic]) {
    now(store.add(&Connection::new(id.clone(), NOW)));
    now(store.replace_topics(id, topics, NOW));
}

fn store_with(subscribers: u64) -> MemoryStore {
    let store = MemoryStore::new();
    for id in connection_ids(subscribers) {
        follow(&store, &id, &[topic(0)]);
    }
    store
}

fn row(id: &ConnectionId) -> Subscriber {
    let connection = Connection::new(id.clone(), NOW);
    Subscriber {
        connection_id: connection.id,
        connected_at: connection.connected_at,
        expires_at: connection.expires_at,
    }
}

fn place(topic: &Topic, id: &ConnectionId) -> (Topic, Shard) {
    (topic.clone(), Shard::of(id, ShardCount::ONE))
}

fn insert(rows: &mut Rows, topic: &Topic, id: &ConnectionId) {
    rows.entry(place(topic, id)).or_default().insert(id.clone(), row(id));
}

fn remove(rows: &mut Rows, topic: &Topic, id: &ConnectionId) {
    let place = place(topic, id);
    let Some(subscribers) = rows.get_mut(&place) else { return };
    subscribers.remove(id);
    if subscribers.is_empty() {
        rows.remove(&place);
    }
}

fn rows_with(subscribers: u64) -> Rows {
    let mut rows = Rows::new();
    for id in connection_ids(subscribers) {
        insert(&mut rows, &topic(0), &id);
    }
    rows
}

/// A connection comes, follows one topic, and leaves.
fn subscribe(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("connection_store");
    let newcomer = connection_id(OTHERS);
    let list = [topic(0)];
    group.bench_function(BenchmarkId::new("subscribe", 1), |bencher| {
        let store = store_with(OTHERS);
        bencher.iter(|| {
            follow(&store, &newcomer, &list);
            assert!(now(store.remove(&newcomer)));
        });
    });
    group.bench_function(BenchmarkId::new("subscribe_bare", 1), |bencher| {
        let mut rows = rows_with(OTHERS);
        let mut connections: BTreeMap<ConnectionId, Vec<Topic>> =
            connection_ids(OTHERS).into_iter().map(|id| (id, list.to_vec())).collect();
        bencher.iter(|| {
            connections.insert(newcomer.clone(), list.to_vec());
            insert(&mut rows, &list[0], &newcomer);
            let topics = connections.remove(&newcomer).expect("it was inserted");
            remove(&mut rows, &topics[0], &newcomer);
        });
    });
    group.finish();
}

/// A connection follows other topics than before: half of its list goes, the other half stays, as many are new.
fn replace(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("connection_store");
    let newcomer = connection_id(OTHERS);
    let first: Vec<Topic> = (0..LIST).map(topic).collect();
    let second: Vec<Topic> = (LIST / 2..LIST + LIST / 2).map(topic).collect();
    let (old, new) = (&first[..LIST / 2], &second[LIST / 2..]);
    group.bench_function(BenchmarkId::new("replace", LIST), |bencher| {
        let store = store_with(OTHERS);
        follow(&store, &newcomer, &first);
        let (mut next, mut after) = (&second, &first);
        bencher.iter(|| {
            let replacement = now(store.replace_topics(&newcomer, next, NOW));
            std::mem::swap(&mut next, &mut after);
            replacement
        });
    });
    group.bench_function(BenchmarkId::new("replace_bare", LIST), |bencher| {
        let mut rows = rows_with(OTHERS);
        first.iter().for_each(|topic| insert(&mut rows, topic, &newcomer));
        let (mut going, mut coming) = (old, new);
        bencher.iter(|| {
            going.iter().for_each(|topic| remove(&mut rows, topic, &newcomer));
            coming.iter().for_each(|topic| insert(&mut rows, topic, &newcomer));
            std::mem::swap(&mut going, &mut coming);
        });
    });
    group.finish();
}

/// A publisher reads who follows a topic. The reference makes the same page, of rows kept as the page has them: what the
/// store adds is its lock, the way to the shard, the check of every expiry and the look at what follows the page.
fn enumerate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("connection_store");
    let topic = topic(0);
    for subscribers in [10, 1_000] {
        group.throughput(Throughput::Elements(subscribers));
        group.bench_function(BenchmarkId::new("enumerate", size_name(subscribers)), |bencher| {
            let store = store_with(subscribers);
            let shard = Shard::new(0);
            bencher.iter(|| {
                let page = now(store.subscribers(&topic, shard, None, 1_000, NOW));
                assert_eq!(page.subscribers.len() as u64, subscribers);
                page
            });
        });
        group.bench_function(BenchmarkId::new("enumerate_bare", size_name(subscribers)), |bencher| {
            let rows = rows_with(subscribers);
            let place = (topic.clone(), Shard::new(0));
            let scan = || -> Vec<Subscriber> {
                rows[&place].range::<ConnectionId, _>(..).map(|(_, row)| row.clone()).collect()
            };
            let page = now(store_with(subscribers).subscribers(&topic, place.1, None, 1_000, NOW));
            assert_eq!(scan(), page.subscribers, "both make the same page");
            bencher.iter(|| {
                let page = scan();
                assert_eq!(page.len() as u64, subscribers);
                page
            });
        });
    }
    group.finish();
}

criterion_group!(benches, subscribe, replace, enumerate);
criterion_main!(benches);
