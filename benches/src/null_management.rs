//! A management client that goes nowhere and takes as long as it is told to.

use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dunlin_events::ConnectionId;
use dunlin_management::{ConnectionInfo, DeleteOutcome, ManagementClient, ManagementError, PostOutcome};

/// Takes every post, at a stated cost in processor time, and counts it.
#[derive(Debug, Default)]
pub struct NullManagement {
    cost: Duration,
    posts: AtomicU64,
}

impl NullManagement {
    /// A client whose posts cost nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client whose posts keep the processor busy so long.
    pub fn costing(cost: Duration) -> Self {
        NullManagement { cost, ..Self::default() }
    }

    /// Posts so far.
    pub fn posts(&self) -> u64 {
        self.posts.load(Ordering::Relaxed)
    }
}

impl ManagementClient for NullManagement {
    async fn post(&self, id: &ConnectionId, data: Bytes) -> Result<PostOutcome, ManagementError> {
        if !self.cost.is_zero() {
            let began = Instant::now();
            while began.elapsed() < self.cost {
                hint::spin_loop();
            }
        }
        hint::black_box((id, data));
        self.posts.fetch_add(1, Ordering::Relaxed);
        Ok(PostOutcome::Delivered)
    }

    async fn get(&self, _: &ConnectionId) -> Result<Option<ConnectionInfo>, ManagementError> {
        Ok(None)
    }

    async fn delete(&self, _: &ConnectionId) -> Result<DeleteOutcome, ManagementError> {
        Ok(DeleteOutcome::Gone)
    }
}
