//! The local IoT Core: a real MQTT broker (3.1.1 and 5 on one port) whose publishes run through rule SQL and become
//! function events.
//!
//! The crate does not know what a function is: a [`RuleSink`] takes the finished event and the function's name. Nor does
//! it know the template; the caller turns it into [`Rule`]s.
//!
//! ```no_run
//! use std::sync::Arc;
//! use bytes::Bytes;
//! use dunlin_iot_rules::{Action, BoxFuture, Config, DeliverError, IotRules, Rule, RuleSink, Target};
//!
//! struct Print;
//! impl RuleSink for Print {
//!     fn deliver<'a>(&'a self, target: Target<'a>, event: Bytes) -> BoxFuture<'a, Result<(), DeliverError>> {
//!         println!("{target:?} gets {} bytes", event.len());
//!         Box::pin(async { Ok(()) })
//!     }
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let rule = Rule {
//!     name: "readings".into(),
//!     sql: "SELECT *, topic(2) AS device_id FROM 'devices/+/parameters'".into(),
//!     actions: vec![Action::Lambda { function: "notify".into() }],
//!     ..Rule::default()
//! };
//! let config = Config { addresses: vec!["127.0.0.1:0".parse()?], rules: vec![rule], ..Config::default() };
//! let rules = IotRules::start(config, Arc::new(Print)).await?;
//! println!("mqtt on {}", rules.local_addr());
//! rules.shutdown().await;
//! # Ok(()) }
//! ```

mod broker;
pub mod client;
mod engine;
mod hook;
mod rule;
pub mod sql;

pub use broker::{Clock, Config, IotRules, StartError};
pub use engine::{
    Counts, DELIVER_TIMEOUT, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX, REPUBLISH_DEPTH_MAX, RuleError,
};
pub use rule::{Action, BoxFuture, DeliverError, Headers, Republish, Rule, RuleSink, Target};
