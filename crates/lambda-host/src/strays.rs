use std::{
    fs::{self, File},
    io::Read,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::limits::STRAY_ROUNDS_MAX;

/// Bytes of a process's environment that are looked through: far more than the service allows.
const ENVIRONMENT_BYTES_MAX: u64 = 256 * 1024;

/// The variable that tells which execution environment a process belongs to: no two have the same address.
pub(crate) const MARK: &str = "AWS_LAMBDA_RUNTIME_API";

/// Kills what an execution environment has left behind, wherever it went: a process that left its group (`setsid`) or was
/// given away by its parent (a second `fork`) still has the environment that it was started with.
///
/// Only a process that has replaced its environment as well is not found. Blocks for as long as it takes to look at every
/// process, some milliseconds.
pub(crate) fn kill(runtime_api: &str) {
    let mark = format!("{MARK}={runtime_api}");
    // One that forks while it is looked for is found in the next round.
    for _ in 0..STRAY_ROUNDS_MAX {
        let mut found = false;
        for pid in marked(mark.as_bytes()) {
            found = true;
            // It may have ended by now, which is as good.
            let _ = kill_process(pid, Signal::KILL);
        }
        if !found {
            return;
        }
    }
    tracing::warn!(runtime_api, "a function's processes multiply faster than they can be killed");
}

/// Living processes with that variable.
fn marked(mark: &[u8]) -> Vec<Pid> {
    let own = std::process::id();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|&pid| pid != own && has_variable(pid, mark))
        .filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        .collect()
}

/// Whether a process has that variable; other users' processes do not tell, and those that have ended have none.
fn has_variable(pid: u32, mark: &[u8]) -> bool {
    let Ok(file) = File::open(format!("/proc/{pid}/environ")) else { return false };
    let mut environment = Vec::new();
    if file.take(ENVIRONMENT_BYTES_MAX).read_to_end(&mut environment).is_err() {
        return false;
    }
    environment.split(|&byte| byte == 0).any(|variable| variable == mark)
}
