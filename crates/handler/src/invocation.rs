//! Runs one handler for one event so that whatever happens becomes a value or an error.

use std::{
    any::Any,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, CatchUnwind},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Sleep, sleep_until},
};

use crate::{HandlerError, Request, limits::Gate};

/// A handler that was started, or why it was not.
type Started<R> = Result<BoxFuture<'static, Result<R, HandlerError>>, HandlerError>;

/// A handler whose type, arguments and state no longer show. It comes to an `R`.
pub(crate) type Start<S, R> = Arc<dyn Fn(&Request<'_>, &S) -> Started<R> + Send + Sync>;

/// Ties a handler to its state.
pub(crate) fn bind<S: Send + Sync + 'static, R: 'static>(start: Start<S, R>, state: Arc<S>) -> Start<(), R> {
    Arc::new(move |request, ()| start(request, &state))
}

/// A handler at work: a panic is an error, and so is an answer that does not come in time.
pub(crate) struct Running<R> {
    handler: Handler<R>,
    /// The deadline, and what is kept of the time before it.
    bound: Option<(Instant, Duration)>,
    timer: Option<Pin<Box<Sleep>>>,
    _place: Option<OwnedSemaphorePermit>,
}

type Handler<R> = CatchUnwind<AssertUnwindSafe<BoxFuture<'static, Result<R, HandlerError>>>>;

impl<R: Send + 'static> Running<R> {
    /// Extracts the arguments and starts the handler, if there is a place for it.
    pub(crate) fn start(start: &Start<(), R>, request: &Request<'_>, gate: &Gate) -> Self {
        let place = match gate.enter() {
            Ok(place) => place,
            Err(refused) => return Running::ended(Err(refused)),
        };
        // The request is dropped after a panic and the state is shared with other threads anyway.
        let started = catch_unwind(AssertUnwindSafe(|| start(request, &())));
        match started.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            Ok(handler) => {
                Running { handler: guard(handler), bound: request.bound(), timer: None, _place: place }
            }
            Err(refused) => Running::ended(Err(refused)),
        }
    }

    /// What stands already.
    pub(crate) fn ended(outcome: Result<R, HandlerError>) -> Self {
        Running { handler: guard(ready(outcome).boxed()), bound: None, timer: None, _place: None }
    }
}

/// The future is dropped after a panic.
fn guard<R>(handler: BoxFuture<'static, Result<R, HandlerError>>) -> Handler<R> {
    AssertUnwindSafe(handler).catch_unwind()
}

impl<R: Send + 'static> Future for Running<R> {
    type Output = Result<R, HandlerError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(ended) = self.handler.poll_unpin(context) {
            return Poll::Ready(ended.unwrap_or_else(|panic| Err(panicked(&*panic))));
        }
        // Most handlers of most functions never come here: the timer is made for those that wait.
        let Some((deadline, margin)) = self.bound else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(cut_off(deadline, margin).into())));
        ready!(timer.as_mut().poll(context));
        let dropped = std::mem::replace(&mut self.handler, guard(std::future::pending().boxed()));
        let late = match catch_unwind(AssertUnwindSafe(|| drop(dropped))) {
            Ok(()) => HandlerError::timeout(),
            Err(panic) => panicked(&*panic),
        };
        Poll::Ready(Err(late))
    }
}

/// When a handler that waits now is ended: half of a short time is the handler's in any case.
pub(crate) fn cut_off(deadline: Instant, margin: Duration) -> Instant {
    let now = tokio::time::Instant::now().into_std();
    let margin = margin.min(deadline.saturating_duration_since(now) / 2);
    deadline.checked_sub(margin).unwrap_or(deadline)
}

/// What became of a panic: its text, which the log shows.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> HandlerError {
    let text = panic.downcast_ref::<&str>().copied();
    let text =
        text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message");
    HandlerError::internal(format!("the handler panicked: {text}"))
}
