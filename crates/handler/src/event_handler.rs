//! Functions behind anything but a WebSocket API.

use std::{
    future::ready,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, FutureExt};
use tower::Service;
use tracing::Span;

use crate::{
    Answer, FunctionError, Handler, HandlerError, RawEvent, Reply, Request,
    invocation::{self, Start},
};

/// The one handler of a function that receives plain events, such as the result of a topic rule (fact S6).
///
/// It takes the event as [`Payload`](crate::Payload) and returns what the function answers. A fault of the event (4xx) is an answer too,
/// `{"type":"error",..}`: the service repeats an asynchronous invocation that fails (fact N5), and the same event would
/// fail the same way. A fault of ours (5xx) fails the invocation, so that it is repeated.
///
/// ```
/// use dunlin_handler::{EventHandler, HandlerError, Json, Payload, State, testing::send_event};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Reading { device: String, value: f64 }
///
/// async fn reading(State(limit): State<f64>, Payload(reading): Payload<Reading>) -> Result<Json<bool>, HandlerError> {
///     if reading.device.is_empty() {
///         return Err(HandlerError::new("no_device", "a reading names its device"));
///     }
///     Ok(Json(reading.value > limit))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut function = EventHandler::new(reading).with_state(20.0);
/// assert_eq!(send_event(&mut function, r#"{"device":"pump-7","value":21.5}"#).await.unwrap(), true);
///
/// let answer = send_event(&mut function, r#"{"device":"pump-7","value":"warm"}"#).await.unwrap();
/// assert_eq!(
///     answer["error"]["message"],
///     "the event does not fit at `value`: invalid type: string, expected f64",
/// );
/// # }
/// ```
pub struct EventHandler<S = ()> {
    start: Start<S>,
}

impl<S: Send + Sync + 'static> EventHandler<S> {
    /// A function with this handler.
    pub fn new<Args>(handler: impl Handler<Args, S>) -> Self {
        EventHandler { start: invocation::erase(handler) }
    }

    /// Gives the handler its state.
    pub fn with_state(self, state: S) -> EventHandler<()> {
        EventHandler { start: invocation::bind(self.start, Arc::new(state)) }
    }
}

impl<S> Clone for EventHandler<S> {
    fn clone(&self) -> Self {
        EventHandler { start: Arc::clone(&self.start) }
    }
}

impl Service<RawEvent> for EventHandler<()> {
    type Response = Answer;
    type Error = FunctionError;
    type Future = BoxFuture<'static, Result<Answer, FunctionError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), FunctionError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, raw: RawEvent) -> Self::Future {
        if let Some(id) = raw.invocation_id_ref() {
            Span::current().record("request_id", id);
        }
        match invocation::start(&self.start, &Request::plain(&raw), &()) {
            Ok(running) => {
                Box::pin(async move { finish(invocation::outcome(invocation::guard(running).await), &raw) })
            }
            Err(error) => ready(finish(Err(error), &raw)).boxed(),
        }
    }
}

fn finish(result: Result<Reply, HandlerError>, raw: &RawEvent) -> Result<Answer, FunctionError> {
    result.map(Reply::into_plain).or_else(|error| {
        if error.is_ours() {
            error.log();
            return Err(FunctionError::new(&error));
        }
        // There is no client to read it.
        error.log_for_nobody();
        Ok(Reply::json_text(error.to_frame(raw.invocation_id_ref())).into_plain())
    })
}
