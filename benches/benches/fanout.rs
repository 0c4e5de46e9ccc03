//! One update to many followers: what the engine adds to the posts.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use dunlin_benches::{NOW, NullManagement, connection_ids, size_name, topic};
use dunlin_connection_store::{Connection, ConnectionStore, MemoryStore};
use dunlin_events::ConnectionId;
use dunlin_fanout::{Fanout, POSTS_IN_FLIGHT_MAX, Update};
use dunlin_management::{ConnectionInfo, DeleteOutcome, ManagementClient, ManagementError, PostOutcome};
use futures_util::stream::{self, StreamExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

/// A push of some 200 bytes, as the load test's.
const PAYLOAD: &str = r#"{"type":"parameters","device_id":"load-0123abcd-00042","version":7,"value":{"t":"00000000001234567890","n":"0000000007"}}"#;

/// Far beyond what a pass takes here.
const DEADLINE: Duration = Duration::from_secs(60);

/// Processor time of one post of the lean management client.
const POST_COST: Duration = Duration::from_micros(20);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime needs nothing but memory")
}

async fn store_with(subscribers: u64) -> MemoryStore {
    let store = MemoryStore::new();
    let topics = [topic(0)];
    // Older than the age below which a post that finds nobody is not believed.
    let now = NOW + Duration::from_secs(60);
    for id in connection_ids(subscribers) {
        store.add(&Connection::new(id.clone(), NOW)).await.expect("the store in memory does not fail");
        store.replace_topics(&id, &topics, now).await.expect("the store in memory does not fail");
    }
    store
}

fn publish(criterion: &mut Criterion) {
    for subscribers in [100, 1_000] {
        pair(criterion, "publish", subscribers, Duration::ZERO);
    }
    pair(criterion, "publish_20us", 100, POST_COST);
    pair_in_flight(criterion, 1_000);
}

/// Posts that cost nothing but are answered later, as those over a network: as many are in flight as the window allows.
#[derive(Debug, Default)]
struct Later(NullManagement);

impl ManagementClient for Later {
    async fn post(&self, id: &ConnectionId, data: Bytes) -> Result<PostOutcome, ManagementError> {
        tokio::task::yield_now().await;
        self.0.post(id, data).await
    }

    async fn get(&self, id: &ConnectionId) -> Result<Option<ConnectionInfo>, ManagementError> {
        self.0.get(id).await
    }

    async fn delete(&self, id: &ConnectionId) -> Result<DeleteOutcome, ManagementError> {
        self.0.delete(id).await
    }
}

fn pair_in_flight(criterion: &mut Criterion, subscribers: u64) {
    let mut group = criterion.benchmark_group("fanout");
    group.throughput(Throughput::Elements(subscribers));
    let runtime = runtime();
    group.bench_function(BenchmarkId::new("publish_later", size_name(subscribers)), |bencher| {
        let fanout = Fanout::new(runtime.block_on(store_with(subscribers)), Later::default());
        let mut version = 0;
        bencher.iter(|| {
            version += 1;
            let report = runtime.block_on(fanout.publish(update(version))).expect("nothing here fails");
            assert_eq!(report.delivered, subscribers);
            report
        });
    });
    group.bench_function(BenchmarkId::new("publish_later_bare", size_name(subscribers)), |bencher| {
        let management = Later::default();
        let ids = connection_ids(subscribers);
        bencher.iter(|| {
            let posts = stream::iter(&ids)
                .map(|id| management.post(id, Bytes::from_static(PAYLOAD.as_bytes())))
                .buffer_unordered(POSTS_IN_FLIGHT_MAX)
                .fold(0, async |sum, outcome| sum + u64::from(matches!(outcome, Ok(PostOutcome::Delivered))));
            assert_eq!(runtime.block_on(posts), subscribers);
        });
    });
    group.finish();
}

fn update(version: u64) -> Update {
    Update {
        topic: topic(0),
        version,
        payload: Bytes::from_static(PAYLOAD.as_bytes()),
        now: NOW + Duration::from_secs(60),
        deadline: Instant::now() + DEADLINE,
        seed: version,
    }
}

fn pair(criterion: &mut Criterion, name: &str, subscribers: u64, cost: Duration) {
    let mut group = criterion.benchmark_group("fanout");
    group.throughput(Throughput::Elements(subscribers));
    // A pass takes milliseconds where posts cost something: as many in each sample.
    group.sampling_mode(if cost.is_zero() { SamplingMode::Auto } else { SamplingMode::Flat });
    let runtime = runtime();
    group.bench_function(BenchmarkId::new(name, size_name(subscribers)), |bencher| {
        let management = Arc::new(NullManagement::costing(cost));
        let store = runtime.block_on(store_with(subscribers));
        let fanout = Fanout::new(store, Arc::clone(&management));
        let mut version = 0;
        bencher.iter(|| {
            version += 1;
            let report = runtime.block_on(fanout.publish(update(version))).expect("nothing here fails");
            assert_eq!(report.delivered, subscribers);
            report
        });
        assert_eq!(management.posts(), version * subscribers);
    });
    group.bench_function(BenchmarkId::new(format!("{name}_bare"), size_name(subscribers)), |bencher| {
        let management = NullManagement::costing(cost);
        let ids = connection_ids(subscribers);
        bencher.iter(|| {
            runtime.block_on(async {
                let mut delivered = 0;
                for id in &ids {
                    let outcome = management.post(id, Bytes::from_static(PAYLOAD.as_bytes())).await;
                    delivered += u64::from(matches!(outcome, Ok(PostOutcome::Delivered)));
                }
                assert_eq!(delivered, subscribers);
            });
        });
    });
    group.finish();
}

criterion_group!(benches, publish);
criterion_main!(benches);
