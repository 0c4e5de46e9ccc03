//! The monotonic clock, which all processes of one host share.

use std::fs;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`: the same in every process under one kernel, so that what one process stamps,
/// another can time. Wall clocks are never subtracted.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// From now to a time of this clock; zero once it has passed.
pub(crate) fn until(time_ns: u64) -> Duration {
    Duration::from_nanos(time_ns.saturating_sub(now_ns()))
}

/// Tells kernels apart: times of two hosts have nothing to do with each other.
pub(crate) fn host() -> u32 {
    static HOST: OnceLock<u32> = OnceLock::new();
    *HOST.get_or_init(|| {
        // New with each boot. Where it cannot be read, this process believes nobody but itself.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        boot.map_or_else(
            |_| fastrand::u32(1..),
            |id| {
                id.bytes()
                    .fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
            },
        )
    })
}
