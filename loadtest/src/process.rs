//! What the kernel knows of a process: memory, processor time, descriptors.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Clock ticks of `/proc/*/stat` in a second: fixed at 100 in Linux's interface.
const TICKS_PER_SECOND: u64 = 100;

/// Descriptors that the program needs besides its sockets: standard streams, epoll, the broker, files.
const DESCRIPTORS_RESERVED: u64 = 64;

/// User and system time of this process so far, in steps of 10 ms; zero where `/proc` does not tell.
pub(crate) fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    Duration::from_millis(parse_cpu_ticks(&stat).unwrap_or(0) * 1_000 / TICKS_PER_SECOND)
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

/// Fields 14 and 15; counted after the command's name, which may hold spaces and parentheses.
fn parse_cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
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
    fn cpu_ticks_are_found_behind_any_name() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 250 75 0 0 20 0 9 0 100 0 0";
        assert_eq!(parse_cpu_ticks(stat), Some(325));
        assert_eq!(parse_cpu_ticks("42 (a"), None);
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
