//! What arrives, and what extractors read.

use std::{
    borrow::Cow,
    cell::OnceCell,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use dunlin_events::{ConnectionId, EventHead, InvalidConnectionId, WebSocketEvent};
use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::Span;

use crate::{HandlerError, field, invocation::cut_off, limits::Gate};

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

impl From<&str> for RawEvent {
    fn from(payload: &str) -> Self {
        RawEvent::new(payload)
    }
}

impl From<String> for RawEvent {
    fn from(payload: String) -> Self {
        RawEvent::new(payload)
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
    /// What of the invocation's time the handler does not get.
    margin: Duration,
    head: Option<&'r EventHead<'r>>,
    connection_id: Option<ConnectionId>,
    event: OnceCell<Box<WebSocketEvent<'r>>>,
}

impl<'r> Request<'r> {
    /// A plain event.
    pub(crate) fn plain(raw: &'r RawEvent, gate: &Gate) -> Self {
        Request {
            raw,
            margin: gate.deadline_margin(),
            head: None,
            connection_id: None,
            event: OnceCell::new(),
        }
    }

    /// A WebSocket event.
    ///
    /// # Errors
    /// `invalid_event` without a connection id, or with one that cannot be: nobody could be answered.
    pub(crate) fn websocket(
        raw: &'r RawEvent,
        head: &'r EventHead<'r>,
        gate: &Gate,
    ) -> Result<Self, HandlerError> {
        let wrong = |reason: &str| HandlerError::invalid_event(format!("the event does not fit at {reason}"));
        let id = head.request_context.connection_id.as_deref();
        let id = id.ok_or_else(|| wrong("`requestContext`: `connectionId` is missing"))?;
        let id = id.parse().map_err(|invalid: InvalidConnectionId| {
            wrong(&format!("`requestContext.connectionId`: {invalid}"))
        })?;
        let margin = gate.deadline_margin();
        Ok(Request { raw, margin, head: Some(head), connection_id: Some(id), event: OnceCell::new() })
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
        self.head.ok_or_else(not_about_a_connection)
    }

    /// The connection that the event is about.
    ///
    /// # Errors
    /// `internal` in a handler of plain events.
    pub fn connection_id(&self) -> Result<&ConnectionId, HandlerError> {
        self.connection_id.as_ref().ok_or_else(not_about_a_connection)
    }

    /// The message that the client sent, decoded if the event carries it as base64 (fact R11).
    ///
    /// # Errors
    /// `invalid_body` if the event has no message, or one that is not text.
    pub fn body(&self) -> Result<Cow<'_, str>, HandlerError> {
        let body = self.undecoded_body()?;
        if !self.head()?.is_base64_encoded {
            return Ok(body);
        }
        let text = String::from_utf8(decode(&body)?)
            .map_err(|_| HandlerError::invalid_body("the message is not UTF-8 text"))?;
        Ok(Cow::Owned(text))
    }

    /// The same as bytes, text or not.
    ///
    /// # Errors
    /// `invalid_body` if the event has no message.
    pub fn body_bytes(&self) -> Result<Vec<u8>, HandlerError> {
        let body = self.undecoded_body()?;
        if self.head()?.is_base64_encoded { decode(&body) } else { Ok(body.into_owned().into_bytes()) }
    }

    fn undecoded_body(&self) -> Result<Cow<'r, str>, HandlerError> {
        match self.head()?.body() {
            Ok(Some(body)) => Ok(body.into()),
            Ok(None) => Err(HandlerError::invalid_body("the event carries no message")),
            Err(error) => Err(misfit("body", &error)),
        }
    }

    /// # Errors
    /// `body_too_large`.
    pub(crate) fn check_body(&self, gate: &Gate) -> Result<(), HandlerError> {
        // JSON and base64 only ever lengthen.
        let bytes_at_most = self.head()?.body_json_bytes();
        gate.check_body(bytes_at_most, || Ok(self.body_bytes()?.len()))
    }

    /// The whole event as JSON text.
    pub fn payload(&self) -> &'r str {
        self.raw.payload()
    }

    /// When the handler is ended, if anybody gave the invocation a time: [`Limits`](crate::Limits) keep a margin of it.
    pub fn deadline(&self) -> Option<Instant> {
        self.raw.deadline.map(|deadline| cut_off(deadline, self.margin))
    }

    /// When the invocation is cut off, and what of its time the handler does not get.
    pub(crate) fn bound(&self) -> Option<(Instant, Duration)> {
        self.raw.deadline.map(|deadline| (deadline, self.margin))
    }

    /// The id that errors and logs name: the request's, or the invocation's for a plain event.
    pub fn request_id(&self) -> Option<&str> {
        let request_id = self.head.and_then(|head| head.request_context.request_id.as_deref());
        request_id.or(self.raw.invocation_id_ref())
    }

    /// Fills in what the span of the invocation, if there is one, left open; see [`Trace`](crate::Trace).
    pub(crate) fn record_span(&self, route_key: &str) {
        let span = Span::current();
        if span.is_disabled() {
            return;
        }
        if let Some(request_id) = self.request_id() {
            span.record("request_id", request_id);
        }
        if let Some(head) = self.head {
            span.record("connection_id", head.request_context.connection_id.as_deref());
            span.record("route_key", route_key);
        }
    }
}

fn parse<'e, T: Deserialize<'e>>(payload: &'e str) -> Result<T, HandlerError> {
    field::parse("the event", payload).map_err(HandlerError::invalid_event)
}

/// A part of the event that is read on demand, and is not what it should be.
fn misfit(path: &str, error: &serde_json::Error) -> HandlerError {
    HandlerError::invalid_event(format!("the event does not fit at `{path}`: {}", field::reason(error)))
}

fn not_about_a_connection() -> HandlerError {
    HandlerError::internal("a plain event has no connection, headers or message")
}

fn decode(base64: &str) -> Result<Vec<u8>, HandlerError> {
    STANDARD.decode(base64).map_err(|_| HandlerError::invalid_body("the message is not valid base64"))
}
