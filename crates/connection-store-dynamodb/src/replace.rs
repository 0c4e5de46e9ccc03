//! How a list is replaced.
//!
//! A list has up to 100 topics, so that old and new rows together are more than a transaction takes, and
//! batched writes carry no conditions. The connection item orders the writers instead:
//!
//! 1. A conditional write on the list version stores the new list, and names in `pending` every row that it adds or
//!    drops, together with the rows that were pending before.
//! 2. Those rows are written: put if the list has them, deleted if not.
//! 3. A second conditional write on the same list version clears `pending`. If another writer came in between, this one
//!    writes its rows again by that writer's list, and tries to clear again.
//!
//! So whoever touches a row last has seen, after touching it, that its list was still the current one; a later list
//! that wants the row otherwise names it as added or dropped. When all have returned, rows and list agree. A
//! writer that dies leaves `pending` behind: the next replacement finishes its work, and `remove` deletes those rows too.
//! A removal is a writer of the empty list that deletes the item in the end, on condition that neither list version nor
//! `pending` has changed since it read which rows to delete.
//!
//! The SDK sends a request again when its answer is lost. So that a list which was written after all is not taken for one
//! that was not, the item also names the last calls that wrote it: whoever is among them has written, however many came
//! after it.
//!
//! What this cannot see is a batch that the table executes long after its sender timed out and sent it again.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, WriteRequest};
use dunlin_connection_store::{
    Connection, Replacement, Shard, ShardCount, StoreError, StoreErrorKind, Timestamp, Topic, TopicShard,
};
use dunlin_events::ConnectionId;

use crate::DynamoDbStore;
use crate::batch::{delete, put};
use crate::error::malformed;
use crate::item::{self, Item, Key, LIST_VERSION, PENDING, PK, SHARD_COUNT, SK, TOPICS, WRITERS, places};
use crate::read::{self, ConnectionItem};

/// Times that a list is written, or its connection removed, while other writers of the same connection come first. A
/// connection has few messages under way at once, and of any that collide one succeeds.
pub const LIST_WRITES_MAX: u32 = 16;

/// Times that rows are written again because the list changed meanwhile.
pub const SETTLE_ROUNDS_MAX: u32 = 16;

/// Calls that the item names as its last writers. More do not overtake one that is about to send its request again, which it
/// does within a second, and at most [`REQUEST_ATTEMPTS_MAX`](crate::REQUEST_ATTEMPTS_MAX) times.
const WRITERS_MAX: usize = 8;

const OPERATION: &str = "replace_topics";

/// What a conditional write on the list version came to.
enum Outcome {
    Written,
    /// Another list is there.
    Overtaken(Box<ConnectionItem>),
    /// The connection was removed.
    Removed,
}

/// A list to be written, and the rows to touch for it.
struct Plan {
    connection: Connection,
    replacement: Replacement,
    pending: BTreeSet<TopicShard>,
    writers: Vec<String>,
}

impl DynamoDbStore {
    pub(crate) async fn replace(
        &self,
        id: &ConnectionId,
        topics: &[Topic],
        now: Timestamp,
    ) -> Result<Replacement, StoreError> {
        let mut current = self.read_connection(OPERATION, id).await?.ok_or_else(unknown)?;
        let writer = format!("{:016x}", self.random_u64());
        for _ in 0..LIST_WRITES_MAX {
            if !current.connection.is_live(now) {
                return Err(unknown());
            }
            let counts = self.shard_counts(&current, topics).await?;
            let mut plan = Plan::new(&current, topics, &counts, &writer);
            if plan.pending.is_empty() {
                return Ok(plan.replacement);
            }
            let connection = match self.write_list(&plan, current.connection.list_version).await? {
                Outcome::Written => plan.connection,
                // Written by an earlier attempt, whose answer was lost; others may have come since.
                Outcome::Overtaken(item) if item.writers.contains(&writer) => {
                    plan.pending.extend(item.pending);
                    item.connection
                }
                Outcome::Overtaken(item) => {
                    current = *item;
                    continue;
                }
                Outcome::Removed => return Err(unknown()),
            };
            self.settle(connection, plan.pending).await?;
            return Ok(plan.replacement);
        }
        Err(StoreError::new(StoreErrorKind::Conflict, OPERATION))
    }

    /// Shard counts of the topics that `current` does not follow yet; those without a head are left out.
    async fn shard_counts(
        &self,
        current: &ConnectionItem,
        topics: &[Topic],
    ) -> Result<BTreeMap<String, ShardCount>, StoreError> {
        let followed: BTreeSet<&Topic> = current.connection.topics.iter().map(|place| &place.topic).collect();
        let keys = topics.iter().filter(|topic| !followed.contains(topic)).map(Key::head).collect();
        let heads = self.read_all(OPERATION, keys, Some(&[PK, SK, SHARD_COUNT])).await?;
        let mut counts = BTreeMap::new();
        for head in heads {
            let key = Key::of(&head);
            let (count, _) = read::shards_of(key.clone(), &head).map_err(malformed(OPERATION))?;
            counts.insert(key.pk, count);
        }
        Ok(counts)
    }

    async fn write_list(&self, plan: &Plan, version: u64) -> Result<Outcome, StoreError> {
        let id = &plan.connection.id;
        let result = self
            .client()
            .update_item()
            .table_name(self.table())
            .set_key(Some(Key::connection(id).into_item()))
            .update_expression(
                "SET #topics = :topics, #pending = :pending, #version = :new, #writers = :writers",
            )
            .condition_expression("#version = :old")
            .expression_attribute_names("#topics", TOPICS)
            .expression_attribute_names("#pending", PENDING)
            .expression_attribute_names("#version", LIST_VERSION)
            .expression_attribute_names("#writers", WRITERS)
            .expression_attribute_values(":topics", places(&plan.connection.topics))
            .expression_attribute_values(":pending", places(&plan.pending))
            .expression_attribute_values(":new", item::number(plan.connection.list_version))
            .expression_attribute_values(":old", item::number(version))
            .expression_attribute_values(":writers", item::strings(&plan.writers))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        self.outcome(id, result)
    }

    /// Writes the touched rows as `connection` has them, until its list is known to be the current one.
    async fn settle(
        &self,
        mut connection: Connection,
        mut touched: BTreeSet<TopicShard>,
    ) -> Result<(), StoreError> {
        for _ in 0..SETTLE_ROUNDS_MAX {
            self.write_all(OPERATION, row_writes(&connection, &touched)).await?;
            match self.clear_pending(&connection).await? {
                Outcome::Written => return Ok(()),
                Outcome::Overtaken(item) => {
                    connection = item.connection;
                    touched.extend(item.pending);
                }
                Outcome::Removed => {
                    connection.topics.clear();
                    self.write_all(OPERATION, row_writes(&connection, &touched)).await?;
                    return Err(unknown());
                }
            }
        }
        Err(StoreError::new(StoreErrorKind::Conflict, OPERATION))
    }

    async fn clear_pending(&self, connection: &Connection) -> Result<Outcome, StoreError> {
        let result = self
            .client()
            .update_item()
            .table_name(self.table())
            .set_key(Some(Key::connection(&connection.id).into_item()))
            .update_expression("REMOVE #pending")
            .condition_expression("#version = :version")
            .expression_attribute_names("#pending", PENDING)
            .expression_attribute_names("#version", LIST_VERSION)
            .expression_attribute_values(":version", item::number(connection.list_version))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        self.outcome(&connection.id, result)
    }

    fn outcome<T>(
        &self,
        id: &ConnectionId,
        result: Result<T, SdkError<UpdateItemError>>,
    ) -> Result<Outcome, StoreError> {
        let Err(error) = result else { return Ok(Outcome::Written) };
        match refused_item(&error) {
            Some(None) => Ok(Outcome::Removed),
            Some(Some(item)) => {
                let item = ConnectionItem::read(id, item).map_err(malformed(OPERATION))?;
                Ok(Outcome::Overtaken(Box::new(item)))
            }
            None => Err(self.error(OPERATION, error)),
        }
    }
}

impl Plan {
    fn new(
        current: &ConnectionItem,
        topics: &[Topic],
        counts: &BTreeMap<String, ShardCount>,
        writer: &str,
    ) -> Self {
        let old = &current.connection;
        let shards: BTreeMap<&Topic, Shard> =
            old.topics.iter().map(|place| (&place.topic, place.shard)).collect();
        let mut replacement = Replacement::default();
        let mut list = Vec::with_capacity(topics.len());
        let mut pending = current.pending.clone();
        let mut named = BTreeSet::new();
        for topic in topics {
            if !named.insert(topic) {
                continue;
            }
            let followed = shards.get(topic).copied();
            let shard = followed.unwrap_or_else(|| {
                let count = counts.get(&Key::head(topic).pk).copied().unwrap_or_default();
                Shard::of(&old.id, count)
            });
            let place = TopicShard { topic: topic.clone(), shard };
            if followed.is_none() {
                replacement.added.push(topic.clone());
                pending.insert(place.clone());
            }
            replacement.topics.push(topic.clone());
            list.push(place);
        }
        let listed: BTreeSet<&TopicShard> = list.iter().collect();
        for place in old.topics.iter().filter(|place| !listed.contains(place)) {
            // Only in a list that somebody wrote by hand is a topic twice, and stays with one of its places.
            if !named.contains(&place.topic) {
                replacement.removed.push(place.topic.clone());
            }
            pending.insert(place.clone());
        }
        let connection =
            Connection { topics: list, list_version: old.list_version.wrapping_add(1), ..old.clone() };
        let before = current.writers.len().saturating_sub(WRITERS_MAX - 1);
        let writers = current.writers[before..].iter().cloned().chain([writer.to_owned()]).collect();
        Self { connection, replacement, pending, writers }
    }
}

/// The writes that make these rows agree with the connection's list.
fn row_writes(connection: &Connection, touched: &BTreeSet<TopicShard>) -> Vec<WriteRequest> {
    let listed: BTreeSet<&TopicShard> = connection.topics.iter().collect();
    let write = |place: &TopicShard| {
        if listed.contains(place) {
            put(item::row(place, connection))
        } else {
            delete(Key::row(place, &connection.id))
        }
    };
    touched.iter().map(write).collect()
}

/// The item that made a condition fail, if that is what happened; there may be none.
pub(crate) fn refused_item(error: &SdkError<UpdateItemError>) -> Option<Option<&Item>> {
    match error.as_service_error()? {
        UpdateItemError::ConditionalCheckFailedException(refused) => {
            Some(refused.item().filter(|item| !item.is_empty()))
        }
        _ => None,
    }
}

fn unknown() -> StoreError {
    StoreError::new(StoreErrorKind::UnknownConnection, OPERATION)
}
