//! How much, and for how long, a function works at once.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::HandlerError;

/// What of an invocation's time is kept for its answer, unless [`Limits`] say otherwise: enough for one post at the processor
/// share of a small function.
pub const DEADLINE_MARGIN: Duration = Duration::from_millis(200);

/// Bounds of a [`Router`](crate::Router), an [`EventHandler`](crate::EventHandler) or an
/// [`AuthorizerHandler`](crate::AuthorizerHandler). What exceeds one is an ordinary [`HandlerError`], which takes the way
/// to the client that the route has; a layer around the service could not know that way.
///
/// ```
/// use dunlin_handler::{Json, Limits, Router, testing::{TestEvent, send}};
/// use serde_json::Value;
///
/// async fn echo(Json(message): Json<Value>) -> Json<Value> { Json(message) }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let limits = Limits { body_bytes_max: Some(10), ..Limits::default() };
/// let mut router = Router::new().route("echo", echo).limits(limits);
/// let reply = send(&mut router, TestEvent::message("echo", r#"{"text":"longer than that"}"#)).await;
/// assert_eq!((reply.status(), reply.error_code()), (413, Some("body_too_large")));
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How long before the invocation's deadline a handler that has not answered is dropped at the `.await` where it is.
    /// Its client gets `timeout`, status 504. Of a short time at most half is kept; an invocation that nobody gave a deadline
    /// is not bounded.
    pub deadline_margin: Duration,
    /// Handlers that run at once, over all clones of the service; more are refused with `overloaded`, status 429. `None` leaves
    /// it to the platform, which hands a process one event at a time, or as many as `AWS_LAMBDA_MAX_CONCURRENCY` says
    /// (fact P14).
    pub in_flight_max: Option<usize>,
    /// Bytes of a message, decoded, or of a plain event; larger ones are refused with `body_too_large`, status 413, before their
    /// handler starts. `None` leaves it to the service's own limits (facts R12, N4).
    pub body_bytes_max: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { deadline_margin: DEADLINE_MARGIN, in_flight_max: None, body_bytes_max: None }
    }
}

/// The limits of a service and its clones, at work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    limits: Limits,
    in_flight: Option<Arc<Semaphore>>,
}

impl Gate {
    pub(crate) fn new(limits: Limits) -> Self {
        let permits = |max: usize| Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        Gate { limits, in_flight: limits.in_flight_max.map(permits) }
    }

    pub(crate) fn deadline_margin(&self) -> Duration {
        self.limits.deadline_margin
    }

    /// A place among the handlers that run, if places are counted.
    ///
    /// # Errors
    /// `overloaded` if all are taken.
    pub(crate) fn enter(&self) -> Result<Option<OwnedSemaphorePermit>, HandlerError> {
        let Some(in_flight) = &self.in_flight else { return Ok(None) };
        Arc::clone(in_flight).try_acquire_owned().map(Some).map_err(|_| HandlerError::overloaded())
    }

    /// # Errors
    /// `body_too_large`; `bytes` is asked for the exact size only if `bytes_at_most` exceeds the limit.
    pub(crate) fn check_body(
        &self,
        bytes_at_most: usize,
        bytes: impl FnOnce() -> Result<usize, HandlerError>,
    ) -> Result<(), HandlerError> {
        match self.limits.body_bytes_max {
            Some(max) if bytes_at_most > max => match bytes()? {
                bytes if bytes > max => Err(HandlerError::body_too_large(bytes, max)),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
