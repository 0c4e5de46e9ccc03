//! Where processes run. For a round trip of microseconds it decides everything whether the kernel wakes the other side on
//! the same core or on another one, and it decides anew in each run: the same bare echo takes 8 or 75 µs. So both sides
//! of a comparison get the same places: the servers one core, the client another.

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores for servers and for the client: two where there are two.
pub(super) fn pair() -> Result<(usize, usize)> {
    let allowed = sched_getaffinity(None).context("the kernel does not say which cores may be used")?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let first = cores.next().context("no core may be used")?;
    Ok((first, cores.next().unwrap_or(first)))
}

/// Runs `start` on one core; the processes that it starts inherit the place and keep it.
pub(super) fn on<T>(core: usize, start: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    one.set(core);
    sched_setaffinity(None, &one).with_context(|| format!("cannot run on core {core}"))?;
    let done = start();
    sched_setaffinity(None, &before)?;
    done
}
