use std::{sync::Arc, time::SystemTime};

use dunlin_events::limits::INVOKE_EVENT_BYTES_MAX;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};

use crate::{
    InvokeError, InvokeOutcome, RecordKind, Throttle,
    function::{Event, Function},
    host::Inner,
    limits::{EVENT_HOPS_MAX, EVENTS_ACCEPTED_BYTES_MAX, EVENTS_ACCEPTED_MAX, GIVEN_UP_LOG_BYTES_MAX},
    records::{Condition, EventRecord, Invoked},
    schedule::{Schedule, Step},
};

/// Asynchronous invocations: accepted at once, run in the background, tried again when the function fails or is
/// throttled, and at last told to whoever is to know how they ended (N5, N9).
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

    /// Accepts an event, or says that there are too many. `hops` functions have passed it on before.
    pub(crate) fn accept(
        &self,
        host: &Arc<Inner>,
        function: &Arc<Function>,
        event: Event,
        hops: u32,
    ) -> Result<(), InvokeError> {
        let too_many = |_| function.throttled(Throttle::EventQueue);
        let bytes = u32::try_from(event.payload.len()).unwrap_or(u32::MAX);
        let place = Place {
            _event: Arc::clone(&self.events).try_acquire_owned().map_err(too_many)?,
            _bytes: Arc::clone(&self.bytes).try_acquire_many_owned(bytes).map_err(too_many)?,
        };
        let running = Running { host: Arc::clone(host), function: Arc::clone(function), event, hops };
        let shutdown = host.shared.shutdown.clone();
        host.shared.tasks.spawn(async move {
            tokio::select! {
                () = running.run() => {}
                () = shutdown.cancelled() => {}
            }
            drop(place);
        });
        Ok(())
    }
}

/// An accepted event on its way through its attempts.
struct Running {
    host: Arc<Inner>,
    function: Arc<Function>,
    event: Event,
    hops: u32,
}

/// How the attempts ended.
struct End {
    condition: Condition,
    /// Times that the function ran.
    runs: u32,
    /// How it ran the last time.
    last: Option<InvokeOutcome>,
}

impl Running {
    async fn run(self) {
        let Some(end) = self.attempts().await else { return };
        let events = &self.function.config.event_invoke;
        if end.condition == Condition::Success {
            if let Some(target) = &events.on_success {
                self.pass_on(target, RecordKind::OnSuccess, &end);
            }
            return;
        }
        let said = end.last.as_ref().map(|outcome| {
            let shown = &outcome.payload[..outcome.payload.len().min(GIVEN_UP_LOG_BYTES_MAX)];
            String::from_utf8_lossy(shown)
        });
        tracing::error!(
            function = &*self.function.name,
            request_id = %self.event.request_id,
            runs = end.runs,
            "an asynchronous invocation is given up ({}): {}",
            end.condition.as_str(),
            said.as_deref().unwrap_or("the function never ran")
        );
        if let Some(target) = &events.on_failure {
            self.pass_on(target, RecordKind::OnFailure, &end);
        }
        if let Some(target) = &events.dead_letter_target {
            self.pass_on(target, RecordKind::DeadLetter, &end);
        }
    }

    /// Runs the function until it succeeds or the event is given up; `None` when the host ends.
    async fn attempts(&self) -> Option<End> {
        let function = &self.function;
        let accepted = Instant::now();
        let divisor = self.host.shared.config.event_delay_divisor;
        let mut schedule = Schedule::new(&function.config.event_invoke, divisor);
        let mut runs = 0;
        let mut last = None;
        loop {
            // The service does not wait for somebody to switch the function on again.
            if function.is_switched_off() {
                return Some(End { condition: Condition::ZeroReservedConcurrency, runs, last });
            }
            // Never closed.
            let turn = function.background.acquire().await;
            if schedule.is_too_old(accepted.elapsed()) {
                return Some(End { condition: Condition::EventAgeExceeded, runs, last });
            }
            let result = function.invoke(self.event.clone()).await;
            drop(turn);
            let ran = match result {
                Ok(outcome) => {
                    runs += 1;
                    let failed = outcome.function_error.is_some();
                    last = Some(outcome);
                    if !failed {
                        return Some(End { condition: Condition::Success, runs, last });
                    }
                    true
                }
                Err(InvokeError::ShuttingDown) => return None,
                // Nothing else is refused here.
                Err(_) => false,
            };
            let age = accepted.elapsed();
            let delay = match if ran { schedule.failed(age) } else { schedule.throttled(age) } {
                Step::TryAgainIn(delay) => delay,
                Step::Exhausted => return Some(End { condition: Condition::RetriesExhausted, runs, last }),
                Step::TooOld => return Some(End { condition: Condition::EventAgeExceeded, runs, last }),
            };
            if ran {
                tracing::warn!(
                    function = &*function.name,
                    request_id = %self.event.request_id,
                    runs,
                    "an asynchronous invocation failed and is tried again in {delay:?}"
                );
            }
            sleep(delay).await;
        }
    }

    fn pass_on(&self, target: &str, kind: RecordKind, end: &End) {
        let now: SystemTime = (self.host.shared.config.wall_clock)();
        let invoked = Invoked {
            function_arn: &self.function.arn,
            event: &self.event,
            condition: end.condition,
            runs: end.runs,
            last: end.last.as_ref(),
        };
        let record = EventRecord::new(target, kind, &invoked, now);
        if kind != RecordKind::DeadLetter
            && let Ok(function) = self.host.find(target)
        {
            return self.invoke_destination(&function, record);
        }
        match &self.host.shared.config.event_records {
            Some(sink) => sink(record),
            None => tracing::warn!(
                function = &*self.function.name,
                request_id = %self.event.request_id,
                "a record of an asynchronous invocation ({}) would go to {target}, which does not exist here",
                end.condition.as_str()
            ),
        }
    }

    fn invoke_destination(&self, function: &Arc<Function>, record: EventRecord) {
        let hops = self.hops + 1;
        if hops >= EVENT_HOPS_MAX {
            tracing::error!(
                function = &*function.name,
                "{hops} functions have passed an asynchronous invocation on to each other; it ends here, for it looks like \
                 a loop of destinations"
            );
            return;
        }
        let bytes = record.payload.len();
        if bytes > INVOKE_EVENT_BYTES_MAX {
            tracing::error!(
                function = &*function.name,
                "a record of {bytes} bytes is not passed on: an asynchronous invocation takes {INVOKE_EVENT_BYTES_MAX}"
            );
            return;
        }
        let event = Event {
            request_id: self.host.new_id(),
            payload: record.payload,
            client_context: None,
            trace_id: self.event.trace_id.clone(),
            log_tail: false,
            crash: false,
        };
        if let Err(error) = self.host.background.accept(&self.host, function, event, hops) {
            tracing::error!(function = &*function.name, "a record could not be passed on: {error}");
        }
    }
}
