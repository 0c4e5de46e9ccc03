//! A path's program that stays, and does a block of work whenever it is told to: so both sides take turns of a few
//! milliseconds, and whoever else uses the machine meets both alike.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::program::{Program, Times};
use crate::command::line;

/// A thousand times longer than any block.
const BLOCK_TIME_MAX: Duration = Duration::from_secs(60);

/// Ends its process when it goes.
pub(super) struct Worker {
    what: String,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts where this thread may run; it stays there.
    pub(super) fn start(program: &Program, path: &str) -> Result<Self> {
        let mut command = program.work("blocks", path);
        let what = line(&command);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let mut child = started.with_context(|| format!("cannot run {what}"))?;
        let (requests, answers) = (child.stdin.take(), child.stdout.take());
        Ok(Worker {
            what,
            child,
            requests: requests.context("standard input was piped")?,
            answers: BufReader::new(answers.context("standard output was piped")?),
        })
    }

    /// What so many operations take.
    pub(super) fn block(&mut self, operations: u64) -> Result<Times> {
        let ended = || format!("`{}` ended", self.what);
        self.requests.write_all(format!("{operations}\n").as_bytes()).with_context(ended)?;
        let mut fds = [PollFd::new(self.answers.get_ref(), PollFlags::IN)];
        let limit = Timespec { tv_sec: BLOCK_TIME_MAX.as_secs().cast_signed(), tv_nsec: 0 };
        // A signal ends the wait too.
        if poll(&mut fds, Some(&limit)).context("cannot wait for a process")? == 0 {
            bail!("`{}` took longer than {} s for a block", self.what, BLOCK_TIME_MAX.as_secs());
        }
        let mut answer = String::new();
        self.answers.read_line(&mut answer).with_context(ended)?;
        serde_json::from_str(&answer).with_context(|| format!("`{}` told no times", self.what))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It has nothing to finish, and may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
