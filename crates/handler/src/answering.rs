//! The way from a started handler to the answer.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use dunlin_events::ConnectionId;
use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    Answer, HandlerError, RawEvent, Reply, ReplyChannel,
    invocation::{self, Running},
};

/// What a [`Router`](crate::Router) answers, in time. A type of its own, since a second box would cost each message.
#[must_use = "a handler does nothing unless its answer is awaited"]
pub struct Answering(Step);

enum Step {
    Refused(Answer),
    Handling { running: Running<Reply>, raw: RawEvent, client: Client },
    Posting(BoxFuture<'static, Answer>),
    Answered,
}

impl Answering {
    /// An answer that stands already.
    pub(crate) fn refused(answer: Answer) -> Self {
        Answering(Step::Refused(answer))
    }

    /// The answer of a handler to this event.
    pub(crate) fn handling(running: Running<Reply>, raw: RawEvent, client: Client) -> Self {
        Answering(Step::Handling { running, raw, client })
    }
}

impl Future for Answering {
    type Output = Result<Answer, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let answer = match &mut self.0 {
                Step::Handling { running, raw, client } => {
                    let result = ready!(running.poll_unpin(context)).and_then(Reply::checked);
                    let reply = result.unwrap_or_else(|error| failed(&error, raw));
                    if client.takes_posted(&reply) {
                        let Step::Handling { client, .. } = std::mem::replace(&mut self.0, Step::Answered)
                        else {
                            continue;
                        };
                        self.0 = Step::Posting(Box::pin(client.post(reply)));
                        continue;
                    }
                    reply.into_proxy_result()
                }
                Step::Posting(answer) => ready!(answer.poll_unpin(context)),
                Step::Refused(_) | Step::Answered => match std::mem::replace(&mut self.0, Step::Answered) {
                    Step::Refused(answer) => answer,
                    _ => return Poll::Pending,
                },
            };
            self.0 = Step::Answered;
            return Poll::Ready(Ok(answer));
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

/// Who the answer is for, and which ways lead there.
pub(crate) struct Client {
    pub(crate) connection: ConnectionId,
    /// Whether the route has no route response.
    pub(crate) one_way: bool,
    /// Before `$connect` has succeeded, and after the end, nobody can be posted to (facts C8, X1).
    pub(crate) is_connected: bool,
    pub(crate) channel: Option<Arc<dyn ReplyChannel>>,
}

impl Client {
    /// Whether this reply goes over the channel rather than over the route response.
    fn takes_posted(&self, reply: &Reply) -> bool {
        if reply.body().is_none() || !(self.one_way || reply.is_posted()) {
            return false;
        }
        if !self.is_connected && reply.is_posted() {
            tracing::warn!("reply not posted: the connection is not made yet, or has ended");
        }
        self.is_connected
    }

    async fn post(self, mut reply: Reply) -> Answer {
        if let Some(message) = reply.take_body() {
            self.post_message(message).await;
        }
        reply.into_proxy_result()
    }

    async fn post_message(&self, message: String) {
        let Some(channel) = &self.channel else {
            tracing::warn!("reply dropped: it is to be posted and the router has no reply channel");
            return;
        };
        let post = async { channel.post(&self.connection, message.into()).await };
        match AssertUnwindSafe(post).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error, "reply not delivered"),
            Err(panic) => invocation::panicked(&*panic).log(),
        }
    }
}
