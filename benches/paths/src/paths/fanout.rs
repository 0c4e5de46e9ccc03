use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use dunlin_bench_data::{NOW, topic};
use dunlin_connection_store::{
    Connection, ConnectionStore, Head, HeadCommit, MemoryStore, PageToken, Replacement, Shard, ShardCount,
    StoreError, SubscriberPage, Subscription, Timestamp, Topic,
};
use dunlin_events::ConnectionId;
use dunlin_fanout::{Fanout, Update};
use dunlin_management::{ConnectionInfo, DeleteOutcome, ManagementClient, ManagementError, PostOutcome};
use tokio::{runtime::Runtime, time::Instant};

use super::store::store_with;
use crate::{path::Workload, runtime::runtime};

const SUBSCRIBERS: u64 = 100;
const PAYLOAD: &str = r#"{"type":"parameters","device_id":"dev-0","version":7,"value":{"temperature":21.5}}"#;

/// Far beyond what a pass takes.
const DEADLINE: Duration = Duration::from_secs(60);

/// One update to a hundred followers, with posts that cost nothing.
pub(super) fn publish() -> Box<dyn Workload> {
    let calls = Arc::new(AtomicU64::new(0));
    let store = CountingStore { store: store_with(SUBSCRIBERS), calls: Arc::clone(&calls) };
    let management = Arc::new(CountingManagement::default());
    let fanout = Fanout::new(store, Arc::clone(&management));
    Box::new(Publish { runtime: runtime(), fanout, management, calls, version: 0 })
}

struct Publish {
    runtime: Runtime,
    fanout: Fanout<CountingStore, Arc<CountingManagement>>,
    management: Arc<CountingManagement>,
    calls: Arc<AtomicU64>,
    version: u64,
}

impl Workload for Publish {
    fn operate(&mut self) {
        self.version += 1;
        let update = Update {
            topic: topic(0),
            version: self.version,
            payload: Bytes::from_static(PAYLOAD.as_bytes()),
            // Old enough for a post that finds nobody to be believed.
            now: NOW + Duration::from_secs(60),
            deadline: Instant::now() + DEADLINE,
            seed: self.version,
        };
        let report = self.runtime.block_on(self.fanout.publish(update)).expect("nothing here fails");
        assert_eq!(report.delivered, SUBSCRIBERS);
    }

    fn tallies(&self) -> Vec<(&'static str, u64)> {
        vec![("posts", self.management.posts.load(Relaxed)), ("store_calls", self.calls.load(Relaxed))]
    }
}

/// Takes every post and counts it.
#[derive(Default)]
struct CountingManagement {
    posts: AtomicU64,
}

impl ManagementClient for CountingManagement {
    async fn post(&self, id: &ConnectionId, data: Bytes) -> Result<PostOutcome, ManagementError> {
        black_box((id, data));
        self.posts.fetch_add(1, Relaxed);
        Ok(PostOutcome::Delivered)
    }

    async fn get(&self, _: &ConnectionId) -> Result<Option<ConnectionInfo>, ManagementError> {
        Ok(None)
    }

    async fn delete(&self, _: &ConnectionId) -> Result<DeleteOutcome, ManagementError> {
        Ok(DeleteOutcome::Gone)
    }
}

/// The store in memory, and how often it was called.
struct CountingStore {
    store: MemoryStore,
    calls: Arc<AtomicU64>,
}

impl CountingStore {
    fn counted(&self) -> &MemoryStore {
        self.calls.fetch_add(1, Relaxed);
        &self.store
    }
}

impl ConnectionStore for CountingStore {
    async fn add(&self, connection: &Connection) -> Result<(), StoreError> {
        self.counted().add(connection).await
    }

    async fn connection(&self, id: &ConnectionId, now: Timestamp) -> Result<Option<Connection>, StoreError> {
        self.counted().connection(id, now).await
    }

    async fn replace_topics(
        &self,
        id: &ConnectionId,
        topics: &[Topic],
        now: Timestamp,
    ) -> Result<Replacement, StoreError> {
        self.counted().replace_topics(id, topics, now).await
    }

    async fn remove(&self, id: &ConnectionId) -> Result<bool, StoreError> {
        self.counted().remove(id).await
    }

    async fn prune(&self, gone: &[Subscription]) -> Result<(), StoreError> {
        self.counted().prune(gone).await
    }

    async fn commit_head(
        &self,
        topic: &Topic,
        version: u64,
        payload: Bytes,
    ) -> Result<HeadCommit, StoreError> {
        self.counted().commit_head(topic, version, payload).await
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Option<Head>>, StoreError> {
        self.counted().heads(topics).await
    }

    async fn grow_shards(&self, topic: &Topic, count: ShardCount) -> Result<(), StoreError> {
        self.counted().grow_shards(topic, count).await
    }

    async fn record_estimate(&self, topic: &Topic, subscribers: u64) -> Result<(), StoreError> {
        self.counted().record_estimate(topic, subscribers).await
    }

    async fn subscribers(
        &self,
        topic: &Topic,
        shard: Shard,
        after: Option<&PageToken>,
        limit: usize,
        now: Timestamp,
    ) -> Result<SubscriberPage, StoreError> {
        self.counted().subscribers(topic, shard, after, limit, now).await
    }
}
