//! The entry: commit the head, make the pass, report.

use std::sync::Mutex;

use bytes::Bytes;
use dunlin_connection_store::{ConnectionStore, HeadCommit, Timestamp, Topic};
use dunlin_events::limits;
use dunlin_management::ManagementClient;
use tokio::time::{Instant, timeout_at};

use crate::audience::Audience;
use crate::governor::Governor;
use crate::pass::Pass;
use crate::schedule::Schedule;
use crate::{Checkpoint, Commit, FanoutConfig, FanoutError, InvalidConfig, Report};

/// Publishes updates: one value serves all passes of a process, also at once.
///
/// What the service's quotas are shared by, they share: the window of posts in flight, and the pace once the service
/// throttles. So a process has one engine for each management endpoint.
#[derive(Debug)]
pub struct Fanout<S, M> {
    store: S,
    management: M,
    config: FanoutConfig,
    governor: Governor,
}

/// One update of a topic, and what its pass may use.
#[derive(Clone, Debug)]
pub struct Update {
    /// The topic.
    pub topic: Topic,
    /// Orders the updates of the topic; one that is not newer than the head is not pushed.
    pub version: u64,
    /// The frame that every subscriber gets, at most 128 KiB. It should carry topic and version: delivery is at
    /// least once and two passes may overtake each other, so that clients drop what they have seen. It goes out as it is:
    /// cutting it into frames of 32 KiB is the service's business (fact C11).
    pub payload: Bytes,
    /// The wall clock at the call.
    pub now: Timestamp,
    /// When the caller must have the report. Posts are begun in the first
    /// [`POSTING_TIME_PERCENT`](crate::POSTING_TIME_PERCENT) of the time until then.
    pub deadline: Instant,
    /// Seeds the jitter of the retries.
    pub seed: u64,
}

impl<S: ConnectionStore, M: ManagementClient> Fanout<S, M> {
    /// An engine on this store and this management API, with the default bounds.
    pub fn new(store: S, management: M) -> Self {
        let config = FanoutConfig::default();
        let governor = Governor::new(config.posts_in_flight_max);
        Self { store, management, config, governor }
    }

    /// An engine with other bounds.
    ///
    /// # Errors
    /// [`InvalidConfig`] names the bound that is zero or too large.
    pub fn with_config(store: S, management: M, config: FanoutConfig) -> Result<Self, InvalidConfig> {
        config.check()?;
        let governor = Governor::new(config.posts_in_flight_max);
        Ok(Self { store, management, config, governor })
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
    /// subscribers were not reached: the report says how many, and has the checkpoint to go on from. Calling again with the
    /// same update is safe: it is pushed to everyone again, since only clients know what they have seen.
    ///
    /// # Errors
    /// [`FanoutError`] if nothing was posted.
    pub async fn publish(&self, update: Update) -> Result<Report, FanoutError> {
        self.pass(update, None).await
    }

    /// Goes on with an update where an earlier pass was cut short. If the topic has a newer update by now, nothing is
    /// posted: the pass of that one reaches everyone.
    ///
    /// # Errors
    /// [`FanoutError`] if nothing was posted; among others, if the checkpoint is of another update.
    pub async fn resume(&self, update: Update, checkpoint: Checkpoint) -> Result<Report, FanoutError> {
        checkpoint.check(&update.topic, update.version)?;
        self.pass(update, Some(checkpoint)).await
    }

    async fn pass(&self, update: Update, from: Option<Checkpoint>) -> Result<Report, FanoutError> {
        let began_at = Instant::now();
        let payload_bytes = update.payload.len();
        if payload_bytes > limits::MESSAGE_BYTES_MAX {
            return Err(FanoutError::PayloadTooLarge { payload_bytes });
        }
        let schedule = Schedule::new(began_at, update.deadline).ok_or(FanoutError::DeadlinePassed)?;
        let commit = self.store.commit_head(&update.topic, update.version, update.payload.clone());
        let commit = timeout_at(schedule.stop_at, commit).await.map_err(|_| FanoutError::DeadlinePassed)?;
        let mut report = Report::default();
        report.cost.store_calls = 1;
        let head = match commit.map_err(FanoutError::Commit)? {
            HeadCommit::Committed(head) => head,
            HeadCommit::Repeated(head) => {
                report.commit = Commit::Repeated;
                head
            }
            HeadCommit::Older { current } => {
                let report = Report { commit: Commit::Older, head_version: current, ..report };
                return Ok(report.of(payload_bytes, began_at.elapsed()));
            }
        };
        report.head_version = head.version;
        let counted = from.is_none().then_some(&head);
        let times = (began_at, schedule.stop_at);
        let audience = Audience::new(&update, &self.config, head.shard_count, from, times, report);
        let pass = Pass {
            store: &self.store,
            management: &self.management,
            governor: &self.governor,
            update: &update,
            page_subscribers_max: self.config.page_subscribers_max,
            schedule,
            audience: Mutex::new(audience),
        };
        Ok(pass.run(counted).await.of(payload_bytes, began_at.elapsed()))
    }
}
