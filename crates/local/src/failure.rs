/// Wrong command line (sysexits' `EX_USAGE`).
pub(crate) const USAGE: u8 = 64;
/// A template or another input says something that cannot be done (`EX_DATAERR`).
pub(crate) const DATA: u8 = 65;
/// A file that must be there is not (`EX_NOINPUT`), or one that must be written cannot be.
pub(crate) const NO_INPUT: u8 = 66;
/// An address is taken, or nobody answers there (`EX_UNAVAILABLE`).
pub(crate) const UNAVAILABLE: u8 = 69;
/// A fault of this program or the machine (`EX_SOFTWARE`).
pub(crate) const INTERNAL: u8 = 70;

/// Why a command ends before it is done: one sentence that says what, where and what to do, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure { code: USAGE, message: message.into() }
    }

    pub(crate) fn data(message: impl Into<String>) -> Self {
        Failure { code: DATA, message: message.into() }
    }

    pub(crate) fn no_input(message: impl Into<String>) -> Self {
        Failure { code: NO_INPUT, message: message.into() }
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Failure { code: UNAVAILABLE, message: message.into() }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Failure { code: INTERNAL, message: message.into() }
    }
}
