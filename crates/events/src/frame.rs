use std::fmt;

/// An error frame that the gateway writes by itself on a connection that stays open (section 2.2).
///
/// `Display` prints the observed bytes: a space after `"message":` and after the commas, nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct ErrorFrame<'a> {
    /// What went wrong.
    pub message: ErrorMessage,
    /// The connection the frame is for.
    pub connection_id: &'a str,
    /// The failed message's request id (R10c); for [`ErrorMessage::BadRequestBody`] its message id (R10a).
    pub request_id: &'a str,
}

/// The texts of error frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorMessage {
    /// No route matches and there is no `$default` (R8).
    Forbidden,
    /// The integration failed (R9).
    InternalServerError,
    /// The integration timed out (R10).
    EndpointRequestTimedOut,
    /// The request model is not satisfied (R10a).
    BadRequestBody,
    /// A throttled message; a guess by analogy (U1).
    TooManyRequests,
    /// No template is for the message, and nothing else may pass; a guess by analogy (U25).
    UnsupportedMediaType,
}

impl ErrorMessage {
    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorMessage::Forbidden => "Forbidden",
            ErrorMessage::InternalServerError => "Internal server error",
            ErrorMessage::EndpointRequestTimedOut => "Endpoint request timed out",
            ErrorMessage::BadRequestBody => "Bad request body",
            ErrorMessage::TooManyRequests => "Too Many Requests",
            ErrorMessage::UnsupportedMediaType => "Unsupported Media Type",
        }
    }
}

impl fmt::Display for ErrorFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id_key = if self.message == ErrorMessage::BadRequestBody { "messageId" } else { "requestId" };
        write!(
            f,
            r#"{{"message": "{}", "connectionId":"{}", "{id_key}":"{}"}}"#,
            self.message.as_str(),
            self.connection_id,
            self.request_id
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_observed_bytes() {
        let frame = |message| {
            ErrorFrame { message, connection_id: "Zk3pQdXMDoECEeg=", request_id: "Zk3qBGv-DoEFb1A=" }
                .to_string()
        };
        assert_eq!(
            frame(ErrorMessage::Forbidden),
            r#"{"message": "Forbidden", "connectionId":"Zk3pQdXMDoECEeg=", "requestId":"Zk3qBGv-DoEFb1A="}"#
        );
        assert_eq!(
            frame(ErrorMessage::BadRequestBody),
            r#"{"message": "Bad request body", "connectionId":"Zk3pQdXMDoECEeg=", "messageId":"Zk3qBGv-DoEFb1A="}"#
        );
    }
}
