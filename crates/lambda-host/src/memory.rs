//! What a process uses, as the kernel tells it (P18).
//!
//! The service limits a whole execution environment by a control group, which an ordinary user cannot make. An address
//! space limit (`RLIMIT_AS`) is no substitute: it counts what is reserved, of which garbage-collected languages have
//! gigabytes, and makes a call fail instead of ending the process. So the host looks now and then.

use std::fs;

/// The most physical memory that a process has used so far, in MB, rounded up: what `REPORT` calls Max Memory Used.
/// `None` once it has ended.
pub(crate) fn peak_mb(pid: u32) -> Option<u32> {
    peak_in(&status(pid)?)
}

/// What a process uses now, in MB, without the pages that are only a file's: those the kernel can take back, and a build
/// with debug information has many.
pub(crate) fn used_mb(pid: u32) -> Option<u32> {
    used_in(&status(pid)?)
}

fn status(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

fn peak_in(status: &str) -> Option<u32> {
    Some(mb(kb(status, "VmHWM:")?))
}

fn used_in(status: &str) -> Option<u32> {
    let shared = kb(status, "RssShmem:").unwrap_or(0);
    Some(mb(kb(status, "RssAnon:")?.saturating_add(shared)))
}

fn kb(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn mb(kb: u64) -> u32 {
    u32::try_from(kb.div_ceil(1_024)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let status = "Name:\tprobe\nVmHWM:\t    4100 kB\nRssAnon:\t    2048 kB\nRssFile:\t 9000 kB\nRssShmem:\t 1 kB\n";
        assert_eq!(peak_in(status), Some(5));
        assert_eq!(used_in(status), Some(3));
        // A process that has ended has no memory.
        assert_eq!(peak_in("Name:\tprobe\nState:\tZ (zombie)\n"), None);
        assert!(peak_mb(std::process::id()).unwrap() > 0);
        assert!(used_mb(std::process::id()).unwrap() > 0);
    }
}
