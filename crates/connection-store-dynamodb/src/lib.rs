//! The connection store on DynamoDB: one table, no index.
//!
//! | item | `pk` | `sk` | holds |
//! | --- | --- | --- | --- |
//! | connection | `C#{id}` | `C` | `topics`, `pending`, `list_version`, `writer`, `principal`, `connected_at`, `expires_at` |
//! | subscription | `S#{shard}#{topic}` | `{connection id}` | `connected_at`, `expires_at` |
//! | head | `H#{topic}` | `H` | `version`, `payload`, `shard_count`, `subscriber_estimate` |
//!
//! `expires_at` is in epoch seconds and is the table's time-to-live attribute; `connected_at` is in epoch milliseconds.
//! The crate must not know a gateway, a function runtime or another SDK than this one. How a list is replaced
//! without a transaction is told in the module `replace`.
//!
//! ```no_run
//! use dunlin_connection_store_dynamodb::DynamoDbStore;
//!
//! // Region, credentials and endpoint come from the variables that a function has.
//! let store = DynamoDbStore::from_env("connections")?;
//! # Ok::<(), dunlin_connection_store_dynamodb::ConfigError>(())
//! ```

mod batch;
mod config;
mod error;
mod item;
mod read;
mod replace;
mod store;
mod table;
#[cfg(feature = "tls")]
mod tls;

pub use batch::{BATCH_ATTEMPTS_MAX, BATCH_RETRY_DELAY_BASE, BATCH_RETRY_DELAY_MAX, BATCHES_IN_FLIGHT_MAX};
pub use config::{
    ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, ConfigError, REQUEST_ATTEMPTS_MAX, REQUEST_RETRY_DELAY_BASE,
    REQUEST_TIMEOUT,
};
pub use replace::{LIST_WRITES_MAX, SETTLE_ROUNDS_MAX};
pub use store::DynamoDbStore;
pub use table::{TABLE_ACTIVE_TIMEOUT, TableError};
