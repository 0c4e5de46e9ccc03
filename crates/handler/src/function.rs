//! Which functions can be called with what a request holds.

use crate::{FromRequest, HandlerError, Request};

/// An async function of up to eight arguments, of whatever types. [`Arguments`] says which of them a request can give.
///
/// Every function with such arguments is one; nobody else implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async function of at most eight arguments that owns what it works on",
    label = "not a function that a route can call",
    note = "write `async fn(..)` or `async |..|` without borrowed arguments; what it shares comes as `State<_>`"
)]
pub trait Function<Args>: Send + Sync + 'static {
    /// What it returns.
    type Output;
    /// It, running.
    type Running: Future<Output = Self::Output> + 'static;

    /// Calls it.
    fn call(&self, arguments: Args) -> Self::Running;
}

/// The arguments of a [`Function`]: a tuple of types that are each [`FromRequest`], in any order.
#[diagnostic::on_unimplemented(
    message = "not all of `{Self}` can be read from a request with the state `{S}`",
    note = "each argument of a handler implements `FromRequest<{S}>`"
)]
pub trait Arguments<S>: Sized {
    /// Reads them all, from the first to the last.
    ///
    /// # Errors
    /// What the first one could not be read for.
    fn from_request(request: &Request<'_>, state: &S) -> Result<Self, HandlerError>;
}

macro_rules! arguments {
    ($($argument:ident),*) => {
        impl<F, Running, $($argument),*> Function<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> Running + Send + Sync + 'static,
            Running: Future + 'static,
        {
            type Output = Running::Output;
            type Running = Running;

            #[allow(non_snake_case, reason = "a type parameter names its value too")]
            fn call(&self, ($($argument,)*): ($($argument,)*)) -> Running {
                self($($argument),*)
            }
        }

        impl<S, $($argument: FromRequest<S>),*> Arguments<S> for ($($argument,)*) {
            #[allow(unused_variables, reason = "a function without arguments reads nothing")]
            fn from_request(request: &Request<'_>, state: &S) -> Result<Self, HandlerError> {
                Ok(($($argument::from_request(request, state)?,)*))
            }
        }
    };
}

arguments!();
arguments!(A);
arguments!(A, B);
arguments!(A, B, C);
arguments!(A, B, C, D);
arguments!(A, B, C, D, E);
arguments!(A, B, C, D, E, G);
arguments!(A, B, C, D, E, G, H);
arguments!(A, B, C, D, E, G, H, I);
