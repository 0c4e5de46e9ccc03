//! The store that keeps everything in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dunlin_events::ConnectionId;

use crate::{
    Connection, ConnectionStore, Head, HeadCommit, PageToken, Replacement, SUBSCRIBERS_PAGE_MAX, Shard,
    ShardCount, StoreError, StoreErrorKind, Subscriber, SubscriberPage, Subscription,
    TOPICS_PER_CONNECTION_MAX, Timestamp, Topic, TopicShard,
};

/// Keeps everything in memory, behind one lock that is never held across an await.
///
/// Every method is one atomic step that never waits and never fails for a reason of the store's own: the contract
/// without its excuses. What has expired is hidden at once, but stays in memory until [`sweep`](Self::sweep) is
/// called; heads stay for as long as the store, one for each topic that was ever published or grown. Share it as
/// `Arc<MemoryStore>`, which is a store too.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connections: BTreeMap<ConnectionId, Connection>,
    rows: BTreeMap<TopicShard, BTreeMap<ConnectionId, Row>>,
    topics: BTreeMap<Topic, TopicState>,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    connected_at: Timestamp,
    expires_at: Timestamp,
}

/// What a head holds; the update is absent while a topic only has been grown.
#[derive(Debug, Default)]
struct TopicState {
    update: Option<(u64, Bytes)>,
    shard_count: ShardCount,
    subscriber_estimate: Option<u64>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Deletes what has expired at `now`, and returns how many connections that were.
    pub fn sweep(&self, now: Timestamp) -> usize {
        let mut state = self.lock();
        let expired: Vec<ConnectionId> =
            state.connections.values().filter(|c| !c.is_live(now)).map(|c| c.id.clone()).collect();
        for id in &expired {
            state.remove(id);
        }
        expired.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together, so the state behind a poisoned lock is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionStore for MemoryStore {
    async fn add(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut state = self.lock();
        match state.connections.get(&connection.id) {
            Some(present) if present.is_live(connection.connected_at) => return Ok(()),
            Some(_) => _ = state.remove(&connection.id),
            None => {}
        }
        let added = Connection {
            expires_at: connection.expires_at.ceil_to_second(),
            topics: Vec::new(),
            list_version: 0,
            ..connection.clone()
        };
        state.connections.insert(added.id.clone(), added);
        Ok(())
    }

    async fn connection(&self, id: &ConnectionId, now: Timestamp) -> Result<Option<Connection>, StoreError> {
        Ok(self.lock().connections.get(id).filter(|c| c.is_live(now)).cloned())
    }

    async fn replace_topics(
        &self,
        id: &ConnectionId,
        topics: &[Topic],
        now: Timestamp,
    ) -> Result<Replacement, StoreError> {
        if topics.len() > TOPICS_PER_CONNECTION_MAX {
            return Err(StoreError::new(StoreErrorKind::InvalidArgument, "replace_topics"));
        }
        self.lock().replace_topics(id, topics, now)
    }

    async fn remove(&self, id: &ConnectionId) -> Result<bool, StoreError> {
        Ok(self.lock().remove(id))
    }

    async fn prune(&self, gone: &[Subscription]) -> Result<(), StoreError> {
        let mut state = self.lock();
        for subscription in gone {
            state.remove_row(&subscription.place, &subscription.connection_id);
            state.remove(&subscription.connection_id);
        }
        Ok(())
    }

    async fn commit_head(
        &self,
        topic: &Topic,
        version: u64,
        payload: Bytes,
    ) -> Result<HeadCommit, StoreError> {
        let mut state = self.lock();
        let topic = state.topics.entry(topic.clone()).or_default();
        match &topic.update {
            Some((current, last)) if *current == version && *last == payload => {
                Ok(HeadCommit::Repeated(topic.head(version, payload)))
            }
            Some((current, _)) if *current >= version => Ok(HeadCommit::Older { current: *current }),
            _ => {
                topic.update = Some((version, payload.clone()));
                Ok(HeadCommit::Committed(topic.head(version, payload)))
            }
        }
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Option<Head>>, StoreError> {
        let state = self.lock();
        let head = |topic: &Topic| {
            let topic = state.topics.get(topic)?;
            let (version, payload) = topic.update.clone()?;
            Some(topic.head(version, payload))
        };
        Ok(topics.iter().map(head).collect())
    }

    async fn grow_shards(&self, topic: &Topic, count: ShardCount) -> Result<(), StoreError> {
        let mut state = self.lock();
        let topic = state.topics.entry(topic.clone()).or_default();
        topic.shard_count = topic.shard_count.max(count);
        Ok(())
    }

    async fn record_estimate(&self, topic: &Topic, subscribers: u64) -> Result<(), StoreError> {
        if let Some(topic) = self.lock().topics.get_mut(topic).filter(|topic| topic.update.is_some()) {
            topic.subscriber_estimate = Some(subscribers);
        }
        Ok(())
    }

    async fn subscribers(
        &self,
        topic: &Topic,
        shard: Shard,
        after: Option<&PageToken>,
        limit: usize,
        now: Timestamp,
    ) -> Result<SubscriberPage, StoreError> {
        let after: Option<ConnectionId> =
            after.map(|token| token.position().parse()).transpose().map_err(|error| {
                StoreError::new(StoreErrorKind::InvalidArgument, "subscribers").with_source(error)
            })?;
        let state = self.lock();
        let Some(rows) = state.rows.get(&TopicShard { topic: topic.clone(), shard }) else {
            return Ok(SubscriberPage::default());
        };
        let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        // Rows expire at whole seconds.
        let second = Timestamp::from_epoch_s(now.epoch_s());
        let live = rows
            .range::<ConnectionId, _>((from, Bound::Unbounded))
            .filter(|(_, row)| second < row.expires_at);
        let mut rest = live.map(|(id, row)| Subscriber {
            connection_id: id.clone(),
            connected_at: row.connected_at,
            expires_at: row.expires_at,
        });
        let limit = limit.clamp(1, SUBSCRIBERS_PAGE_MAX);
        let mut subscribers = Vec::with_capacity(limit.min(rows.len()));
        subscribers.extend(rest.by_ref().take(limit));
        let next = match (rest.next(), subscribers.last()) {
            (Some(_), Some(last)) => Some(PageToken::after(last.connection_id.as_str())),
            _ => None,
        };
        Ok(SubscriberPage { subscribers, next })
    }
}

impl TopicState {
    fn head(&self, version: u64, payload: Bytes) -> Head {
        Head {
            version,
            payload,
            shard_count: self.shard_count,
            subscriber_estimate: self.subscriber_estimate,
        }
    }
}

impl State {
    fn replace_topics(
        &mut self,
        id: &ConnectionId,
        topics: &[Topic],
        now: Timestamp,
    ) -> Result<Replacement, StoreError> {
        let Some(connection) = self.connections.get_mut(id).filter(|c| c.is_live(now)) else {
            return Err(StoreError::new(StoreErrorKind::UnknownConnection, "replace_topics"));
        };
        let row = Row { connected_at: connection.connected_at, expires_at: connection.expires_at };
        let mut dropped: BTreeMap<Topic, Shard> =
            connection.topics.iter().map(|place| (place.topic.clone(), place.shard)).collect();
        let mut replacement = Replacement::default();
        let mut places = Vec::with_capacity(topics.len());
        let mut seen = BTreeSet::new();
        for topic in topics {
            if !seen.insert(topic) {
                continue;
            }
            let shard = dropped.remove(topic).unwrap_or_else(|| {
                replacement.added.push(topic.clone());
                let count = self.topics.get(topic).map_or(ShardCount::ONE, |topic| topic.shard_count);
                Shard::of(id, count)
            });
            replacement.topics.push(topic.clone());
            places.push(TopicShard { topic: topic.clone(), shard });
        }
        if replacement.added.is_empty() && dropped.is_empty() {
            return Ok(replacement);
        }
        let old = std::mem::replace(&mut connection.topics, places.clone());
        connection.list_version += 1;
        for place in places {
            self.rows.entry(place).or_default().insert(id.clone(), row);
        }
        for place in old.into_iter().filter(|place| dropped.contains_key(&place.topic)) {
            self.remove_row(&place, id);
            replacement.removed.push(place.topic);
        }
        Ok(replacement)
    }

    fn remove(&mut self, id: &ConnectionId) -> bool {
        let Some(connection) = self.connections.remove(id) else { return false };
        for place in &connection.topics {
            self.remove_row(place, id);
        }
        true
    }

    fn remove_row(&mut self, place: &TopicShard, id: &ConnectionId) {
        let Some(rows) = self.rows.get_mut(place) else { return };
        rows.remove(id);
        if rows.is_empty() {
            self.rows.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::conformance_tests!(async { MemoryStore::new() });

    #[tokio::test]
    async fn sweeping_frees_what_has_expired_and_nothing_else() {
        let store = MemoryStore::new();
        let start = Timestamp::from_epoch_ms(1_760_000_000_000);
        let later = start + std::time::Duration::from_secs(3600);
        let topic: Topic = "t".parse().unwrap();
        for (id, at) in [("early", start), ("late", later)] {
            let connection = Connection::new(id.parse().unwrap(), at);
            store.add(&connection).await.unwrap();
            store.replace_topics(&connection.id, std::slice::from_ref(&topic), at).await.unwrap();
        }
        let expiry = Connection::new("early".parse().unwrap(), start).expires_at;
        assert_eq!(store.sweep(start), 0);
        assert_eq!(store.sweep(expiry), 1);
        let state = store.lock();
        assert_eq!(state.connections.len(), 1);
        assert_eq!(state.rows.values().map(BTreeMap::len).sum::<usize>(), 1);
    }
}
