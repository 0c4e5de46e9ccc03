//! The bounds of the passes.

use dunlin_connection_store::SUBSCRIBERS_PAGE_MAX;
use tokio::time::Duration;

/// Posts in flight at once, by default. At an assumed 20 ms a post, 64 of them offer 3,200 posts/s: a few processes
/// fill the account's request quota (section 7.1), and more only earns 429s.
pub const POSTS_IN_FLIGHT_MAX: usize = 64;

/// The largest window that a configuration may ask for: over HTTP/1.1 each post in flight is a socket, and a function has 1,024
/// file descriptors.
pub const POSTS_IN_FLIGHT_LIMIT: usize = 1_000;

/// Subscribers that wait for another attempt before no further ones are begun with, by default. A few slow readers do not
/// hold up the others; but when everything is throttled, the pass slows down to what its retries offer.
pub const RETRIES_WAITING_MAX: usize = 512;

/// The most of those that a configuration may ask for. A checkpoint names each, and should fit an asynchronous
/// invocation's 1 MB (fact N4).
pub const RETRIES_WAITING_LIMIT: usize = 8_000;

/// Times that a page is asked for, on top of what the store tries by itself, before enumeration is given up.
pub const PAGE_ATTEMPTS_MAX: u32 = 4;

/// Gone connections that are pruned together: as many as one batched write takes.
pub const PRUNE_BATCH_MAX: usize = dunlin_events::limits::BATCH_WRITE_ITEMS_MAX;

/// A connection younger than this that answers 410 may still be being established (fact C8). It is tried again once, when it
/// is as old as this, and believed to be gone only then.
pub const YOUNG_CONNECTION_AGE: Duration = Duration::from_secs(2);

/// Bounds of an engine and its passes; the default suits a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FanoutConfig {
    /// Posts in flight at once, of all passes together: 1 to [`POSTS_IN_FLIGHT_LIMIT`].
    pub posts_in_flight_max: usize,
    /// Subscribers of a pass that wait for another attempt, or missed theirs, before no further ones are begun with:
    /// 1 to [`RETRIES_WAITING_LIMIT`].
    pub retries_waiting_max: usize,
    /// Subscribers read per page: 1 to [`SUBSCRIBERS_PAGE_MAX`].
    pub page_subscribers_max: usize,
}

/// A bound that is none, or not one that can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bound} is {found}; choose 1 to {max}")]
pub struct InvalidConfig {
    /// The field of [`FanoutConfig`].
    pub bound: &'static str,
    /// What it is.
    pub found: usize,
    /// The most that it may be.
    pub max: usize,
}

impl Default for FanoutConfig {
    fn default() -> Self {
        Self {
            posts_in_flight_max: POSTS_IN_FLIGHT_MAX,
            retries_waiting_max: RETRIES_WAITING_MAX,
            page_subscribers_max: SUBSCRIBERS_PAGE_MAX,
        }
    }
}

impl FanoutConfig {
    /// Checks every bound.
    pub(crate) fn check(&self) -> Result<(), InvalidConfig> {
        for (bound, found, max) in [
            ("posts_in_flight_max", self.posts_in_flight_max, POSTS_IN_FLIGHT_LIMIT),
            ("retries_waiting_max", self.retries_waiting_max, RETRIES_WAITING_LIMIT),
            ("page_subscribers_max", self.page_subscribers_max, SUBSCRIBERS_PAGE_MAX),
        ] {
            if !(1..=max).contains(&found) {
                return Err(InvalidConfig { bound, found, max });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_so_are_the_limits() {
        assert_eq!(FanoutConfig::default().check(), Ok(()));
        let widest = FanoutConfig {
            posts_in_flight_max: POSTS_IN_FLIGHT_LIMIT,
            retries_waiting_max: RETRIES_WAITING_LIMIT,
            page_subscribers_max: SUBSCRIBERS_PAGE_MAX,
        };
        assert_eq!(widest.check(), Ok(()));
    }

    #[test]
    fn zero_and_too_much_are_refused_with_a_sentence() {
        let check = |config: FanoutConfig, sentence: &str| {
            assert_eq!(config.check().map_err(|invalid| invalid.to_string()), Err(sentence.to_owned()));
        };
        let valid = FanoutConfig::default;
        check(
            FanoutConfig { posts_in_flight_max: 0, ..valid() },
            "posts_in_flight_max is 0; choose 1 to 1000",
        );
        check(
            FanoutConfig { posts_in_flight_max: 1_001, ..valid() },
            "posts_in_flight_max is 1001; choose 1 to 1000",
        );
        check(
            FanoutConfig { retries_waiting_max: 0, ..valid() },
            "retries_waiting_max is 0; choose 1 to 8000",
        );
        check(
            FanoutConfig { page_subscribers_max: 5_000, ..valid() },
            "page_subscribers_max is 5000; choose 1 to 1000",
        );
    }
}
