//! What a figure was measured on.

use std::{fs, process::Command};

use serde::Serialize;

use crate::command::root;

/// The machine and the source of a run.
#[derive(Serialize)]
pub(crate) struct Machine {
    /// The machine in a line.
    summary: String,
    cpu: String,
    cores: usize,
    memory_mb: u64,
    kernel: String,
    rustc: String,
    /// Short commit id, with a `+` if files were changed since.
    revision: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory_kb: u64 =
            field(&meminfo, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0);
        let cpu = field(&cpuinfo, "model name").unwrap_or("unknown").to_owned();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let (memory_mb, kernel) = (memory_kb / 1024, release());
        Machine {
            summary: format!("{cores} cores of {cpu}, {} GB, Linux {kernel}", memory_mb.div_ceil(1024)),
            cpu,
            cores,
            memory_mb,
            kernel,
            rustc: output("rustc", &["--version"]).unwrap_or_else(|| "unknown".to_owned()),
            revision: revision(),
        }
    }

    /// The machine and the revision in a line.
    pub(super) fn with_revision(&self) -> String {
        let changed = if self.revision.ends_with('+') { " with changes that are not committed" } else { "" };
        format!("{}, revision {}{changed}", self.summary, self.revision.trim_end_matches('+'))
    }

    /// The machine in a line.
    pub(crate) fn summary(&self) -> &str {
        &self.summary
    }
}

fn release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':').map(str::trim))
}

fn revision() -> String {
    let Some(commit) = output("git", &["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let changed = output("git", &["status", "--porcelain"]).is_some_and(|files| !files.is_empty());
    if changed { commit + "+" } else { commit }
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(root()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
