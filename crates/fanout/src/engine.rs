//! The entry: commit the head, make the pass, report.

use bytes::Bytes;
use dunlin_connection_store::{ConnectionStore, HeadCommit, Timestamp, Topic};
use dunlin_events::limits;
use dunlin_management::ManagementClient;
use tokio::time::{Instant, timeout_at};

use crate::config::Schedule;
use crate::pass::Pass;
use crate::{Commit, FanoutConfig, FanoutError, Report};

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
    /// subscribers were not reached: the report says how many, and whether all were found. Calling again with the
    /// same update is safe: it is pushed to everyone again, since only clients know what they have seen.
    ///
    /// # Errors
    /// [`FanoutError`] if nothing was posted.
    pub async fn publish(&self, update: Update) -> Result<Report, FanoutError> {
        let began_at = Instant::now();
        let payload_bytes = update.payload.len();
        if payload_bytes > limits::MESSAGE_BYTES_MAX {
            return Err(FanoutError::PayloadTooLarge { payload_bytes });
        }
        let schedule = Schedule::new(began_at, update.deadline, self.config.deadline_margin)
            .ok_or(FanoutError::DeadlinePassed)?;
        let commit = self.store.commit_head(&update.topic, update.version, update.payload.clone());
        let commit = timeout_at(schedule.stop_at, commit).await.map_err(|_| FanoutError::DeadlinePassed)?;
        let (commit, head) = match commit.map_err(FanoutError::Commit)? {
            HeadCommit::Committed(head) => (Commit::Committed, head),
            HeadCommit::Repeated(head) => (Commit::Repeated, head),
            HeadCommit::Older { current } => {
                let report = Report { commit: Commit::Older, head_version: current, ..Report::default() };
                return Ok(report.taking(began_at.elapsed()));
            }
        };
        let report = Report { commit, head_version: head.version, ..Report::default() };
        let pass = Pass::new(&self.store, &self.management, &self.config, &update, schedule, report);
        Ok(pass.run(&head, began_at).await.taking(began_at.elapsed()))
    }
}
