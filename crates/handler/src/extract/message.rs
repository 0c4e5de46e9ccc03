//! The message of a client, and the whole of a plain event.

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::{FromRequest, HandlerError, Request, field};

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
///
/// # Errors
/// `invalid_body` for one in base64 that is no text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text(pub String);

impl<S> FromRequest<S> for Text {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        Ok(Text(request.body()?.into_owned()))
    }
}

/// The bytes of the client's message: of a text, or of what the event carries as base64 (fact R11).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body(pub Bytes);

impl<S> FromRequest<S> for Body {
    fn from_request(request: &Request<'_>, _: &S) -> Result<Self, HandlerError> {
        Ok(Body(request.body_bytes()?.into()))
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
