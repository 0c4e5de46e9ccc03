//! Runs one handler for one event so that whatever happens becomes a reply or an error.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, future::CatchUnwind};

use crate::{Handler, HandlerError, Reply, Request, handler::HandlerFuture};

/// A handler whose type, arguments and state no longer show.
pub(crate) type Start<S> = Arc<dyn Fn(&Request<'_>, &S) -> Result<HandlerFuture, HandlerError> + Send + Sync>;

/// Forgets a handler's type.
pub(crate) fn erase<Args, S: 'static>(handler: impl Handler<Args, S>) -> Start<S> {
    Arc::new(move |request, state| handler.start(request, state))
}

/// Ties a handler to its state.
pub(crate) fn bind<S: Send + Sync + 'static>(start: Start<S>, state: Arc<S>) -> Start<()> {
    Arc::new(move |request, ()| start(request, &state))
}

/// Extracts the arguments and starts the handler; a panic while doing so is an error.
pub(crate) fn start<S>(
    start: &Start<S>,
    request: &Request<'_>,
    state: &S,
) -> Result<HandlerFuture, HandlerError> {
    // The request is dropped after a panic and the state is shared with other threads anyway.
    std::panic::catch_unwind(AssertUnwindSafe(|| start(request, state)))
        .unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// A started handler whose panic is a value.
pub(crate) type Guarded = CatchUnwind<AssertUnwindSafe<HandlerFuture>>;

/// Runs a started handler to its end; for [`outcome`].
pub(crate) fn guard(running: HandlerFuture) -> Guarded {
    // The future is dropped after a panic.
    AssertUnwindSafe(running).catch_unwind()
}

/// What a handler came to; a panic is an error.
pub(crate) fn outcome(ended: <Guarded as Future>::Output) -> Result<Reply, HandlerError> {
    match ended {
        Ok(result) => result.and_then(Reply::checked),
        Err(panic) => Err(panicked(&*panic)),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> HandlerError {
    let text = panic.downcast_ref::<&str>().copied();
    let text =
        text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message");
    HandlerError::internal(format!("the handler panicked: {text}"))
}
