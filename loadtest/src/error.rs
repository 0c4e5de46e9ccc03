//! Why a measurement could not be made.

use thiserror::Error;

/// Why a measurement could not be made. What a finished measurement found is in its report, not here.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The command line, a file that it names, or a limit of this machine.
    #[error("{0}")]
    Usage(String),
    /// Nothing answers at an address of the target, or it refuses every client.
    #[error("{0}")]
    Unavailable(String),
    /// The target answered something else than it should.
    #[error("{0}")]
    Mismatch(String),
    /// The report could not be written.
    #[error("{0}")]
    Output(String),
    /// A part of the load test failed that should not.
    #[error("{0}")]
    Internal(String),
}

/// Exit codes of `dunlin-load`, after `sysexits.h` where that has one.
pub mod exit {
    /// Measured, and every threshold is met.
    pub const OK: u8 = 0;
    /// A smaller measurement met an answer that is wrong.
    pub const MISMATCH: u8 = 1;
    /// Measured, and a threshold is missed.
    pub const MISSED: u8 = 3;
    /// Measured, but the generator was too slow for its figures to be believed: try again on a quieter machine.
    pub const INVALID: u8 = 4;
    /// The command line, or a file or limit it depends on.
    pub const USAGE: u8 = 64;
    /// The target is not there, or refuses every client.
    pub const UNAVAILABLE: u8 = 69;
    /// A defect of the load test.
    pub const SOFTWARE: u8 = 70;
    /// The report cannot be written.
    pub const CANT_CREATE: u8 = 73;
    /// Interrupted from the keyboard; the report of what was measured until then is written.
    pub const INTERRUPTED: u8 = 130;
}

impl LoadError {
    /// The exit code for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            LoadError::Usage(_) => exit::USAGE,
            LoadError::Unavailable(_) => exit::UNAVAILABLE,
            LoadError::Mismatch(_) => exit::MISMATCH,
            LoadError::Output(_) => exit::CANT_CREATE,
            LoadError::Internal(_) => exit::SOFTWARE,
        }
    }
}
