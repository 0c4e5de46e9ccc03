//! The store's methods on the table.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use bytes::Bytes;
use dunlin_connection_store::{
    Connection, ConnectionStore, Head, HeadCommit, PageToken, Replacement, SUBSCRIBERS_PAGE_MAX, Shard,
    ShardCount, StoreError, StoreErrorKind, SubscriberPage, Subscription, TOPICS_PER_CONNECTION_MAX,
    Timestamp, Topic,
};
use dunlin_events::ConnectionId;

use crate::batch::Projection;
use crate::config::{self, ConfigError};
use crate::error::malformed;
use crate::item::{
    self, CONNECTED_AT, EXPIRES_AT, Item, Key, PAYLOAD, PK, SHARD_COUNT, SK, SUBSCRIBER_ESTIMATE, VERSION,
};
use crate::read::{self, ConnectionItem, HeadItem};
use crate::replace::refused_item;

/// Longest sort key of a table, in bytes.
const SORT_KEY_BYTES_MAX: usize = 1_024;

/// The connection store on one DynamoDB table.
///
/// Every read is consistent. Requests that the table throttles or does not answer are tried again within named bounds.
pub struct DynamoDbStore {
    client: Client,
    table: String,
    random: Mutex<fastrand::Rng>,
}

impl DynamoDbStore {
    /// A store on this table, through this client. `seed` is for the jitter of retries and for telling writers apart:
    /// it must differ from process to process.
    pub fn new(client: Client, table: impl Into<String>, seed: u64) -> Self {
        Self { client, table: table.into(), random: Mutex::new(fastrand::Rng::with_seed(seed)) }
    }

    /// A store on this table, with region, credentials and endpoint from the variables that `lookup` finds:
    /// `AWS_REGION` or `AWS_DEFAULT_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_ENDPOINT_URL_DYNAMODB` or `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable that is missing or does not fit.
    pub fn from_lookup(
        table: impl Into<String>,
        seed: u64,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Ok(Self::new(config::client(lookup)?, table, seed))
    }

    /// [`from_lookup`](Self::from_lookup) on the environment of the process, with a random seed.
    ///
    /// # Errors
    /// As [`from_lookup`](Self::from_lookup).
    pub fn from_env(table: impl Into<String>) -> Result<Self, ConfigError> {
        Self::from_lookup(table, fastrand::u64(..), |name| std::env::var(name).ok())
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    pub(crate) fn random_u64(&self) -> u64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).u64(..)
    }

    pub(crate) fn random_f64(&self) -> f64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }

    /// The connection item, live or not.
    pub(crate) async fn read_connection(
        &self,
        operation: &'static str,
        id: &ConnectionId,
    ) -> Result<Option<ConnectionItem>, StoreError> {
        let item = self.read_item(operation, id).await?;
        item.map(|item| ConnectionItem::read(id, &item).map_err(malformed(operation))).transpose()
    }

    /// The connection item as it is in the table.
    pub(crate) async fn read_item(
        &self,
        operation: &'static str,
        id: &ConnectionId,
    ) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(Key::connection(id).into_item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| self.error(operation, error))?;
        Ok(answer.item.filter(|item| !item.is_empty()))
    }

    fn update_head(&self, topic: &Topic) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::head(topic).into_item()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

impl ConnectionStore for DynamoDbStore {
    async fn add(&self, connection: &Connection) -> Result<(), StoreError> {
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::new_connection(connection)))
            // The table deletes what has expired days late, so a row that is there may count as absent.
            .condition_expression("attribute_not_exists(#pk) OR #expires_at <= :connected_at")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#expires_at", EXPIRES_AT)
            .expression_attribute_values(":connected_at", item::number(connection.connected_at.epoch_s()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(self.error("add", error)),
        }
    }

    async fn connection(&self, id: &ConnectionId, now: Timestamp) -> Result<Option<Connection>, StoreError> {
        let item = self.read_connection("connection", id).await?;
        Ok(item.map(|item| item.connection).filter(|connection| connection.is_live(now)))
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
        self.replace(id, topics, now).await
    }

    async fn remove(&self, id: &ConnectionId) -> Result<bool, StoreError> {
        self.remove_connection(id).await
    }

    async fn prune(&self, gone: &[Subscription]) -> Result<(), StoreError> {
        self.prune_connections(gone).await
    }

    async fn commit_head(
        &self,
        topic: &Topic,
        version: u64,
        payload: Bytes,
    ) -> Result<HeadCommit, StoreError> {
        let result = self
            .update_head(topic)
            .update_expression("SET #version = :version, #payload = :payload")
            .condition_expression("attribute_not_exists(#version) OR #version < :version")
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_names("#payload", PAYLOAD)
            .expression_attribute_values(":version", item::number(version))
            .expression_attribute_values(":payload", item::binary(&payload))
            .return_values(ReturnValue::AllOld)
            .send()
            .await;
        match result {
            Ok(answer) => {
                // What the head was before does not matter any more, only how the topic is enumerated.
                let old = answer.attributes.unwrap_or_default();
                let (shard_count, subscriber_estimate) =
                    read::shards_of(Key::head(topic), &old).map_err(malformed("commit_head"))?;
                Ok(HeadCommit::Committed(Head { version, payload, shard_count, subscriber_estimate }))
            }
            Err(error) => {
                let Some(Some(item)) = refused_item(&error) else {
                    return Err(self.error("commit_head", error));
                };
                let item = HeadItem::read(Key::head(topic), item).map_err(malformed("commit_head"))?;
                match item.into_head() {
                    Some(head) if head.version == version && head.payload == payload => {
                        Ok(HeadCommit::Repeated(head))
                    }
                    Some(head) => Ok(HeadCommit::Older { current: head.version }),
                    None => Err(self.error("commit_head", error)),
                }
            }
        }
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Option<Head>>, StoreError> {
        let keys = topics.iter().map(Key::head).collect();
        let mut heads = BTreeMap::new();
        for item in self.read_all("heads", keys, None).await? {
            let key = Key::of(&item);
            let head = HeadItem::read(key.clone(), &item).map_err(malformed("heads"))?.into_head();
            heads.extend(head.map(|head| (key.pk, head)));
        }
        Ok(topics.iter().map(|topic| heads.get(&Key::head(topic).pk).cloned()).collect())
    }

    async fn grow_shards(&self, topic: &Topic, count: ShardCount) -> Result<(), StoreError> {
        let result = self
            .update_head(topic)
            .update_expression("SET #count = :count")
            .condition_expression("attribute_not_exists(#count) OR #count < :count")
            .expression_attribute_names("#count", SHARD_COUNT)
            .expression_attribute_values(":count", item::number(count.get().into()))
            .send()
            .await;
        let Err(error) = result else { return Ok(()) };
        match refused_item(&error) {
            // As large already; unless it cannot be compared, since somebody else wrote it.
            Some(item) => {
                let item = item.cloned().unwrap_or_default();
                read::shards_of(Key::head(topic), &item).map(drop).map_err(malformed("grow_shards"))
            }
            None => Err(self.error("grow_shards", error)),
        }
    }

    async fn record_estimate(&self, topic: &Topic, subscribers: u64) -> Result<(), StoreError> {
        let result = self
            .update_head(topic)
            .update_expression("SET #estimate = :estimate")
            .condition_expression("attribute_exists(#version)")
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_names("#estimate", SUBSCRIBER_ESTIMATE)
            .expression_attribute_values(":estimate", item::number(subscribers))
            .send()
            .await;
        match result {
            Err(error) if refused_item(&error).is_none() => Err(self.error("record_estimate", error)),
            _ => Ok(()),
        }
    }

    async fn subscribers(
        &self,
        topic: &Topic,
        shard: Shard,
        after: Option<&PageToken>,
        limit: usize,
        now: Timestamp,
    ) -> Result<SubscriberPage, StoreError> {
        let partition = item::partition_of(topic, shard);
        let start =
            after.map(|token| sort_key(token).map(|sk| Key { pk: partition.clone(), sk }.into_item()));
        let limit = i32::try_from(limit.clamp(1, SUBSCRIBERS_PAGE_MAX)).unwrap_or(i32::MAX);
        let projection = Projection::new(&[SK, CONNECTED_AT, EXPIRES_AT]);
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            // The table deletes what has expired days late, so every read leaves it out by itself. An expiry that is
            // none comes along, to be warned about.
            .filter_expression("#expires_at > :now OR NOT attribute_type(#expires_at, :number)")
            .projection_expression(projection.expression)
            .set_expression_attribute_names(Some(projection.names))
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":pk", item::string(partition.clone()))
            .expression_attribute_values(":now", item::number(now.epoch_s()))
            .expression_attribute_values(":number", item::string("N"))
            .set_exclusive_start_key(start.transpose()?)
            .limit(limit)
            .send()
            .await
            .map_err(|error| self.error("subscribers", error))?;
        let mut page = SubscriberPage::default();
        // One odd row must not keep an update from everybody else; nor should a thousand of them fill the log.
        let mut odd = Vec::new();
        for item in answer.items.unwrap_or_default() {
            match read::subscriber(&partition, &item) {
                Ok(subscriber) => page.subscribers.push(subscriber),
                Err(error) => odd.push(error),
            }
        }
        if let Some(first) = odd.first() {
            tracing::warn!(rows = odd.len(), %first, "subscriptions left out that cannot be read");
        }
        page.next = answer
            .last_evaluated_key
            .filter(|key| !key.is_empty())
            .map(|key| PageToken::after(Key::of(&key).sk));
        Ok(page)
    }
}

/// Where the page of this token starts.
fn sort_key(token: &PageToken) -> Result<String, StoreError> {
    let position = token.position();
    if (1..=SORT_KEY_BYTES_MAX).contains(&position.len()) {
        Ok(position.to_owned())
    } else {
        Err(StoreError::new(StoreErrorKind::InvalidArgument, "subscribers"))
    }
}

impl fmt::Debug for DynamoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbStore").field("table", &self.table).finish_non_exhaustive()
    }
}
