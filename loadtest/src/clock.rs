//! One monotonic clock for the publisher and all readers.

use std::time::{Duration, Instant};

/// Nanoseconds since this clock was made. Publisher and readers share one, so that a push's latency is a subtraction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { epoch: Instant::now() }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// From now to a time of this clock; zero once it has passed.
    pub(crate) fn until(&self, time_ns: u64) -> Duration {
        Duration::from_nanos(time_ns.saturating_sub(self.now_ns()))
    }
}
