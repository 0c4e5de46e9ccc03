//! Batched writes and reads, until nothing is left unprocessed.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};
use dunlin_connection_store::{StoreError, StoreErrorKind};
use dunlin_events::limits::{BATCH_GET_ITEMS_MAX, BATCH_WRITE_ITEMS_MAX};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::DynamoDbStore;
use crate::item::{Item, Key};

/// Times that one batch is sent while the table leaves part of it unprocessed.
pub const BATCH_ATTEMPTS_MAX: u32 = 8;

/// Upper bound of the random delay before the second attempt of a batch; it doubles with each further one.
pub const BATCH_RETRY_DELAY_BASE: Duration = Duration::from_millis(25);

/// Upper bound of any such delay. All of them together stay below four seconds.
pub const BATCH_RETRY_DELAY_MAX: Duration = Duration::from_millis(800);

/// Batches of one call that are under way at once: enough to hide the round trip, too few to be a burst.
pub const BATCHES_IN_FLIGHT_MAX: usize = 4;

/// A put of this item.
pub(crate) fn put(item: Item) -> WriteRequest {
    let put = PutRequest::builder().set_item(Some(item)).build().expect("the item is set");
    WriteRequest::builder().put_request(put).build()
}

/// A delete of this key.
pub(crate) fn delete(key: Key) -> WriteRequest {
    let delete = DeleteRequest::builder().set_key(Some(key.into_item())).build().expect("the key is set");
    WriteRequest::builder().delete_request(delete).build()
}

impl DynamoDbStore {
    /// Makes all these writes, in no particular order. Each must be to another key.
    pub(crate) async fn write_all(
        &self,
        operation: &'static str,
        writes: Vec<WriteRequest>,
    ) -> Result<(), StoreError> {
        let batches: Vec<Vec<WriteRequest>> =
            writes.chunks(BATCH_WRITE_ITEMS_MAX).map(<[WriteRequest]>::to_vec).collect();
        stream::iter(batches)
            .map(|batch| self.write_batch(operation, batch))
            .buffer_unordered(BATCHES_IN_FLIGHT_MAX)
            .try_collect()
            .await
    }

    async fn write_batch(
        &self,
        operation: &'static str,
        mut batch: Vec<WriteRequest>,
    ) -> Result<(), StoreError> {
        for attempt in 0..BATCH_ATTEMPTS_MAX {
            self.back_off(attempt).await;
            let answer = self
                .client()
                .batch_write_item()
                .request_items(self.table(), batch)
                .send()
                .await
                .map_err(|error| self.error(operation, error))?;
            batch =
                answer.unprocessed_items.and_then(|mut left| left.remove(self.table())).unwrap_or_default();
            if batch.is_empty() {
                return Ok(());
            }
        }
        Err(StoreError::new(StoreErrorKind::Throttled, operation))
    }

    /// The items under these keys, in no particular order, by consistent reads; keys without an item are left out.
    /// `attributes` narrows what is returned.
    pub(crate) async fn read_all(
        &self,
        operation: &'static str,
        keys: BTreeSet<Key>,
        attributes: Option<&[&str]>,
    ) -> Result<Vec<Item>, StoreError> {
        let keys: Vec<Item> = keys.into_iter().map(Key::into_item).collect();
        let batches: Vec<Vec<Item>> = keys.chunks(BATCH_GET_ITEMS_MAX).map(<[Item]>::to_vec).collect();
        let found: Vec<Vec<Item>> = stream::iter(batches)
            .map(|batch| self.read_batch(operation, batch, attributes))
            .buffer_unordered(BATCHES_IN_FLIGHT_MAX)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn read_batch(
        &self,
        operation: &'static str,
        keys: Vec<Item>,
        attributes: Option<&[&str]>,
    ) -> Result<Vec<Item>, StoreError> {
        let projection = attributes.map(Projection::new);
        let mut request = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .set_projection_expression(projection.as_ref().map(|p| p.expression.clone()))
            .set_expression_attribute_names(projection.map(|p| p.names))
            .build()
            .expect("the keys are set");
        let mut found = Vec::new();
        for attempt in 0..BATCH_ATTEMPTS_MAX {
            self.back_off(attempt).await;
            let answer = self
                .client()
                .batch_get_item()
                .request_items(self.table(), request)
                .send()
                .await
                .map_err(|error| self.error(operation, error))?;
            found.extend(
                answer.responses.and_then(|mut items| items.remove(self.table())).unwrap_or_default(),
            );
            // Keys stay unprocessed when the table throttles, and also when the answer would pass 16 MB.
            match answer.unprocessed_keys.and_then(|mut left| left.remove(self.table())) {
                Some(left) if !left.keys.is_empty() => request = left,
                _ => return Ok(found),
            }
        }
        Err(StoreError::new(StoreErrorKind::Throttled, operation))
    }

    /// Waits a random time before every attempt but the first: full jitter, so that throttled callers spread out.
    async fn back_off(&self, attempt: u32) {
        if attempt > 0 {
            let bound = BATCH_RETRY_DELAY_BASE.saturating_mul(1 << (attempt - 1)).min(BATCH_RETRY_DELAY_MAX);
            tokio::time::sleep(bound.mul_f64(self.random_f64())).await;
        }
    }
}

/// An expression that selects attributes; every name is a placeholder, since some names are reserved words.
pub(crate) struct Projection {
    pub(crate) expression: String,
    pub(crate) names: HashMap<String, String>,
}

impl Projection {
    pub(crate) fn new(attributes: &[&str]) -> Self {
        let names: HashMap<String, String> =
            attributes.iter().map(|name| (format!("#{name}"), (*name).to_owned())).collect();
        let expression = attributes.iter().map(|name| format!("#{name}")).collect::<Vec<_>>().join(", ");
        Self { expression, names }
    }
}
