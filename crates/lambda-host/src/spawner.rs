use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt},
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use dunlin_events::limits::FUNCTION_OPEN_FILES_MAX;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpid, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use crate::{
    limits::{SPAWNS_QUEUED_MAX, TEXT_BUSY_ATTEMPTS_MAX, TEXT_BUSY_DELAY},
    orphans::OrphanGuard,
    process::Process,
};

/// Starts processes, all from one thread that lives as long as the host.
///
/// The kernel ties the parent-death signal to the *thread* that forked, not to the process: had a worker of the
/// runtime forked, its functions would be killed when that worker ends, which a runtime's blocking threads do whenever
/// they are idle. It is also why the thread must not end before the last function has.
pub(crate) struct Spawner {
    jobs: mpsc::Sender<Job>,
}

/// What to start.
#[derive(Clone)]
pub(crate) struct SpawnRequest {
    /// Absolute, since the working directory changes first.
    pub(crate) program: PathBuf,
    pub(crate) working_directory: PathBuf,
    /// Where its Runtime API is; also in `variables`.
    pub(crate) runtime_api: String,
    /// The whole environment; nothing is inherited.
    pub(crate) variables: Arc<[(OsString, OsString)]>,
}

/// A process that runs, and the pipe that it prints into.
pub(crate) struct Spawned {
    pub(crate) process: Process,
    pub(crate) output: OwnedFd,
}

struct Job {
    request: SpawnRequest,
    reply: oneshot::Sender<io::Result<Spawned>>,
}

impl Spawner {
    pub(crate) fn start() -> io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job>(SPAWNS_QUEUED_MAX);
        thread::Builder::new().name("function-spawner".to_owned()).spawn(move || {
            let orphans = Arc::new(OrphanGuard::start());
            while let Some(Job { request, reply }) = queue.blocking_recv() {
                // Nobody waits any more: the process is dropped, which ends it.
                drop(reply.send(spawn(&request, &orphans)));
            }
        })?;
        Ok(Self { jobs })
    }

    /// Starts a process; while its file is still being written it tries again for half a second.
    pub(crate) async fn spawn(&self, request: SpawnRequest) -> io::Result<Spawned> {
        let mut attempts = 1;
        loop {
            match self.spawn_once(request.clone()).await {
                Err(error)
                    if error.kind() == io::ErrorKind::ExecutableFileBusy
                        && attempts < TEXT_BUSY_ATTEMPTS_MAX =>
                {
                    attempts += 1;
                    sleep(TEXT_BUSY_DELAY).await;
                }
                result => return result,
            }
        }
    }

    async fn spawn_once(&self, request: SpawnRequest) -> io::Result<Spawned> {
        let gone = || io::Error::other("the thread that starts function processes has ended");
        let (reply, spawned) = oneshot::channel();
        self.jobs.send(Job { request, reply }).await.map_err(|_| gone())?;
        spawned.await.map_err(|_| gone())?
    }
}

fn spawn(request: &SpawnRequest, orphans: &Arc<OrphanGuard>) -> io::Result<Spawned> {
    let (output, writer) = io::pipe()?;
    // The command is dropped at the end of the statement, and with it our copies of the writing end.
    let child = {
        let mut command = Command::new(&request.program);
        command
            .current_dir(&request.working_directory)
            .env_clear()
            .envs(request.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0);
        prepare_child(&mut command, getpid());
        command.spawn()?
    };
    let process = Process::adopt(child, request.runtime_api.clone(), Arc::clone(orphans))?;
    Ok(Spawned { process, output: output.into() })
}

/// Has the child killed when this thread ends, however that comes about, and gives it as many open files as the service
/// does: what the host allows itself would hide a leak, and some runtimes look at every file that they might have open.
#[expect(unsafe_code, reason = "both can only be set between fork and exec")]
fn prepare_child(command: &mut Command, parent: Pid) {
    let allowed = getrlimit(Resource::Nofile).maximum.unwrap_or(FUNCTION_OPEN_FILES_MAX);
    let open_files = Some(allowed.min(FUNCTION_OPEN_FILES_MAX));
    let hook = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        setrlimit(Resource::Nofile, Rlimit { current: open_files, maximum: open_files })?;
        // A host that ended between the fork and the first line sends no signal any more.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. The hook makes three system calls, and
    // neither it nor its errors, which are plain numbers, allocate or lock.
    unsafe {
        command.pre_exec(hook);
    }
}
