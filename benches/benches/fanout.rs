//! One update to many followers: what the engine adds to the posts.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use dunlin_benches::{NOW, NullManagement, connection_ids, size_name, topic};
use dunlin_connection_store::{Connection, ConnectionStore, MemoryStore};
use dunlin_fanout::{Fanout, Update};
use dunlin_management::{ManagementClient, PostOutcome};
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
            let update = Update {
                topic: topic(0),
                version,
                payload: Bytes::from_static(PAYLOAD.as_bytes()),
                now: NOW + Duration::from_secs(60),
                deadline: Instant::now() + DEADLINE,
                seed: version,
            };
            let report = runtime.block_on(fanout.publish(update)).expect("nothing here fails");
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
