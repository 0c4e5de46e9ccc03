use std::{
    fmt,
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use dunlin_events::limits::RUNTIME_RESPONSE_BYTES_MAX;
use serde::Serialize;

use crate::{
    FunctionErrorKind, RequestId,
    error::CodeError,
    platform_log::{Status, log_time},
};

/// Why an environment ended up without an answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is nothing to start.
    Code(CodeError),
    /// The host could not start it.
    Host(String),
    /// The function said so on `/runtime/init/error`.
    InitReported(Bytes),
    /// It ended before its first `next`.
    InitExited(Option<ExitStatus>),
    /// It did not reach its first `next` in time.
    InitTimedOut(Duration),
    /// It ended during an invocation.
    Exited(Option<ExitStatus>),
    /// It did not answer in time.
    TimedOut(Duration),
    /// It used more memory than it is given, in MB.
    OutOfMemory { used_mb: u32, memory_mb: u32 },
    /// It answered more than the service takes.
    ResponseTooLarge,
    /// An extension said that it cannot begin.
    ExtensionInit { name: String, error_type: String },
    /// An extension said that it cannot go on.
    ExtensionExit { name: String, error_type: String },
    /// An extension did not ask for its next event while the invocation that it was told of had time.
    ExtensionLate { name: String },
}

/// The error object that the invoker gets (P2).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorObject<'a> {
    error_type: &'a str,
    error_message: String,
}

impl Failure {
    pub(crate) fn kind(&self) -> FunctionErrorKind {
        match self {
            Self::Code(_) => FunctionErrorKind::Code,
            Self::Host(_)
            | Self::InitReported(_)
            | Self::InitExited(_)
            | Self::InitTimedOut(_)
            | Self::ExtensionInit { .. } => FunctionErrorKind::Init,
            Self::Exited(_) | Self::ExtensionExit { .. } | Self::ExtensionLate { .. } => {
                FunctionErrorKind::Exited
            }
            Self::OutOfMemory { .. } => FunctionErrorKind::OutOfMemory,
            Self::TimedOut(_) => FunctionErrorKind::TimedOut,
            Self::ResponseTooLarge => FunctionErrorKind::ResponseTooLarge,
        }
    }

    /// The body that the invoker of `request_id` gets.
    pub(crate) fn payload(&self, request_id: &RequestId, now: SystemTime) -> Bytes {
        let error_message = match self {
            Self::InitReported(body) => return body.clone(),
            // The older form, which is what tools look for; the error type is the newer form's (P5).
            Self::TimedOut(_) => {
                format!("{} {request_id} {self}", log_time(now))
            }
            Self::ResponseTooLarge => self.to_string(),
            // The service's words, which say less than ours.
            Self::InitExited(status) => {
                format!("RequestId: {request_id} Error: {}", Self::Exited(*status))
            }
            Self::OutOfMemory { .. } => {
                format!("RequestId: {request_id} Error: Runtime exited with error: signal: killed")
            }
            _ => format!("RequestId: {request_id} Error: {self}"),
        };
        error_object(self.error_type(), error_message)
    }

    /// What the platform's own lines say.
    pub(crate) fn status(&self) -> (Status, Option<&'static str>) {
        match self {
            Self::InitTimedOut(_) | Self::TimedOut(_) => (Status::Timeout, None),
            Self::OutOfMemory { .. } => (Status::Error, Some("Runtime.OutOfMemory")),
            other => (Status::Error, Some(other.error_type())),
        }
    }

    fn error_type(&self) -> &'static str {
        match self {
            Self::Code(_) => "Runtime.InvalidEntrypoint",
            Self::Host(_) => "Sandbox.Failure",
            Self::InitReported(_) => "Runtime.InitError",
            Self::InitExited(_) | Self::Exited(_) | Self::OutOfMemory { .. } => "Runtime.ExitError",
            Self::InitTimedOut(_) | Self::TimedOut(_) => "Sandbox.Timedout",
            Self::ResponseTooLarge => "Function.ResponseSizeTooLarge",
            Self::ExtensionInit { .. } => "Extension.InitError",
            Self::ExtensionExit { .. } | Self::ExtensionLate { .. } => "Extension.ExitError",
        }
    }
}

/// `{"errorType", "errorMessage"}`.
pub(crate) fn error_object(error_type: &str, error_message: String) -> Bytes {
    serde_json::to_vec(&ErrorObject { error_type, error_message }).expect("two texts are always JSON").into()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(error) => error.fmt(f),
            Self::Host(reason) => write!(f, "the environment could not be started: {reason}"),
            Self::InitReported(_) => f.write_str("the function reported an error during its initialisation"),
            Self::InitExited(status) => {
                write_exit(f, *status)?;
                f.write_str(" before it asked for its first event")
            }
            Self::InitTimedOut(timeout) => write!(
                f,
                "the function did not ask for its first event within {:.2} seconds",
                timeout.as_secs_f64()
            ),
            Self::Exited(status) => write_exit(f, *status),
            Self::TimedOut(timeout) => write!(f, "Task timed out after {:.2} seconds", timeout.as_secs_f64()),
            Self::OutOfMemory { used_mb, memory_mb } => write!(
                f,
                "the function used {used_mb} MB of memory and was killed; it has {memory_mb} MB, raise its MemorySize"
            ),
            Self::ExtensionInit { name, error_type } => {
                write!(f, "extension {name} could not begin: {error_type}")
            }
            Self::ExtensionExit { name, error_type } => {
                write!(f, "extension {name} could not go on: {error_type}")
            }
            Self::ExtensionLate { name } => {
                write!(f, "extension {name} did not ask for its next event within the function's timeout")
            }
            Self::ResponseTooLarge => write!(
                f,
                "Response payload size exceeded maximum allowed payload size ({RUNTIME_RESPONSE_BYTES_MAX} bytes)."
            ),
        }
    }
}

/// The service's words (P5).
fn write_exit(f: &mut fmt::Formatter<'_>, status: Option<ExitStatus>) -> fmt::Result {
    let Some(status) = status else { return f.write_str("Runtime exited without providing a reason") };
    match (status.code(), status.signal()) {
        (Some(0), _) => f.write_str("Runtime exited without providing a reason"),
        (Some(code), _) => write!(f, "Runtime exited with error: exit status {code}"),
        (None, Some(6)) => f.write_str("Runtime exited with error: signal: aborted"),
        (None, Some(9)) => f.write_str("Runtime exited with error: signal: killed"),
        (None, Some(11)) => f.write_str("Runtime exited with error: signal: segmentation fault"),
        (None, Some(15)) => f.write_str("Runtime exited with error: signal: terminated"),
        (None, signal) => write!(f, "Runtime exited with error: signal: {}", signal.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[track_caller]
    fn check(failure: &Failure, expected: &str) {
        let zeros: crate::RandomBytes = Arc::new(|_| {});
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_721_807_234_120);
        let payload = failure.payload(&RequestId::random(&zeros), now);
        assert_eq!(std::str::from_utf8(&payload).unwrap(), expected);
    }

    #[test]
    fn each_failure_has_the_words_of_the_service() {
        check(
            &Failure::TimedOut(Duration::from_secs(3)),
            r#"{"errorType":"Sandbox.Timedout","errorMessage":"2024-07-24T07:47:14.120Z 00000000-0000-4000-8000-000000000000 Task timed out after 3.00 seconds"}"#,
        );
        check(
            &Failure::Exited(Some(ExitStatus::from_raw(1 << 8))),
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 00000000-0000-4000-8000-000000000000 Error: Runtime exited with error: exit status 1"}"#,
        );
        check(
            &Failure::InitExited(Some(ExitStatus::from_raw(9))),
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 00000000-0000-4000-8000-000000000000 Error: Runtime exited with error: signal: killed"}"#,
        );
        check(
            &Failure::OutOfMemory { used_mb: 200, memory_mb: 128 },
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 00000000-0000-4000-8000-000000000000 Error: Runtime exited with error: signal: killed"}"#,
        );
        check(
            &Failure::ResponseTooLarge,
            r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#,
        );
        check(&Failure::InitReported(Bytes::from_static(b"{}")), "{}");
    }
}
