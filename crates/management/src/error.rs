//! Errors of a management client.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a call failed (fact C3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManagementErrorKind {
    /// 429: the account's request rate is exceeded, or this client reads too slowly. Slow down, try again.
    Throttled,
    /// 413: the data is larger than the service takes.
    TooLarge,
    /// 403: the credentials may not do this, or the address names no stage.
    Forbidden,
    /// 400: the service does not take this for a connection id, or the data for text.
    InvalidConnection,
    /// 5xx, no connection, or no answer in time. Try again.
    Unavailable,
    /// Any other answer, or a request that cannot be built.
    Internal,
}

impl ManagementErrorKind {
    /// Whether the same call may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::TooLarge => "payload too large",
            Self::Forbidden => "forbidden",
            Self::InvalidConnection => "invalid connection id",
            Self::Unavailable => "unavailable",
            Self::Internal => "failed",
        }
    }
}

/// A call to the management API that failed. Callers match on [`kind`](Self::kind); the source is for logs.
#[derive(Debug)]
pub struct ManagementError {
    kind: ManagementErrorKind,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ManagementError {
    /// An error without a hint or an underlying cause.
    pub fn new(kind: ManagementErrorKind) -> Self {
        Self { kind, retry_after: None, source: None }
    }

    /// Adds how long the service asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Why the call failed.
    pub fn kind(&self) -> ManagementErrorKind {
        self.kind
    }

    /// How long the service asked to wait, if it did. A hint from outside: cap it before waiting.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for ManagementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "management API: {}", self.kind.as_str())
    }
}

impl Error for ManagementError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
