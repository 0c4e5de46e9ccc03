use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::Place;

/// One function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Key in the template.
    pub logical_id: String,
    /// `FunctionName`, else `{stack name}-{logical id}`. Unique in the stack; everything else refers to it.
    pub name: String,
    /// Unqualified ARN.
    pub arn: String,
    /// Folder or .zip with the code, absolute. Whether it is there is for the reader to find out.
    pub code: PathBuf,
    /// `Handler`; empty if the template gives none.
    pub handler: String,
    /// `Runtime`, one of the `provided` family.
    pub runtime: String,
    /// `Timeout`.
    pub timeout: Duration,
    /// `MemorySize`, in MB.
    pub memory_mb: u32,
    /// `Environment.Variables`.
    pub environment: BTreeMap<String, String>,
    /// `ReservedConcurrentExecutions`: invocations that may run at the same time. 0: none at all.
    pub reserved_concurrency: Option<u32>,
    /// `MaximumRetryAttempts` of asynchronous invocations: 0 to 2, by default 2 (N5).
    pub event_retries: u32,
    /// `MaximumEventAgeInSeconds` of asynchronous invocations: by default, and at most, six hours (N5).
    pub event_age_max: Duration,
    /// ARN of the function or queue that gets the record of an asynchronous invocation that succeeded
    /// (`DestinationConfig.OnSuccess`).
    pub on_success: Option<String>,
    /// ARN of the function or queue that gets the record of one that was given up (`DestinationConfig.OnFailure`).
    pub on_failure: Option<String>,
    /// ARN of the queue that gets the event of one that was given up (`DeadLetterConfig`).
    pub dead_letters: Option<String>,
    /// `LoggingConfig`.
    pub logging: Logging,
    /// Where the resource begins.
    pub at: Place,
}

/// How a function logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// `LogFormat`.
    pub format: LogFormat,
    /// `ApplicationLogLevel`; only with [`LogFormat::Json`].
    pub application_level: Option<LogLevel>,
    /// `SystemLogLevel`; only with [`LogFormat::Json`].
    pub system_level: Option<LogLevel>,
    /// `LogGroup`, else `/aws/lambda/{function name}`.
    pub log_group: String,
}

/// `LogFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Lines of text.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// `ApplicationLogLevel` and `SystemLogLevel`, from the most to the least said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// `TRACE`; not for the system's log.
    Trace,
    /// `DEBUG`.
    Debug,
    /// `INFO`.
    Info,
    /// `WARN`.
    Warn,
    /// `ERROR`; not for the system's log.
    Error,
    /// `FATAL`; not for the system's log.
    Fatal,
}

impl LogLevel {
    /// As the template and `AWS_LAMBDA_LOG_LEVEL` spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}
