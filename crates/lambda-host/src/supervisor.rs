use std::{net::Ipv4Addr, sync::Arc, sync::PoisonError, time::Duration};

use rustix::{io::Errno, process::Signal};
use time::OffsetDateTime;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    RequestId,
    environment::{Beginning, Due, Environment, Phase},
    error::CodeError,
    extensions::ShutdownReason,
    failure::Failure,
    function::{Function, Stillborn},
    http_server::{Connections, Surplus},
    limits::{MEMORY_LOOK_INTERVAL, RUNTIME_CONNECTIONS_MAX},
    output::Output,
    outstanding::Outstanding,
    platform_log::Report,
    pool::EnvironmentId,
    process::ExitWatch,
    runtime_api,
    spawner::SpawnRequest,
    variables::{EnvironmentVariables, log_stream_name},
};

/// How long the last bytes of a process that has exited may take from its sockets to us: they are in the kernel
/// already.
const LAST_WORDS_MAX: Duration = Duration::from_millis(100);

/// Brings one environment up, watches it, and ends it. The only place that ends a process.
///
/// An initialisation that fails is tried once more on the time of the invocation that waits for it, as the service does (P15).
pub(crate) async fn run(function: Arc<Function>, id: EnvironmentId, stop: CancellationToken) {
    let mut phase = Phase::Init;
    loop {
        let started = Instant::now();
        let begun = tokio::select! {
            begun = begin(&function, id, &stop, phase, started) => begun,
            () = stop.cancelled() => return function.gone(id, None),
        };
        let running = match begun {
            Ok(running) => running,
            Err(failure) => {
                let stillborn = Stillborn { failure, environment: None, duration: Duration::ZERO };
                return function.gone(id, Some(stillborn));
            }
        };
        let environment = Arc::clone(&running.environment);
        list(&function).push(Arc::clone(&environment));
        tracing::debug!(function = &*function.name, pid = environment.process.pid(), "environment started");

        let end = running.watch(&function).await;
        let once_more = running.conclude(&function, end).await;

        environment.output.finish();
        // While it is listed, a host that is dropped kills what is left of it.
        let strays = Arc::clone(&environment);
        drop(tokio::task::spawn_blocking(move || strays.process.collect_strays()).await);
        list(&function).retain(|listed| !Arc::ptr_eq(listed, &environment));
        tracing::debug!(function = &*function.name, pid = environment.process.pid(), "environment ended");
        if !once_more {
            return;
        }
        phase = Phase::Invoke;
    }
}

fn list(function: &Function) -> std::sync::MutexGuard<'_, Vec<Arc<Environment>>> {
    function.shared.running.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Running {
    environment: Arc<Environment>,
    phase: Phase,
    started: Instant,
    exit: ExitWatch,
    connections: Connections,
    /// Ends the tasks of this environment together with it.
    _tasks: DropGuard,
}

/// Why an environment ends.
enum End {
    Exited,
    Failed(Failure),
    TimedOut(Vec<Outstanding>),
    /// Idle, retired or the host is ending.
    Stopped,
}

/// Finds the code, opens the Runtime API's address, starts the process.
async fn begin(
    function: &Arc<Function>,
    id: EnvironmentId,
    stop: &CancellationToken,
    phase: Phase,
    started: Instant,
) -> Result<Running, Failure> {
    let host = |error: std::io::Error| Failure::Host(error.to_string());
    let shared = &function.shared;
    let prepared = function.code.prepare().await.map_err(Failure::Code)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(host)?;
    let runtime_api = listener.local_addr().map_err(host)?.to_string();
    let stream_id = RequestId::random(&shared.config.random_bytes);
    let today = OffsetDateTime::from((shared.config.wall_clock)());
    let variables = EnvironmentVariables {
        function: &function.config,
        region: &shared.config.region,
        task_root: &prepared.task_root,
        runtime_api: &runtime_api,
        log_stream: &log_stream_name(today, stream_id.as_str()),
        inherited: &shared.inherited,
    };
    let request = SpawnRequest {
        program: prepared.bootstrap.clone(),
        working_directory: prepared.task_root.clone(),
        variables: variables.all(),
        runtime_api,
    };
    let spawned =
        shared.spawner.spawn(request).await.map_err(|source| match Errno::from_io_error(&source) {
            Some(Errno::NOENT | Errno::ACCESS | Errno::NOEXEC | Errno::TXTBSY) => {
                Failure::Code(CodeError::NotStartable { path: prepared.bootstrap.clone(), source })
            }
            // Not the code's fault, such as too many processes.
            _ => host(source),
        })?;

    let exit = spawned.process.exit_watch().map_err(host)?;
    let lines = shared.config.log_lines.clone();
    let lines_dropped = Arc::clone(&shared.lines_dropped);
    let output =
        Output::new(Arc::clone(&function.name), spawned.process.pid(), spawned.output, lines, lines_dropped)
            .map_err(host)?;
    let process = spawned.process;
    let beginning = Beginning { id, prepared, process, output, stop: stop.clone(), phase, started };
    let environment = Arc::new(Environment::new(function, beginning));

    let tasks = CancellationToken::new();
    let connections_max = RUNTIME_CONNECTIONS_MAX + function.config.environment_concurrency;
    let pid = environment.process.pid();
    let name = format!("the Runtime API of function {}, process {pid}", function.name);
    let connections = Connections::new(name, connections_max, Surplus::IsClosed, tasks.clone());
    runtime_api::serve(&environment, function, listener, &connections);
    let (reader, ended) = (Arc::clone(&environment), tasks.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = ended.cancelled() => {}
            result = reader.output.pump() => {
                if let Err(error) = result {
                    tracing::warn!(%error, pid = reader.process.pid(), "a function's output cannot be read");
                }
            }
        }
    });
    Ok(Running { environment, phase, started, exit, connections, _tasks: tasks.drop_guard() })
}

impl Running {
    async fn watch(&self, function: &Arc<Function>) -> End {
        let environment = &self.environment;
        let config = &function.shared.config;
        let init_max = match self.phase {
            Phase::Init => config.init_timeout,
            Phase::Invoke => function.config.timeout,
        };
        let init_deadline = self.started + init_max;
        let recheck = function.config.timeout.min(config.environment_idle_max).min(MEMORY_LOOK_INTERVAL);
        loop {
            let now = Instant::now();
            let wake = match environment.due(now, init_deadline, recheck, config.environment_idle_max) {
                Due::Later(wake) => wake,
                Due::InitTimedOut => {
                    return End::Failed(match self.phase {
                        Phase::Init => Failure::InitTimedOut(init_max),
                        Phase::Invoke => Failure::TimedOut(init_max),
                    });
                }
                Due::TimedOut(late) if function.config.environment_concurrency == 1 => {
                    return End::TimedOut(late);
                }
                // The others go on, and so does what is late: nobody can stop one of several in a process.
                Due::TimedOut(late) => {
                    let ended = late.len();
                    self.fail(function, late, &Failure::TimedOut(function.config.timeout));
                    for _ in 0..ended {
                        function.finished(environment);
                    }
                    now
                }
                Due::ExtensionLate(name) => return End::Failed(Failure::ExtensionLate { name }),
                Due::Retired => return End::Stopped,
                Due::Idle if function.take_away_unused(environment.id) => return End::Stopped,
                // It has just been given something to do.
                Due::Idle => now + recheck,
            };
            let memory_mb = function.config.memory_mb;
            if let Some(used_mb) = environment.memory_excess(memory_mb) {
                return End::Failed(Failure::OutOfMemory { used_mb, memory_mb });
            }
            tokio::select! {
                biased;
                () = self.exit.exited() => return End::Exited,
                () = environment.stop.cancelled() => return End::Stopped,
                () = environment.failed.notified() => {
                    if let Some(failure) = environment.take_failure() {
                        return End::Failed(failure);
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Tells whoever waits, and ends the process if it still runs. Says whether it is to be tried once more.
    async fn conclude(&self, function: &Arc<Function>, end: End) -> bool {
        let environment = &self.environment;
        match end {
            End::Exited => {
                let status = environment.process.reap();
                if environment.has_outstanding() || !environment.is_initialised() {
                    // A process that answers and exits at once: its answer may still be on the way to us.
                    drop(timeout(LAST_WORDS_MAX, self.connections.all_closed()).await);
                }
                let outstanding = environment.end();
                if environment.is_initialised() {
                    self.fail_all(function, outstanding, &Failure::Exited(status));
                    return false;
                }
                self.stillborn(function, environment.take_failure().unwrap_or(Failure::InitExited(status)))
            }
            End::Failed(failure) => {
                let reason = match failure {
                    Failure::InitTimedOut(_) | Failure::TimedOut(_) | Failure::ExtensionLate { .. } => {
                        ShutdownReason::Timeout
                    }
                    _ => ShutdownReason::Failure,
                };
                let outstanding = environment.end();
                let once_more = if environment.is_initialised() {
                    self.fail_all(function, outstanding, &failure);
                    false
                } else {
                    self.stillborn(function, failure)
                };
                self.terminate(function, reason).await;
                once_more
            }
            End::TimedOut(late) => {
                self.fail(function, late, &Failure::TimedOut(function.config.timeout));
                function.gone(environment.id, None);
                self.terminate(function, ShutdownReason::Timeout).await;
                false
            }
            End::Stopped => {
                // Only a host that ends stops an environment that is at work; dropping the invocations says so.
                drop(environment.end());
                function.gone(environment.id, None);
                self.terminate(function, ShutdownReason::Spindown).await;
                false
            }
        }
    }

    /// The environment did not come up. Says whether it is to be tried once more: then it keeps its place.
    fn stillborn(&self, function: &Arc<Function>, failure: Failure) -> bool {
        let environment = &self.environment;
        let duration = self.started.elapsed();
        if self.phase == Phase::Init {
            let (status, error_type) = failure.status();
            let report = Report { status, error_type, duration, init_duration: None, produced: 0 };
            function.platform_log.initialised(&environment.output, &report);
            if function.is_wanted() {
                tracing::warn!(
                    function = &*function.name,
                    pid = environment.process.pid(),
                    "{failure}; it is tried once more, on the invocation's own time"
                );
                return true;
            }
        }
        let environment = Some(Arc::clone(environment));
        function.gone(self.environment.id, Some(Stillborn { failure, environment, duration }));
        false
    }

    /// The environment has ended.
    fn fail_all(&self, function: &Arc<Function>, outstanding: Vec<Outstanding>, failure: &Failure) {
        if outstanding.is_empty() {
            tracing::warn!(
                function = &*function.name,
                pid = self.environment.process.pid(),
                "between two invocations: {failure}"
            );
        }
        self.fail(function, outstanding, failure);
        function.gone(self.environment.id, None);
    }

    fn fail(&self, function: &Arc<Function>, outstanding: Vec<Outstanding>, failure: &Failure) {
        for outstanding in outstanding {
            tracing::warn!(function = &*function.name, request_id = %outstanding.request_id, "{failure}");
            self.environment.fail(outstanding, failure, (function.shared.config.wall_clock)());
        }
    }

    /// Ends the process, the processes of its group, and the extensions, which get the service's time to do so in order.
    /// Without an extension there is none: the service sends no SIGTERM then either (P17).
    async fn terminate(&self, function: &Function, reason: ShutdownReason) {
        let environment = &self.environment;
        let (grace, told) = environment.shutdown_grace();
        if !grace.is_zero() {
            environment.tell_shutdown(reason, (function.shared.config.wall_clock)() + grace);
            let in_order = async {
                match reason {
                    // An extension that is told by an event may be in the group, and is not to be hurried.
                    ShutdownReason::Spindown if told => environment.process.signal(Signal::TERM),
                    ShutdownReason::Spindown => environment.process.signal_group(Signal::TERM),
                    ShutdownReason::Timeout | ShutdownReason::Failure => {
                        environment.process.signal(Signal::KILL);
                    }
                }
                self.exit.exited().await;
                if told {
                    // An extension in a process of its own has ended when it holds no connection any more.
                    self.connections.all_closed().await;
                }
            };
            drop(timeout(grace, in_order).await);
        }
        environment.process.signal_group(Signal::KILL);
        self.exit.exited().await;
        environment.process.reap();
    }
}
