//! Wall-clock time as the store keeps it.

use std::ops::Add;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment in milliseconds since 1970-01-01 UTC, the unit of the service's events.
///
/// The store never asks a clock; callers hand the time in (`SystemTime::now().into()` at the edge).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_epoch_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// From whole seconds since the epoch; a moment too late to be counted in milliseconds becomes the last one.
    pub const fn from_epoch_s(s: u64) -> Self {
        Self(s.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn epoch_ms(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn epoch_s(self) -> u64 {
        self.0 / 1000
    }

    /// The same moment, or the next whole second. Expiry has this grain, because a table's time to live has.
    pub const fn ceil_to_second(self) -> Self {
        Self::from_epoch_s(self.0.div_ceil(1000))
    }

    /// How long ago `earlier` was; zero if it is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl From<SystemTime> for Timestamp {
    /// A clock set before 1970 counts as 1970.
    fn from(time: SystemTime) -> Self {
        Self::from_epoch_ms(0) + time.duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_expiry_up_and_never_overflows() {
        let check = |ms, expected_s| {
            assert_eq!(Timestamp::from_epoch_ms(ms).ceil_to_second(), Timestamp::from_epoch_s(expected_s));
        };
        check(0, 0);
        check(1, 1);
        check(1000, 1);
        check(1001, 2);
        assert_eq!(Timestamp::from_epoch_ms(u64::MAX).ceil_to_second(), Timestamp::from_epoch_ms(u64::MAX));
        assert_eq!(Timestamp::from_epoch_ms(u64::MAX) + Duration::MAX, Timestamp::from_epoch_ms(u64::MAX));
        assert_eq!(Timestamp::from_epoch_ms(5).since(Timestamp::from_epoch_ms(9)), Duration::ZERO);
        assert_eq!(Timestamp::from(UNIX_EPOCH + Duration::from_millis(1500)).epoch_s(), 1);
    }
}
