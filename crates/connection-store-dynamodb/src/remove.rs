//! How connections go: with all of their rows, and after them.
//!
//! The connection item is what names the rows. It is deleted last, so that whoever fails half-way, or loses an answer,
//! can be repeated. One that ended itself is removed under the condition that no writer has touched its list meanwhile; one
//! that was found gone sends nothing any more, and is deleted in a batch with others.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use dunlin_connection_store::{StoreError, StoreErrorKind, Subscription};
use dunlin_events::ConnectionId;
use dunlin_events::limits::BATCH_GET_ITEMS_MAX;

use crate::DynamoDbStore;
use crate::batch::delete;
use crate::item::{Item, Key, LIST_VERSION, PENDING, PK, SK, TOPICS};
use crate::read;
use crate::replace::LIST_WRITES_MAX;

const REMOVE: &str = "remove";
const PRUNE: &str = "prune";

impl DynamoDbStore {
    pub(crate) async fn remove_connection(&self, id: &ConnectionId) -> Result<bool, StoreError> {
        let Some(mut item) = self.read_item(REMOVE, id).await? else { return Ok(false) };
        for _ in 0..LIST_WRITES_MAX {
            // The connection goes last, so that a removal that failed half-way, or whose answer was lost, finds its rows
            // again.
            self.delete_rows(REMOVE, rows_of(REMOVE, id, &item).collect()).await?;
            match self.delete_connection(id, &item).await? {
                None => return Ok(true),
                Some(newer) => item = newer,
            }
        }
        Err(StoreError::new(StoreErrorKind::Conflict, REMOVE))
    }

    pub(crate) async fn prune_connections(&self, gone: &[Subscription]) -> Result<(), StoreError> {
        let mut named: BTreeMap<&ConnectionId, BTreeSet<Key>> = BTreeMap::new();
        for subscription in gone {
            named.entry(&subscription.connection_id).or_default().insert(Key::subscription(subscription));
        }
        // One batch of connections at a time, so that what is held does not grow with what is gone.
        while !named.is_empty() {
            let rest = named.keys().nth(BATCH_GET_ITEMS_MAX).copied();
            let rest = rest.map(|first| named.split_off(first)).unwrap_or_default();
            self.prune_batch(std::mem::replace(&mut named, rest)).await?;
        }
        Ok(())
    }

    /// Deletes the connection item, unless a writer has touched it since it was read as `item`: then what it is now is
    /// returned. A writer that comes later finds the connection removed, and takes its rows back by itself.
    async fn delete_connection(&self, id: &ConnectionId, item: &Item) -> Result<Option<Item>, StoreError> {
        let mut request = self
            .client()
            .delete_item()
            .table_name(self.table())
            .set_key(Some(Key::connection(id).into_item()))
            .expression_attribute_names("#pk", PK)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // Whatever the values are: items that cannot be read can be removed.
        let mut untouched = Vec::new();
        for name in [LIST_VERSION, PENDING] {
            request = request.expression_attribute_names(format!("#{name}"), name);
            if let Some(value) = item.get(name) {
                request = request.expression_attribute_values(format!(":{name}"), value.clone());
                untouched.push(format!("#{name} = :{name}"));
            } else {
                untouched.push(format!("attribute_not_exists(#{name})"));
            }
        }
        let condition = format!("attribute_not_exists(#pk) OR ({})", untouched.join(" AND "));
        let Err(error) = request.condition_expression(condition).send().await else { return Ok(None) };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(refused)) => Ok(refused.item().cloned()),
            _ => Err(self.error(REMOVE, error)),
        }
    }

    /// Removes these connections, at most one batch, with all their rows.
    async fn prune_batch(&self, gone: BTreeMap<&ConnectionId, BTreeSet<Key>>) -> Result<(), StoreError> {
        let ids: BTreeMap<Key, &ConnectionId> = gone.keys().map(|id| (Key::connection(id), *id)).collect();
        let connections: BTreeSet<Key> = ids.keys().cloned().collect();
        let mut rows: BTreeSet<Key> = gone.into_values().flatten().collect();
        for item in self.read_all(PRUNE, connections.clone(), Some(&[PK, SK, TOPICS, PENDING])).await? {
            if let Some(id) = ids.get(&Key::of(&item)) {
                rows.extend(rows_of(PRUNE, id, &item));
            }
        }
        // The connections go last, so that a prune that failed half-way finds their rows again.
        self.delete_rows(PRUNE, rows).await?;
        self.delete_rows(PRUNE, connections).await
    }

    async fn delete_rows(&self, operation: &'static str, rows: BTreeSet<Key>) -> Result<(), StoreError> {
        self.write_all(operation, rows.into_iter().map(delete).collect()).await
    }
}

/// The rows of a connection whose item is this one, as far as it can be read: nothing else names them.
fn rows_of(operation: &'static str, id: &ConnectionId, item: &Item) -> impl Iterator<Item = Key> + use<> {
    let (places, odd) = read::places_of(id, item);
    if let Some(odd) = odd {
        tracing::warn!(%odd, "{operation}: rows that this item should name stay until they expire");
    }
    let id = id.clone();
    places.into_iter().map(move |place| Key::row(&place, &id))
}
