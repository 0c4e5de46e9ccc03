//! What arrives, and what extractors read.

use std::{borrow::Cow, cell::OnceCell, time::Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use dunlin_events::{EventHead, WebSocketEvent};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::HandlerError;

/// An event as the function received it, unparsed. The service that takes it parses, borrowing, what its handler reads.
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

    /// Parses what every WebSocket event has.
    ///
    /// # Errors
    /// `invalid_event` for any other event.
    pub(crate) fn head(&self) -> Result<EventHead<'_>, HandlerError> {
        parse(&self.payload)
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
    head: Option<&'r EventHead<'r>>,
    event: OnceCell<Box<WebSocketEvent<'r>>>,
}

impl<'r> Request<'r> {
    /// A plain event.
    pub(crate) fn plain(raw: &'r RawEvent) -> Self {
        Request { raw, head: None, event: OnceCell::new() }
    }

    /// A WebSocket event.
    pub(crate) fn websocket(raw: &'r RawEvent, head: &'r EventHead<'r>) -> Self {
        Request { raw, head: Some(head), event: OnceCell::new() }
    }

    /// The whole WebSocket event, parsed when it is first asked for.
    ///
    /// # Errors
    /// `internal` in a handler of plain events: it asks for what only a WebSocket event has. `invalid_event` if a part
    /// of the event that its head leaves out is malformed.
    pub fn event(&self) -> Result<&WebSocketEvent<'r>, HandlerError> {
        if let Some(event) = self.event.get() {
            return Ok(event);
        }
        self.head()?;
        let event = parse(self.payload())?;
        Ok(self.event.get_or_init(|| Box::new(event)))
    }

    /// What routing reads of the WebSocket event, and most handlers too.
    ///
    /// # Errors
    /// `internal` in a handler of plain events.
    pub fn head(&self) -> Result<&'r EventHead<'r>, HandlerError> {
        self.head.ok_or_else(|| HandlerError::internal("a plain event has no connection, headers or message"))
    }

    /// The message that the client sent, decoded if the event carries it as base64 (fact R11).
    ///
    /// # Errors
    /// `invalid_body` if the event has no message, or one that is not text.
    pub fn body(&self) -> Result<Cow<'_, str>, HandlerError> {
        let head = self.head()?;
        let body = head
            .body()
            .map_err(|error| HandlerError::invalid_event(format!("the event's body is no text: {error}")))?
            .ok_or_else(|| HandlerError::invalid_body("the event carries no message"))?;
        if !head.is_base64_encoded {
            return Ok(body.into());
        }
        let bytes = STANDARD
            .decode(body.as_bytes())
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
        let request_id = self.head.and_then(|head| head.request_context.request_id.as_deref());
        request_id.or(self.raw.invocation_id_ref())
    }
}

fn parse<'e, T: Deserialize<'e>>(payload: &'e str) -> Result<T, HandlerError> {
    serde_json::from_str(payload)
        .map_err(|error| HandlerError::invalid_event(format!("not a WebSocket event: {error}")))
}
