//! Processor time of the whole process, and the time that passes.

use std::{ops::Sub, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// Both clocks at one moment, or the difference of two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// User and system time of all threads: neither waits nor other processes are in it.
    pub(crate) cpu_ns: u64,
    pub(crate) wall_ns: u64,
}

impl Times {
    pub(crate) fn now() -> Self {
        Times { cpu_ns: read(ClockId::ProcessCPUTime), wall_ns: read(ClockId::Monotonic) }
    }
}

impl Sub for Times {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Times { cpu_ns: self.cpu_ns - earlier.cpu_ns, wall_ns: self.wall_ns - earlier.wall_ns }
    }
}

fn read(clock: ClockId) -> u64 {
    let time = Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
