use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{config::RandomBytes, platform_log::billed};

/// How an invocation is answered (N1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvocationType {
    /// The caller waits for the function's answer.
    RequestResponse,
    /// The host accepts the event and runs the function in the background, with retries.
    Event,
    /// Nothing runs; the host says whether it would.
    DryRun,
}

impl InvocationType {
    /// The name in `X-Amz-Invocation-Type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestResponse => "RequestResponse",
            Self::Event => "Event",
            Self::DryRun => "DryRun",
        }
    }
}

impl fmt::Display for InvocationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for InvocationType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::RequestResponse, Self::Event, Self::DryRun]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(())
    }
}

/// One invocation, with everything that a caller may say about it.
#[derive(Clone, Debug)]
pub struct InvokeRequest {
    /// The function's name or ARN.
    pub function: String,
    /// The event. It is passed on unread, so it is the caller who knows that it is JSON.
    pub payload: Bytes,
    /// How it is answered.
    pub invocation_type: InvocationType,
    /// `Lambda-Runtime-Client-Context`, as JSON text.
    pub client_context: Option<String>,
    /// `Lambda-Runtime-Trace-Id`.
    pub trace_id: Option<String>,
    /// Whether the outcome is to carry the end of the invocation's log, as `X-Amz-Log-Type: Tail` asks for.
    pub log_tail: bool,
    /// Whether the process that gets the event is killed over it, before it can look at it: a test's wish.
    pub crash: bool,
}

impl InvokeRequest {
    /// A request without client context or trace id, whose log nobody wants to see.
    pub fn new(function: impl Into<String>, payload: Bytes, invocation_type: InvocationType) -> Self {
        let function = function.into();
        Self {
            function,
            payload,
            invocation_type,
            client_context: None,
            trace_id: None,
            log_tail: false,
            crash: false,
        }
    }
}

/// What became of an invocation. For [`InvocationType::Event`] and [`InvocationType::DryRun`] it says that the
/// invocation was accepted; the payload is empty.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InvokeOutcome {
    /// The id that the function saw, and that its log lines carry.
    pub request_id: RequestId,
    /// The function's answer, or the error object `{"errorType", "errorMessage", …}`.
    pub payload: Bytes,
    /// Set when the function failed; the invocation then counts as delivered all the same (N2).
    pub function_error: Option<FunctionErrorKind>,
    /// `$LATEST`: there are no versions here.
    pub executed_version: &'static str,
    /// The last 4 KB of the invocation's log, the platform's own lines included, if the request asked for it.
    pub log_tail: Option<String>,
    /// From handing the event to the process to its answer. Zero if the event never reached a process.
    pub duration: Duration,
    /// How long the environment took to come up, if this was its first invocation.
    pub init_duration: Option<Duration>,
}

impl InvokeOutcome {
    pub(crate) fn accepted(request_id: RequestId) -> Self {
        Self {
            request_id,
            payload: Bytes::new(),
            function_error: None,
            executed_version: "$LATEST",
            log_tail: None,
            duration: Duration::ZERO,
            init_duration: None,
        }
    }

    /// The duration that the service would bill, initialisation included: whole milliseconds, rounded up.
    pub fn billed(&self) -> Duration {
        billed(self.duration, self.init_duration)
    }
}

/// Why a function failed. On the wire all of these are `X-Amz-Function-Error: Unhandled` (N2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FunctionErrorKind {
    /// The function reported an error.
    Reported,
    /// The function did not answer in time.
    TimedOut,
    /// The process ended before it answered, or an extension could not go on.
    Exited,
    /// The process used more memory than it is given, and was killed.
    OutOfMemory,
    /// The answer was larger than the service takes.
    ResponseTooLarge,
    /// The process ended, failed or took too long before it asked for its first event.
    Init,
    /// There was no code to start; the payload's `errorMessage` is a [`CodeError`](crate::CodeError)'s sentence.
    Code,
}

impl FunctionErrorKind {
    /// The value of `X-Amz-Function-Error`.
    pub fn header_value(self) -> &'static str {
        "Unhandled"
    }
}

/// The id of an invocation: a random UUID.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Version 4 of 16 random bytes.
    pub(crate) fn random(random_bytes: &RandomBytes) -> Self {
        let mut bytes = [0; 16];
        random_bytes(&mut bytes);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let mut text = [0; 36];
        let mut at = 0;
        for (index, byte) in bytes.into_iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                text[at] = b'-';
                at += 1;
            }
            text[at] = b"0123456789abcdef"[usize::from(byte >> 4)];
            text[at + 1] = b"0123456789abcdef"[usize::from(byte & 0x0f)];
            at += 2;
        }
        Self(std::str::from_utf8(&text).expect("hexadecimal digits and dashes are UTF-8").into())
    }

    /// The text form, 36 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_version_4_uuids() {
        let counting: RandomBytes = Arc::new(|buffer| {
            for (index, byte) in buffer.iter_mut().enumerate() {
                *byte = u8::try_from(index).unwrap() | 0xf0;
            }
        });
        assert_eq!(RequestId::random(&counting).as_str(), "f0f1f2f3-f4f5-46f7-b8f9-fafbfcfdfeff");
    }

    #[test]
    fn a_started_millisecond_is_billed() {
        let outcome = |micros, init_micros: Option<u64>| InvokeOutcome {
            request_id: RequestId("id".into()),
            payload: Bytes::new(),
            function_error: None,
            executed_version: "$LATEST",
            log_tail: None,
            duration: Duration::from_micros(micros),
            init_duration: init_micros.map(Duration::from_micros),
        };
        assert_eq!(outcome(1_001, None).billed(), Duration::from_millis(2));
        assert_eq!(outcome(2_000, None).billed(), Duration::from_millis(2));
        assert_eq!(outcome(2_000, Some(7_001)).billed(), Duration::from_millis(10));
    }
}
