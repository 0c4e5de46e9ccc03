//! The bounds of a pass.

use std::time::Duration;

/// Posts in flight at once, by default. At an assumed 20 ms a post, 64 of them offer 3,200 posts/s: a few concurrent
/// passes fill the account's request quota (section 7.1), and more only earns 429s.
pub const POSTS_IN_FLIGHT_MAX: usize = 64;

/// Time kept free at the end of the deadline for the last prune and for returning the report.
pub const DEADLINE_MARGIN: Duration = Duration::from_millis(250);

/// Upper bound of the first retry's random delay; it doubles with each further attempt.
pub const RETRY_DELAY_BASE: Duration = Duration::from_millis(50);

/// Upper bound of any retry's random delay.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(2);

/// Longest wait that a service's own hint may ask for; a hint comes from outside.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// Gone connections that are pruned together: as many as one batched write takes.
pub const PRUNE_BATCH_MAX: usize = dunlin_events::limits::BATCH_WRITE_ITEMS_MAX;

/// A connection younger than this that answers 410 may still be being established, and is not pruned (fact C8).
pub const YOUNG_CONNECTION_AGE: Duration = Duration::from_secs(2);

/// Bounds of a pass; the default suits a function with a few seconds of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanoutConfig {
    /// Posts in flight at once; 0 counts as 1.
    pub posts_in_flight_max: usize,
    /// Time kept free at the end of the deadline. If the deadline is nearer than twice this, half of what is left is kept.
    pub deadline_margin: Duration,
    /// Subscribers read per page.
    pub page_subscribers_max: usize,
}

impl Default for FanoutConfig {
    fn default() -> Self {
        Self {
            posts_in_flight_max: POSTS_IN_FLIGHT_MAX,
            deadline_margin: DEADLINE_MARGIN,
            page_subscribers_max: dunlin_connection_store::SUBSCRIBERS_PAGE_MAX,
        }
    }
}
