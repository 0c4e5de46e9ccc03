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
//! use dunlin_fanout::{Fanout, Update};
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
//! let fanout = Fanout::new(store, FakeManagement::new());
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

mod audience;
mod checkpoint;
mod config;
mod engine;
mod error;
mod governor;
mod pace;
mod pass;
mod report;
mod schedule;

pub use checkpoint::{Checkpoint, InvalidCheckpoint, MISSED_MAX, Missed, Position};
pub use config::{
    FanoutConfig, InvalidConfig, PAGE_ATTEMPTS_MAX, POSTS_IN_FLIGHT_LIMIT, POSTS_IN_FLIGHT_MAX,
    PRUNE_BATCH_MAX, RETRIES_WAITING_LIMIT, RETRIES_WAITING_MAX, YOUNG_CONNECTION_AGE,
};
pub use engine::{Fanout, Update};
pub use error::FanoutError;
pub use governor::SLOW_READER_THROTTLED;
pub use pace::{
    PACE_SLACK, RATE_CUT_LEAST, RATE_CUT_MOST, RATE_GROWTH_PER_S, RATE_GROWTH_SHARE_PER_S, RATE_KEPT,
    RATE_MIN_PER_S, ROUND_THROTTLED_MIN, ROUND_THROTTLED_PERCENT, ROUND_TIME_MAX, ROUND_TIME_MIN,
};
pub use report::{Commit, Cost, PostLatency, Report};
pub use schedule::{DEADLINE_MARGIN, POSTING_TIME_PERCENT, RETRY_DELAY_BASE, RETRY_DELAY_MAX};
