//! Making the table, for tests and for stacks that nobody deploys; and whether one that is there will do.

use std::time::Duration;

use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription,
    TableStatus, TimeToLiveDescription, TimeToLiveSpecification, TimeToLiveStatus,
};
use dunlin_connection_store::StoreError;
use tokio::time::Instant;

use crate::DynamoDbStore;
use crate::item::{EXPIRES_AT, PK, SK};

/// Longest wait for a new table to accept writes; it takes some seconds on the service and none locally.
pub const TABLE_ACTIVE_TIMEOUT: Duration = Duration::from_secs(60);

const POLL_INTERVAL: Duration = Duration::from_millis(500);

const OPERATION: &str = "ensure_table";

/// Why a table will not do. Indexes, streams, billing and backups do not matter to the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// A table of this name is there, with another key.
    #[error(
        "table {table:?} has the key {found}; the store needs pk (HASH, S) and sk (RANGE, S), so it needs another table"
    )]
    Key {
        /// The table.
        table: String,
        /// Its key: each attribute with its role and type.
        found: String,
    },
    /// A table of this name is there, whose items expire by another attribute.
    #[error("table {table:?} expires items by the attribute {found:?}; the store needs \"expires_at\"")]
    TimeToLive {
        /// The table.
        table: String,
        /// The attribute.
        found: String,
    },
    /// The table takes no writes, and will not soon.
    #[error("table {table:?} is {status} and takes no writes")]
    Status {
        /// The table.
        table: String,
        /// What the service says of it, such as `DELETING`.
        status: String,
    },
    /// The table was made, and does not take writes yet.
    #[error("table {table:?} was not active after {} s", TABLE_ACTIVE_TIMEOUT.as_secs())]
    NotActive {
        /// The table.
        table: String,
    },
    /// A request failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DynamoDbStore {
    /// Makes the table unless it exists, waits until it accepts writes, checks its key, and turns its time to live on.
    /// Calling it again, or at the same time elsewhere, is no error.
    ///
    /// # Errors
    /// [`TableError`], which says what to do about a table of this name that has another shape. That one is not changed.
    pub async fn ensure_table(&self) -> Result<(), TableError> {
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
                return Err(self.error(OPERATION, error).into());
            }
        }
        self.check_key(&self.active_table().await?)?;
        self.enable_time_to_live().await
    }

    /// The table, as soon as it accepts writes.
    async fn active_table(&self) -> Result<TableDescription, TableError> {
        let table = || self.table().to_owned();
        let give_up_at = Instant::now() + TABLE_ACTIVE_TIMEOUT;
        loop {
            let answer = self.client().describe_table().table_name(self.table()).send().await;
            let answer = answer.map_err(|error| self.error(OPERATION, error))?;
            let found = answer.table.unwrap_or_else(|| TableDescription::builder().build());
            match found.table_status() {
                // A table that is being updated keeps accepting writes.
                Some(TableStatus::Active | TableStatus::Updating) => return Ok(found),
                Some(TableStatus::Creating) | None => {}
                Some(status) => {
                    return Err(TableError::Status { table: table(), status: status.to_string() });
                }
            }
            if Instant::now() + POLL_INTERVAL > give_up_at {
                return Err(TableError::NotActive { table: table() });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn check_key(&self, found: &TableDescription) -> Result<(), TableError> {
        let type_of = |name: &str| {
            let defined = found.attribute_definitions().iter().find(|one| one.attribute_name() == name);
            defined.map_or("?", |one| one.attribute_type().as_str())
        };
        let mut key: Vec<String> = found
            .key_schema()
            .iter()
            .map(|one| {
                let name = one.attribute_name();
                format!("{name} ({}, {})", one.key_type().as_str(), type_of(name))
            })
            .collect();
        key.sort();
        if key == [format!("{PK} (HASH, S)"), format!("{SK} (RANGE, S)")] {
            return Ok(());
        }
        let found = if key.is_empty() { "of no attribute".to_owned() } else { key.join(" and ") };
        Err(TableError::Key { table: self.table().to_owned(), found })
    }

    async fn enable_time_to_live(&self) -> Result<(), TableError> {
        // Turning on what is on already is an error of the service, so ask first.
        let answer = self.client().describe_time_to_live().table_name(self.table()).send().await;
        let answer = answer.map_err(|error| self.error(OPERATION, error))?;
        let current = answer.time_to_live_description.as_ref();
        let status = current.and_then(TimeToLiveDescription::time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            let found = current.and_then(TimeToLiveDescription::attribute_name).unwrap_or_default();
            if found == EXPIRES_AT {
                return Ok(());
            }
            return Err(TableError::TimeToLive { table: self.table().to_owned(), found: found.to_owned() });
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
            .map_err(|error| self.error(OPERATION, error))?;
        Ok(())
    }
}
