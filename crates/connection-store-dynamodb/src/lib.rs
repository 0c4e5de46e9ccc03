//! The connection store on DynamoDB: one table, no index.
//!
//! | item | `pk` | `sk` | holds |
//! | --- | --- | --- | --- |
//! | connection | `C#{id}` | `C` | `topics`, `pending`, `list_version`, `writers`, `principal`, `connected_at`, `expires_at` |
//! | subscription | `S#{shard}#{topic}` | `{connection id}` | `connected_at`, `expires_at` |
//! | head | `H#{topic}` | `H` | `version`, `payload`, `shard_count`, `subscriber_estimate` |
//!
//! `expires_at` is in epoch seconds and is the table's time-to-live attribute; `connected_at` is in epoch milliseconds.
//! How a list is replaced without a transaction is told in the module `replace`, how a connection goes in `remove`.
//!
//! The crate must not know a gateway, a function runtime or another SDK than this one.
//!
//! ```
//! use dunlin_connection_store::{Connection, ConnectionStore, Shard, Timestamp, Topic};
//! use dunlin_connection_store_dynamodb::DynamoDbStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let endpoint = format!("http://{}", listener.local_addr()?);
//! # let database = dynoxide::Database::memory()?;
//! # tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()));
//! # let variable = |name: &str| Some(match name {
//! #     "AWS_REGION" => "us-east-1".to_owned(),
//! #     "AWS_ENDPOINT_URL_DYNAMODB" => endpoint.clone(),
//! #     "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "example".to_owned(),
//! #     _ => return None,
//! # });
//! // Region, credentials and endpoint come from the variables that a function has. `from_env` takes them from the
//! // environment; here `variable` stands for it, and a seed for the jitter of retries comes along.
//! let store = DynamoDbStore::from_lookup("connections", 42, variable)?;
//! // A deployed table is the template's. This makes one where nobody deploys.
//! store.ensure_table().await?;
//!
//! let now = Timestamp::from_epoch_ms(1_760_000_000_000);
//! let connection = Connection::new("L0SM9cOFvHcCIhw=".parse()?, now);
//! let device: Topic = "dev-1".parse()?;
//! store.add(&connection).await?;
//! store.replace_topics(&connection.id, std::slice::from_ref(&device), now).await?;
//! let page = store.subscribers(&device, Shard::new(0), None, 100, now).await?;
//! assert_eq!(page.subscribers[0].connection_id, connection.id);
//! # Ok(())
//! # }
//! ```
//!
//! # What is tried again
//!
//! A request that the table throttles, that meets a conflict, or that gets no answer is sent up to
//! [`REQUEST_ATTEMPTS_MAX`] times; a batch that the table leaves unprocessed in part, up to [`BATCH_ATTEMPTS_MAX`] times.
//! Both wait a random time in between. No request takes longer than [`REQUEST_TIMEOUT`]. What is left then is an error of
//! a kind that [is retryable](dunlin_connection_store::StoreErrorKind::is_retryable).
//!
//! # Items that somebody else wrote
//!
//! Attributes of others are kept. An item that cannot be read is an error that names its key and the attribute, and is
//! not overwritten; a subscription that cannot be read is left out of its page, with one warning a page; a connection
//! that cannot be read can be removed and pruned all the same, with all rows that it names legibly.
//!
//! # TLS
//!
//! The feature `tls`, on by default, serves `https://` endpoints, which is what the service has: rustls with *ring*, and
//! the authorities of `AWS_CA_BUNDLE`, of `SSL_CERT_FILE`, or of the system. A plain `http://` endpoint, as a local
//! stack has it, reads no certificates, so that a cold start does not pay for them.

mod batch;
mod config;
mod error;
mod item;
mod read;
mod remove;
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
