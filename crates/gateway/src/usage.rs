//! API keys, and the usage plans that say what their holders may do (A10).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use subtle::ConstantTimeEq;

use crate::{
    ConfigError,
    throttle::{Bucket, Throttle},
};

/// Characters of an API key that a log may show, of the 20 that it has at least.
const SHOWN_CHARS: usize = 6;

/// An API key.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyConfig {
    /// As `identity.apiKeyId` shows it (E1).
    pub id: String,
    /// What callers send. Never printed.
    pub value: String,
    /// Whether it is of any use.
    pub enabled: bool,
}

impl fmt::Debug for ApiKeyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ApiKeyConfig { id, enabled, value: _ } = self;
        f.debug_struct("ApiKeyConfig").field("id", id).field("enabled", enabled).finish_non_exhaustive()
    }
}

impl ApiKeyConfig {
    /// The value as a log may show it: its end, as the service's execution logs do.
    pub(crate) fn masked(&self) -> String {
        let shown =
            self.value.char_indices().rev().nth(SHOWN_CHARS - 1).map_or("", |(at, _)| &self.value[at..]);
        format!("{}{shown}", "*".repeat(self.value.len() - shown.len()))
    }
}

/// What the holders of some keys may do at some stages.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UsagePlanConfig {
    /// Names it in logs.
    pub id: String,
    /// The stages that its keys open: id of the API, name of the stage.
    pub stages: Vec<(String, String)>,
    /// Ids of its keys.
    pub keys: Vec<String>,
    /// How many connects a second each of its keys may make.
    pub throttle: Option<Throttle>,
    /// How many connects each of its keys may make in a period.
    pub quota: Option<Quota>,
}

/// Requests that a key has in a period.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// Requests.
    pub limit: u64,
    /// Requests less in the first period, for a plan that starts within one.
    pub offset: u64,
    /// After which they begin anew.
    pub period: QuotaPeriod,
}

/// `Period` of a quota, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QuotaPeriod {
    /// `DAY`: from midnight.
    Day,
    /// `WEEK`: from Sunday midnight.
    Week,
    /// `MONTH`: from the first.
    Month,
}

/// Keys and plans as the gateway runs them.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    keys: Vec<Arc<ApiKeyConfig>>,
    plans: Vec<Plan>,
}

#[derive(Debug)]
struct Plan {
    stages: Vec<(String, String)>,
    quota: Option<Quota>,
    /// By the id of a key.
    accounts: HashMap<String, Account>,
}

/// What one key has used of its plan.
#[derive(Debug)]
struct Account {
    bucket: Bucket,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    /// The first period, in which the offset counts, and the one that `requests` were made in.
    periods: Option<(u64, u64)>,
    requests: u64,
}

/// Why a key does not open a stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Locked {
    /// There is no such key, or it is not for this stage.
    Unknown,
    /// The plan's throttle.
    Throttled,
    /// The plan's quota.
    Spent,
}

impl Usage {
    /// Checks keys and plans.
    pub(crate) fn compile(keys: &[ApiKeyConfig], plans: &[UsagePlanConfig]) -> Result<Self, ConfigError> {
        let failed = |plan: &UsagePlanConfig, problem: String| {
            Err(ConfigError::UsagePlan { plan: plan.id.clone(), problem })
        };
        for plan in plans {
            if let Some(key) = plan.keys.iter().find(|id| keys.iter().all(|key| key.id != **id)) {
                return failed(plan, format!("has the key {key}, which there is none of"));
            }
            if plan.throttle.is_some_and(|throttle| !throttle.is_valid()) {
                return failed(plan, "has a throttle whose rate is no number from 0 up".to_owned());
            }
        }
        let plan = |config: &UsagePlanConfig| {
            let account = |id: &String| {
                let account = Account { bucket: Bucket::new(config.throttle), spent: Mutex::default() };
                (id.clone(), account)
            };
            Plan {
                stages: config.stages.clone(),
                quota: config.quota,
                accounts: config.keys.iter().map(account).collect(),
            }
        };
        let keys = keys.iter().cloned().map(Arc::new).collect();
        Ok(Usage { keys, plans: plans.iter().map(plan).collect() })
    }

    /// Lets the holder of a key through to a stage once, at this moment.
    pub(crate) fn enter(
        &self,
        value: &str,
        (api_id, stage): (&str, &str),
        tick: u64,
        now_ms: u64,
    ) -> Result<Arc<ApiKeyConfig>, Locked> {
        // Every key is looked at, so that the time tells nothing about any of them.
        let found = self.keys.iter().fold(None, |found, key| {
            let is_it = bool::from(key.value.as_bytes().ct_eq(value.as_bytes()));
            if is_it { Some(key) } else { found }
        });
        let key = found.filter(|key| key.enabled).ok_or(Locked::Unknown)?;
        let opens = |plan: &&Plan| plan.stages.iter().any(|(api, name)| api == api_id && name == stage);
        let account = |plan: &'_ Plan| plan.accounts.contains_key(&key.id);
        let plan = self.plans.iter().filter(opens).find(|plan| account(plan)).ok_or(Locked::Unknown)?;
        let account = plan.accounts.get(&key.id).ok_or(Locked::Unknown)?;
        if !account.bucket.take(tick) {
            return Err(Locked::Throttled);
        }
        match plan.quota {
            Some(quota) if !account.spend(quota, now_ms) => Err(Locked::Spent),
            _ => Ok(Arc::clone(key)),
        }
    }
}

impl Account {
    /// Counts a request, if the quota has one left.
    fn spend(&self, quota: Quota, now_ms: u64) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let period = quota.period.at(now_ms);
        let (first, current) = *spent.periods.get_or_insert((period, period));
        if period > current {
            spent.periods = Some((first, period));
            spent.requests = 0;
        }
        let less = if period == first { quota.offset } else { 0 };
        let has_one = spent.requests < quota.limit.saturating_sub(less);
        if has_one {
            spent.requests += 1;
        }
        has_one
    }
}

impl QuotaPeriod {
    /// The number of the period that a moment is in.
    fn at(self, now_ms: u64) -> u64 {
        const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
        let day = now_ms / DAY_MS;
        match self {
            QuotaPeriod::Day => day,
            // 1970 began with a Thursday.
            QuotaPeriod::Week => (day + 4) / 7,
            QuotaPeriod::Month => {
                let now = dunlin_events::utc(now_ms);
                let year = u64::try_from(now.year()).unwrap_or_default();
                year * 12 + u64::from(u8::from(now.month()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGE: (&str, &str) = ("a1", "dev");

    fn key(id: &str, enabled: bool) -> ApiKeyConfig {
        ApiKeyConfig { id: id.to_owned(), value: format!("the-value-of-{id}"), enabled }
    }

    fn plan(throttle: Option<Throttle>, quota: Option<Quota>) -> UsagePlanConfig {
        UsagePlanConfig {
            id: "p".to_owned(),
            stages: vec![("a1".to_owned(), "dev".to_owned())],
            keys: vec!["one".to_owned(), "two".to_owned(), "off".to_owned()],
            throttle,
            quota,
        }
    }

    fn usage(plan: UsagePlanConfig) -> Usage {
        Usage::compile(&[key("one", true), key("two", true), key("off", false), key("alone", true)], &[plan])
            .unwrap()
    }

    #[track_caller]
    fn check(usage: &Usage, id: &str, now_ms: u64, expected: Result<(), Locked>) {
        let entered = usage.enter(&format!("the-value-of-{id}"), STAGE, 0, now_ms);
        assert_eq!(entered.map(|key| assert_eq!(key.id, id)), expected, "{id}");
    }

    #[test]
    fn keys_open_the_stages_of_their_plan() {
        let usage = usage(plan(None, None));
        check(&usage, "one", 0, Ok(()));
        for unknown in ["off", "alone", "none", ""] {
            check(&usage, unknown, 0, Err(Locked::Unknown));
        }
        for stage in [("a1", "prod"), ("a2", "dev")] {
            assert_eq!(usage.enter("the-value-of-one", stage, 0, 0).unwrap_err(), Locked::Unknown);
        }
    }

    #[test]
    fn each_key_has_its_own_bucket() {
        let usage = usage(plan(Some(Throttle { rate_per_second: 0.0, burst: 1 }), None));
        check(&usage, "one", 0, Ok(()));
        check(&usage, "one", 0, Err(Locked::Throttled));
        check(&usage, "two", 0, Ok(()));
    }

    #[test]
    fn quotas_begin_anew() {
        const HOUR: u64 = 60 * 60 * 1_000;
        // Wednesday, 24 July 2024, 07:47.
        let now = 1_721_807_234_120;
        for (period, same, next) in [
            (QuotaPeriod::Day, now + 16 * HOUR, now + 17 * HOUR),
            (QuotaPeriod::Week, now + (16 + 3 * 24) * HOUR, now + (17 + 3 * 24) * HOUR),
            (QuotaPeriod::Month, now + (16 + 7 * 24) * HOUR, now + (17 + 7 * 24) * HOUR),
        ] {
            let usage = usage(plan(None, Some(Quota { limit: 3, offset: 1, period })));
            check(&usage, "one", now, Ok(()));
            check(&usage, "one", same, Ok(()));
            check(&usage, "one", same, Err(Locked::Spent));
            check(&usage, "two", same, Ok(()));
            // Without the offset.
            for _ in 0..3 {
                check(&usage, "one", next, Ok(()));
            }
            check(&usage, "one", next, Err(Locked::Spent));
        }
    }

    #[test]
    fn mistakes_are_named() {
        let error = |plan| Usage::compile(&[key("one", true)], &[plan]).unwrap_err().to_string();
        assert_eq!(error(plan(None, None)), "usage plan p has the key two, which there is none of");
        let wrong = Some(Throttle { rate_per_second: f64::NAN, burst: 1 });
        let plan = UsagePlanConfig { keys: Vec::new(), ..plan(wrong, None) };
        assert_eq!(error(plan), "usage plan p has a throttle whose rate is no number from 0 up");
    }

    #[test]
    fn values_are_not_printed() {
        assert!(!format!("{:?}", usage(plan(None, None))).contains("the-value"));
    }
}
