//! Errors of a store.

use std::error::Error;
use std::fmt;

/// What went wrong, as far as a caller needs to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The table refused work for its rate and kept refusing it; try again later.
    Throttled,
    /// Other writers kept changing the same item; try again.
    Conflict,
    /// The store could not be reached or did not answer in time; try again.
    Unavailable,
    /// There is no such connection, or it has expired; trying again does not help.
    UnknownConnection,
    /// The caller asked for more than the store's bounds allow; trying again does not help.
    InvalidArgument,
    /// Anything else: no permission, no such table, an item that cannot be read.
    Internal,
}

impl StoreErrorKind {
    /// Whether the same call may succeed later.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Conflict | Self::Unavailable)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled by the table",
            Self::Conflict => "too many conflicting writes",
            Self::Unavailable => "store unavailable",
            Self::UnknownConnection => "unknown or expired connection",
            Self::InvalidArgument => "out of the store's bounds",
            Self::Internal => "store failed",
        }
    }
}

/// A store operation that failed. Callers match on [`kind`](Self::kind); the source is for logs.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    operation: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of `operation` (the name of the store's method) without an underlying cause.
    pub fn new(kind: StoreErrorKind, operation: &'static str) -> Self {
        Self { kind, operation, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.kind.as_str())
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
