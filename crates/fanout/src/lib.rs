//! From one update to every connection that follows its topic.
//!
//! An application has one [`Fanout`] for each management endpoint and hands it its updates. [`Fanout::publish`] commits the
//! topic's head, enumerates the subscribers shard by shard, posts to them with a bounded number of posts in flight,
//! tries again what was throttled or unavailable, prunes what is gone, and returns a [`Report`] that accounts for every
//! subscriber it found.
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
//!
//! # When the service throttles
//!
//! The quota of posts is the account's (section 7.1 of the service's facts), so all passes of an engine share a window of
//! posts in flight and a pace. Without 429s only the window limits them. Once enough posts of a round trip are throttled, the
//! rate is cut to what the service served, and grows again by a constant from second to second; a cut needs a round trip of
//! its own. A connection that stays throttled while others are served reads too slowly (fact C3) and does not count.
//! `Retry-After` is waited for, if the deadline allows.
//!
//! # When the time runs out
//!
//! Posts are begun in the first [`POSTING_TIME_PERCENT`] of the time until the deadline, and those in flight are waited for in
//! the rest. Who was not reached is in [`Report::skipped`], and [`Report::checkpoint`] says where to go on:
//!
//! ```
//! # use dunlin_connection_store::{Connection, ConnectionStore, MemoryStore, Timestamp};
//! # use dunlin_fanout::{Checkpoint, Fanout, Update};
//! # use dunlin_management::{Answer, FakeManagement};
//! # use tokio::time::{Duration, Instant};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = Timestamp::from_epoch_ms(1_760_000_000_000);
//! # let store = MemoryStore::new();
//! # for n in 0..300 {
//! #     let connection = Connection::new(format!("c{n}").parse()?, Timestamp::from_epoch_ms(1_750_000_000_000));
//! #     let connection = Connection { expires_at: now + Duration::from_secs(3600), ..connection };
//! #     store.add(&connection).await?;
//! #     store.replace_topics(&connection.id, &["dev-1".parse()?], now).await?;
//! # }
//! # let management = FakeManagement::responding(|_, _| Answer::delivered().after(Duration::from_millis(200)));
//! # let fanout = Fanout::new(store, management);
//! let update = |seconds| Update {
//!     topic: "dev-1".parse().unwrap(),
//!     version: 7,
//!     payload: "{}".into(),
//!     now,
//!     deadline: Instant::now() + Duration::from_secs(seconds),
//!     seed: 42,
//! };
//! let first = fanout.publish(update(1)).await?;
//! assert!(first.skipped > 0 && !first.is_complete());
//!
//! // Plain data, to be kept in a queue.
//! let kept = serde_json::to_string(&first.checkpoint)?;
//! let checkpoint: Option<Checkpoint> = serde_json::from_str(&kept)?;
//! let rest = fanout.resume(update(10), checkpoint.ok_or("the pass was cut short")?).await?;
//! assert!(rest.is_complete());
//! assert_eq!(first.delivered + rest.delivered, 300);
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread()
//! #     .enable_time()
//! #     .start_paused(true)
//! #     .build()
//! #     .unwrap()
//! #     .block_on(example())
//! #     .unwrap();
//! ```
//!
//! # What a 410 means
//!
//! The connection is gone: one post found it, none follows, and its rows are pruned. Only a connection younger than
//! [`YOUNG_CONNECTION_AGE`] may still have been being established (fact C8); it is tried once more at that age, and is
//! skipped, not pruned, if the deadline comes first.

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
