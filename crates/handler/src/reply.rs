//! What a handler returns, and what becomes of it.

use dunlin_events::{
    ProxyResult,
    limits::{MESSAGE_BYTES_MAX, RUNTIME_RESPONSE_BYTES_MAX},
};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::{HandlerError, Json};

/// An answer of a handler: at most one message to the client, and a status, which decides on `$connect` (fact H10).
///
/// ```
/// use dunlin_handler::{HandlerError, Reply};
/// use serde_json::json;
///
/// let welcome = Reply::empty().subprotocol("telemetry.v1"); // on `$connect`: let in, with this of the offered ones
/// let refusal = Reply::text("come back tomorrow").status(503); // on `$connect`: kept out
/// let state = Reply::json(&json!({"type": "state", "on": true}))?.posted(); // over `@connections`, whatever the route has
/// assert_eq!(refusal.body(), Some("come back tomorrow"));
/// # Ok::<(), HandlerError>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    status: u16,
    subprotocol: Option<String>,
    body: Body,
    posted: bool,
}

#[derive(Clone, PartialEq, Debug)]
enum Body {
    None,
    Json(String),
    Text(String),
}

impl Reply {
    /// Status 200 and no message.
    pub fn empty() -> Self {
        Reply { status: 200, subprotocol: None, body: Body::None, posted: false }
    }

    /// A message in JSON.
    ///
    /// # Errors
    /// `internal` for a value that has no JSON form, such as a map whose keys are not texts.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, HandlerError> {
        Ok(Reply { body: Body::Json(serde_json::to_string(value)?), ..Reply::empty() })
    }

    /// A message as it stands.
    pub fn text(text: impl Into<String>) -> Self {
        Reply { body: Body::Text(text.into()), ..Reply::empty() }
    }

    /// A text that is known to be JSON.
    pub(crate) fn json_text(text: String) -> Self {
        Reply { body: Body::Json(text), ..Reply::empty() }
    }

    /// Sets the status. On `$connect` a 2xx lets the client in, anything else is the status that it is refused with (fact
    /// H10). It means nothing to the client of a message (fact T3).
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Chooses one of the subprotocols that the client offered, on `$connect`: the service never does so by itself (fact H16).
    /// [`Subprotocols::choose`](crate::Subprotocols::choose) finds one.
    #[must_use]
    pub fn subprotocol(mut self, chosen: impl Into<String>) -> Self {
        self.subprotocol = Some(chosen.into());
        self
    }

    /// Sends the message over the router's [`ReplyChannel`](crate::ReplyChannel) rather than over the route response, as
    /// [`one_way`](crate::one_way) does for all replies of a route. Where the route has a route response, the service may
    /// send an empty frame over it all the same (fact T4).
    #[must_use]
    pub fn posted(mut self) -> Self {
        self.posted = true;
        self
    }

    pub(crate) fn is_posted(&self) -> bool {
        self.posted
    }

    /// The message, if there is one.
    pub fn body(&self) -> Option<&str> {
        match &self.body {
            Body::None => None,
            Body::Json(text) | Body::Text(text) => Some(text),
        }
    }

    /// Takes the message out.
    pub(crate) fn take_body(&mut self) -> Option<String> {
        match std::mem::replace(&mut self.body, Body::None) {
            Body::None => None,
            Body::Json(text) | Body::Text(text) => Some(text),
        }
    }

    /// # Errors
    /// `internal` for a message that the service does not carry (fact R12): better a clear error than its own frame.
    pub(crate) fn checked(self) -> Result<Self, HandlerError> {
        match self.body().map(str::len) {
            Some(bytes) if bytes > MESSAGE_BYTES_MAX => Err(HandlerError::internal(format!(
                "the reply has {bytes} bytes, a message at most {MESSAGE_BYTES_MAX}"
            ))),
            _ => Ok(self),
        }
    }

    /// # Errors
    /// `internal` for an answer that an invocation does not carry (fact P3).
    pub(crate) fn fits_invocation(self) -> Result<Self, HandlerError> {
        match self.body().map(str::len) {
            Some(bytes) if bytes > RUNTIME_RESPONSE_BYTES_MAX => Err(HandlerError::internal(format!(
                "the answer has {bytes} bytes, an invocation's at most {RUNTIME_RESPONSE_BYTES_MAX}"
            ))),
            _ => Ok(self),
        }
    }

    /// The answer to a gateway: a proxy result.
    pub(crate) fn into_proxy_result(self) -> Answer {
        Answer(ProxyResult::print(self.status, self.subprotocol.as_deref(), self.body()))
    }

    /// The answer to any other caller: the message itself, `null` without one.
    pub(crate) fn into_plain(self) -> Answer {
        Answer(match self.body {
            Body::None => "null".to_owned(),
            Body::Json(text) => text,
            Body::Text(text) => Value::String(text).to_string(),
        })
    }
}

/// What the function answers to its caller, as JSON text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer(String);

impl Answer {
    /// # Errors
    /// `internal` for a value that has no JSON form.
    pub(crate) fn from_json<T: Serialize>(value: &T) -> Result<Self, HandlerError> {
        Ok(Answer(serde_json::to_string(value)?))
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The JSON text for a serializer that would otherwise quote it.
    pub fn into_raw_value(self) -> Box<RawValue> {
        RawValue::from_string(self.0).expect("an answer is made by a serializer")
    }
}

/// What a handler may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an answer of a handler",
    note = "return `()`, a text, `Json<T>` with `T: Serialize`, a `Reply`, or `Result<_, HandlerError>` of one of them"
)]
pub trait IntoReply {
    /// Turns it into the answer.
    ///
    /// # Errors
    /// The handler's own error, or `internal` if the value has no JSON form.
    fn into_reply(self) -> Result<Reply, HandlerError>;
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply, HandlerError> {
        Ok(self)
    }
}

impl IntoReply for () {
    fn into_reply(self) -> Result<Reply, HandlerError> {
        Ok(Reply::empty())
    }
}

impl IntoReply for String {
    fn into_reply(self) -> Result<Reply, HandlerError> {
        Ok(Reply::text(self))
    }
}

impl IntoReply for &'static str {
    fn into_reply(self) -> Result<Reply, HandlerError> {
        Ok(Reply::text(self))
    }
}

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Reply, HandlerError> {
        Reply::json(&self.0)
    }
}

impl IntoReply for HandlerError {
    fn into_reply(self) -> Result<Reply, HandlerError> {
        Err(self)
    }
}

impl<T: IntoReply, E: Into<HandlerError>> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Reply, HandlerError> {
        self.map_err(Into::into)?.into_reply()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reply: impl IntoReply, proxy_result: &str, plain: &str) {
        let reply = reply.into_reply().unwrap();
        assert_eq!(reply.clone().into_proxy_result().as_str(), proxy_result);
        assert_eq!(reply.into_plain().as_str(), plain);
    }

    #[test]
    fn answers_have_the_form_that_their_caller_wants() {
        check((), r#"{"statusCode":200}"#, "null");
        check("a\"b", r#"{"statusCode":200,"body":"a\"b"}"#, r#""a\"b""#);
        check(Json([1]), r#"{"statusCode":200,"body":"[1]"}"#, "[1]");
        check(
            Reply::empty().status(201).subprotocol("v1"),
            r#"{"statusCode":201,"headers":{"Sec-WebSocket-Protocol":"v1"}}"#,
            "null",
        );
        assert_eq!(HandlerError::new("c", "m").into_reply().unwrap_err().code(), "c");
        assert_eq!(
            Json(std::collections::HashMap::from([((), 1)])).into_reply().unwrap_err().code(),
            "internal"
        );
    }

    #[test]
    fn a_message_the_service_does_not_carry_is_refused_here() {
        assert!(Reply::text("x".repeat(MESSAGE_BYTES_MAX)).checked().is_ok());
        assert_eq!(Reply::text("x".repeat(MESSAGE_BYTES_MAX + 1)).checked().unwrap_err().code(), "internal");
    }
}
