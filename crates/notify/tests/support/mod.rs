//! An app whose store and management API can be looked into, and one whose store fails.

use std::{fmt::Display, sync::Arc};

use bytes::Bytes;
use dunlin_connection_store::{
    Connection, ConnectionStore, Head, HeadCommit, MemoryStore, PageToken, Replacement, Shard, ShardCount,
    StoreError, StoreErrorKind, SubscriberPage, Subscription, Timestamp, Topic,
};
use dunlin_events::ConnectionId;
use dunlin_handler::{
    EventHandler, Router,
    testing::{CONNECTED_AT_MS, TestEvent, send, send_event},
};
use dunlin_management::FakeManagement;
use dunlin_notify::App;
use serde_json::{Value, json};

/// The wall clock: a minute after the connections were made.
pub(crate) const NOW_MS: u64 = CONNECTED_AT_MS + 60_000;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_epoch_ms(NOW_MS)
}

pub(crate) fn id(text: &str) -> ConnectionId {
    text.parse().unwrap()
}

/// A message that names these devices.
pub(crate) fn message(connection: &str, device_ids: Value) -> TestEvent {
    let body = json!({"action": "set_notify_list", "device_ids": device_ids}).to_string();
    TestEvent::message("set_notify_list", body).connection_id(connection)
}

/// What the topic rule hands to the function.
pub(crate) fn update(device: &str, version: u64, value: impl Display) -> String {
    format!(
        r#"{{"version":{version},"payload":{{"value":{value}}},"device_id":"{device}","received_at":{NOW_MS}}}"#
    )
}

/// All functions of the app on one store.
pub(crate) struct Stack {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) management: Arc<FakeManagement>,
    app: Arc<App<Arc<MemoryStore>, Arc<FakeManagement>>>,
}

impl Stack {
    pub(crate) fn new() -> Self {
        let (store, management) = (Arc::new(MemoryStore::new()), Arc::new(FakeManagement::new()));
        let app = Arc::new(App::new(Arc::clone(&store), Arc::clone(&management), now, || 42));
        Stack { store, management, app }
    }

    pub(crate) fn now(&self) -> Timestamp {
        now()
    }

    pub(crate) fn lists(&self) -> Router {
        dunlin_notify::set_notify_list(Arc::clone(&self.app))
    }

    pub(crate) fn updates(&self) -> EventHandler {
        dunlin_notify::notify_parameter(Arc::clone(&self.app))
    }

    pub(crate) fn disconnects(&self) -> Router {
        dunlin_notify::disconnect(Arc::clone(&self.store))
    }

    pub(crate) async fn connect(&self, connection: &str) {
        let mut connects = dunlin_notify::connect(Arc::clone(&self.store), now);
        assert_eq!(send(&mut connects, TestEvent::connect().connection_id(connection)).await.status(), 200);
    }

    pub(crate) async fn set(&self, connection: &str, device_ids: Value) -> Value {
        send(&mut self.lists(), message(connection, device_ids)).await.json().clone()
    }

    pub(crate) async fn publish(&self, event: &str) -> Value {
        send_event(&mut self.updates(), event).await.unwrap()
    }

    /// What was delivered to the connection, in order.
    pub(crate) fn received(&self, connection: &str) -> Vec<String> {
        let posts = self.management.posts_to(&id(connection));
        posts.iter().map(|post| String::from_utf8(post.to_vec()).unwrap()).collect()
    }
}

/// A store that does nothing but fail.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Broken {
    Errors,
    Panics,
}

impl Broken {
    pub(crate) fn app(self) -> Arc<App<Broken, FakeManagement>> {
        Arc::new(App::new(self, FakeManagement::new(), now, || 42))
    }

    fn fail<T>(self) -> Result<T, StoreError> {
        match self {
            Broken::Errors => {
                Err(StoreError::new(StoreErrorKind::Internal, "secret table").with_source("secret cause"))
            }
            Broken::Panics => panic!("secret of the store"),
        }
    }
}

impl ConnectionStore for Broken {
    async fn add(&self, _: &Connection) -> Result<(), StoreError> {
        self.fail()
    }

    async fn connection(&self, _: &ConnectionId, _: Timestamp) -> Result<Option<Connection>, StoreError> {
        self.fail()
    }

    async fn replace_topics(
        &self,
        _: &ConnectionId,
        _: &[Topic],
        _: Timestamp,
    ) -> Result<Replacement, StoreError> {
        self.fail()
    }

    async fn remove(&self, _: &ConnectionId) -> Result<bool, StoreError> {
        self.fail()
    }

    async fn prune(&self, _: &[Subscription]) -> Result<(), StoreError> {
        self.fail()
    }

    async fn commit_head(&self, _: &Topic, _: u64, _: Bytes) -> Result<HeadCommit, StoreError> {
        self.fail()
    }

    async fn heads(&self, _: &[Topic]) -> Result<Vec<Option<Head>>, StoreError> {
        self.fail()
    }

    async fn grow_shards(&self, _: &Topic, _: ShardCount) -> Result<(), StoreError> {
        self.fail()
    }

    async fn record_estimate(&self, _: &Topic, _: u64) -> Result<(), StoreError> {
        self.fail()
    }

    async fn subscribers(
        &self,
        _: &Topic,
        _: Shard,
        _: Option<&PageToken>,
        _: usize,
        _: Timestamp,
    ) -> Result<SubscriberPage, StoreError> {
        self.fail()
    }
}
