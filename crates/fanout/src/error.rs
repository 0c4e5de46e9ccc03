//! Why a pass could not be made.

use dunlin_connection_store::StoreError;
use dunlin_events::limits;

use crate::InvalidCheckpoint;

/// A publish that did not get as far as a report; nothing was posted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FanoutError {
    /// The payload is larger than the service takes; nothing was committed.
    #[error("payload of {payload_bytes} bytes is over the {max} bytes of a message", max = limits::MESSAGE_BYTES_MAX)]
    PayloadTooLarge {
        /// Size of the payload.
        payload_bytes: usize,
    },
    /// The checkpoint is not one of this update; nothing was committed.
    #[error("checkpoint refused")]
    Checkpoint(#[from] InvalidCheckpoint),
    /// The deadline passed before the head was known to be committed; it may be.
    #[error("no time left before the deadline")]
    DeadlinePassed,
    /// The head could not be committed.
    #[error("head not committed")]
    Commit(#[source] StoreError),
}
