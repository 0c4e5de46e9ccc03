//! Whom an event is about, and what the service says of it.

use std::{fmt, net::IpAddr};

use dunlin_events::{ConnectionId, EventType};

use super::owned;
use crate::{FromRequest, HandlerError, Request};

/// The connection that an event is about. It costs no allocation; the rest of what the service says is in [`RequestContext`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// When it was made, in milliseconds since 1970; the same in all of its events.
    pub connected_at_ms: Option<u64>,
}

impl<S> FromRequest<S> for Connection {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        Ok(Connection {
            id: request.connection_id()?.clone(),
            connected_at_ms: request.head()?.request_context.connected_at,
        })
    }
}

impl<S> FromRequest<S> for ConnectionId {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        request.connection_id().cloned()
    }
}

/// What the service says of an event (section 4.2 of its facts). Whatever a minimal event leaves out is `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestContext {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The route that was selected: `$default` for a fallback, whatever the message asked for.
    pub route_key: Option<String>,
    /// What happened.
    pub event_type: Option<EventType>,
    /// New for each event.
    pub request_id: Option<String>,
    /// Of a message.
    pub message_id: Option<String>,
    /// When the event was made, in milliseconds since 1970.
    pub request_time_ms: Option<u64>,
    /// When the connection was made, in milliseconds since 1970.
    pub connected_at_ms: Option<u64>,
    /// The API's id.
    pub api_id: Option<String>,
    /// The stage's own name, under a custom domain too (fact H5).
    pub stage: Option<String>,
    /// The host that the client used. With the stage it makes the address of the management API, but not under a custom
    /// domain (fact H5).
    pub domain_name: Option<String>,
    /// The client's address; `None` for a text that is none, too.
    pub source_ip: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

impl<S> FromRequest<S> for RequestContext {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        let context = &request.event()?.request_context;
        let identity = context.identity.as_ref();
        let source_ip = identity.and_then(|identity| identity.source_ip.as_deref());
        Ok(RequestContext {
            connection_id: request.connection_id()?.clone(),
            route_key: owned(context.route_key.as_deref()),
            event_type: context.event_type,
            request_id: owned(context.request_id.as_deref()),
            message_id: owned(context.message_id.as_deref()),
            request_time_ms: context.request_time_epoch,
            connected_at_ms: context.connected_at,
            api_id: owned(context.api_id.as_deref()),
            stage: owned(context.stage.as_deref()),
            domain_name: owned(context.domain_name.as_deref()),
            source_ip: source_ip.and_then(|address| address.parse().ok()),
            user_agent: identity.and_then(|identity| owned(identity.user_agent.as_deref())),
        })
    }
}

/// How the connection ended, on `$disconnect` (fact X3).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Closed {
    /// The close code: 1000 after a `DELETE`, 1001 when idle or too old, 1005 if the client gave none.
    pub code: Option<u16>,
    /// The close reason, often empty.
    pub reason: String,
}

impl<S> FromRequest<S> for Closed {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        let context = &request.event()?.request_context;
        Ok(Closed {
            code: context.disconnect_status_code,
            reason: owned(context.disconnect_reason.as_deref()).unwrap_or_default(),
        })
    }
}

/// The id that errors and logs name; empty if the event has none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestId(pub String);

impl<S> FromRequest<S> for RequestId {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        Ok(RequestId(owned(request.request_id()).unwrap_or_default()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
