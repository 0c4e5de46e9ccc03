//! The pass itself.

use bytes::Bytes;
use dunlin_connection_store::{ConnectionStore, Timestamp, Topic};
use dunlin_management::ManagementClient;
use tokio::time::Instant;

use crate::{FanoutConfig, FanoutError, Report};

/// Publishes updates: one value serves all passes of a process, also at once.
#[derive(Debug)]
pub struct Fanout<S, M> {
    store: S,
    management: M,
    config: FanoutConfig,
}

/// One update of a topic, and what its pass may use.
#[derive(Clone, Debug)]
pub struct Update {
    /// The topic.
    pub topic: Topic,
    /// Orders the updates of the topic; one that is not newer than the head is not pushed.
    pub version: u64,
    /// The frame that every subscriber gets, at most 128 KiB. It should carry topic and version: delivery is at
    /// least once and two passes may overtake each other, so that clients drop what they have seen.
    pub payload: Bytes,
    /// The wall clock at the call.
    pub now: Timestamp,
    /// When the caller must have the report.
    pub deadline: Instant,
    /// Seeds the jitter of the retries.
    pub seed: u64,
}

impl<S: ConnectionStore, M: ManagementClient> Fanout<S, M> {
    /// An engine on this store and this management API.
    pub fn new(store: S, management: M, config: FanoutConfig) -> Self {
        Self { store, management, config }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The management client.
    pub fn management(&self) -> &M {
        &self.management
    }

    /// Pushes one update to everyone who follows its topic.
    ///
    /// Returns before the deadline, whatever store and service do. Returning a report is success even if some
    /// subscribers were not reached: the report says how many. Calling again with the same update is safe.
    ///
    /// # Errors
    /// [`FanoutError`] if nothing was posted.
    pub async fn publish(&self, update: Update) -> Result<Report, FanoutError> {
        let _ = (&self.config, update);
        todo!("the pass is being written")
    }
}
