use std::{io, path::PathBuf};

use dunlin_events::limits::{
    ASYNC_RETRIES_MAX, ENVIRONMENT_CONCURRENCY_MAX, FUNCTION_CODE_BYTES_MAX, FUNCTION_ENVIRONMENT_BYTES_MAX,
    UNRESERVED_CONCURRENCY_MIN,
};

use crate::{InvocationType, limits::ARCHIVE_ENTRIES_MAX};

/// A configuration that the host does not take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The account id is not one.
    #[error("account id {account_id:?} is not twelve digits")]
    AccountId {
        /// What was given.
        account_id: String,
    },
    /// The region is not one.
    #[error("region {region:?} is not a name such as eu-west-1")]
    Region {
        /// What was given.
        region: String,
    },
    /// No function could ever run.
    #[error("environments_per_function_max is 0; at least one environment is needed to run a function")]
    NoEnvironments,
    /// A wait cannot be divided by nothing.
    #[error("event_delay_divisor is 0; 1 waits as long as the service")]
    NoDelayDivisor,
    /// The functions reserve more than the account has.
    #[error(
        "the functions reserve {reserved} concurrent invocations, and the account has {account}, of which \
         {UNRESERVED_CONCURRENCY_MIN} have to stay unreserved; reserve less"
    )]
    Reserved {
        /// What all functions reserve together.
        reserved: usize,
        /// What the account has.
        account: usize,
    },
    /// The function's name is not one.
    #[error("function name {name:?} is not 1 to 64 letters, digits, - and _")]
    Name {
        /// What was given.
        name: String,
    },
    /// Two functions share a name.
    #[error("two functions are called {name}; a name selects one function")]
    NameTwice {
        /// The name.
        name: String,
    },
    /// The timeout is out of range.
    #[error("function {name} has a timeout of {seconds} seconds; give it more than 0 and at most 900")]
    Timeout {
        /// The function.
        name: String,
        /// What was given.
        seconds: f64,
    },
    /// The memory is out of range.
    #[error("function {name} has {memory_mb} MB of memory; give it 128 to 10240")]
    Memory {
        /// The function.
        name: String,
        /// What was given.
        memory_mb: u32,
    },
    /// The environment's concurrency is out of range.
    #[error(
        "function {name} takes {concurrency} invocations per environment at a time; give it 1 to \
         {ENVIRONMENT_CONCURRENCY_MAX}"
    )]
    EnvironmentConcurrency {
        /// The function.
        name: String,
        /// What was given.
        concurrency: usize,
    },
    /// The retries of asynchronous invocations are out of range.
    #[error(
        "function {name} has {retries} retries of asynchronous invocations; give it 0 to {ASYNC_RETRIES_MAX}"
    )]
    Retries {
        /// The function.
        name: String,
        /// What was given.
        retries: u32,
    },
    /// The age of asynchronous invocations is out of range.
    #[error("function {name} keeps asynchronous invocations for {seconds} seconds; give it 60 to 21600")]
    EventAge {
        /// The function.
        name: String,
        /// What was given.
        seconds: f64,
    },
    /// A destination or dead-letter target is no ARN.
    #[error("function {name} sends records of asynchronous invocations to {target:?}, which is not an ARN")]
    Target {
        /// The function.
        name: String,
        /// What was given.
        target: String,
    },
    /// The template's variables are too large.
    #[error(
        "function {name} has {bytes} bytes of environment variables; the service takes {FUNCTION_ENVIRONMENT_BYTES_MAX}"
    )]
    EnvironmentTooLarge {
        /// The function.
        name: String,
        /// What was given.
        bytes: usize,
    },
    /// A variable that cannot be passed to a process.
    #[error(
        "function {name} has an environment variable {variable:?} that no process can be given: a name is not empty \
         and has no `=`, and neither name nor value has a NUL"
    )]
    Variable {
        /// The function.
        name: String,
        /// The variable's name.
        variable: String,
    },
    /// The host could not begin.
    #[error("the thread that starts function processes could not be started: {source}")]
    Thread {
        /// The system's reason.
        source: io::Error,
    },
}

/// Code that cannot be started: says which path, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// There is nothing at the code's path.
    #[error("there is no code at {path}; build the function, or correct its CodeUri")]
    Missing {
        /// The folder or archive.
        path: PathBuf,
    },
    /// The code is neither a folder nor a `.zip`.
    #[error("{path} is neither a folder nor a .zip file; point CodeUri at one that contains `bootstrap`")]
    NeitherFolderNorZip {
        /// The path.
        path: PathBuf,
    },
    /// The folder or archive has no `bootstrap`.
    #[error("{code} contains no `bootstrap`; put the function's executable there under that name")]
    NoBootstrap {
        /// The folder or archive.
        code: PathBuf,
    },
    /// `bootstrap` is something else than a file.
    #[error("{path} is not a file; `bootstrap` has to be the function's executable")]
    BootstrapNotAFile {
        /// The path of `bootstrap`.
        path: PathBuf,
    },
    /// `bootstrap` may not be executed.
    #[error("{path} is not executable; run `chmod +x {path}`")]
    NotExecutable {
        /// The path of `bootstrap`.
        path: PathBuf,
    },
    /// `bootstrap` is not marked executable in the archive.
    #[error("`bootstrap` in {archive} is not executable; run `chmod +x bootstrap` before making the archive")]
    NotExecutableInArchive {
        /// The archive.
        archive: PathBuf,
    },
    /// The operating system refuses to execute `bootstrap`.
    #[error(
        "{path} could not be executed: {source}; build it for this machine, and check the first line if it is a script"
    )]
    NotStartable {
        /// The path of `bootstrap`.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("{path} could not be read: {source}")]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The archive is damaged or of a kind that is not supported.
    #[error("{path} could not be unpacked: {reason}; build the archive again")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An entry of the archive would land outside its folder.
    #[error("{path} contains an entry {entry:?} that points outside the archive; build the archive again")]
    ArchiveEscapes {
        /// The archive.
        path: PathBuf,
        /// The entry's name.
        entry: String,
    },
    /// The archive is too large.
    #[error(
        "{path} unpacks to more than {FUNCTION_CODE_BYTES_MAX} bytes or {ARCHIVE_ENTRIES_MAX} entries; the service refuses \
         it too, make it smaller"
    )]
    ArchiveTooLarge {
        /// The archive.
        path: PathBuf,
    },
}

/// An invocation that no function saw to its end. A function's own failure is an
/// [`InvokeOutcome`](crate::InvokeOutcome), not an error (N2).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// There is no such function: 404.
    #[error("function not found: {function}")]
    NotFound {
        /// The name or ARN that was asked for.
        function: String,
    },
    /// A bound of concurrency is met: 429.
    #[error("function {function} is throttled: {throttle}")]
    TooManyRequests {
        /// The function's name.
        function: String,
        /// Which bound was met.
        throttle: Throttle,
    },
    /// The payload is too large: 413.
    #[error(
        "{bytes} byte payload is too large for the {invocation_type} invocation type (limit {bytes_max} bytes)"
    )]
    PayloadTooLarge {
        /// The payload's size.
        bytes: usize,
        /// The most that this invocation type takes.
        bytes_max: usize,
        /// The invocation type.
        invocation_type: InvocationType,
    },
    /// The host is ending: 503.
    #[error("the function host is shutting down")]
    ShuttingDown,
}

/// Why an invocation is throttled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Throttle {
    /// The function's reserved concurrency is in use.
    #[error("its {reserved} reserved concurrent invocations are in use")]
    Reserved {
        /// What the function reserves.
        reserved: usize,
    },
    /// What the account has left for functions without a reservation is in use.
    #[error("the account's {unreserved} unreserved concurrent invocations are in use")]
    Account {
        /// What no function reserves.
        unreserved: usize,
    },
    /// Every environment was busy for too long.
    #[error("no environment came free in time")]
    QueueWait,
    /// Too many asynchronous invocations wait, or too large ones.
    #[error("too many asynchronous invocations are waiting")]
    EventQueue,
}

impl Throttle {
    /// The service's `Reason`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Reserved { .. } => "ReservedFunctionConcurrentInvocationLimitExceeded",
            Self::Account { .. } | Self::QueueWait => "ConcurrentInvocationLimitExceeded",
            Self::EventQueue => "FunctionInvocationRateLimitExceeded",
        }
    }
}
