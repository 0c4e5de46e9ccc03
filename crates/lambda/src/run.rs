//! Starts the runtime.

use std::{env, error::Error, fmt};

use dunlin_handler::{Answer, BoxError, RawEvent, Trace};
use lambda_runtime::Runtime;
use tower::{Layer, Service};

use crate::bridge::Bridge;

/// Variables without which `lambda_runtime` panics (fact P9).
const NEEDED: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Why a function cannot run, or stopped.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The program was not started as a function.
    #[error("{variable} is not set: this program is a Lambda function; `dunlin up` starts it, and AWS does")]
    NotAFunction {
        /// The variable that every function has.
        variable: &'static str,
    },
    /// A variable that the platform sets holds what it never would.
    #[error("AWS_LAMBDA_FUNCTION_MEMORY_SIZE is {value:?}; a whole number of MB is expected")]
    MemorySize {
        /// What it holds.
        value: String,
    },
    /// Another such variable.
    #[error("AWS_LAMBDA_MAX_CONCURRENCY is {value:?}; a whole number is expected, or nothing")]
    MaxConcurrency {
        /// What it holds.
        value: String,
    },
    /// The Runtime API is unreachable, or answered nonsense.
    #[error("the Lambda runtime stopped")]
    Runtime(#[source] BoxError),
}

/// The sentence and its cause, since this is what a `main` that returns the error prints.
impl fmt::Debug for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        self.source().map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

/// Runs the service on every event of the function, until the platform ends the process.
///
/// One at a time; if `AWS_LAMBDA_MAX_CONCURRENCY` allows more (fact P14), that many at once, each on a clone of the service:
/// give a function that is deployed so a runtime of several threads. SIGTERM ends the process with exit code 0.
///
/// Each invocation has a span of its own ([`Trace`]), and its deadline comes with the event.
///
/// # Errors
/// [`RunError`]: before the first event if this is no function, later only if the Runtime API is lost.
pub async fn run<S>(service: S) -> Result<(), RunError>
where
    S: Service<RawEvent, Response = Answer> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    run_until_shutdown(service, async || ()).await
}

/// As [`run`], with something to do when SIGTERM comes, in the 500 ms that the platform grants.
///
/// # Errors
/// As [`run`].
pub async fn run_until_shutdown<S, Hook, Hooked>(service: S, on_shutdown: Hook) -> Result<(), RunError>
where
    S: Service<RawEvent, Response = Answer> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    Hook: FnOnce() -> Hooked + Send + 'static,
    Hooked: Future<Output = ()> + Send + 'static,
{
    check_environment(|name| env::var(name).ok())?;
    // It registers an extension and panics if that is refused; a function without graceful shutdown is still a function.
    let registered = tokio::spawn(lambda_runtime::spawn_graceful_shutdown_handler(on_shutdown));
    if registered.await.is_err() {
        tracing::warn!("no graceful shutdown: the Runtime API registers no extension");
    }
    // Without the runtime's own span, which would name the same invocation once more.
    Runtime::new(Bridge(Trace::layer().layer(service))).run_concurrent().await.map_err(RunError::Runtime)
}

fn check_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<(), RunError> {
    if let Some(variable) = NEEDED.into_iter().find(|name| lookup(name).is_none_or(|value| value.is_empty()))
    {
        return Err(RunError::NotAFunction { variable });
    }
    if let Some(value) =
        lookup("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").filter(|value| value.parse::<i32>().is_err())
    {
        return Err(RunError::MemorySize { value });
    }
    // The runtime takes what it cannot read for 1, and a function that was to run many would crawl.
    match lookup("AWS_LAMBDA_MAX_CONCURRENCY").filter(|value| !value.is_empty()) {
        Some(value) if value.parse::<u32>().is_err() => Err(RunError::MaxConcurrency { value }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: (&str, &str), expected: Option<&str>) {
        let lookup = |name: &str| {
            let value = if name == change.0 { change.1 } else { "128" };
            (!value.is_empty()).then(|| value.to_owned())
        };
        assert_eq!(check_environment(lookup).err().map(|error| error.to_string()).as_deref(), expected);
    }

    #[test]
    fn what_would_panic_is_a_sentence() {
        check(("", ""), None);
        check(
            ("AWS_LAMBDA_RUNTIME_API", ""),
            Some(
                "AWS_LAMBDA_RUNTIME_API is not set: this program is a Lambda function; `dunlin up` starts it, and AWS does",
            ),
        );
        check(
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much"),
            Some("AWS_LAMBDA_FUNCTION_MEMORY_SIZE is \"much\"; a whole number of MB is expected"),
        );
        check(
            ("AWS_LAMBDA_MAX_CONCURRENCY", "many"),
            Some("AWS_LAMBDA_MAX_CONCURRENCY is \"many\"; a whole number is expected, or nothing"),
        );
    }
}
