//! The store and the service of a world.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use dunlin_connection_store::{
    Connection, ConnectionStore, Head, HeadCommit, MemoryStore, PageToken, Replacement, Shard, ShardCount,
    StoreError, StoreErrorKind, SubscriberPage, Subscription, Timestamp, Topic,
};
use dunlin_events::ConnectionId;
use dunlin_management::{
    ConnectionInfo, DeleteOutcome, ManagementClient, ManagementError, ManagementErrorKind, PostOutcome,
};
use tokio::time::{Duration, sleep};

use crate::trace::{Event, Id, Outcome};
use crate::world::{Follower, NOW, Temper, World, connection_id, number_of, topic};

tokio::task_local! {
    /// The pass that runs, so that the trace can tell whose a call is.
    pub(crate) static PASS: usize;
}

/// Adds the connection to the world and its row to the store.
pub(crate) async fn join(world: &Mutex<World>, store: &MemoryStore, follower: Follower) {
    let (id, now) = {
        let mut world = world.lock().unwrap();
        world.followers.push(follower);
        (world.followers.len() - 1, NOW + world.now())
    };
    let made_at = Timestamp::from_epoch_ms(now.epoch_ms() - u64::try_from(follower.age.as_millis()).unwrap());
    store.add(&Connection::new(connection_id(id), made_at)).await.unwrap();
    store.replace_topics(&connection_id(id), &[topic()], now).await.unwrap();
    let row = store.connection(&connection_id(id), now).await.unwrap().unwrap();
    let mut world = world.lock().unwrap();
    world.note(Event::Joined { id, shard: row.topics[0].shard.index(), age: follower.age });
    if follower.is_dead {
        world.note(Event::Died { id });
    }
}

#[derive(Debug)]
pub(crate) struct SimStore {
    pub(crate) inner: Arc<MemoryStore>,
    pub(crate) world: Arc<Mutex<World>>,
}

impl SimStore {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Makes the call, in its time, and notes its beginning and its end.
    async fn call<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let delay = {
            let mut world = self.world();
            world.note(Event::StoreCalled { pass: PASS.get(), call });
            let crawls = world.faults.page_crawls;
            let factor = if call == "subscribers" && world.rolls(crawls) { 40 } else { 1 };
            let most = world.faults.latency_max_ms;
            Duration::from_millis(world.random.u64(0..=most) * factor)
        };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let result = work.await;
        self.world().note(Event::StoreAnswered { pass: PASS.get(), call, succeeded: result.is_ok() });
        result
    }
}

impl ConnectionStore for SimStore {
    async fn commit_head(
        &self,
        topic: &Topic,
        version: u64,
        payload: Bytes,
    ) -> Result<HeadCommit, StoreError> {
        let work = async {
            let fails = self.world().faults.commit_fails;
            if self.world().rolls(fails) {
                return Err(StoreError::new(StoreErrorKind::Unavailable, "commit_head"));
            }
            let commit = self.inner.commit_head(topic, version, payload).await;
            self.world().note(Event::Committed { pass: PASS.get() });
            commit
        };
        self.call("commit_head", work).await
    }

    async fn subscribers(
        &self,
        topic: &Topic,
        shard: Shard,
        after: Option<&PageToken>,
        limit: usize,
        now: Timestamp,
    ) -> Result<SubscriberPage, StoreError> {
        let work = async {
            let faults = self.world().faults;
            if self.world().rolls(faults.page_fails) {
                let kinds =
                    [StoreErrorKind::Throttled, StoreErrorKind::Unavailable, StoreErrorKind::Internal];
                let kind = self.world().random.choice(kinds).unwrap();
                return Err(StoreError::new(kind, "subscribers"));
            }
            let limit = if self.world().rolls(faults.page_is_short) { limit.div_ceil(4) } else { limit };
            self.inner.subscribers(topic, shard, after, limit, now).await
        };
        self.call("subscribers", work).await
    }

    async fn prune(&self, gone: &[Subscription]) -> Result<(), StoreError> {
        let work = async {
            let faults = self.world().faults;
            if self.world().rolls(faults.prune_hangs) {
                std::future::pending::<()>().await;
            }
            if self.world().rolls(faults.prune_fails) {
                return Err(StoreError::new(StoreErrorKind::Throttled, "prune"));
            }
            self.inner.prune(gone).await?;
            for row in gone {
                let id = number_of(&row.connection_id);
                self.world().note(Event::Pruned { pass: PASS.get(), id });
            }
            Ok(())
        };
        self.call("prune", work).await
    }

    async fn record_estimate(&self, topic: &Topic, subscribers: u64) -> Result<(), StoreError> {
        self.call("record_estimate", self.inner.record_estimate(topic, subscribers)).await
    }

    // What follows is for the other side of the app.

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

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Option<Head>>, StoreError> {
        self.inner.heads(topics).await
    }

    async fn grow_shards(&self, topic: &Topic, count: ShardCount) -> Result<(), StoreError> {
        self.inner.grow_shards(topic, count).await
    }
}

#[derive(Debug)]
pub(crate) struct SimManagement {
    pub(crate) world: Arc<Mutex<World>>,
}

/// Notes a post that nobody waited for.
struct Noted<'a> {
    world: &'a Mutex<World>,
    pass: usize,
    id: Id,
    answered: bool,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.world.lock().unwrap().note(Event::PostDropped { pass: self.pass, id: self.id });
        }
    }
}

impl World {
    /// What the service does with a post, after how long.
    fn answer(&mut self, id: Id) -> (Duration, Result<PostOutcome, ManagementErrorKind>, Option<Duration>) {
        let now = self.now();
        let delay = Duration::from_micros(self.random.u64(0..=self.service.latency_max_ms * 1_000));
        let hint = self.service.hints.then(|| Duration::from_millis(self.random.u64(0..3_000)));
        if let Some((per_s, burst, tokens, filled_at)) = &mut self.service.quota {
            *tokens = (*tokens + (now - *filled_at).as_secs_f64() * *per_s).min(*burst);
            *filled_at = now;
            if *tokens < 1.0 {
                return (delay, Err(ManagementErrorKind::Throttled), hint);
            }
            *tokens -= 1.0;
        }
        let follower = &mut self.followers[id];
        let before = follower.attempts;
        follower.attempts += 1;
        if follower.is_dead && follower.accepts > 0 {
            follower.accepts -= 1;
            return (delay, Ok(PostOutcome::Delivered), None);
        }
        if follower.is_dead || now < follower.established_at {
            return (delay, Ok(PostOutcome::Gone), None);
        }
        match follower.temper {
            Temper::Fine => (delay, Ok(PostOutcome::Delivered), None),
            Temper::Forbidden => (delay, Err(ManagementErrorKind::Forbidden), None),
            Temper::Slow => (delay, Err(ManagementErrorKind::Throttled), hint),
            Temper::Stuck => (self.service.client_timeout, Err(ManagementErrorKind::Unavailable), None),
            Temper::Stumbling(failures) if before < failures => match before % 2 {
                0 => (delay, Err(ManagementErrorKind::Throttled), hint),
                _ => (delay, Err(ManagementErrorKind::Unavailable), None),
            },
            Temper::Stumbling(_) => (delay, Ok(PostOutcome::Delivered), None),
        }
    }
}

impl ManagementClient for SimManagement {
    async fn post(&self, id: &ConnectionId, data: Bytes) -> Result<PostOutcome, ManagementError> {
        let (pass, id) = (PASS.get(), number_of(id));
        let version = u64::from(data[0] - b'0');
        let (delay, result, retry_after) = {
            let mut world = self.world.lock().unwrap();
            world.note(Event::PostBegan { pass, id, version });
            world.answer(id)
        };
        let mut noted = Noted { world: &self.world, pass, id, answered: false };
        if !delay.is_zero() {
            sleep(delay).await;
        }
        noted.answered = true;
        let outcome = Outcome::of(result, retry_after);
        self.world.lock().unwrap().note(Event::PostAnswered { pass, id, outcome });
        result.map_err(|kind| ManagementError::new(kind).with_retry_after(retry_after))
    }

    async fn get(&self, _: &ConnectionId) -> Result<Option<ConnectionInfo>, ManagementError> {
        Ok(None)
    }

    async fn delete(&self, _: &ConnectionId) -> Result<DeleteOutcome, ManagementError> {
        Ok(DeleteOutcome::Gone)
    }
}
