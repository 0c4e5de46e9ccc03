//! A local stack for the time of a measurement.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    build::{Profile, program_path},
    command::report_dir,
};

/// One `dunlin up` on free ports; ended when it goes out of scope.
pub(crate) struct Stack {
    pub(crate) child: Child,
    ready: Value,
    pub(crate) ready_file: PathBuf,
    /// Milliseconds until it accepted.
    pub(crate) ready_ms: f64,
}

impl Stack {
    /// Brings the stack of a template up. A Ctrl-C of the terminal ends it too.
    pub(crate) fn up(profile: Profile, template: &Path) -> Result<Self> {
        Stack::start(profile, template, false)
    }

    /// The same, out of reach of the terminal's Ctrl-C: who calls this listens for it, and takes the stack down.
    pub(crate) fn up_apart(profile: Profile, template: &Path) -> Result<Self> {
        Stack::start(profile, template, true)
    }

    fn start(profile: Profile, template: &Path, is_apart: bool) -> Result<Self> {
        let dir = report_dir()?;
        let (ready_file, log) = (dir.join("ready.json"), dir.join("dunlin-up.log"));
        let mut command = Command::new(program_path(profile, "dunlin")?);
        command.arg("up").arg("--template").arg(template).arg("--ready-file").arg(&ready_file);
        command.args(["--port", "0", "--lambda-port", "0", "--dynamodb-port", "0", "--mqtt-port", "0"]);
        if is_apart {
            command.process_group(0);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let started = Instant::now();
        let mut child = command.spawn().context("cannot start dunlin")?;
        let out = child.stdout.take().context("standard output was piped")?;
        let ready = BufReader::new(out).lines().map_while(Result::ok).any(|line| line.starts_with("ready "));
        let ready_ms = started.elapsed().as_secs_f64() * 1e3;
        if !ready {
            let status = child.wait()?;
            bail!("dunlin ended with {status} before it was ready:\n{}", fs::read_to_string(&log)?);
        }
        let ready = serde_json::from_str(&fs::read_to_string(&ready_file)?)?;
        Ok(Stack { child, ready, ready_file, ready_ms })
    }

    /// A value of its first API in the ready file.
    pub(crate) fn api(&self, key: &str) -> Result<String> {
        Ok(self.ready["apis"][0][key].as_str().context("the ready file lists no API")?.to_owned())
    }

    /// Resident memory.
    pub(crate) fn resident_bytes(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse::<f64>().ok());
        Ok(kilobytes.context("the kernel tells no resident size")? * 1024.0)
    }

    /// Ends it.
    pub(crate) fn down(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("dunlin ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
