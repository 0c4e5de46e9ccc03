use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    process::{Child, ExitStatus},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open, waitid,
};
use tokio::net::unix::pipe::Receiver;

use crate::{orphans::OrphanGuard, strays};

/// A function's process, the leader of a process group. Dropping it kills the group, and what left the group.
pub(crate) struct Process {
    pid: Pid,
    /// The address that only this process, and what it started, was told.
    runtime_api: String,
    /// Becomes readable when the process exits, and cannot come to mean another process.
    pidfd: OwnedFd,
    /// `None` once reaped: from then on the numbers of the process and its group may be given to others.
    child: Mutex<Option<Child>>,
    collected: AtomicBool,
    orphans: Arc<OrphanGuard>,
}

impl Process {
    /// Takes over a child that was started as the leader of its own group.
    pub(crate) fn adopt(
        mut child: Child,
        runtime_api: String,
        orphans: Arc<OrphanGuard>,
    ) -> io::Result<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let opened = pid.ok_or(io::ErrorKind::InvalidData.into()).and_then(|pid| {
            let pidfd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
            Ok::<_, io::Error>((pid, pidfd))
        });
        match opened {
            Ok((pid, pidfd)) => {
                orphans.started(pid.as_raw_nonzero().get(), &runtime_api);
                let collected = AtomicBool::new(false);
                Ok(Self { pid, runtime_api, pidfd, child: Mutex::new(Some(child)), collected, orphans })
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

    /// Signals the process that the host started, and nothing that it started itself.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.child().is_some() {
            let _ = kill_process(self.pid, signal);
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

    /// Kills what left the group. To be called once the process is reaped; blocks for some milliseconds.
    pub(crate) fn collect_strays(&self) {
        if !self.collected.swap(true, Ordering::AcqRel) {
            strays::kill(&self.runtime_api);
            self.orphans.address_ended(&self.runtime_api);
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.reap();
        self.collect_strays();
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
