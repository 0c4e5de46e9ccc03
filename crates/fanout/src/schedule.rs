//! Until when a pass does what, and when it tries again.

use tokio::time::{Duration, Instant};

/// The part of the time given in which posts are begun, in percent. The rest is for those in flight to be answered, for
/// the last prune, and for returning a report that says where to go on.
pub const POSTING_TIME_PERCENT: u32 = 80;

/// Time kept free at the end for the last prune and for returning, once posts are not waited for any more: half of what
/// the posting leaves, but no more than this.
pub const DEADLINE_MARGIN: Duration = Duration::from_millis(250);

/// Upper bound of the first retry's random delay; it doubles with each further attempt.
pub const RETRY_DELAY_BASE: Duration = Duration::from_millis(50);

/// Upper bound of any retry's random delay.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(2);

/// Until when a pass does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// No post is begun, and no page is read, from here on.
    pub(crate) stop_at: Instant,
    /// No post is waited for from here on.
    pub(crate) answers_by: Instant,
    /// The store is not waited for from here on; what is left is for returning.
    pub(crate) finish_by: Instant,
}

impl Schedule {
    /// The schedule of a pass that begins now, or `None` if its deadline has passed.
    pub(crate) fn new(now: Instant, deadline: Instant) -> Option<Self> {
        let given = deadline.checked_duration_since(now).filter(|given| !given.is_zero())?;
        let rest = given / 100 * (100 - POSTING_TIME_PERCENT);
        let kept = DEADLINE_MARGIN.min(rest / 2);
        Some(Self { stop_at: deadline - rest, answers_by: deadline - kept, finish_by: deadline - kept / 4 })
    }
}

/// How long to wait before an attempt: a random time below a bound that doubles with each failure ("full jitter"), so
/// that what failed together does not come back together; at least what the service asked for.
pub(crate) fn retry_delay(failures: u32, hint: Option<Duration>, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let bound = RETRY_DELAY_BASE.saturating_mul(1 << doublings).min(RETRY_DELAY_MAX);
    bound.mul_f64(random).max(hint.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_bound_and_are_no_shorter_than_the_hint() {
        let check = |failures, hint, expected_ms| {
            let hint = Option::<u64>::map(hint, Duration::from_secs);
            assert_eq!(retry_delay(failures, hint, 1.0), Duration::from_millis(expected_ms));
        };
        check(1, None, 50);
        check(2, None, 100);
        check(6, None, 1_600);
        check(7, None, 2_000);
        check(u32::MAX, None, 2_000);
        check(1, Some(3), 3_000);
        check(7, Some(1), 2_000);
        assert_eq!(retry_delay(7, None, 0.0), Duration::ZERO);
    }

    #[test]
    fn four_fifths_are_for_posting_and_the_margin_shrinks_with_the_time() {
        let now = Instant::now();
        let ms = Duration::from_micros;
        let schedule = |left_us| Schedule::new(now, now + ms(left_us));
        let expected = |stop_at, answers_by, finish_by| {
            Some(Schedule {
                stop_at: now + ms(stop_at),
                answers_by: now + ms(answers_by),
                finish_by: now + ms(finish_by),
            })
        };
        assert_eq!(schedule(10_000_000), expected(8_000_000, 9_750_000, 9_937_500));
        assert_eq!(schedule(1_000_000), expected(800_000, 900_000, 975_000));
        assert_eq!(schedule(80_000), expected(64_000, 72_000, 78_000));
        assert_eq!(schedule(0), None);
        assert_eq!(Schedule::new(now + ms(5), now), None);
        assert!(Schedule::new(now, now + Duration::from_nanos(1)).is_some());
        let long = Duration::from_secs(400 * 365 * 24 * 3600);
        assert!(Schedule::new(now, now + long).is_some_and(|schedule| schedule.stop_at > now + long / 2));
    }
}
