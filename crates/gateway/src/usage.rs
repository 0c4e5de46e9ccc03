//! API keys, and the usage plans that say what their holders may do (A10).

use std::fmt;

use crate::throttle::Throttle;

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
