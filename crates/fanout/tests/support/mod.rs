//! A store that can be told to fail, and an audience for it.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use dunlin_connection_store::{
    Connection, ConnectionStore, Head, HeadCommit, MemoryStore, PageToken, Replacement, Shard, ShardCount,
    StoreError, StoreErrorKind, SubscriberPage, Subscription, Timestamp, Topic,
};
use dunlin_events::ConnectionId;
use dunlin_fanout::Update;
use tokio::time::{Duration, Instant, sleep};

/// When every test begins; connections are older than that unless a test says otherwise.
pub(crate) const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_000);

pub(crate) fn topic() -> Topic {
    "dev-1".parse().unwrap()
}

pub(crate) fn id(n: usize) -> ConnectionId {
    format!("c{n:04}").parse().unwrap()
}

/// The update that the tests publish.
pub(crate) fn update(version: u64, within: Duration) -> Update {
    Update {
        topic: topic(),
        version,
        payload: format!("{{\"version\":{version}}}").into(),
        now: NOW,
        deadline: Instant::now() + within,
        seed: 7,
    }
}

/// Adds a follower of the topic that connected at this time.
pub(crate) async fn follower(store: &impl ConnectionStore, n: usize, connected_at: Timestamp) {
    store.add(&Connection::new(id(n), connected_at)).await.unwrap();
    store.replace_topics(&id(n), &[topic()], NOW).await.unwrap();
}

/// The time that was this long before the tests begin.
pub(crate) fn ago(duration: Duration) -> Timestamp {
    Timestamp::from_epoch_ms(NOW.epoch_ms() - u64::try_from(duration.as_millis()).unwrap())
}

/// A store in memory whose answers take time and fail as told.
#[derive(Debug, Default)]
pub(crate) struct FaultyStore {
    pub(crate) inner: MemoryStore,
    /// Time that every call takes.
    pub(crate) latency: Duration,
    /// Of every this many pages, one fails at first; 0 for none.
    pub(crate) page_fails_every: u32,
    /// The kind of that failure.
    pub(crate) page_failure: Option<StoreErrorKind>,
    /// Whether pruning never answers.
    pub(crate) prune_hangs: bool,
    /// Pages asked for.
    pub(crate) pages: AtomicU32,
    /// Prunes asked for.
    pub(crate) prunes: AtomicU32,
    /// Estimates recorded.
    pub(crate) estimates: AtomicU32,
}

impl FaultyStore {
    async fn slowly(&self) {
        if !self.latency.is_zero() {
            sleep(self.latency).await;
        }
    }
}

impl ConnectionStore for FaultyStore {
    async fn add(&self, connection: &Connection) -> Result<(), StoreError> {
        self.inner.add(connection).await
    }

    async fn connection(&self, id: &ConnectionId, now: Timestamp) -> Result<Option<Connection>, StoreError> {
        self.inner.connection(id, now).await
    }

    async fn replace_topics(
        &self,
        id: &ConnectionId,
        topics: &[Topic],
        now: Timestamp,
    ) -> Result<Replacement, StoreError> {
        self.inner.replace_topics(id, topics, now).await
    }

    async fn remove(&self, id: &ConnectionId) -> Result<bool, StoreError> {
        self.inner.remove(id).await
    }

    async fn prune(&self, gone: &[Subscription]) -> Result<(), StoreError> {
        self.prunes.fetch_add(1, Ordering::Relaxed);
        if self.prune_hangs {
            std::future::pending::<()>().await;
        }
        self.slowly().await;
        self.inner.prune(gone).await
    }

    async fn commit_head(
        &self,
        topic: &Topic,
        version: u64,
        payload: Bytes,
    ) -> Result<HeadCommit, StoreError> {
        self.slowly().await;
        self.inner.commit_head(topic, version, payload).await
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Option<Head>>, StoreError> {
        self.inner.heads(topics).await
    }

    async fn grow_shards(&self, topic: &Topic, count: ShardCount) -> Result<(), StoreError> {
        self.inner.grow_shards(topic, count).await
    }

    async fn record_estimate(&self, topic: &Topic, subscribers: u64) -> Result<(), StoreError> {
        self.estimates.fetch_add(1, Ordering::Relaxed);
        self.inner.record_estimate(topic, subscribers).await
    }

    async fn subscribers(
        &self,
        topic: &Topic,
        shard: Shard,
        after: Option<&PageToken>,
        limit: usize,
        now: Timestamp,
    ) -> Result<SubscriberPage, StoreError> {
        self.slowly().await;
        let asked = self.pages.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(kind) = self.page_failure
            && self.page_fails_every > 0
            && asked.is_multiple_of(self.page_fails_every)
        {
            return Err(StoreError::new(kind, "subscribers"));
        }
        self.inner.subscribers(topic, shard, after, limit, now).await
    }
}
