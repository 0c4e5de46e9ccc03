//! What a handler can take as an argument.

mod authorizer;
mod connection;
mod handshake;
mod message;

use std::time::Instant;

use crate::{HandlerError, Request};

pub use authorizer::Authorizer;
pub use connection::{Closed, Connection, RequestContext, RequestId};
pub use handshake::{Headers, Query, QueryMap, StageVariables, Subprotocols};
pub use message::{Body, Json, Payload, Text};

/// An argument of a handler. Implement it for what an app reads from its events again and again.
///
/// ```
/// use dunlin_handler::{FromRequest, HandlerError, QueryMap, Request, Router, testing::{TestEvent, send}};
///
/// /// The room that a client wants to enter.
/// struct Room(String);
///
/// impl<S> FromRequest<S> for Room {
///     fn from_request(request: &Request<'_>, state: &S) -> Result<Self, HandlerError> {
///         let query = QueryMap::from_request(request, state)?;
///         let room = query.get("room").ok_or_else(|| HandlerError::new("no_room", "add ?room=.. to the address"))?;
///         Ok(Room(room.to_owned()))
///     }
/// }
///
/// async fn connect(room: Room) { assert_eq!(room.0, "blue") }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut router = Router::new().connect(connect);
/// assert_eq!(send(&mut router, TestEvent::connect().query("room", "blue")).await.status(), 200);
/// assert_eq!(send(&mut router, TestEvent::connect()).await.error_code(), Some("no_room"));
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an argument that a handler with the state `{S}` can take",
    label = "not readable from a request",
    note = "take the message as `Json<T>` (with `T: serde::de::DeserializeOwned`), `Text` or `Body`, a plain event as `Payload<T>`",
    note = "take the router's state as `State<T>`, of exactly the type that `with_state` is given",
    note = "others are `Connection`, `ConnectionId`, `RequestContext`, `Authorizer<T>`, `Headers`, `Query<T>`, `QueryMap`, `Subprotocols`, `StageVariables`, `Closed`, `RequestId`, `Deadline`"
)]
pub trait FromRequest<S>: Sized {
    /// Reads the argument.
    ///
    /// # Errors
    /// Whatever the client should learn; the handler then does not start.
    fn from_request(request: &Request<'_>, state: &S) -> Result<Self, HandlerError>;
}

/// The argument, or why it cannot be read: for a handler that answers that by itself.
impl<S, T: FromRequest<S>> FromRequest<S> for Result<T, HandlerError> {
    fn from_request(request: &Request<'_>, state: &S) -> Result<Self, HandlerError> {
        Ok(T::from_request(request, state))
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

/// When the handler is ended: a margin before its invocation is cut off, as [`Limits`](crate::Limits) say. `None` if nobody
/// gave the invocation a time, as in most tests. What is to be answered has to be done by then.
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
