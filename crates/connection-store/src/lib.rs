//! Who is connected, and who follows what.
//!
//! This crate holds the vocabulary of the store ([`Topic`], [`Shard`], [`Connection`], [`Head`]), its contract
//! ([`ConnectionStore`]), the in-memory store ([`MemoryStore`], for tests, benches and programs that keep
//! nothing) and, under the feature `testsuite`, the conformance suite that every backend runs.
//!
//! It must not know an SDK, a gateway or a function runtime; nor does it read a clock: every method that
//! depends on the time takes `now`.
//!
//! ```
//! use dunlin_connection_store::{Connection, ConnectionStore, HeadCommit, MemoryStore, Timestamp, Topic};
//! use dunlin_events::ConnectionId;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let now = Timestamp::from_epoch_ms(1_760_000_000_000);
//! let id: ConnectionId = "L0SM9cOFvHcCIhw=".parse()?;
//! let device: Topic = "dev-1".parse()?;
//!
//! // A subscriber writes its rows, then reads the heads ...
//! store.add(&Connection::new(id.clone(), now)).await?;
//! store.replace_topics(&id, std::slice::from_ref(&device), now).await?;
//! assert_eq!(store.heads(std::slice::from_ref(&device)).await?, [None]);
//!
//! // ... and a publisher commits the head, then enumerates: so neither misses the other.
//! let HeadCommit::Committed(head) = store.commit_head(&device, 7, "{}".into()).await? else {
//!     unreachable!("the first version of a topic is newer than none");
//! };
//! for shard in head.shard_count.shards() {
//!     let page = store.subscribers(&device, shard, None, 100, now).await?;
//!     assert_eq!(page.subscribers.len(), 1);
//! }
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
//! ```

mod error;
mod memory;
mod model;
mod shard;
mod store;
#[cfg(any(test, feature = "testsuite"))]
pub mod testsuite;
mod timestamp;
mod topic;

pub use error::{StoreError, StoreErrorKind};
pub use memory::MemoryStore;
pub use model::{
    Connection, EXPIRY_GRACE, Head, HeadCommit, PageToken, Replacement, Subscriber, SubscriberPage,
    Subscription, TopicShard,
};
pub use shard::{InvalidShardCount, SHARD_COUNT_MAX, Shard, ShardCount};
pub use store::{ConnectionStore, SUBSCRIBERS_PAGE_MAX, TOPICS_PER_CONNECTION_MAX};
pub use timestamp::Timestamp;
pub use topic::{InvalidTopic, TOPIC_CHARS_MAX, Topic};
