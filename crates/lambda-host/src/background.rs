use std::sync::Arc;

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};

use dunlin_events::limits::{ASYNC_EVENT_AGE_MAX, ASYNC_RETRY_DELAYS, ASYNC_THROTTLE_DELAY_MIN};

use crate::{
    InvokeError,
    function::{Event, Function},
    limits::{EVENTS_ACCEPTED_BYTES_MAX, EVENTS_ACCEPTED_MAX},
};

/// Asynchronous invocations: accepted at once, run in the background, tried again when the function fails (N5).
pub(crate) struct Background {
    events: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// One place among the accepted events, and room for its payload.
struct Place {
    _event: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Background {
    pub(crate) fn new() -> Self {
        Self {
            events: Arc::new(Semaphore::new(EVENTS_ACCEPTED_MAX)),
            bytes: Arc::new(Semaphore::new(EVENTS_ACCEPTED_BYTES_MAX)),
        }
    }

    /// Events that are accepted and not yet finished.
    pub(crate) fn accepted(&self) -> usize {
        EVENTS_ACCEPTED_MAX - self.events.available_permits()
    }

    /// Accepts an event, or says that there are too many.
    pub(crate) fn accept(&self, function: &Arc<Function>, event: Event) -> Result<(), InvokeError> {
        let too_many =
            |reason| InvokeError::TooManyRequests { function: function.config.name.clone(), reason };
        let bytes = u32::try_from(event.payload.len()).unwrap_or(u32::MAX);
        let place = Place {
            _event: Arc::clone(&self.events)
                .try_acquire_owned()
                .map_err(|_| too_many("too many asynchronous invocations are waiting"))?,
            _bytes: Arc::clone(&self.bytes).try_acquire_many_owned(bytes).map_err(|_| {
                too_many("the payloads of asynchronous invocations that are waiting are too large")
            })?,
        };
        let shutdown = function.shared.shutdown.clone();
        let function = Arc::clone(function);
        let tasks = function.shared.tasks.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = run(&function, event) => {}
                () = shutdown.cancelled() => {}
            }
            drop(place);
        });
        Ok(())
    }
}

async fn run(function: &Arc<Function>, event: Event) {
    let divisor = function.shared.config.event_delay_divisor;
    let mut delays = ASYNC_RETRY_DELAYS.into_iter().map(|delay| delay / divisor);
    let request_id = event.request_id.clone();
    let mut attempt = 1;
    loop {
        let Some(failed) = attempt_once(function, &event).await else { return };
        let Some(delay) = delays.next() else {
            tracing::error!(
                function = &*function.name,
                %request_id,
                attempt,
                "an asynchronous invocation failed for the last time and is dropped: {failed}"
            );
            return;
        };
        tracing::warn!(
            function = &*function.name,
            %request_id,
            attempt,
            "an asynchronous invocation failed and is tried again in {delay:?}: {failed}"
        );
        sleep(delay).await;
        attempt += 1;
    }
}

/// Runs the function once; says how it failed. An invocation that finds no room is not an attempt: it is offered again.
async fn attempt_once(function: &Arc<Function>, event: &Event) -> Option<String> {
    let accepted = Instant::now();
    loop {
        // Never closed.
        let turn = function.background.acquire().await;
        let result = function.invoke(event.clone()).await;
        drop(turn);
        match result {
            Ok(outcome) => return outcome.function_error.map(|kind| format!("{kind:?}")),
            Err(InvokeError::TooManyRequests { .. }) if accepted.elapsed() < ASYNC_EVENT_AGE_MAX => {
                sleep(ASYNC_THROTTLE_DELAY_MIN / function.shared.config.event_delay_divisor).await;
            }
            Err(InvokeError::ShuttingDown) => return None,
            Err(error) => return Some(error.to_string()),
        }
    }
}
