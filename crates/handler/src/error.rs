//! What a handler fails with, and what its client and its caller see of it.

use std::{borrow::Cow, fmt};

use serde::Serialize;

use crate::BoxError;

/// Most characters of a message in an error that a client receives; the rest is cut. Messages may quote what the client sent,
/// up to 128 KB of it, and an error must fit a frame.
pub const ERROR_MESSAGE_CHARS_MAX: usize = 512;

/// Why a handler stopped. The code and the message go to the client; the source goes to the log only.
///
/// It is not a [`std::error::Error`], so that `?` can turn every error into one: those become `internal`, status 500,
/// and the client learns nothing of their text.
///
/// ```
/// use dunlin_handler::HandlerError;
///
/// let error = HandlerError::new("room_full", "room blue holds 50 people").status(409);
/// assert_eq!(error.to_string(), "room_full: room blue holds 50 people");
/// ```
#[derive(Debug)]
pub struct HandlerError {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    status: u16,
    source: Option<BoxError>,
}

impl HandlerError {
    /// An error of the client's making, status 400. The code is for programs (`snake_case`, stable), the message for people.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        HandlerError { code: code.into(), message: message.into(), status: 400, source: None }
    }

    /// `invalid_body`: the message is not what the route takes.
    pub fn invalid_body(message: impl Into<Cow<'static, str>>) -> Self {
        HandlerError::new("invalid_body", message)
    }

    /// `unknown_action`: no route takes the message.
    pub fn unknown_action(message: impl Into<Cow<'static, str>>) -> Self {
        HandlerError::new("unknown_action", message)
    }

    /// `unauthorized`, status 401: who the caller is could not be told.
    pub fn unauthorized(message: impl Into<Cow<'static, str>>) -> Self {
        HandlerError::new("unauthorized", message).status(401)
    }

    /// `forbidden`, status 403: the caller is known, and may not.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        HandlerError::new("forbidden", message).status(403)
    }

    /// `internal`, status 500: the fault is ours. The client sees a fixed text, the log the source.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        HandlerError {
            code: Cow::Borrowed("internal"),
            message: Cow::Borrowed("internal error; the request id finds it in the log"),
            status: 500,
            source: Some(source.into()),
        }
    }

    /// `invalid_event`: what arrived is not an event that this function can take.
    pub(crate) fn invalid_event(message: impl Into<Cow<'static, str>>) -> Self {
        HandlerError::new("invalid_event", message)
    }

    /// `timeout`, status 504: the invocation's time is over.
    pub(crate) fn timeout() -> Self {
        HandlerError::new("timeout", "the answer took too long; what was asked may have been done")
            .status(504)
    }

    /// `overloaded`, status 429: as many handlers run as may.
    pub(crate) fn overloaded() -> Self {
        HandlerError::new("overloaded", "too much at once; try again in a moment").status(429)
    }

    /// `body_too_large`, status 413.
    pub(crate) fn body_too_large(bytes: usize, max: usize) -> Self {
        HandlerError::new("body_too_large", format!("{bytes} bytes are too many; at most {max} are taken"))
            .status(413)
    }

    /// Sets the status: 4xx for a fault of the client, 5xx for ours. Anything else counts as 500, since on `$connect` a
    /// 2xx would let the client in (fact H10).
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = if (400..=599).contains(&status) { status } else { 500 };
        self
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The code, for programs.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The status for the gateway.
    pub fn status_code(&self) -> u16 {
        self.status
    }

    /// Whether the fault is ours rather than the client's.
    pub fn is_ours(&self) -> bool {
        self.status >= 500
    }

    /// The message that the client reads: `{"type":"error","error":{"code","message","requestId"}}`.
    pub fn to_frame(&self, request_id: Option<&str>) -> String {
        let end =
            self.message.char_indices().nth(ERROR_MESSAGE_CHARS_MAX).map_or(self.message.len(), |(at, _)| at);
        let error = ErrorBody { code: &self.code, message: &self.message[..end], request_id };
        serde_json::to_string(&ErrorFrame { kind: "error", error })
            .expect("strings under string keys are JSON")
    }

    /// Writes the one log line of this failure: ours as an error with its causes; of the client's, which may quote what it
    /// sent, the code alone.
    pub(crate) fn log(&self) {
        let (code, status) = (self.code(), self.status);
        let cause = self.source.as_deref().map(|source| Causes(source).to_string());
        if self.is_ours() {
            tracing::error!(code, status, reason = self.message(), cause, "handler failed");
        } else {
            tracing::info!(code, status, cause, "request refused");
        }
    }

    /// Writes the one log line of a refusal that no client reads.
    pub(crate) fn log_for_nobody(&self) {
        tracing::warn!(code = self.code(), reason = self.message(), "event refused");
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        HandlerError::internal(error)
    }
}

/// An invocation that failed as a whole: the caller of a plain event's function is told so, and may try again (fact N5).
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct FunctionError {
    message: String,
}

impl FunctionError {
    /// The error type as the caller sees it, whatever the Rust type behind it is called.
    pub const ERROR_TYPE: &'static str = "Handler.Failed";

    /// The whole message of an authorizer that says 401.
    pub(crate) const UNAUTHORIZED: &'static str = "Unauthorized";

    pub(crate) fn new(error: &HandlerError) -> Self {
        FunctionError { message: error.to_string() }
    }

    /// What an authorizer fails with for its client to get 401: this word, and nothing else (fact H13).
    pub(crate) fn unauthorized() -> Self {
        FunctionError { message: Self::UNAUTHORIZED.to_owned() }
    }
}

#[derive(Serialize)]
struct ErrorFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// An error and what caused it, on one line.
struct Causes<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_bounded_and_never_quote_the_source() {
        let long = HandlerError::invalid_body("é".repeat(100_000)).to_frame(Some("r"));
        assert!(long.len() < 2 * ERROR_MESSAGE_CHARS_MAX + 100, "{}", long.len());
        assert!(serde_json::from_str::<serde_json::Value>(&long).is_ok());

        let error: HandlerError = "secret".parse::<u8>().unwrap_err().into();
        assert!(!error.to_frame(None).contains("digit"));
        assert!(!error.to_frame(None).contains("requestId"), "an absent id stays absent");
        assert_eq!((error.code(), error.status_code()), ("internal", 500));
    }

    #[test]
    fn no_status_of_an_error_lets_a_client_in() {
        for (given, counted) in [(400, 400), (599, 599), (200, 500), (301, 500), (0, 500), (1000, 500)] {
            assert_eq!(HandlerError::new("c", "m").status(given).status_code(), counted);
        }
    }

    #[test]
    fn causes_print_as_one_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("write failed")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("disk full"));
        assert_eq!(Causes(&error).to_string(), "write failed: disk full");
    }
}
