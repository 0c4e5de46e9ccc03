//! notify, the reference app: a client names the devices that it follows, and receives their updates.
//!
//! Five roles, one per function: [`connect`], [`disconnect`], [`set_notify_list`] and [`default`] are for clients,
//! [`notify_parameter`] is called by a topic rule. The contract with clients and devices is in `infra/README.md`.
//!
//! The app knows the store and the management API by their traits. Only the binary, `main.rs`, knows which ones it runs on,
//! that it is a Lambda function, what time it is and where randomness comes from.
//!
//! ```
//! use std::sync::Arc;
//! use dunlin_connection_store::{MemoryStore, Timestamp};
//! use dunlin_handler::testing::{TestEvent, send};
//! use dunlin_management::FakeManagement;
//! use dunlin_notify::{App, set_notify_list};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let now = || Timestamp::from_epoch_ms(1_760_000_000_000);
//! let app = Arc::new(App::new(MemoryStore::new(), FakeManagement::new(), now, || 42));
//! let message = TestEvent::message("set_notify_list", r#"{"action":"set_notify_list","device_ids":["dev-1"]}"#)
//!     .connected_at_ms(1_760_000_000_000);
//! let reply = send(&mut set_notify_list(app), message).await;
//! assert_eq!(
//!     reply.body(),
//!     Some(r#"{"type":"notify_list","device_ids":["dev-1"],"added":["dev-1"],"removed":[]}"#),
//! );
//! # }
//! ```

mod app;
mod config;
mod connection;
mod last_values;
mod list;
mod metrics;
mod unrouted;
mod update;
mod wire;

pub use app::{App, DEADLINE_DEFAULT, connect, default, disconnect, notify_parameter, set_notify_list};
pub use config::{Backends, Config, ConfigError, Role};
pub use last_values::{
    LAST_VALUE_ATTEMPTS_MAX, LAST_VALUES_IN_FLIGHT_MAX, LAST_VALUES_TIME_MAX, REPLY_MARGIN,
};
pub use metrics::METRICS_NAMESPACE;
