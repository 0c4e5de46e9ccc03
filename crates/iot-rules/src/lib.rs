//! The local IoT Core: a real MQTT broker (3.1.1 and 5 on one port) whose publishes run through rule SQL and become
//! function events.
//!
//! It must not know what a function is: a [`RuleSink`] takes the finished event and the function's name. Nor does it know
//! the template; the caller turns it into [`Rule`]s. What the SQL can do is on the page of [`sql`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use dunlin_iot_rules::{
//!     Action, BoxFuture, Config, DeliverError, IotRules, Rule, RuleSink, Target,
//!     client::{QoS, publish_once},
//! };
//! use tokio::sync::mpsc;
//!
//! /// Takes events in place of functions.
//! struct Events(mpsc::Sender<(String, Bytes)>);
//!
//! impl RuleSink for Events {
//!     fn deliver<'a>(
//!         &'a self,
//!         _rule: &'a str,
//!         target: Target<'a>,
//!         event: Bytes,
//!     ) -> BoxFuture<'a, Result<(), DeliverError>> {
//!         Box::pin(async move {
//!             let Target::Function(name) = target else { return Err(DeliverError("only functions".to_owned())) };
//!             self.0.send((name.to_owned(), event)).await.map_err(|_| DeliverError("nobody is there".to_owned()))
//!         })
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rule = Rule {
//!     name: "readings".into(),
//!     sql: "SELECT *, topic(2) AS device_id FROM 'devices/+/parameters' WHERE t > 20".into(),
//!     actions: vec![Action::Lambda { function: "notify".into() }],
//!     ..Rule::default()
//! };
//! let config = Config { addresses: vec!["127.0.0.1:0".parse()?], rules: vec![rule], ..Config::default() };
//! let (events, mut received) = mpsc::channel(16);
//! let rules = IotRules::start(config, Arc::new(Events(events))).await?;
//!
//! for reading in [r#"{"t":19.5}"#, r#"{"t":21.5}"#] {
//!     publish_once(rules.local_addr(), "devices/dev-1/parameters", reading.into(), QoS::AtLeastOnce).await?;
//! }
//! let (function, event) = received.recv().await.ok_or("the rules ended")?;
//! assert_eq!(function, "notify");
//! assert_eq!(event, r#"{"t":21.5,"device_id":"dev-1"}"#);
//!
//! rules.shutdown().await;
//! # Ok(())
//! # }
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
