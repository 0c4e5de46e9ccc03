//! Token buckets (Q1): by route, stage and account.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use dunlin_events::limits;

/// How much may pass: a bucket of `burst` tokens that fills at `rate_per_second`. Zeros refuse everything (Q2).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Throttle {
    /// Tokens a second.
    pub rate_per_second: f64,
    /// Tokens that fit, and that are there at the start.
    pub burst: u32,
}

/// The throttles of a stage.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StageThrottles {
    /// For each route that has none of its own.
    pub default: Option<Throttle>,
    /// By route key.
    pub routes: HashMap<String, Throttle>,
}

/// What an account may do with all its APIs in a region. By default it may do anything: a machine that measures itself
/// would otherwise measure the quota.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct AccountThrottles {
    /// Connects, messages and management calls together.
    pub requests: Option<Throttle>,
    /// New connections.
    pub connects: Option<Throttle>,
}

impl AccountThrottles {
    /// The quotas that the service gives every account at first (section 7.1).
    pub fn of_service() -> Self {
        let connects = limits::CONNECTS_PER_SECOND;
        AccountThrottles {
            requests: Some(Throttle {
                rate_per_second: f64::from(limits::ACCOUNT_REQUESTS_PER_SECOND),
                burst: limits::ACCOUNT_REQUESTS_BURST,
            }),
            connects: Some(Throttle { rate_per_second: f64::from(connects), burst: connects }),
        }
    }
}

impl Throttle {
    /// Whether a bucket can be made of it.
    pub(crate) fn is_valid(&self) -> bool {
        self.rate_per_second.is_finite() && self.rate_per_second >= 0.0
    }
}

/// A bucket of tokens. Without a throttle it is never empty.
#[derive(Debug)]
pub(crate) struct Bucket(Option<Filling>);

#[derive(Debug)]
struct Filling {
    throttle: Throttle,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    tokens: f64,
    /// Milliseconds of the gateway's monotonic clock.
    at: u64,
}

impl Bucket {
    pub(crate) fn new(throttle: Option<Throttle>) -> Self {
        Bucket(throttle.map(|throttle| Filling {
            level: Mutex::new(Level { tokens: f64::from(throttle.burst), at: 0 }),
            throttle,
        }))
    }

    /// Takes a token, if there is one at this moment of the monotonic clock.
    pub(crate) fn take(&self, tick: u64) -> bool {
        let Some(Filling { throttle, level }) = &self.0 else { return true };
        let mut level = level.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = tick.saturating_sub(level.at);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a run are far below 2^52")]
        let filled = level.tokens + throttle.rate_per_second * passed as f64 / 1_000.0;
        level.tokens = filled.min(f64::from(throttle.burst));
        level.at = level.at.max(tick);
        let passes = level.tokens >= 1.0;
        if passes {
            level.tokens -= 1.0;
        }
        passes
    }
}

/// The buckets of one stage: one for each route key, made when the stage is.
#[derive(Debug)]
pub(crate) struct StageBuckets(HashMap<Box<str>, Bucket>);

impl StageBuckets {
    pub(crate) fn new<'k>(throttles: &StageThrottles, keys: impl Iterator<Item = &'k str>) -> Self {
        let bucket = |key: &str| Bucket::new(throttles.routes.get(key).copied().or(throttles.default));
        StageBuckets(keys.map(|key| (key.into(), bucket(key))).collect())
    }

    /// Takes a token for this route.
    pub(crate) fn take(&self, route_key: &str, tick: u64) -> bool {
        self.0.get(route_key).is_none_or(|bucket| bucket.take(tick))
    }
}

/// The buckets of the account.
#[derive(Debug)]
pub(crate) struct AccountBuckets {
    pub(crate) requests: Bucket,
    pub(crate) connects: Bucket,
}

impl AccountBuckets {
    pub(crate) fn new(throttles: AccountThrottles) -> Self {
        AccountBuckets {
            requests: Bucket::new(throttles.requests),
            connects: Bucket::new(throttles.connects),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(bucket: &Bucket, tick: u64, tries: usize) -> usize {
        (0..tries).filter(|_| bucket.take(tick)).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let bucket = Bucket::new(Some(Throttle { rate_per_second: 10.0, burst: 5 }));
        assert_eq!(passed(&bucket, 0, 20), 5);
        assert_eq!(passed(&bucket, 99, 20), 0);
        assert_eq!(passed(&bucket, 100, 20), 1);
        assert_eq!(passed(&bucket, 400, 20), 3);
        assert_eq!(passed(&bucket, 60_000, 20), 5, "no more than fits");
        assert_eq!(passed(&bucket, 59_000, 20), 0, "time that goes back gives nothing");
    }

    #[test]
    fn small_steps_add_up() {
        let bucket = Bucket::new(Some(Throttle { rate_per_second: 0.5, burst: 1 }));
        assert_eq!(passed(&bucket, 0, 1), 1);
        let later = (1..=20_000).filter(|tick| bucket.take(*tick)).count();
        assert!((9..=10).contains(&later), "{later}");
    }

    #[test]
    fn nothing_refuses_nothing_and_zero_everything() {
        assert_eq!(passed(&Bucket::new(None), 0, 1_000), 1_000);
        let zero = Bucket::new(Some(Throttle { rate_per_second: 0.0, burst: 0 }));
        assert_eq!(passed(&zero, 1_000_000, 10), 0);
    }

    #[test]
    fn a_route_has_its_own_bucket() {
        let one = Throttle { rate_per_second: 0.0, burst: 1 };
        let two = Throttle { burst: 2, ..one };
        let throttles =
            StageThrottles { default: Some(one), routes: HashMap::from([("join".to_owned(), two)]) };
        let buckets = StageBuckets::new(&throttles, ["join", "leave", "$connect"].into_iter());
        let passed = |key: &str| (0..5).filter(|_| buckets.take(key, 0)).count();
        assert_eq!((passed("join"), passed("leave"), passed("$connect")), (2, 1, 1));
    }
}
