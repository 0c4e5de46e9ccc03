//! Which functions are handlers of routes and of plain events.

use std::marker::PhantomData;

use futures_util::future::BoxFuture;

use crate::{Arguments, Function, HandlerError, IntoReply, Reply, Request};

/// What a started handler comes to.
pub type HandlerFuture = BoxFuture<'static, Result<Reply, HandlerError>>;

/// An async function of up to eight arguments, each [`FromRequest`](crate::FromRequest), that returns something [`IntoReply`].
///
/// `Args` holds the types of its arguments and only tells implementations apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler for a router with the state `{S}`",
    label = "not a handler",
    note = "a handler is an `async fn` (whose future is `Send`) of at most eight arguments that implement `FromRequest<{S}>`, and it returns `IntoReply`"
)]
pub trait Handler<Args, S>: Send + Sync + 'static {
    /// Whether the route that this handler serves has no route response, so that its answer must be posted.
    const ONE_WAY: bool = false;

    /// Extracts the arguments and starts the function.
    ///
    /// # Errors
    /// What an argument could not be extracted for; the function then did not start.
    fn start(&self, request: &Request<'_>, state: &S) -> Result<HandlerFuture, HandlerError>;
}

/// Tells functions from [`OneWay`] ones.
#[derive(Debug)]
pub struct Called<Args>(PhantomData<Args>);

impl<Args, S, F> Handler<Called<Args>, S> for F
where
    F: Function<Args>,
    F::Running: Send,
    F::Output: IntoReply,
    Args: Arguments<S>,
{
    fn start(&self, request: &Request<'_>, state: &S) -> Result<HandlerFuture, HandlerError> {
        let running = self.call(Args::from_request(request, state)?);
        Ok(Box::pin(async move { running.await.into_reply() }))
    }
}

/// See [`one_way`].
#[derive(Clone, Copy, Debug)]
pub struct OneWay<H>(H);

/// Declares that the template gives this handler's route no route response. Its answers and errors then go through the
/// router's [`ReplyChannel`](crate::ReplyChannel), or to the log as undeliverable if it has none.
pub fn one_way<H>(handler: H) -> OneWay<H> {
    OneWay(handler)
}

impl<Args, S, H: Handler<Args, S>> Handler<OneWay<Args>, S> for OneWay<H> {
    const ONE_WAY: bool = true;

    fn start(&self, request: &Request<'_>, state: &S) -> Result<HandlerFuture, HandlerError> {
        self.0.start(request, state)
    }
}
