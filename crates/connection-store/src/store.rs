//! The contract of a store.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use dunlin_events::ConnectionId;

use crate::{
    Connection, Head, HeadCommit, PageToken, Replacement, Shard, ShardCount, StoreError, SubscriberPage,
    Subscription, Timestamp, Topic,
};

/// Most topics that one connection may follow. Their heads fit one batched read, and the list stays far
/// below the largest item of a table.
pub const TOPICS_PER_CONNECTION_MAX: usize = 100;

/// Most subscribers in one page. At about 160 bytes a row, a full page stays well below the 1 MB of a query.
pub const SUBSCRIBERS_PAGE_MAX: usize = 1000;

/// Who is connected, who follows what, and the last update of every topic.
///
/// **No update is missed.** A subscriber calls `replace_topics`, then `heads`. A publisher calls
/// `commit_head`, then `subscribers` for every shard. All of them read what was written before, so either
/// the publisher finds the new row, or the subscriber finds the new head (or both do).
///
/// **Expiry.** A row whose `expires_at` has been reached is never returned and never counts as present,
/// whether or not it has been deleted yet.
///
/// **Failure.** A method that returns an error may have done part of its work. Every method may be called
/// again with the same arguments; what is left behind by one that never is called again either is repaired by
/// the next `replace_topics` of that connection, or expires with it, or is pruned when a post finds it gone.
///
/// Decorate rather than edit: a counting, failing or slow store is another implementation of this trait.
pub trait ConnectionStore: Send + Sync + 'static {
    /// Adds a connection that follows nothing yet (`topics` and `list_version` of the argument are not stored).
    /// Adding one that is present leaves it as it is, and succeeds.
    fn add(&self, connection: &Connection) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The connection, if it is present and live at `now`; consistent with every write that has returned.
    fn connection(
        &self,
        id: &ConnectionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Connection>, StoreError>> + Send;

    /// Replaces the list of topics that a connection follows; an empty list is valid, duplicates count once.
    ///
    /// Calls for one connection may run at once: they take effect one after the other in some order, each
    /// `Replacement` is relative to the one before it, and once all have returned the rows are those of the last.
    /// A topic that stays in the list keeps its row throughout. A list that names the same topics changes nothing.
    ///
    /// # Errors
    /// `UnknownConnection` if there is no such live connection, or it is removed meanwhile; `InvalidArgument` for more
    /// than [`TOPICS_PER_CONNECTION_MAX`] topics; `Conflict` if other replacements kept coming first. After any other error
    /// the list may or may not be replaced, and rows may lag behind it until the next replacement.
    fn replace_topics(
        &self,
        id: &ConnectionId,
        topics: &[Topic],
        now: Timestamp,
    ) -> impl Future<Output = Result<Replacement, StoreError>> + Send;

    /// Removes a connection and its subscriptions, and says whether it was there (expired or
    /// not). Removing one that is absent succeeds.
    ///
    /// After an error the connection may be gone while some of its subscriptions remain; they expire with it or are pruned.
    fn remove(&self, id: &ConnectionId) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes what was found to be gone: each of these rows, its connection, and all that connection follows.
    /// What is absent already counts as removed. After an error the same call may be repeated.
    fn prune(&self, gone: &[Subscription]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes `version` and `payload` the head of the topic if `version` is newer than the head's, in one atomic step.
    fn commit_head(
        &self,
        topic: &Topic,
        version: u64,
        payload: Bytes,
    ) -> impl Future<Output = Result<HeadCommit, StoreError>> + Send;

    /// The heads of these topics, in the order asked; `None` where nothing has been published yet.
    /// Consistent with every `commit_head` that has returned.
    fn heads(&self, topics: &[Topic]) -> impl Future<Output = Result<Vec<Option<Head>>, StoreError>> + Send;

    /// Gives a topic at least `count` shards; new rows spread over them, old rows stay where they are. Never shrinks.
    ///
    /// Safe at any time: rows written under a smaller count are in shards that the larger count still enumerates,
    /// and a row written under the larger count was preceded by this call, hence by any `commit_head` that still
    /// returned the smaller one, so that subscriber finds that head.
    fn grow_shards(
        &self,
        topic: &Topic,
        count: ShardCount,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Records how many subscribers a complete pass found, for the next one to plan with. Without a head it does nothing.
    fn record_estimate(
        &self,
        topic: &Topic,
        subscribers: u64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// One page of the live subscribers of a shard, in the order of their ids, at most `limit` of them
    /// (which is held between 1 and [`SUBSCRIBERS_PAGE_MAX`]). `after` is the token of the page before, or `None` for the first.
    ///
    /// Consistent: a row whose `replace_topics` returned before the call is in the page, or in one that follows.
    /// Pages are not a snapshot of one moment; what changes between two of them may or may not be seen, but a
    /// row that is there all the time is returned exactly once.
    fn subscribers(
        &self,
        topic: &Topic,
        shard: Shard,
        after: Option<&PageToken>,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<SubscriberPage, StoreError>> + Send;
}

/// A shared store is a store.
impl<S: ConnectionStore> ConnectionStore for Arc<S> {
    fn add(&self, connection: &Connection) -> impl Future<Output = Result<(), StoreError>> + Send {
        S::add(self, connection)
    }

    fn connection(
        &self,
        id: &ConnectionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Connection>, StoreError>> + Send {
        S::connection(self, id, now)
    }

    fn replace_topics(
        &self,
        id: &ConnectionId,
        topics: &[Topic],
        now: Timestamp,
    ) -> impl Future<Output = Result<Replacement, StoreError>> + Send {
        S::replace_topics(self, id, topics, now)
    }

    fn remove(&self, id: &ConnectionId) -> impl Future<Output = Result<bool, StoreError>> + Send {
        S::remove(self, id)
    }

    fn prune(&self, gone: &[Subscription]) -> impl Future<Output = Result<(), StoreError>> + Send {
        S::prune(self, gone)
    }

    fn commit_head(
        &self,
        topic: &Topic,
        version: u64,
        payload: Bytes,
    ) -> impl Future<Output = Result<HeadCommit, StoreError>> + Send {
        S::commit_head(self, topic, version, payload)
    }

    fn heads(&self, topics: &[Topic]) -> impl Future<Output = Result<Vec<Option<Head>>, StoreError>> + Send {
        S::heads(self, topics)
    }

    fn grow_shards(
        &self,
        topic: &Topic,
        count: ShardCount,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        S::grow_shards(self, topic, count)
    }

    fn record_estimate(
        &self,
        topic: &Topic,
        subscribers: u64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        S::record_estimate(self, topic, subscribers)
    }

    fn subscribers(
        &self,
        topic: &Topic,
        shard: Shard,
        after: Option<&PageToken>,
        limit: usize,
        now: Timestamp,
    ) -> impl Future<Output = Result<SubscriberPage, StoreError>> + Send {
        S::subscribers(self, topic, shard, after, limit, now)
    }
}
