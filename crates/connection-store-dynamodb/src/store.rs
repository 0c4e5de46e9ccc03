//! The store's methods on the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use bytes::Bytes;
use dunlin_connection_store::{
    Connection, ConnectionStore, Head, HeadCommit, PageToken, Replacement, SUBSCRIBERS_PAGE_MAX, Shard,
    ShardCount, StoreError, StoreErrorKind, SubscriberPage, Subscription, TOPICS_PER_CONNECTION_MAX,
    Timestamp, Topic,
};
use dunlin_events::ConnectionId;

use crate::batch::{Projection, delete};
use crate::config::{self, ConfigError};
use crate::error::{malformed, store_error};
use crate::item::{
    self, CONNECTED_AT, ConnectionItem, EXPIRES_AT, HeadItem, Item, Key, PAYLOAD, PK, SHARD_COUNT, SK,
    SUBSCRIBER_ESTIMATE, VERSION,
};
use crate::replace::refused_item;

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
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(Key::connection(id).into_item()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| store_error(operation, error))?;
        answer.item.map(|item| ConnectionItem::read(id, &item).map_err(malformed(operation))).transpose()
    }

    fn update_head(&self, topic: &Topic) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(Key::head(topic).into_item()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    async fn delete_rows(&self, operation: &'static str, rows: BTreeSet<Key>) -> Result<(), StoreError> {
        self.write_all(operation, rows.into_iter().map(delete).collect()).await
    }
}

impl ConnectionStore for DynamoDbStore {
    async fn add(&self, connection: &Connection) -> Result<(), StoreError> {
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::new_connection(connection)))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PK)
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
            Err(error) => Err(store_error("add", error)),
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
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::connection(id).into_item()))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(|error| store_error("remove", error))?;
        let Some(item) = answer.attributes.filter(|item| !item.is_empty()) else { return Ok(false) };
        let item = ConnectionItem::read(id, &item).map_err(malformed("remove"))?;
        self.delete_rows("remove", item.places().map(|place| Key::row(place, id)).collect()).await?;
        Ok(true)
    }

    async fn prune(&self, gone: &[Subscription]) -> Result<(), StoreError> {
        let ids: BTreeMap<String, &ConnectionId> = gone
            .iter()
            .map(|subscription| {
                (Key::connection(&subscription.connection_id).pk, &subscription.connection_id)
            })
            .collect();
        let connections: BTreeSet<Key> = ids.values().map(|id| Key::connection(id)).collect();
        let mut rows: BTreeSet<Key> = gone.iter().map(Key::subscription).collect();
        for item in self.read_all("prune", connections.clone(), None).await? {
            let id = item.get(PK).and_then(|pk| pk.as_s().ok()).and_then(|pk| ids.get(pk));
            let Some(id) = id else { continue };
            let item = ConnectionItem::read(id, &item).map_err(malformed("prune"))?;
            rows.extend(item.places().map(|place| Key::row(place, id)));
        }
        // The connection goes last, so that a prune that failed half-way finds its rows again.
        self.delete_rows("prune", rows).await?;
        self.delete_rows("prune", connections).await
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
        let read = |item: &Item| HeadItem::read(item).map_err(malformed("commit_head"));
        let head = |item: &HeadItem| Head {
            version,
            payload: payload.clone(),
            shard_count: item.shard_count,
            subscriber_estimate: item.subscriber_estimate,
        };
        match result {
            Ok(answer) => Ok(HeadCommit::Committed(head(&read(&answer.attributes.unwrap_or_default())?))),
            Err(error) => {
                let Some(Some(item)) = refused_item(&error) else {
                    return Err(store_error("commit_head", error));
                };
                let item = read(item)?;
                match &item.update {
                    Some((current, last)) if *current == version && *last == payload => {
                        Ok(HeadCommit::Repeated(head(&item)))
                    }
                    Some((current, _)) => Ok(HeadCommit::Older { current: *current }),
                    None => Err(store_error("commit_head", error)),
                }
            }
        }
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Option<Head>>, StoreError> {
        let keys = topics.iter().map(Key::head).collect();
        let mut heads = BTreeMap::new();
        for mut item in self.read_all("heads", keys, None).await? {
            let head = HeadItem::read(&item).map_err(malformed("heads"))?.into_head();
            if let (Some(AttributeValue::S(pk)), Some(head)) = (item.remove(PK), head) {
                heads.insert(pk, head);
            }
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
        match result {
            Err(error) if refused_item(&error).is_none() => Err(store_error("grow_shards", error)),
            _ => Ok(()),
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
            Err(error) if refused_item(&error).is_none() => Err(store_error("record_estimate", error)),
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
        let start = after.map(|token| {
            let sk = token.connection_id().as_str().to_owned();
            Key { pk: partition.clone(), sk }.into_item()
        });
        let limit = i32::try_from(limit.clamp(1, SUBSCRIBERS_PAGE_MAX)).unwrap_or(i32::MAX);
        let projection = Projection::new(&[SK, CONNECTED_AT, EXPIRES_AT]);
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk")
            // The table deletes what has expired days late, so every read leaves it out by itself.
            .filter_expression(format!("#{EXPIRES_AT} > :now"))
            .projection_expression(projection.expression)
            .set_expression_attribute_names(Some(projection.names))
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":pk", item::string(partition))
            .expression_attribute_values(":now", item::number(now.epoch_s()))
            .set_exclusive_start_key(start)
            .limit(limit)
            .send()
            .await
            .map_err(|error| store_error("subscribers", error))?;
        // One odd row must not keep an update from everybody else.
        let read = |item: &Item| {
            let odd = |error| tracing::warn!(%topic, %shard, %error, "subscription left out");
            item::read_subscriber(item).map_err(odd).ok()
        };
        let subscribers = answer.items.unwrap_or_default().iter().filter_map(read).collect();
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        let next = next.map(|key| {
            let id = key.get(SK).and_then(|sk| sk.as_s().ok()).and_then(|sk| sk.parse().ok());
            id.map(PageToken::after).ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "subscribers"))
        });
        Ok(SubscriberPage { subscribers, next: next.transpose()? })
    }
}

impl fmt::Debug for DynamoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbStore").field("table", &self.table).finish_non_exhaustive()
    }
}
