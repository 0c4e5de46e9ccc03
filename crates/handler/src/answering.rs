//! The way from a started handler to the answer.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use dunlin_events::ConnectionId;
use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    Answer, HandlerError, RawEvent, Reply, ReplyChannel,
    handler::HandlerFuture,
    invocation::{self, Guarded},
};

/// What a [`Router`](crate::Router) answers, in time. A type of its own, since a second box would cost each message.
#[must_use = "a handler does nothing unless its answer is awaited"]
pub struct Answering(Step);

enum Step {
    Refused(Ready<Answer>),
    Handling { running: Guarded, raw: RawEvent, one_way: Option<OneWayClient> },
    Posting(BoxFuture<'static, Answer>),
}

impl Answering {
    /// An answer that stands already.
    pub(crate) fn refused(answer: Answer) -> Self {
        Answering(Step::Refused(ready(answer)))
    }

    /// The answer of a handler to this event.
    pub(crate) fn handling(running: HandlerFuture, raw: RawEvent, one_way: Option<OneWayClient>) -> Self {
        Answering(Step::Handling { running: invocation::guard(running), raw, one_way })
    }
}

impl Future for Answering {
    type Output = Result<Answer, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.0 {
                Step::Handling { running, raw, one_way } => {
                    let result = invocation::outcome(ready!(running.poll_unpin(context)));
                    let mut reply = result.unwrap_or_else(|error| failed(&error, raw));
                    let Some(client) = one_way.take() else {
                        return Poll::Ready(Ok(reply.into_proxy_result()));
                    };
                    self.0 = Step::Posting(Box::pin(async move {
                        if let Some(message) = reply.take_body() {
                            client.post(message).await;
                        }
                        reply.into_proxy_result()
                    }));
                }
                Step::Posting(answer) => return answer.poll_unpin(context).map(Ok),
                Step::Refused(answer) => return answer.poll_unpin(context).map(Ok),
            }
        }
    }
}

/// What the client reads of a failure. Failures are rare: the request id is read from the event once more, rather than kept
/// for each.
fn failed(error: &HandlerError, raw: &RawEvent) -> Reply {
    error.log();
    let head = raw.head().ok();
    let request_id = head.as_ref().and_then(|head| head.request_context.request_id.as_deref());
    Reply::json_text(error.to_frame(request_id)).status(error.status_code())
}

/// The client of a one-way route: its answers go over the channel.
pub(crate) struct OneWayClient {
    pub(crate) connection: ConnectionId,
    pub(crate) channel: Option<Arc<dyn ReplyChannel>>,
}

impl OneWayClient {
    async fn post(&self, message: String) {
        let Some(channel) = &self.channel else {
            tracing::warn!("reply dropped: the route is one-way and the router has no reply channel");
            return;
        };
        if let Err(error) = channel.post(&self.connection, message.into()).await {
            tracing::warn!(error, "reply not delivered");
        }
    }
}
