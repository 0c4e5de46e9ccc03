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
    environment::{Due, Environment},
    error::CodeError,
    failure::Failure,
    function::Function,
    http_server::Connections,
    limits::{RUNTIME_CONNECTIONS_MAX, TERMINATE_GRACE},
    output::Output,
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
pub(crate) async fn run(function: Arc<Function>, id: EnvironmentId, stop: CancellationToken) {
    let started = Instant::now();
    let begun = tokio::select! {
        begun = begin(&function, id, &stop) => begun,
        () = stop.cancelled() => return function.gone(id, None),
    };
    let running = match begun {
        Ok(running) => running,
        Err(failure) => return function.gone(id, Some((&failure, String::new()))),
    };
    let environment = Arc::clone(&running.environment);
    list(&function).push(Arc::clone(&environment));
    tracing::debug!(function = &*function.name, pid = environment.process.pid(), "environment started");

    let end = running.watch(&function, started).await;
    running.conclude(&function, end).await;

    environment.output.finish();
    list(&function).retain(|listed| !Arc::ptr_eq(listed, &environment));
    tracing::debug!(function = &*function.name, pid = environment.process.pid(), "environment ended");
}

fn list(function: &Function) -> std::sync::MutexGuard<'_, Vec<Arc<Environment>>> {
    function.shared.running.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Running {
    environment: Arc<Environment>,
    exit: ExitWatch,
    connections: Connections,
    /// Ends the tasks of this environment together with it.
    _tasks: DropGuard,
}

/// Why an environment ends.
enum End {
    Exited,
    Failed(Failure),
    TimedOut(crate::environment::Outstanding),
    /// Idle, retired or the host is ending.
    Stopped,
}

/// Finds the code, opens the Runtime API's address, starts the process.
async fn begin(
    function: &Arc<Function>,
    id: EnvironmentId,
    stop: &CancellationToken,
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
    let environment =
        Arc::new(Environment::new(id, function, prepared, spawned.process, output, stop.clone()));

    let tasks = CancellationToken::new();
    let connections = Connections::new(RUNTIME_CONNECTIONS_MAX, tasks.clone());
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
    Ok(Running { environment, exit, connections, _tasks: tasks.drop_guard() })
}

impl Running {
    async fn watch(&self, function: &Arc<Function>, started: Instant) -> End {
        let environment = &self.environment;
        let config = &function.shared.config;
        let init_deadline = started + config.init_timeout;
        let recheck = function.config.timeout.min(config.environment_idle_max);
        loop {
            let now = Instant::now();
            let due = environment.due(now, init_deadline, recheck, config.environment_idle_max);
            let wake = match due {
                Due::Later(wake) => wake,
                Due::InitTimedOut => return End::Failed(Failure::InitTimedOut(config.init_timeout)),
                Due::TimedOut(outstanding) => return End::TimedOut(outstanding),
                Due::Idle if function.take_away_unused(environment.id) => return End::Stopped,
                // It has just been given something to do.
                Due::Idle => now + recheck,
            };
            tokio::select! {
                biased;
                () = self.exit.exited() => return End::Exited,
                () = environment.stop.cancelled() => return End::Stopped,
                () = environment.init_failed.notified() => {
                    if let Some(body) = environment.take_init_error() {
                        return End::Failed(Failure::InitReported(body));
                    }
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Tells whoever waits, and ends the process if it still runs.
    async fn conclude(&self, function: &Arc<Function>, end: End) {
        let environment = &self.environment;
        match end {
            End::Exited => self.exited(function).await,
            End::Failed(failure) => {
                environment.end();
                function.gone(environment.id, Some((&failure, environment.output.tail())));
                self.terminate().await;
            }
            End::TimedOut(outstanding) => {
                let failure = Failure::TimedOut(function.config.timeout);
                self.report(function, outstanding, &failure);
                function.gone(environment.id, None);
                self.terminate().await;
            }
            End::Stopped => {
                // Only a host that ends stops an environment that is at work; dropping the invocation says so.
                drop(environment.end());
                function.gone(environment.id, None);
                self.terminate().await;
            }
        }
    }

    async fn exited(&self, function: &Arc<Function>) {
        let environment = &self.environment;
        let status = environment.process.reap();
        if environment.has_outstanding() || !environment.is_initialised() {
            // A process that answers and exits at once: its answer may still be on the way to us.
            drop(timeout(LAST_WORDS_MAX, self.connections.all_closed()).await);
        }
        let outstanding = environment.end();
        if !environment.is_initialised() {
            let failure = match environment.take_init_error() {
                Some(body) => Failure::InitReported(body),
                None => Failure::InitExited(status),
            };
            return function.gone(environment.id, Some((&failure, environment.output.tail())));
        }
        let failure = Failure::Exited(status);
        match outstanding {
            Some(outstanding) => self.report(function, outstanding, &failure),
            None => {
                tracing::warn!(
                    function = &*function.name,
                    pid = environment.process.pid(),
                    "between two invocations: {failure}"
                );
            }
        }
        function.gone(environment.id, None);
    }

    fn report(&self, function: &Function, outstanding: crate::environment::Outstanding, failure: &Failure) {
        let request_id = outstanding.request_id;
        tracing::warn!(function = &*function.name, %request_id, "{failure}");
        let log_tail = self.environment.output.tail();
        let answer = function.failed(&request_id, failure, log_tail, outstanding.started.elapsed());
        drop(outstanding.answer.send(answer));
    }

    /// SIGTERM to the group, SIGKILL to what is left of it.
    async fn terminate(&self) {
        let process = &self.environment.process;
        process.signal_group(Signal::TERM);
        if timeout(TERMINATE_GRACE, self.exit.exited()).await.is_err() {
            process.signal_group(Signal::KILL);
            self.exit.exited().await;
        }
        process.reap();
    }
}
