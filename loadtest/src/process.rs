//! What the kernel knows of a process: memory, processor time, descriptors.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::measured::Machine;

/// Descriptors that the program needs besides its sockets: standard streams, epoll, the broker, files.
const DESCRIPTORS_RESERVED: u64 = 64;

/// User and system time of this process so far.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The machine, as the report names it.
pub(crate) fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kilobytes = memory.and_then(|text| text.trim_end_matches("kB").trim().parse::<u64>().ok());
    Machine {
        os: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cpus: std::thread::available_parallelism()
            .map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX)),
        memory_bytes: kilobytes.unwrap_or(0) * 1024,
        descriptors_max: getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX),
    }
}

/// Anonymous resident memory of a process, in bytes.
///
/// # Errors
///
/// A sentence, if there is no such process or it may not be read.
pub(crate) fn rss_anon_bytes(pid: u32) -> Result<u64, String> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))?;
    parse_rss_anon(&status).ok_or_else(|| format!("{path} has no RssAnon: is process {pid} alive?"))
}

/// Makes room for so many sockets.
///
/// # Errors
///
/// A sentence, if the hard limit does not allow them.
pub(crate) fn raise_descriptor_limit(sockets: usize) -> Result<(), String> {
    let needed = sockets as u64 + DESCRIPTORS_RESERVED;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(maximum) = limit.maximum.filter(|&maximum| maximum < needed) {
        return Err(format!(
            "{sockets} connections need {needed} file descriptors and this process may have {maximum}: lower the number to {} or raise the hard limit (ulimit -Hn)",
            maximum.saturating_sub(DESCRIPTORS_RESERVED)
        ));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })
        .map_err(|error| format!("cannot raise the limit of file descriptors to {needed}: {error}"))
}

fn parse_rss_anon(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let machine = machine();
        assert!(machine.cpus > 0 && machine.memory_bytes > 0 && machine.os.len() > 6, "{machine:?}");
        assert!(cpu_time() > Duration::ZERO);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(parse_rss_anon("Name:\tx\nRssAnon:\t    6120 kB\nRssFile:\t 1 kB\n"), Some(6_120 * 1024));
        // A zombie has a status without memory.
        assert_eq!(parse_rss_anon("Name:\tx\nState:\tZ (zombie)\n"), None);
        assert!(rss_anon_bytes(std::process::id()).unwrap() > 0);
    }

    #[test]
    fn more_sockets_than_the_hard_limit_are_refused() {
        let error = raise_descriptor_limit(usize::MAX / 2);
        // A machine without a hard limit refuses at setrlimit.
        assert!(error.is_err(), "{error:?}");
    }
}
