//! Functions behind anything but a WebSocket API.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tower::Service;

use crate::{
    Answer, FunctionError, Handler, HandlerError, Limits, RawEvent, Reply, Request,
    invocation::{self, Running, Start},
    limits::Gate,
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
///     "the event does not fit at `value`: a number is expected, not a string",
/// );
/// # }
/// ```
pub struct EventHandler<S = ()> {
    start: Start<S, Reply>,
    gate: Gate,
}

impl<S: Send + Sync + 'static> EventHandler<S> {
    /// A function with this handler.
    pub fn new<Args>(handler: impl Handler<Args, S>) -> Self {
        let start: Start<S, Reply> = Arc::new(move |request, state| handler.start(request, state));
        EventHandler { start, gate: Gate::default() }
    }

    /// Sets the bounds of its handler.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.gate = Gate::new(limits);
        self
    }

    /// Gives the handler its state.
    pub fn with_state(self, state: S) -> EventHandler<()> {
        EventHandler { start: invocation::bind(self.start, Arc::new(state)), gate: self.gate }
    }
}

impl<S> Clone for EventHandler<S> {
    fn clone(&self) -> Self {
        EventHandler { start: Arc::clone(&self.start), gate: self.gate.clone() }
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
        let request = Request::plain(&raw, &self.gate);
        request.record_span("");
        let bytes = raw.payload().len();
        let running = match self.gate.check_body(bytes, || Ok(bytes)) {
            Ok(()) => Running::start(&self.start, &request, &self.gate),
            Err(error) => Running::ended(Err(error)),
        };
        Box::pin(async move { finish(running.await.and_then(Reply::fits_invocation), &raw) })
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
