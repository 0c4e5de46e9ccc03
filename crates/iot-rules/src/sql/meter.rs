use std::cell::Cell;

use super::{
    EvaluateError,
    limits::{VALUE_BYTES_MAX, WORK_BYTES_MAX},
};

/// What the evaluation for one message may still cost.
pub(super) struct Meter {
    left: Cell<u64>,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { left: Cell::new(WORK_BYTES_MAX) }
    }

    /// Pays for reading or writing so many bytes.
    pub(super) fn charge(&self, bytes: usize) -> Result<(), EvaluateError> {
        let left = self.left.get().checked_sub(bytes as u64);
        self.left.set(left.unwrap_or(0));
        match left {
            Some(_) => Ok(()),
            None => Err(EvaluateError::Limit {
                what: "the work for one message, in bytes read and written,",
                limit: WORK_BYTES_MAX,
            }),
        }
    }

    /// Pays for making a value of so many bytes, if there may be one of that size.
    pub(super) fn make(&self, bytes: usize) -> Result<(), EvaluateError> {
        if bytes > VALUE_BYTES_MAX {
            return Err(EvaluateError::Limit {
                what: "the size of a value, in bytes,",
                limit: VALUE_BYTES_MAX as u64,
            });
        }
        self.charge(bytes)
    }
}
