use std::sync::Arc;

use bytes::Bytes;

/// Takes the records of asynchronous invocations whose destination is not a function of the host: queues, topics, event
/// buses. It is called once for each and must not block; whoever sends them on does that elsewhere.
pub type RecordSink = Arc<dyn Fn(EventRecord) + Send + Sync>;

/// What an asynchronous invocation leaves behind for somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventRecord {
    /// The ARN that the function's configuration names.
    pub target_arn: String,
    /// What it is.
    pub kind: RecordKind,
    /// A destination's invocation record as JSON, or the event itself for a dead-letter target.
    pub payload: Bytes,
    /// Message attributes of a dead-letter target: `RequestID`, `ErrorCode` and `ErrorMessage`. Empty otherwise.
    pub attributes: Vec<(&'static str, String)>,
}

/// Why there is a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordKind {
    /// The function succeeded and has a destination for that.
    OnSuccess,
    /// The event was given up and the function has a destination for that.
    OnFailure,
    /// The event was given up and the function has a dead-letter target.
    DeadLetter,
}
