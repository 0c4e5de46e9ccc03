//! What arrives, and what extractors read.

use std::{borrow::Cow, time::Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use dunlin_events::WebSocketEvent;
use serde_json::value::RawValue;

use crate::HandlerError;

/// An event as the function received it, unparsed. Parsed once, borrowing, by the service that takes it.
#[derive(Clone, Debug)]
pub struct RawEvent {
    payload: Box<str>,
    deadline: Option<Instant>,
    invocation_id: Option<Box<str>>,
}

impl RawEvent {
    /// An event with this JSON text.
    pub fn new(payload: impl Into<Box<str>>) -> Self {
        RawEvent { payload: payload.into(), deadline: None, invocation_id: None }
    }

    /// Sets when the invocation is cut off.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the invocation's own id, which plain events are known by.
    #[must_use]
    pub fn invocation_id(mut self, id: impl Into<Box<str>>) -> Self {
        self.invocation_id = Some(id.into());
        self
    }

    /// The JSON text.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    pub(crate) fn invocation_id_ref(&self) -> Option<&str> {
        self.invocation_id.as_deref()
    }
}

impl From<Box<RawValue>> for RawEvent {
    fn from(payload: Box<RawValue>) -> Self {
        RawEvent::new(payload)
    }
}

/// One event while its handler's arguments are extracted; it borrows from the [`RawEvent`].
#[derive(Debug)]
pub struct Request<'r> {
    raw: &'r RawEvent,
    event: Option<WebSocketEvent<'r>>,
}

impl<'r> Request<'r> {
    /// A plain event.
    pub(crate) fn plain(raw: &'r RawEvent) -> Self {
        Request { raw, event: None }
    }

    /// A WebSocket event.
    pub(crate) fn websocket(raw: &'r RawEvent, event: WebSocketEvent<'r>) -> Self {
        Request { raw, event: Some(event) }
    }

    /// The WebSocket event.
    ///
    /// # Errors
    /// `internal` in a handler of plain events: it asks for what only a WebSocket event has.
    pub fn event(&self) -> Result<&WebSocketEvent<'r>, HandlerError> {
        self.event
            .as_ref()
            .ok_or_else(|| HandlerError::internal("a plain event has no connection, headers or message"))
    }

    /// The message that the client sent, decoded if the event carries it as base64 (fact R11).
    ///
    /// # Errors
    /// `invalid_body` if the event has no message, or one that is not text.
    pub fn body(&self) -> Result<Cow<'_, str>, HandlerError> {
        let event = self.event()?;
        let body = event
            .body
            .as_deref()
            .ok_or_else(|| HandlerError::invalid_body("the event carries no message"))?;
        if !event.is_base64_encoded {
            return Ok(Cow::Borrowed(body));
        }
        let bytes = STANDARD
            .decode(body)
            .map_err(|_| HandlerError::invalid_body("the message is not valid base64"))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| HandlerError::invalid_body("the message is not UTF-8 text"))?;
        Ok(Cow::Owned(text))
    }

    /// The whole event as JSON text.
    pub fn payload(&self) -> &'r str {
        self.raw.payload()
    }

    /// When the invocation is cut off, if that is known.
    pub fn deadline(&self) -> Option<Instant> {
        self.raw.deadline
    }

    /// The id that errors and logs name: the request's, or the invocation's for a plain event.
    pub fn request_id(&self) -> Option<&str> {
        let request_id = self.event.as_ref().and_then(|event| event.request_context.request_id.as_deref());
        request_id.or(self.raw.invocation_id_ref())
    }
}
