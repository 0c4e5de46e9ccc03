use std::{
    ffi::OsString,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::HeaderValue;
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    FunctionConfig, HostConfig, InvokeError, InvokeOutcome, RequestId, Throttle,
    code::Code,
    concurrency::{Bound, Slot},
    environment::Environment,
    failure::Failure,
    outstanding::Answer,
    platform_log::{PlatformLog, Report},
    pool::{EnvironmentId, Next, Pool, Standing, Waiting},
    spawner::Spawner,
    supervisor,
};

/// What all functions of a host share.
pub(crate) struct Shared {
    pub(crate) config: HostConfig,
    pub(crate) spawner: Spawner,
    /// Every task that owns a process or an accepted event.
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    /// What functions share that reserve nothing.
    pub(crate) unreserved: Arc<Bound>,
    /// `PATH` and `LANG`, as the host has them.
    pub(crate) inherited: Vec<(OsString, OsString)>,
    pub(crate) lines_dropped: Arc<AtomicU64>,
    /// Every environment whose process runs.
    pub(crate) running: Mutex<Vec<Arc<Environment>>>,
}

/// A function: what to start, and the environments that run it.
pub(crate) struct Function {
    pub(crate) config: FunctionConfig,
    pub(crate) name: Arc<str>,
    pub(crate) arn: String,
    pub(crate) arn_header: HeaderValue,
    pub(crate) code: Arc<Code>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) platform_log: Arc<PlatformLog>,
    /// Invocations under way and waiting: the function's own bound if it reserves some, else the one that it shares.
    concurrency: Arc<Bound>,
    /// The log has said that invocations are refused.
    throttled: AtomicBool,
    /// Accepted events that compete for an environment at the same time: as many as there are environments, so
    /// that a backlog of events does not fill the queue that callers wait in.
    pub(crate) background: Semaphore,
    pool: Mutex<Pool<Arc<Environment>, Invocation>>,
    watching_settling: AtomicBool,
}

/// An invocation on its way to a process.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) request_id: RequestId,
    pub(crate) payload: Bytes,
    pub(crate) client_context: Option<String>,
    pub(crate) trace_id: Option<String>,
    pub(crate) log_tail: bool,
    pub(crate) crash: bool,
    pub(crate) answer: oneshot::Sender<Answer>,
    pub(crate) slot: Slot,
}

impl Waiting for Invocation {
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }
}

/// One event, which may be handed over more than once if it is retried.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) request_id: RequestId,
    pub(crate) payload: Bytes,
    pub(crate) client_context: Option<String>,
    pub(crate) trace_id: Option<String>,
    /// Somebody wants to see the end of the log.
    pub(crate) log_tail: bool,
    /// Somebody wants to see the process die over it.
    pub(crate) crash: bool,
}

/// Why an environment never got to run, for the invocation that it was started for.
pub(crate) struct Stillborn {
    pub(crate) failure: Failure,
    /// What it printed, if it got that far.
    pub(crate) environment: Option<Arc<Environment>>,
    /// Of the invocation's own time.
    pub(crate) duration: Duration,
}

impl Function {
    pub(crate) fn new(
        config: FunctionConfig,
        arn: String,
        arn_header: HeaderValue,
        shared: Arc<Shared>,
    ) -> Self {
        let environments_max = shared.config.environments_per_function_max;
        let events_max = environments_max.saturating_mul(config.environment_concurrency);
        let lines = shared.config.platform_lines;
        let platform_log = PlatformLog::new(&config, lines, Arc::clone(&shared.config.wall_clock));
        let settle_wait_max = shared.config.settle_wait_max;
        Self {
            platform_log: Arc::new(platform_log),
            concurrency: match config.reserved_concurrency {
                Some(reserved) => Bound::new(reserved),
                None => Arc::clone(&shared.unreserved),
            },
            throttled: AtomicBool::new(false),
            name: config.name.as_str().into(),
            arn,
            arn_header,
            code: Arc::new(Code::new(config.code.clone())),
            background: Semaphore::new(events_max.min(Semaphore::MAX_PERMITS)),
            pool: Mutex::new(Pool::new(environments_max, config.environment_concurrency, settle_wait_max)),
            watching_settling: AtomicBool::new(false),
            config,
            shared,
        }
    }

    /// Runs one event and waits for its end. If the caller stops waiting, the function still runs to its end.
    pub(crate) async fn invoke(self: &Arc<Self>, event: Event) -> Result<InvokeOutcome, InvokeError> {
        let slot = self.take_slot()?;
        let (sender, mut answer) = oneshot::channel();
        let request_id = event.request_id.clone();
        let invocation = Invocation {
            request_id: event.request_id,
            payload: event.payload,
            client_context: event.client_context,
            trace_id: event.trace_id,
            log_tail: event.log_tail,
            crash: event.crash,
            answer: sender,
            slot,
        };
        let received = match self.hand_over(invocation)? {
            Handed::ToEnvironment => answer.await,
            Handed::ToQueue => match timeout(self.shared.config.queue_wait_max, &mut answer).await {
                Ok(received) => received,
                Err(_) if self.leave_queue(&request_id) => {
                    return Err(self.throttled(Throttle::QueueWait));
                }
                Err(_) => answer.await,
            },
        };
        // The other end is dropped without an answer only when the host ends.
        let Answer { payload, error, log_tail, duration, init_duration } =
            received.map_err(|_| InvokeError::ShuttingDown)?;
        Ok(InvokeOutcome {
            request_id,
            payload,
            function_error: error,
            executed_version: "$LATEST",
            log_tail,
            duration,
            init_duration,
        })
    }

    /// Whether invocations are refused whatever is under way.
    pub(crate) fn is_switched_off(&self) -> bool {
        self.config.reserved_concurrency == Some(0)
    }

    fn take_slot(&self) -> Result<Slot, InvokeError> {
        if let Some(slot) = self.concurrency.take() {
            return Ok(slot);
        }
        // Those that nobody waits for any more make room.
        self.pool().drop_abandoned();
        self.concurrency.take().ok_or_else(|| {
            self.throttled(match self.config.reserved_concurrency {
                Some(reserved) => Throttle::Reserved { reserved },
                None => Throttle::Account { unreserved: self.concurrency.max() },
            })
        })
    }

    /// An environment's process asks for an event.
    pub(crate) fn ready(self: &Arc<Self>, environment: &Arc<Environment>) {
        loop {
            let next = self.pool().ready(environment.id, environment, Instant::now());
            let invocation = match next {
                Next::Wait => return,
                Next::End => return environment.stop_when_done(),
                Next::Serve(invocation) => invocation,
            };
            if environment.is_older_than(self.code.fingerprint()) {
                self.pool().enqueue_first(invocation);
                self.let_go(environment);
                return self.start_environments();
            }
            match environment.deliver(invocation, self.now()) {
                // It takes more than one at a time.
                Ok(true) => {}
                Ok(false) => return,
                Err(invocation) => {
                    self.pool().enqueue_first(invocation);
                    return self.finished(environment);
                }
            }
        }
    }

    /// An environment has ended an invocation, or did not take one.
    pub(crate) fn finished(self: &Arc<Self>, environment: &Environment) {
        let unneeded = self.pool().finished(environment.id, Instant::now());
        if unneeded {
            environment.stop_when_done();
        }
        self.watch_settling();
    }

    /// An environment gets no more events, unless it is still starting or has ended: says whether that is so.
    pub(crate) fn retire_environment(&self, environment: &Environment) -> bool {
        let is_warm = self.standing(environment.id).is_some_and(|standing| standing != Standing::Starting);
        if is_warm {
            self.let_go(environment);
        }
        is_warm
    }

    /// An environment gets no more events.
    fn let_go(&self, environment: &Environment) {
        self.pool().remove(environment.id);
        environment.stop_when_done();
    }

    /// An environment is no more. If it never got to run, `stillborn` is what the invocation that it was started
    /// for is told.
    pub(crate) fn gone(self: &Arc<Self>, id: EnvironmentId, stillborn: Option<Stillborn>) {
        let waiting = {
            let mut pool = self.pool();
            let was_starting = pool.remove(id);
            if was_starting && stillborn.is_some() { pool.dequeue() } else { None }
        };
        if let Some(stillborn) = stillborn {
            tracing::error!(function = &*self.name, "{}", stillborn.failure);
            if let Some(invocation) = waiting {
                self.fail(invocation, stillborn);
            }
        }
        self.start_environments();
    }

    /// Tells an invocation that no environment came up for it.
    fn fail(&self, invocation: Invocation, Stillborn { failure, environment, duration }: Stillborn) {
        let Invocation { request_id, answer, slot, log_tail, .. } = invocation;
        let payload = failure.payload(&request_id, self.now());
        let (status, error_type) = failure.status();
        let report = Report { status, error_type, duration, init_duration: None, produced: payload.len() };
        let own = environment.as_ref().map(|environment| environment.output.tail()).unwrap_or_default();
        let log_tail = log_tail.then(|| self.platform_log.tail(&own, &request_id, &report, None));
        drop(slot);
        let error = Some(failure.kind());
        drop(answer.send(Answer { payload, error, log_tail, duration, init_duration: None }));
        if let Some(environment) = environment {
            self.platform_log.started(&environment.output, &request_id);
            self.platform_log.ended(&environment.output, &request_id, &report, || None);
        }
    }

    /// Whether an invocation waits for an environment.
    pub(crate) fn is_wanted(&self) -> bool {
        self.pool().is_wanted()
    }

    /// Takes an environment away from the pool, if nobody is using it.
    pub(crate) fn take_away_unused(&self, id: EnvironmentId) -> bool {
        self.pool().remove_unused(id)
    }

    /// Lets the environments end as they come free.
    pub(crate) fn retire(&self) {
        self.pool().retire();
    }

    /// Tells everyone who waits for an environment that none will come.
    pub(crate) fn clear_queue(&self) {
        self.pool().clear_queue();
    }

    pub(crate) fn standing(&self, id: EnvironmentId) -> Option<Standing> {
        self.pool().standing(id)
    }

    fn hand_over(self: &Arc<Self>, mut invocation: Invocation) -> Result<Handed, InvokeError> {
        loop {
            if self.shared.shutdown.is_cancelled() {
                return Err(InvokeError::ShuttingDown);
            }
            let (id, environment) = {
                let mut pool = self.pool();
                match pool.take_open(Instant::now()) {
                    Some(taken) => taken,
                    None => {
                        pool.enqueue(invocation);
                        break;
                    }
                }
            };
            if environment.is_older_than(self.code.fingerprint()) {
                self.let_go(&environment);
                continue;
            }
            match environment.deliver(invocation, self.now()) {
                Ok(more) => {
                    if more {
                        self.ready(&environment);
                    }
                    return Ok(Handed::ToEnvironment);
                }
                Err(returned) => invocation = returned,
            }
            // Its process is gone, or has closed its poll and may open another.
            if environment.process.has_exited() {
                self.pool().remove(id);
            } else {
                self.finished(&environment);
            }
        }
        if self.shared.shutdown.is_cancelled() {
            // The shutdown may have cleared the queue just before this one came.
            self.clear_queue();
        }
        self.start_environments();
        self.watch_settling();
        Ok(Handed::ToQueue)
    }

    fn leave_queue(&self, request_id: &RequestId) -> bool {
        self.pool().withdraw(|waiting| waiting.request_id == *request_id).is_some()
    }

    fn start_environments(self: &Arc<Self>) {
        while !self.shared.shutdown.is_cancelled() {
            let started = self.pool().start(Instant::now(), || self.shared.shutdown.child_token());
            let Some((id, stop)) = started else { return };
            self.shared.tasks.spawn(supervisor::run(Arc::clone(self), id, stop));
        }
    }

    /// While invocations wait and an environment may be about to ask for one, looks again until it has, or has not.
    fn watch_settling(self: &Arc<Self>) {
        if !self.pool().depends_on_settling() || self.watching_settling.swap(true, Ordering::AcqRel) {
            return;
        }
        let function = Arc::clone(self);
        self.shared.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = function.shared.shutdown.cancelled() => return,
                    () = sleep(function.shared.config.settle_wait_max) => {}
                }
                function.start_environments();
                if !function.pool().depends_on_settling() {
                    function.watching_settling.store(false, Ordering::Release);
                    // One that came between the look and the store has seen the flag and relied on this task.
                    if !function.pool().depends_on_settling()
                        || function.watching_settling.swap(true, Ordering::AcqRel)
                    {
                        return;
                    }
                }
            }
        });
    }

    /// Whoever is refused is told each time, the log once.
    pub(crate) fn throttled(&self, throttle: Throttle) -> InvokeError {
        let error = InvokeError::TooManyRequests { function: self.config.name.clone(), throttle };
        if !self.throttled.swap(true, Ordering::Relaxed) {
            tracing::warn!(function = &*self.name, "an invocation is refused (said once): {error}");
        }
        error
    }

    fn now(&self) -> std::time::SystemTime {
        (self.shared.config.wall_clock)()
    }

    fn pool(&self) -> MutexGuard<'_, Pool<Arc<Environment>, Invocation>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Handed {
    ToEnvironment,
    ToQueue,
}
