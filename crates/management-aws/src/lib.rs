//! The management API (`@connections`) over HTTP, twice.
//!
//! [`LeanManagementClient`] signs and sends the three requests itself; it is the one for fan-out, where the cost of a
//! post is the cost of the pass. [`SdkManagementClient`] goes through the service's SDK; it is the reference
//! that the lean client is checked against. Both make one attempt per call: the caller owns the retries.
//!
//! The crate must not know a store, a gateway or a function runtime.
//!
//! ```no_run
//! use dunlin_management::ManagementClient as _;
//! use dunlin_management_aws::LeanManagementClient;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Region and credentials come from the variables that a function has; the endpoint includes the stage.
//! let management = LeanManagementClient::from_env("http://127.0.0.1:3001/dev")?;
//! management.post(&"L0SM9cOFvHcCIhw=".parse()?, r#"{"type":"hello"}"#.into()).await?;
//! # Ok(())
//! # }
//! ```

mod answer;
mod config;
mod endpoint;
mod lean;
mod sdk;
mod sign;

pub use config::{CONNECT_TIMEOUT, ClientConfig, ConfigError, REQUEST_TIMEOUT};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use lean::{ANSWER_BYTES_MAX, IDLE_CONNECTIONS_MAX, IDLE_TIMEOUT, LeanManagementClient};
pub use sdk::SdkManagementClient;
