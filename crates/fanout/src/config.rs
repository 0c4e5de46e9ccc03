//! The bounds of a pass.

use std::time::Duration;

use tokio::time::Instant;

/// Posts in flight at once, by default. At an assumed 20 ms a post, 64 of them offer 3,200 posts/s: a few concurrent
/// passes fill the account's request quota (section 7.1), and more only earns 429s.
pub const POSTS_IN_FLIGHT_MAX: usize = 64;

/// Subscribers that wait for another attempt before no further ones are begun with, by default. A few slow readers do not hold
/// up the others; but when everything is throttled, the pass slows down to what its retries offer.
pub const RETRIES_WAITING_MAX: usize = 512;

/// Time kept free at the end of the deadline for the last prune and for returning the report.
pub const DEADLINE_MARGIN: Duration = Duration::from_millis(250);

/// Upper bound of the first retry's random delay; it doubles with each further attempt.
pub const RETRY_DELAY_BASE: Duration = Duration::from_millis(50);

/// Upper bound of any retry's random delay.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(2);

/// Longest wait that a service's own hint may ask for; a hint comes from outside.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// Times that a page is asked for, on top of what the store tries by itself, before enumeration is given up.
pub const PAGE_ATTEMPTS_MAX: u32 = 4;

/// Gone connections that are pruned together: as many as one batched write takes.
pub const PRUNE_BATCH_MAX: usize = dunlin_events::limits::BATCH_WRITE_ITEMS_MAX;

/// A connection younger than this that answers 410 may still be being established, and is not pruned (fact C8).
pub const YOUNG_CONNECTION_AGE: Duration = Duration::from_secs(2);

/// Bounds of a pass; the default suits a function with a few seconds of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanoutConfig {
    /// Posts in flight at once; 0 counts as 1.
    pub posts_in_flight_max: usize,
    /// Subscribers that wait for another attempt before no further ones are begun with; 0 counts as 1.
    pub retries_waiting_max: usize,
    /// Time kept free at the end of the deadline. If the deadline is nearer than twice this, half of what is left is kept.
    pub deadline_margin: Duration,
    /// Subscribers read per page.
    pub page_subscribers_max: usize,
}

impl Default for FanoutConfig {
    fn default() -> Self {
        Self {
            posts_in_flight_max: POSTS_IN_FLIGHT_MAX,
            retries_waiting_max: RETRIES_WAITING_MAX,
            deadline_margin: DEADLINE_MARGIN,
            page_subscribers_max: dunlin_connection_store::SUBSCRIBERS_PAGE_MAX,
        }
    }
}

/// Until when a pass does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// No post is begun or waited for from here on.
    pub(crate) stop_at: Instant,
    /// The store is not waited for from here on; what is left is for returning.
    pub(crate) finish_by: Instant,
}

impl Schedule {
    /// The schedule of a pass that begins now, or `None` if its deadline has passed.
    pub(crate) fn new(now: Instant, deadline: Instant, margin: Duration) -> Option<Self> {
        let left = deadline.checked_duration_since(now).filter(|left| !left.is_zero())?;
        let kept = margin.min(left / 2);
        Some(Self { stop_at: deadline - kept, finish_by: deadline - kept / 4 })
    }
}

/// How long to wait before an attempt: a random time below a bound that doubles with each failure ("full jitter"), so
/// that what failed together does not come back together; at least what the service asked for, within reason.
pub(crate) fn retry_delay(failures: u32, hint: Option<Duration>, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let bound = RETRY_DELAY_BASE.saturating_mul(1 << doublings).min(RETRY_DELAY_MAX);
    bound.mul_f64(random).max(hint.unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_bound_and_follow_the_hint_up_to_another() {
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
        check(1, Some(3_600), 5_000);
        assert_eq!(retry_delay(7, None, 0.0), Duration::ZERO);
    }

    #[test]
    fn a_near_deadline_keeps_half_of_what_is_left() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        let schedule = |left| Schedule::new(now, now + ms(left), ms(200));
        assert_eq!(schedule(1_000), Some(Schedule { stop_at: now + ms(800), finish_by: now + ms(950) }));
        assert_eq!(schedule(80), Some(Schedule { stop_at: now + ms(40), finish_by: now + ms(70) }));
        assert_eq!(schedule(0), None);
        assert_eq!(Schedule::new(now + ms(5), now, ms(200)), None);
    }
}
