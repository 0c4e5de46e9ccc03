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
    FunctionConfig, HostConfig, InvokeError, InvokeOutcome, RequestId,
    code::Code,
    environment::{Answer, Environment},
    failure::Failure,
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
    pub(crate) timeout: Duration,
    pub(crate) answer: oneshot::Sender<Answer>,
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
}

impl Function {
    pub(crate) fn new(
        config: FunctionConfig,
        arn: String,
        arn_header: HeaderValue,
        shared: Arc<Shared>,
    ) -> Self {
        let environments_max = shared.config.environments_per_function_max;
        Self {
            name: config.name.as_str().into(),
            arn,
            arn_header,
            code: Arc::new(Code::new(config.code.clone())),
            background: Semaphore::new(environments_max.min(Semaphore::MAX_PERMITS)),
            pool: Mutex::new(Pool::new(environments_max, shared.config.settle_wait_max)),
            watching_settling: AtomicBool::new(false),
            config,
            shared,
        }
    }

    /// Runs one event and waits for its end. If the caller stops waiting, the function still runs to its end.
    pub(crate) async fn invoke(self: &Arc<Self>, event: Event) -> Result<InvokeOutcome, InvokeError> {
        let (sender, mut answer) = oneshot::channel();
        let request_id = event.request_id.clone();
        let invocation = Invocation {
            request_id: event.request_id,
            payload: event.payload,
            client_context: event.client_context,
            trace_id: event.trace_id,
            timeout: self.config.timeout,
            answer: sender,
        };
        let received = match self.hand_over(invocation)? {
            Handed::ToEnvironment => answer.await,
            Handed::ToQueue => match timeout(self.shared.config.queue_wait_max, &mut answer).await {
                Ok(received) => received,
                Err(_) if self.leave_queue(&request_id) => {
                    return Err(self.too_many_requests("no environment came free in time"));
                }
                Err(_) => answer.await,
            },
        };
        // The other end is dropped without an answer only when the host ends.
        let Answer { payload, error, log_tail, duration } =
            received.map_err(|_| InvokeError::ShuttingDown)?;
        Ok(InvokeOutcome {
            request_id,
            payload,
            function_error: error,
            executed_version: "$LATEST",
            log_tail,
            duration,
        })
    }

    /// An environment's process asks for an event.
    pub(crate) fn ready(self: &Arc<Self>, environment: &Arc<Environment>) {
        let next = self.pool().ready(environment.id, environment);
        let invocation = match next {
            Next::Wait => return,
            Next::End => return environment.stop.cancel(),
            Next::Serve(invocation) => invocation,
        };
        if environment.is_older_than(self.code.fingerprint()) {
            {
                let mut pool = self.pool();
                pool.enqueue_first(invocation);
                pool.remove(environment.id);
            }
            environment.stop.cancel();
            return self.start_environments();
        }
        if let Err(invocation) = environment.deliver(invocation, self.now()) {
            {
                let mut pool = self.pool();
                pool.enqueue_first(invocation);
                pool.settle(environment.id, Instant::now());
            }
            self.watch_settling();
        }
    }

    /// An environment has answered and has no poll open.
    pub(crate) fn settled(self: &Arc<Self>, id: EnvironmentId) {
        self.pool().settle(id, Instant::now());
        self.watch_settling();
    }

    /// An environment is no more. If it never got to run, `failure` is what the invocation that it was started
    /// for is told.
    pub(crate) fn gone(self: &Arc<Self>, id: EnvironmentId, failure: Option<(&Failure, String)>) {
        let waiting = {
            let mut pool = self.pool();
            let was_starting = pool.remove(id);
            if was_starting && failure.is_some() { pool.dequeue() } else { None }
        };
        if let Some((failure, log_tail)) = failure {
            tracing::error!(function = &*self.name, "{failure}");
            if let Some(Invocation { request_id, answer, .. }) = waiting {
                drop(answer.send(self.failed(&request_id, failure, log_tail, Duration::ZERO)));
            }
        }
        self.start_environments();
    }

    /// Takes an environment away from the pool, if nobody is using it.
    pub(crate) fn take_away_unused(&self, id: EnvironmentId) -> bool {
        self.pool().remove_unused(id)
    }

    /// The answer that tells of a failure.
    pub(crate) fn failed(
        &self,
        request_id: &RequestId,
        failure: &Failure,
        log_tail: String,
        duration: Duration,
    ) -> Answer {
        let payload = failure.payload(request_id, self.now());
        Answer { payload, error: Some(failure.kind()), log_tail, duration }
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
                match pool.take_idle() {
                    Some(taken) => taken,
                    None => {
                        pool.enqueue(invocation).map_err(|_| self.too_many_requests("the queue is full"))?;
                        break;
                    }
                }
            };
            if environment.is_older_than(self.code.fingerprint()) {
                self.pool().remove(id);
                environment.stop.cancel();
                continue;
            }
            match environment.deliver(invocation, self.now()) {
                Ok(()) => return Ok(Handed::ToEnvironment),
                Err(returned) => invocation = returned,
            }
            // Its process is gone, or has closed its poll and may open another.
            if environment.process.has_exited() {
                self.pool().remove(id);
            } else {
                self.pool().settle(id, Instant::now());
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

    fn too_many_requests(&self, reason: &'static str) -> InvokeError {
        InvokeError::TooManyRequests { function: self.config.name.clone(), reason }
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
