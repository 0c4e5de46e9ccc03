//! Where processes run. For a round trip of microseconds it decides everything whether the kernel wakes the other side on
//! the same core or on another one, and it decides anew in each run: the same bare echo takes 8 or 75 µs. So both sides
//! of a comparison get the same places: the servers one core, the client another.

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores for servers and for the client: two where there are two.
pub(crate) fn pair() -> Result<(usize, usize)> {
    let cores = all()?;
    Ok((cores[0], *cores.get(1).unwrap_or(&cores[0])))
}

/// The cores that may be used: at least one.
pub(crate) fn all() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(None).context("the kernel does not say which cores may be used")?;
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    ensure!(!cores.is_empty(), "no core may be used");
    Ok(cores)
}

/// Runs `start` on one core; the processes that it starts inherit the place and keep it.
pub(crate) fn on<T>(core: usize, start: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    one.set(core);
    sched_setaffinity(None, &one).with_context(|| format!("cannot run on core {core}"))?;
    let done = start();
    sched_setaffinity(None, &before)?;
    done
}
