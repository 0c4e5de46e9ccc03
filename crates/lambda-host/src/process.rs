use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    process::{Child, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};
use tokio::net::unix::pipe::Receiver;

use crate::orphans::OrphanGuard;

/// A function's process, the leader of a process group. Dropping it kills the group.
pub(crate) struct Process {
    pid: Pid,
    /// Becomes readable when the process exits, and cannot come to mean another process.
    pidfd: OwnedFd,
    /// `None` once reaped: from then on the numbers of the process and its group may be given to others.
    child: Mutex<Option<Child>>,
    orphans: Arc<OrphanGuard>,
}

impl Process {
    /// Takes over a child that was started as the leader of its own group.
    pub(crate) fn adopt(mut child: Child, orphans: Arc<OrphanGuard>) -> io::Result<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let opened = pid.ok_or(io::ErrorKind::InvalidData.into()).and_then(|pid| {
            let pidfd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
            Ok::<_, io::Error>((pid, pidfd))
        });
        match opened {
            Ok((pid, pidfd)) => {
                orphans.group_started(pid.as_raw_nonzero().get());
                Ok(Self { pid, pidfd, child: Mutex::new(Some(child)), orphans })
            }
            Err(error) => {
                drop(child.kill());
                drop(child.wait());
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether the process has exited, even if nobody has been told yet: one system call.
    pub(crate) fn has_exited(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // An error means that it is reaped already.
        !matches!(waitid(WaitId::PidFd(self.pidfd.as_fd()), look), Ok(None))
    }

    /// Something that completes when the process exits. Must be called within a runtime.
    pub(crate) fn exit_watch(&self) -> io::Result<ExitWatch> {
        // A pidfd is no pipe, but nothing here reads: of what the type offers only readiness is used, and of
        // the ways to that it is the one that takes over the descriptor safely.
        Ok(ExitWatch(Receiver::from_owned_fd_unchecked(self.pidfd.try_clone()?)?))
    }

    /// Signals the whole group, if it can still be meant.
    pub(crate) fn signal_group(&self, signal: Signal) {
        if self.child().is_some() {
            // The group may be empty by now, which is as good.
            let _ = kill_process_group(self.pid, signal);
        }
    }

    /// Kills what is left of the group and collects the exit status. For a process that has exited or been killed;
    /// for any other it waits. `None` the second time.
    pub(crate) fn reap(&self) -> Option<ExitStatus> {
        let mut child = self.child();
        let running = child.as_mut()?;
        // Until the wait below, the unreaped leader keeps the group's number from being given to anyone else.
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.orphans.group_ended(self.pid.as_raw_nonzero().get());
        let status = running.wait().ok();
        *child = None;
        status
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.reap();
    }
}

/// Completes when a process exits.
pub(crate) struct ExitWatch(Receiver);

impl ExitWatch {
    pub(crate) async fn exited(&self) {
        // An error can only mean that the runtime is ending, and then so does everything that waits here.
        if self.0.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
