//! Making the table, for tests and for stacks that nobody deploys.

use std::time::Duration;

use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    TimeToLiveSpecification, TimeToLiveStatus,
};
use dunlin_connection_store::{StoreError, StoreErrorKind};
use tokio::time::Instant;

use crate::DynamoDbStore;
use crate::error::store_error;
use crate::item::{EXPIRES_AT, PK, SK};

/// Longest wait for a new table to accept writes; it takes some seconds on the service and none locally.
pub const TABLE_ACTIVE_TIMEOUT: Duration = Duration::from_secs(60);

const POLL_INTERVAL: Duration = Duration::from_millis(500);

const OPERATION: &str = "ensure_table";

impl DynamoDbStore {
    /// Makes the table unless it exists, waits until it accepts writes, and turns its time to live on.
    ///
    /// # Errors
    /// By kind, as every method of the store; `Unavailable` if the table is not active within [`TABLE_ACTIVE_TIMEOUT`].
    pub async fn ensure_table(&self) -> Result<(), StoreError> {
        let attribute = |name| {
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .expect("name and type are set")
        };
        let key = |name, role| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(role)
                .build()
                .expect("name and role are set")
        };
        let created = self
            .client()
            .create_table()
            .table_name(self.table())
            .billing_mode(BillingMode::PayPerRequest)
            .attribute_definitions(attribute(PK))
            .attribute_definitions(attribute(SK))
            .key_schema(key(PK, KeyType::Hash))
            .key_schema(key(SK, KeyType::Range))
            .send()
            .await;
        if let Err(error) = created {
            let exists = error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception);
            if !exists {
                return Err(store_error(OPERATION, error));
            }
        }
        self.wait_until_active().await?;
        self.enable_time_to_live().await
    }

    async fn wait_until_active(&self) -> Result<(), StoreError> {
        let give_up_at = Instant::now() + TABLE_ACTIVE_TIMEOUT;
        loop {
            let answer = self
                .client()
                .describe_table()
                .table_name(self.table())
                .send()
                .await
                .map_err(|error| store_error(OPERATION, error))?;
            if answer.table.and_then(|table| table.table_status) == Some(TableStatus::Active) {
                return Ok(());
            }
            if Instant::now() + POLL_INTERVAL > give_up_at {
                return Err(StoreError::new(StoreErrorKind::Unavailable, OPERATION));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn enable_time_to_live(&self) -> Result<(), StoreError> {
        // Turning on what is on already is an error of the service, so ask first.
        let answer = self
            .client()
            .describe_time_to_live()
            .table_name(self.table())
            .send()
            .await
            .map_err(|error| store_error(OPERATION, error))?;
        let status = answer.time_to_live_description.and_then(|ttl| ttl.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let ttl = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name(EXPIRES_AT)
            .build()
            .expect("both fields are set");
        self.client()
            .update_time_to_live()
            .table_name(self.table())
            .time_to_live_specification(ttl)
            .send()
            .await
            .map_err(|error| store_error(OPERATION, error))?;
        Ok(())
    }
}
