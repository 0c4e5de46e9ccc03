mod answering;
mod extending;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use rustix::process::Signal;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    RequestId,
    code::{Fingerprint, Prepared},
    extensions::{ExtensionEvent, Extensions, Tracing},
    failure::Failure,
    function::{Function, Invocation},
    memory,
    output::Output,
    outstanding::{InFlight, Outstanding, Refusal},
    platform_log::{PlatformLog, Report, Status},
    pool::EnvironmentId,
    process::Process,
};

/// One execution environment: a process, and what it is at.
///
/// It hands events to the process's polls and takes its answers. Whatever ends an invocation takes it out of `invocations`
/// under the lock, so each invocation is answered once, by whoever comes first: the function, its
/// deadline or its end.
pub(crate) struct Environment {
    pub(crate) id: EnvironmentId,
    pub(crate) process: Process,
    pub(crate) output: Output,
    pub(crate) stop: CancellationToken,
    /// Wakes the supervisor when the process or an extension says that it cannot begin or go on.
    pub(crate) failed: Notify,
    /// Weak, since the function's pool holds the environment.
    function: Weak<Function>,
    platform_log: Arc<PlatformLog>,
    arn: String,
    prepared: Prepared,
    /// The time that an invocation may take.
    timeout: Duration,
    /// Invocations that it takes at a time.
    concurrency: usize,
    started: Instant,
    state: Mutex<State>,
}

/// What distinguishes one environment from the next of the same function.
pub(crate) struct Beginning {
    pub(crate) id: EnvironmentId,
    pub(crate) prepared: Prepared,
    pub(crate) process: Process,
    pub(crate) output: Output,
    pub(crate) stop: CancellationToken,
    pub(crate) phase: Phase,
    pub(crate) started: Instant,
}

/// On whose time an environment initialises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// On its own.
    Init,
    /// On that of its first invocation: the service tries an initialisation that failed once more that way.
    Invoke,
}

struct State {
    polls: VecDeque<oneshot::Sender<NextEvent>>,
    invocations: InFlight,
    /// The pool knows that a poll is waiting.
    offered: bool,
    /// The process and its extensions have asked for their first events: initialisation is over.
    initialised: bool,
    /// What the first invocation's report says of the initialisation.
    init_duration: Option<Duration>,
    /// The first invocation's time has been running since then.
    invoke_since: Option<Instant>,
    failure: Option<Failure>,
    /// It ends with its last invocation.
    retired: bool,
    ended: bool,
    idle_since: Instant,
    extensions: Extensions,
    /// Extensions that were told of an invocation, which has ended, have until then to ask for their next event.
    extensions_due: Option<Instant>,
}

/// What a poll is answered with.
#[derive(Debug)]
pub(crate) struct NextEvent {
    pub(crate) request_id: RequestId,
    pub(crate) payload: Bytes,
    pub(crate) deadline_ms: u64,
    pub(crate) client_context: Option<String>,
    pub(crate) trace_id: Option<String>,
}

/// What the supervisor finds when it looks.
pub(crate) enum Due {
    /// Nothing before this time.
    Later(Instant),
    InitTimedOut,
    /// Invocations that are still to be told. Where only one runs at a time the environment has ended with it.
    TimedOut(Vec<Outstanding>),
    ExtensionLate(String),
    Retired,
    Idle,
}

impl Environment {
    pub(crate) fn new(function: &Arc<Function>, beginning: Beginning) -> Self {
        let Beginning { id, prepared, process, output, stop, phase, started } = beginning;
        let concurrency = function.config.environment_concurrency;
        Self {
            id,
            process,
            output,
            stop,
            failed: Notify::new(),
            function: Arc::downgrade(function),
            platform_log: Arc::clone(&function.platform_log),
            arn: function.arn.clone(),
            prepared,
            timeout: function.config.timeout,
            concurrency,
            started,
            state: Mutex::new(State {
                polls: VecDeque::new(),
                invocations: InFlight::new(concurrency),
                offered: false,
                initialised: false,
                init_duration: None,
                invoke_since: (phase == Phase::Invoke).then_some(started),
                failure: None,
                retired: false,
                ended: false,
                idle_since: Instant::now(),
                extensions: Extensions::default(),
                extensions_due: None,
            }),
        }
    }

    /// `None` once the host has let go of the function.
    pub(crate) fn function(&self) -> Option<Arc<Function>> {
        self.function.upgrade()
    }

    /// Whether it was started from an older build than `now`. While there is no build at all, it may stay.
    pub(crate) fn is_older_than(&self, now: Option<Fingerprint>) -> bool {
        now.is_some_and(|now| now != self.prepared.fingerprint)
    }

    /// The process asks for an event. What is returned completes when there is one, and is dropped when the
    /// environment ends.
    pub(crate) fn poll(self: &Arc<Self>) -> oneshot::Receiver<NextEvent> {
        let (sender, receiver) = oneshot::channel();
        let offer = {
            let mut state = self.state();
            if state.ended {
                return receiver;
            }
            // One for each of its connections; those that were given up stay behind.
            if state.polls.len() > self.concurrency {
                state.polls.retain(|poll| !poll.is_closed());
            }
            state.polls.push_back(sender);
            self.claim_offer(&mut state)
        };
        if offer {
            self.offer();
        }
        receiver
    }

    /// Hands an event to the process; says whether it would take another one at once. Gives the event back if the process
    /// is gone, or no poll of it is open any more.
    pub(crate) fn deliver(&self, invocation: Invocation, now: SystemTime) -> Result<bool, Invocation> {
        if self.process.has_exited() {
            return Err(invocation);
        }
        let mut state = self.state();
        state.offered = false;
        state.polls.retain(|poll| !poll.is_closed());
        let open = !state.ended && !state.polls.is_empty();
        if !open || !state.invocations.has_room() || !state.extensions.are_ready() {
            return Err(invocation);
        }
        let (started, spent) = match state.invoke_since {
            Some(since) => (since, since.elapsed()),
            None => (Instant::now(), Duration::ZERO),
        };
        let deadline = now + self.timeout.saturating_sub(spent);
        let mut event = NextEvent {
            request_id: invocation.request_id.clone(),
            payload: invocation.payload.clone(),
            deadline_ms: epoch_ms(deadline),
            client_context: invocation.client_context.clone(),
            trace_id: invocation.trace_id.clone(),
        };
        if self.concurrency == 1 {
            self.output.begin(&invocation.request_id, invocation.log_tail);
        }
        self.platform_log.started(&self.output, &invocation.request_id);
        if invocation.crash {
            // Before the event is on its way: the process never gets to look at it.
            self.process.signal_group(Signal::KILL);
        }
        while let Some(poll) = state.polls.pop_front() {
            match poll.send(event) {
                Ok(()) => {
                    state.invoke_since = None;
                    state.extensions.tell_invoke(|| ExtensionEvent::Invoke {
                        deadline_ms: epoch_ms(deadline),
                        request_id: invocation.request_id.as_str().to_owned(),
                        invoked_function_arn: self.arn.clone(),
                        tracing: invocation.trace_id.map(Tracing::new),
                    });
                    let init_duration = state.init_duration.take();
                    state.invocations.begin(Outstanding {
                        request_id: invocation.request_id,
                        answer: invocation.answer,
                        slot: invocation.slot,
                        log_tail: invocation.log_tail,
                        started,
                        deadline: started + self.timeout,
                        init_duration,
                    });
                    return Ok(self.claim_offer(&mut state));
                }
                Err(unsent) => event = unsent,
            }
        }
        Err(invocation)
    }

    /// Ends the environment, after its last invocation if it is at one.
    pub(crate) fn stop_when_done(&self) {
        let mut state = self.state();
        state.retired = true;
        if state.invocations.is_empty() {
            self.stop.cancel();
        }
    }

    /// The process, or an extension, cannot begin.
    ///
    /// # Errors
    /// It has begun already.
    pub(crate) fn fail_init(&self, failure: Failure) -> Result<(), Refusal> {
        {
            let mut state = self.state();
            if state.initialised || state.failure.is_some() {
                return Err(Refusal::WrongState);
            }
            state.failure = Some(failure);
        }
        self.failed.notify_one();
        Ok(())
    }

    /// An extension cannot go on.
    pub(crate) fn fail_later(&self, failure: Failure) {
        self.state().failure.get_or_insert(failure);
        self.failed.notify_one();
    }

    /// Why the process, or an extension, says that it cannot begin or go on.
    pub(crate) fn take_failure(&self) -> Option<Failure> {
        self.state().failure.take()
    }

    pub(crate) fn is_initialised(&self) -> bool {
        self.state().initialised
    }

    pub(crate) fn has_outstanding(&self) -> bool {
        !self.state().invocations.is_empty()
    }

    /// How much memory the process uses, in MB, if that is more than `memory_mb` while it is at work.
    pub(crate) fn memory_excess(&self, memory_mb: u32) -> Option<u32> {
        let idle = {
            let state = self.state();
            state.initialised && state.invocations.is_empty()
        };
        if idle { None } else { memory::used_mb(self.process.pid()).filter(|&used_mb| used_mb > memory_mb) }
    }

    /// What the supervisor has to do now. `recheck` bounds its sleep and is at most the function's timeout: an invocation
    /// that begins after this look has a later deadline than the next look, so nobody needs to wake the supervisor.
    pub(crate) fn due(
        &self,
        now: Instant,
        init_deadline: Instant,
        recheck: Duration,
        idle_max: Duration,
    ) -> Due {
        let mut state = self.state();
        let look_again = now + recheck;
        if !state.initialised {
            return if now >= init_deadline {
                Due::InitTimedOut
            } else {
                Due::Later(init_deadline.min(look_again))
            };
        }
        if state.extensions.are_ready() {
            state.extensions_due = None;
        } else if state.extensions_due.is_some_and(|due| now >= due) {
            return Due::ExtensionLate(state.extensions.late().unwrap_or_default().to_owned());
        }
        let late = state.invocations.take_late(now);
        if !late.is_empty() {
            if self.concurrency == 1 {
                state.end();
            }
            return Due::TimedOut(late);
        }
        if state.retired && state.invocations.is_empty() {
            return Due::Retired;
        }
        if let Some(deadline) = state.invocations.first_deadline() {
            return Due::Later(deadline.min(look_again));
        }
        let idle_until = state.idle_since + idle_max;
        if now >= idle_until { Due::Idle } else { Due::Later(look_again.min(idle_until)) }
    }

    /// No event is taken and no answer accepted any more. Gives the invocations that are left without an answer.
    pub(crate) fn end(&self) -> Vec<Outstanding> {
        self.state().end()
    }

    /// Whether the pool is to be told that an event would be welcome; it is told once. The first time initialisation is over.
    fn claim_offer(&self, state: &mut State) -> bool {
        if state.ended || state.polls.is_empty() || !state.extensions.are_ready() {
            return false;
        }
        if !state.initialised {
            state.initialised = true;
            if state.invoke_since.is_none() {
                let duration = self.started.elapsed();
                state.init_duration = Some(duration);
                let (status, error_type, produced) = (Status::Success, None, 0);
                let report = Report { status, error_type, duration, init_duration: None, produced };
                self.platform_log.initialised(&self.output, &report);
            }
        }
        let offer = !state.offered && !state.retired && state.invocations.has_room();
        state.offered |= offer;
        offer
    }

    fn offer(self: &Arc<Self>) {
        match self.function() {
            Some(function) => function.ready(self),
            None => self.stop.cancel(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end(&mut self) -> Vec<Outstanding> {
        self.ended = true;
        self.polls.clear();
        self.invocations.take_all()
    }
}

fn epoch_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
