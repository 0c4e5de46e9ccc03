//! What an answer that is not a success means; the same for both clients.

use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use bytes::Bytes;
use dunlin_events::limits::MESSAGE_BYTES_MAX;
use dunlin_management::{ManagementError, ManagementErrorKind};

/// Longest part of the service's own message that an error keeps, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// Refuses what the service would refuse, before it is signed and sent (fact C2).
pub(crate) fn check_size(data: &Bytes) -> Result<(), ManagementError> {
    if data.len() <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    let source = format!("{} bytes are more than the {MESSAGE_BYTES_MAX} of a message", data.len());
    Err(ManagementError::new(ManagementErrorKind::TooLarge).with_source(source))
}

/// What it is when there are no credentials to sign with: whoever has none is refused as the service would, and a provider
/// that could not be reached may be asked again.
pub(crate) fn kind_without(error: &CredentialsError) -> ManagementErrorKind {
    match error {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
            ManagementErrorKind::Forbidden
        }
        _ => ManagementErrorKind::Unavailable,
    }
}

/// An answer that is not a success; as the source of an error it tells what the service said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    error_type: Option<String>,
    message: Option<String>,
}

impl Refusal {
    /// `error_type` is the value of `x-amzn-errortype`: a name, perhaps after a namespace and before a colon with more.
    pub(crate) fn new(status: u16, error_type: Option<&str>, message: Option<&str>) -> Self {
        let name = |text: &str| {
            let name = text.split(':').next().unwrap_or_default();
            name.rsplit('#').next().unwrap_or_default().trim().to_owned()
        };
        Self {
            status,
            error_type: error_type.map(name).filter(|name| !name.is_empty()),
            message: message.map(|message| message.chars().take(MESSAGE_CHARS_MAX).collect()),
        }
    }

    /// Whether the connection is gone (fact C4).
    pub(crate) fn is_gone(&self) -> bool {
        match self.error_type.as_deref() {
            Some(name) => name == "GoneException",
            None => self.status == 410,
        }
    }

    /// Whether the credentials were good once.
    #[cfg(feature = "lean")]
    pub(crate) fn is_expired(&self) -> bool {
        matches!(self.error_type.as_deref(), Some("ExpiredTokenException" | "ExpiredToken"))
    }

    /// The error for an answer that is not "gone". `retry_after` is that header's value; only its form in seconds is honoured.
    pub(crate) fn into_error(self, retry_after: Option<&str>) -> ManagementError {
        let retry_after = retry_after.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
        ManagementError::new(self.kind()).with_retry_after(retry_after).with_source(self)
    }

    /// The name decides where there is one, since statuses are shared; then the status (fact C3).
    fn kind(&self) -> ManagementErrorKind {
        match self.error_type.as_deref() {
            Some("LimitExceededException" | "TooManyRequestsException" | "ThrottlingException") => {
                ManagementErrorKind::Throttled
            }
            Some("PayloadTooLargeException") => ManagementErrorKind::TooLarge,
            Some(
                "ForbiddenException"
                | "AccessDeniedException"
                | "InvalidSignatureException"
                | "IncompleteSignatureException"
                | "MissingAuthenticationTokenException"
                | "UnrecognizedClientException"
                | "ExpiredTokenException"
                | "ExpiredToken",
            ) => ManagementErrorKind::Forbidden,
            Some("BadRequestException") => ManagementErrorKind::InvalidConnection,
            _ => match self.status {
                400 => ManagementErrorKind::InvalidConnection,
                401 | 403 => ManagementErrorKind::Forbidden,
                413 => ManagementErrorKind::TooLarge,
                429 => ManagementErrorKind::Throttled,
                500..=599 => ManagementErrorKind::Unavailable,
                _ => ManagementErrorKind::Internal,
            },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service answered {}", self.status)?;
        if let Some(name) = &self.error_type {
            write!(f, " {name}")?;
        }
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use ManagementErrorKind::{Forbidden, Internal, InvalidConnection, Throttled, TooLarge, Unavailable};

    #[track_caller]
    fn check(status: u16, error_type: Option<&str>, expected: Option<ManagementErrorKind>) {
        let refusal = Refusal::new(status, error_type, None);
        let kind = (!refusal.is_gone()).then(|| refusal.into_error(None).kind());
        assert_eq!(kind, expected, "{status} {error_type:?}");
    }

    #[test]
    fn name_then_status_tell_the_kind() {
        check(410, Some("GoneException"), None);
        check(410, Some("com.amazonaws#GoneException:http://internal/"), None);
        check(410, None, None);
        check(410, Some(""), None);
        check(400, Some("BadRequestException"), Some(InvalidConnection));
        check(400, Some("LimitExceededException"), Some(Throttled));
        check(403, Some("SomethingNewException"), Some(Forbidden));
        check(403, Some("InvalidSignatureException"), Some(Forbidden));
        check(413, None, Some(TooLarge));
        check(429, None, Some(Throttled));
        check(500, None, Some(Unavailable));
        check(504, None, Some(Unavailable));
        check(302, None, Some(Internal));
    }

    #[test]
    fn the_hint_is_read_in_seconds_only() {
        let hint = |value| Refusal::new(429, None, None).into_error(value).retry_after();
        assert_eq!(hint(Some(" 2 ")), Some(Duration::from_secs(2)));
        assert_eq!(hint(Some("Wed, 21 Oct 2015 07:28:00 GMT")), None);
        assert_eq!(hint(Some("-1")), None);
        assert_eq!(hint(None), None);
    }

    #[test]
    fn a_long_message_is_cut() {
        let refusal = Refusal::new(403, Some("ForbiddenException"), Some(&"é".repeat(1000)));
        assert_eq!(refusal.to_string().chars().filter(|&c| c == 'é').count(), MESSAGE_CHARS_MAX);
    }
}
