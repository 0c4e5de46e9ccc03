//! One span per invocation.

use std::task::{Context, Poll};

use tower::{Layer, Service};
use tracing::{Instrument, field::Empty, instrument::Instrumented};

use crate::RawEvent;

/// Puts each invocation into a span `invocation`, which names it in every line that is logged meanwhile:
/// `invocation_id`, and `request_id`, `connection_id` and `route_key` as soon as the event is read. Never a payload.
///
/// `dunlin_lambda::run` does this by itself; a function that runs elsewhere takes the layer.
///
/// ```
/// use dunlin_handler::{Router, Trace, testing::{TestEvent, send}};
/// use tower::Layer;
///
/// async fn ping() -> &'static str { "pong" }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut traced = Trace::layer().layer(Router::new().route("ping", ping));
/// assert_eq!(send(&mut traced, TestEvent::message("ping", "{}")).await.body(), Some("pong"));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Trace<S>(S);

/// Makes [`Trace`]s.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceLayer;

impl Trace<()> {
    /// The layer.
    pub fn layer() -> TraceLayer {
        TraceLayer
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;
    fn layer(&self, inner: S) -> Trace<S> {
        Trace(inner)
    }
}

impl<S: Service<RawEvent>> Service<RawEvent> for Trace<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, event: RawEvent) -> Self::Future {
        // Of the level of errors, so that no filter parts an error from its ids. The service fills in what it finds in the
        // event.
        let span = tracing::error_span!(
            "invocation",
            invocation_id = event.invocation_id_ref(),
            request_id = Empty,
            connection_id = Empty,
            route_key = Empty
        );
        let answer = span.in_scope(|| self.0.call(event));
        answer.instrument(span)
    }
}
