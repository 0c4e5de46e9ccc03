use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    FunctionErrorKind, RequestId,
    code::{Fingerprint, Prepared},
    function::{Function, Invocation},
    limits::RUNTIME_CONNECTIONS_MAX,
    output::Output,
    pool::EnvironmentId,
    process::Process,
};

/// One execution environment: a process, and what it is at.
///
/// It hands events to the process's polls and takes its answers. Whatever ends an invocation takes `outstanding`
/// under the lock, so each invocation is answered once, by whoever comes first: the function, its
/// deadline or its end.
pub(crate) struct Environment {
    pub(crate) id: EnvironmentId,
    pub(crate) process: Process,
    pub(crate) output: Output,
    pub(crate) stop: CancellationToken,
    /// Wakes the supervisor when the process says that it cannot begin.
    pub(crate) init_failed: Notify,
    /// Weak, since the function's pool holds the environment.
    function: Weak<Function>,
    prepared: Prepared,
    state: Mutex<State>,
}

struct State {
    polls: VecDeque<oneshot::Sender<NextEvent>>,
    outstanding: Option<Outstanding>,
    /// The last invocation, from its answer to the next event.
    answered: Option<RequestId>,
    /// The pool knows that a poll is waiting.
    offered: bool,
    /// The first poll has come: initialisation is over.
    initialised: bool,
    init_error: Option<Bytes>,
    ended: bool,
    idle_since: Instant,
    extensions: Vec<Extension>,
}

/// An extension that the process registered. It gets no events; a runtime registers one to be told to stop (by SIGTERM).
struct Extension {
    name: String,
    identifier: String,
}

/// An invocation that the process is at.
pub(crate) struct Outstanding {
    pub(crate) request_id: RequestId,
    pub(crate) answer: oneshot::Sender<Answer>,
    pub(crate) started: Instant,
    deadline: Instant,
}

/// How an invocation ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) payload: Bytes,
    pub(crate) error: Option<FunctionErrorKind>,
    pub(crate) log_tail: String,
    pub(crate) duration: Duration,
}

/// What a poll is answered with.
#[derive(Debug)]
pub(crate) struct NextEvent {
    pub(crate) request_id: RequestId,
    pub(crate) payload: Bytes,
    pub(crate) deadline_ms: u128,
    pub(crate) client_context: Option<String>,
    pub(crate) trace_id: Option<String>,
}

/// Why the process's call is refused (P3).
#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    /// There is no such invocation, or not any more: 400.
    UnknownInvocation,
    /// Not at this point: 403.
    WrongState,
}

/// What the supervisor finds when it looks.
pub(crate) enum Due {
    /// Nothing before this time.
    Later(Instant),
    InitTimedOut,
    /// The environment has ended; this invocation is still to be told.
    TimedOut(Outstanding),
    Idle,
}

impl Environment {
    pub(crate) fn new(
        id: EnvironmentId,
        function: &Arc<Function>,
        prepared: Prepared,
        process: Process,
        output: Output,
        stop: CancellationToken,
    ) -> Self {
        Self {
            id,
            process,
            output,
            stop,
            init_failed: Notify::new(),
            function: Arc::downgrade(function),
            prepared,
            state: Mutex::new(State {
                polls: VecDeque::new(),
                outstanding: None,
                answered: None,
                offered: false,
                initialised: false,
                init_error: None,
                ended: false,
                idle_since: Instant::now(),
                extensions: Vec::new(),
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
            if state.polls.len() >= RUNTIME_CONNECTIONS_MAX {
                state.polls.retain(|poll| !poll.is_closed());
            }
            state.polls.push_back(sender);
            state.initialised = true;
            state.claim_offer()
        };
        if offer {
            self.offer();
        }
        receiver
    }

    /// Hands an event to the process, or gives it back: the process is gone, or no poll of it is open any more.
    pub(crate) fn deliver(&self, invocation: Invocation, now: SystemTime) -> Result<(), Invocation> {
        if self.process.has_exited() {
            return Err(invocation);
        }
        let timeout = invocation.timeout;
        let deadline = now + timeout;
        let mut event = NextEvent {
            request_id: invocation.request_id.clone(),
            payload: invocation.payload.clone(),
            deadline_ms: deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis(),
            client_context: invocation.client_context.clone(),
            trace_id: invocation.trace_id.clone(),
        };
        let mut state = self.state();
        state.offered = false;
        if state.ended || state.outstanding.is_some() {
            return Err(invocation);
        }
        self.output.begin(&invocation.request_id);
        while let Some(poll) = state.polls.pop_front() {
            match poll.send(event) {
                Ok(()) => {
                    let started = Instant::now();
                    state.answered = None;
                    state.outstanding = Some(Outstanding {
                        request_id: invocation.request_id,
                        answer: invocation.answer,
                        started,
                        deadline: started + timeout,
                    });
                    return Ok(());
                }
                Err(unsent) => event = unsent,
            }
        }
        Err(invocation)
    }

    /// The process has answered an invocation.
    ///
    /// # Errors
    /// The invocation is not the one that the process is at.
    pub(crate) fn answer(
        self: &Arc<Self>,
        request_id: &str,
        payload: Bytes,
        error: Option<FunctionErrorKind>,
    ) -> Result<(), Refusal> {
        let (outstanding, offer) = {
            let mut state = self.state();
            match &state.outstanding {
                Some(outstanding) if outstanding.request_id.as_str() == request_id => {}
                None if state.answered.as_ref().is_some_and(|id| id.as_str() == request_id) => {
                    return Err(Refusal::WrongState);
                }
                _ => return Err(Refusal::UnknownInvocation),
            }
            let Some(outstanding) = state.outstanding.take() else { return Err(Refusal::UnknownInvocation) };
            state.answered = Some(outstanding.request_id.clone());
            state.idle_since = Instant::now();
            // A concurrent runtime has further polls open.
            state.polls.retain(|poll| !poll.is_closed());
            (outstanding, state.claim_offer())
        };
        let answer =
            Answer { payload, error, log_tail: self.output.tail(), duration: outstanding.started.elapsed() };
        // The pool learns first: whoever gets the answer may send its next event at once.
        if offer {
            self.offer();
        } else if let Some(function) = self.function() {
            function.settled(self.id);
        }
        // Whoever asked may be gone.
        drop(outstanding.answer.send(answer));
        Ok(())
    }

    /// The id of the invocation that the process is at, if it is this one.
    pub(crate) fn is_at(&self, request_id: &str) -> bool {
        self.state()
            .outstanding
            .as_ref()
            .is_some_and(|outstanding| outstanding.request_id.as_str() == request_id)
    }

    /// The process cannot begin.
    ///
    /// # Errors
    /// It has begun already.
    pub(crate) fn fail_init(&self, body: Bytes) -> Result<(), Refusal> {
        {
            let mut state = self.state();
            if state.initialised || state.init_error.is_some() {
                return Err(Refusal::WrongState);
            }
            state.init_error = Some(body);
        }
        self.init_failed.notify_one();
        Ok(())
    }

    /// What the process said on `/runtime/init/error`.
    pub(crate) fn take_init_error(&self) -> Option<Bytes> {
        self.state().init_error.take()
    }

    pub(crate) fn is_initialised(&self) -> bool {
        self.state().initialised
    }

    pub(crate) fn has_outstanding(&self) -> bool {
        self.state().outstanding.is_some()
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
        if !state.initialised {
            let look_again = init_deadline.min(now + recheck);
            return if now >= init_deadline { Due::InitTimedOut } else { Due::Later(look_again) };
        }
        match &state.outstanding {
            Some(outstanding) if now >= outstanding.deadline => match state.end() {
                Some(outstanding) => Due::TimedOut(outstanding),
                None => Due::Later(now + recheck),
            },
            Some(outstanding) => Due::Later(outstanding.deadline),
            None if now >= state.idle_since + idle_max => Due::Idle,
            None => Due::Later((now + recheck).min(state.idle_since + idle_max)),
        }
    }

    /// No event is taken and no answer accepted any more. Gives the invocation that is left without an answer.
    pub(crate) fn end(&self) -> Option<Outstanding> {
        self.state().end()
    }

    /// Registers an extension under an identifier of the caller's making.
    ///
    /// # Errors
    /// The error type of the refusal.
    pub(crate) fn register_extension(
        &self,
        name: &str,
        identifier: String,
        extensions_max: usize,
    ) -> Result<(), &'static str> {
        let mut state = self.state();
        if state.extensions.iter().any(|extension| extension.name == name) {
            return Err("Extension.AlreadyRegistered");
        }
        if state.extensions.len() >= extensions_max {
            return Err("Extension.TooManyExtensions");
        }
        state.extensions.push(Extension { name: name.to_owned(), identifier });
        Ok(())
    }

    pub(crate) fn knows_extension(&self, identifier: &str) -> bool {
        self.state().extensions.iter().any(|extension| extension.identifier == identifier)
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
    /// Whether the pool is to be told that an event would be welcome; it is told once.
    fn claim_offer(&mut self) -> bool {
        let offer = !self.ended && !self.offered && self.outstanding.is_none() && !self.polls.is_empty();
        self.offered |= offer;
        offer
    }

    fn end(&mut self) -> Option<Outstanding> {
        self.ended = true;
        self.polls.clear();
        self.outstanding.take()
    }
}
