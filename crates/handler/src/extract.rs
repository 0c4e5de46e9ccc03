//! What a handler can take as an argument.

use std::{fmt, time::Instant};

use dunlin_events::{ConnectionId, TextMap};
use serde::de::DeserializeOwned;

use crate::{HandlerError, Request, field};

/// An argument of a handler. Implement it for what an app reads from its events again and again.
pub trait FromRequest<S>: Sized {
    /// Reads the argument.
    ///
    /// # Errors
    /// Whatever the client should learn; the handler then does not start.
    fn from_request(request: &Request<'_>, state: &S) -> Result<Self, HandlerError>;
}

/// The message of the client, or an answer to it, as JSON.
///
/// # Errors
/// As an argument: `invalid_body`, naming the field that does not fit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<S, T: DeserializeOwned> FromRequest<S> for Json<T> {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        field::parse("the message", &request.body()?).map(Json).map_err(HandlerError::invalid_body)
    }
}

/// The message of the client as it came (fact E3).
#[derive(Clone, Debug)]
pub struct Text(pub String);

impl<S> FromRequest<S> for Text {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        Ok(Text(request.body()?.into_owned()))
    }
}

/// The whole event, of whatever service sent it: what an [`EventHandler`](crate::EventHandler) takes.
///
/// # Errors
/// `invalid_event`, naming the field that does not fit.
#[derive(Clone, Copy, Debug)]
pub struct Payload<T>(pub T);

impl<S, T: DeserializeOwned> FromRequest<S> for Payload<T> {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        field::parse("the event", request.payload()).map(Payload).map_err(HandlerError::invalid_event)
    }
}

/// What [`with_state`](crate::Router::with_state) was given, cloned: put what is not cheap to clone into an `Arc`.
#[derive(Clone, Copy, Debug)]
pub struct State<S>(pub S);

impl<S: Clone> FromRequest<S> for State<S> {
    fn from_request(_: &Request<'_>, state: &S) -> Result<Self, HandlerError> {
        Ok(State(state.clone()))
    }
}

/// The connection that an event is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// When it was made, in milliseconds since 1970; the same in all of its events.
    pub connected_at_ms: Option<u64>,
    /// The client's address.
    pub source_ip: Option<String>,
    /// The stage's own name, under a custom domain too (fact H5).
    pub stage: Option<String>,
    /// The host that the client used.
    pub domain_name: Option<String>,
}

impl<S> FromRequest<S> for Connection {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        let context = &request.head()?.request_context;
        Ok(Connection {
            id: ConnectionId::from_request(request, &())?,
            connected_at_ms: context.connected_at,
            source_ip: context.identity.as_ref().and_then(|identity| owned(identity.source_ip.as_deref())),
            stage: owned(context.stage.as_deref()),
            domain_name: owned(context.domain_name.as_deref()),
        })
    }
}

impl<S> FromRequest<S> for ConnectionId {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        let id = request.head()?.request_context.connection_id.as_deref().unwrap_or_default();
        id.parse().map_err(|invalid| HandlerError::invalid_event(format!("{invalid}")))
    }
}

/// Headers of the handshake: on `$connect` only, empty elsewhere (fact H19).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Headers(TextMap<'static>);

impl Headers {
    /// The value of a header, its name compared without case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get_ignore_case(name).map(|value| &**value)
    }

    /// Names, in the client's case, and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name, &**value))
    }
}

impl<S> FromRequest<S> for Headers {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        Ok(Headers(owned_map(request.event()?.headers.as_ref())))
    }
}

/// The query of the handshake: on `$connect` only, empty elsewhere (fact H19).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query(TextMap<'static>);

impl Query {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| &**value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name, &**value))
    }
}

impl<S> FromRequest<S> for Query {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        Ok(Query(owned_map(request.event()?.query_string_parameters.as_ref())))
    }
}

/// What the authorizer returned (fact A5). Without an authorizer it reads as `null`: take an `Option` where a route works either way.
///
/// # Errors
/// `internal`: the template and the handler disagree on what the authorizer returns.
#[derive(Clone, Copy, Debug)]
pub struct Authorizer<T>(pub T);

impl<S, T: DeserializeOwned> FromRequest<S> for Authorizer<T> {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        let returned = request.event()?.request_context.authorizer.map_or("null", |raw| raw.get());
        field::parse("the authorizer's context", returned).map(Authorizer).map_err(HandlerError::internal)
    }
}

/// How the connection ended, on `$disconnect` (fact X3).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Closed {
    /// The close code.
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

/// When the invocation is cut off; `None` if nobody said, as in most tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadline(pub Option<Instant>);

impl<S> FromRequest<S> for Deadline {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        Ok(Deadline(request.deadline()))
    }
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn owned_map(map: Option<&TextMap<'_>>) -> TextMap<'static> {
    let entries = map.into_iter().flat_map(|map| map.iter());
    entries.map(|(name, value)| (name.to_owned(), value.clone().into_owned())).collect()
}
