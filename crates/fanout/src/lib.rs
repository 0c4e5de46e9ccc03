//! From one update to every connection that follows its topic.
//!
//! [`Fanout::publish`] commits the topic's head, enumerates the subscribers shard by shard, posts to them with a
//! bounded number of posts in flight, tries again what was throttled or unavailable while the deadline allows,
//! prunes what is gone, and returns a [`Report`] that accounts for every subscriber it found.
//!
//! It must not know an SDK, a socket or a clock of its own: store and management client are traits, the wall
//! clock and the randomness are arguments, and time passes on tokio's clock.
//!
//! ```
//! use dunlin_connection_store::{Connection, ConnectionStore, MemoryStore, Timestamp};
//! use dunlin_fanout::{Fanout, FanoutConfig, Update};
//! use dunlin_management::FakeManagement;
//! use tokio::time::{Duration, Instant};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let connected_at = Timestamp::from_epoch_ms(1_760_000_000_000);
//! let now = connected_at + Duration::from_secs(60);
//! let store = MemoryStore::new();
//! let connection = Connection::new("L0SM9cOFvHcCIhw=".parse()?, connected_at);
//! store.add(&connection).await?;
//! store.replace_topics(&connection.id, &["dev-1".parse()?], now).await?;
//!
//! let fanout = Fanout::new(store, FakeManagement::new(), FanoutConfig::default());
//! let report = fanout
//!     .publish(Update {
//!         topic: "dev-1".parse()?,
//!         version: 7,
//!         payload: r#"{"type":"parameters","device_id":"dev-1","version":7,"value":{}}"#.into(),
//!         now,
//!         deadline: Instant::now() + Duration::from_secs(3),
//!         seed: 42,
//!     })
//!     .await?;
//! assert_eq!((report.delivered, report.skipped), (1, 0));
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(example()).unwrap();
//! ```

mod config;
mod engine;
mod error;
mod pass;
mod report;

pub use config::{
    DEADLINE_MARGIN, FanoutConfig, PAGE_ATTEMPTS_MAX, POSTS_IN_FLIGHT_MAX, PRUNE_BATCH_MAX,
    RETRIES_WAITING_MAX, RETRY_AFTER_MAX, RETRY_DELAY_BASE, RETRY_DELAY_MAX, YOUNG_CONNECTION_AGE,
};
pub use engine::{Fanout, Update};
pub use error::FanoutError;
pub use report::{Commit, PostLatency, Report};
