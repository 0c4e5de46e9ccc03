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
/// Each method says of itself whether it may be repeated, in what order calls take effect, what its reads see, what an
/// error leaves behind, and what it costs. What holds for all of them:
///
/// **No update is missed.** A subscriber calls [`replace_topics`](Self::replace_topics), then [`heads`](Self::heads).
/// A publisher calls [`commit_head`](Self::commit_head), then [`subscribers`](Self::subscribers) for every shard of
/// the head that it got. All four see every write that returned before they were called, so either the publisher finds
/// the new row, or the subscriber finds the new head, or both do.
///
/// **Consistency.** There is no other kind of read: whatever a method returned to one caller, every later call of
/// every caller sees. Methods that overlap take effect in some order.
///
/// **Expiry.** A row whose `expires_at` has been reached at `now` is never returned and never counts as present,
/// whether or not it has been deleted yet. Clocks of callers may differ; [`EXPIRY_GRACE`](crate::EXPIRY_GRACE) is the
/// room for that.
///
/// **Repeating.** Every method may be called again with the same arguments, after an error too, and then ends in the
/// same state as one call that succeeded.
///
/// **Errors** are of these kinds, besides those that a method names:
/// [`Throttled`](crate::StoreErrorKind::Throttled), [`Conflict`](crate::StoreErrorKind::Conflict) and
/// [`Unavailable`](crate::StoreErrorKind::Unavailable) after the store's own attempts are used up: the same call may
/// succeed later; [`Internal`](crate::StoreErrorKind::Internal) for anything that repeating does not help, such as an
/// item that somebody wrote by hand and that cannot be read.
///
/// **Partial failure.** After an error the work may have been done, in part or as a whole. Each method says what may be
/// left behind. All of that is repaired by the next `replace_topics` of that connection, or goes when it is removed or
/// pruned, or expires with it.
///
/// **Cost** is counted in requests to a table with batches of 25 writes and 100 reads; retries come on top. Nothing
/// here reads more than it returns, and nothing scans.
///
/// Decorate rather than edit: a counting, failing or slow store is another implementation of this trait.
pub trait ConnectionStore: Send + Sync + 'static {
    /// Adds a connection that follows nothing yet (`topics` and `list_version` of the argument are not stored).
    ///
    /// * Idempotent: adding one that is present leaves it as it is, its list too, and succeeds. One that had expired
    ///   when this connection was made counts as absent.
    /// * Partial failure: none; it is one write.
    /// * Cost: 1 request.
    fn add(&self, connection: &Connection) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The connection, if it is present and live at `now`.
    ///
    /// * Cost: 1 request.
    fn connection(
        &self,
        id: &ConnectionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Connection>, StoreError>> + Send;

    /// Replaces the list of topics that a connection follows; an empty list is valid, duplicates count once.
    ///
    /// * Idempotent: a list that names the same topics, in whatever order, changes nothing (nor does it reorder the
    ///   stored list); its `Replacement` says so. Nevertheless it finishes what another call left undone.
    /// * Order: calls for one connection may run at once. They take effect one after the other in some order, each
    ///   `Replacement` is relative to the one before it, and once all have returned the rows are those of the last.
    /// * Consistency: a topic that stays in the list keeps its row throughout. Added rows are there when the call
    ///   returns, dropped ones are not.
    /// * Partial failure: after any error but the first two below, the list may or may not be replaced, and rows may
    ///   lag behind it: an added topic may have no row yet, a dropped one may still have it. The next call for the
    ///   connection, with whatever list, puts that right.
    /// * Cost, for `a` added and `d` dropped topics: 1 request if nothing changes; else 4, or 3 if `a` is 0, and one for
    ///   every 25 of `a + d`. Each other call that comes first costs 3 more.
    ///
    /// # Errors
    /// `InvalidArgument` for more than [`TOPICS_PER_CONNECTION_MAX`] topics, and nothing is changed; `UnknownConnection` if
    /// there is no such live connection, or it is removed meanwhile, and no row of it is left; `Conflict` if other
    /// replacements kept coming first.
    fn replace_topics(
        &self,
        id: &ConnectionId,
        topics: &[Topic],
        now: Timestamp,
    ) -> impl Future<Output = Result<Replacement, StoreError>> + Send;

    /// Removes a connection and its subscriptions, and says whether it was there (expired or not).
    ///
    /// * Idempotent: removing one that is absent succeeds, with `false`.
    /// * Order: of a removal and a replacement at once, the removal wins: once both have returned, no row is left.
    /// * Partial failure: the connection goes after its rows, so that the same call again finds what remains. If there is
    ///   none, that expires, or is pruned when a post finds the connection gone.
    /// * Cost: 2 requests, and one for every 25 topics; 1 if it is absent.
    ///
    /// # Errors
    /// `Conflict` if replacements of its list kept coming first.
    fn remove(&self, id: &ConnectionId) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Removes what was found to be gone: each of these rows, its connection, and all that connection follows.
    ///
    /// * Idempotent: what is absent already counts as removed; duplicates count once.
    /// * Order: a connection that is gone sends nothing any more. A replacement that is under way all the same may leave
    ///   a row behind, which the next pass of its topic finds gone and prunes.
    /// * Partial failure: some are removed and some are not; a connection goes after its rows, so that the same call
    ///   again finds what remains.
    /// * Cost, for `c` connections with `r` rows: one request for every 100 of `c`, for every 25 of `r`, for every 25 of `c`.
    fn prune(&self, gone: &[Subscription]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes `version` and `payload` the head of the topic if `version` is newer than the head's, in one atomic step.
    ///
    /// * Idempotent: the same version and payload again is [`Repeated`](HeadCommit::Repeated) and changes nothing.
    ///   Nobody knows how far the first attempt came, so its caller should push it again.
    /// * Order: of several at once the newest version is the head in the end, in whatever order they come.
    /// * Partial failure: none; it is one write, of which an error does not tell whether it took effect.
    /// * Cost: 1 request.
    fn commit_head(
        &self,
        topic: &Topic,
        version: u64,
        payload: Bytes,
    ) -> impl Future<Output = Result<HeadCommit, StoreError>> + Send;

    /// The heads of these topics, in the order asked; `None` where nothing has been published yet.
    ///
    /// * Consistency: each head is consistent by itself; they are not a snapshot of one moment.
    /// * Cost: one request for every 100 topics, and for every 16 MB of payloads.
    fn heads(&self, topics: &[Topic]) -> impl Future<Output = Result<Vec<Option<Head>>, StoreError>> + Send;

    /// Gives a topic at least `count` shards; new rows spread over them, old rows stay where they are. Never shrinks.
    ///
    /// Safe at any time: rows written under a smaller count are in shards that the larger count still enumerates,
    /// and a row written under the larger count was preceded by this call, hence by any `commit_head` that still
    /// returned the smaller one, so that subscriber finds that head.
    ///
    /// * Idempotent: a topic that has as many shards or more is left as it is.
    /// * Partial failure: none; it is one write.
    /// * Cost: 1 request, and 1 more per shard in each later enumeration.
    fn grow_shards(
        &self,
        topic: &Topic,
        count: ShardCount,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Records how many subscribers a complete pass found, for the next one to plan with. Without a head it does nothing.
    ///
    /// * Idempotent. Order: the last one stays; it is a hint, and nothing depends on it.
    /// * Partial failure: none; it is one write.
    /// * Cost: 1 request.
    fn record_estimate(
        &self,
        topic: &Topic,
        subscribers: u64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// One page of the live subscribers of a shard, in the order of their ids, at most `limit` of them
    /// (which is held between 1 and [`SUBSCRIBERS_PAGE_MAX`]). `after` is the token of the page before, or `None` for the first.
    ///
    /// * Consistency: a row whose `replace_topics` returned before the call is in the page, or in one that follows.
    ///   Pages are not a snapshot of one moment; what changes between two of them may or may not be seen, but a
    ///   row that is there all the time is returned exactly once, and no row is returned twice.
    /// * A row that cannot be read is left out with a warning, since it must not keep an update from everybody else.
    /// * Partial failure: it only reads; the same page may be asked for again.
    /// * Cost: 1 request. A page may be short, or even empty, and yet have a next one: expired rows count for its size.
    ///
    /// # Errors
    /// `InvalidArgument` for a token that cannot be one of this store's.
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
