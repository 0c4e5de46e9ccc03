//! What a figure was measured on.

use std::{fs, process::Command};

use serde::Serialize;

use crate::command::root;

/// The machine and the source of a run.
#[derive(Serialize)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    memory_mb: u64,
    kernel: String,
    rustc: String,
    /// Short commit id, with a `+` if files were changed since.
    revision: String,
}

impl Machine {
    pub(super) fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory_kb: u64 =
            field(&meminfo, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0);
        Machine {
            cpu: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mb: memory_kb / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            rustc: output("rustc", &["--version"]).unwrap_or_else(|| "unknown".to_owned()),
            revision: revision(),
        }
    }

    pub(super) fn summary(&self) -> String {
        let Machine { cpu, cores, memory_mb, kernel, revision, .. } = self;
        format!(
            "{cores} cores of {cpu}, {} GB, Linux {kernel}, revision {revision}",
            memory_mb.div_ceil(1024)
        )
    }
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
