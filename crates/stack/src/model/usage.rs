use std::fmt;

use super::{Place, Throttle};

/// An API key.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Key in the template.
    pub logical_id: String,
    /// Ten letters and digits, derived from the logical id.
    pub key_id: String,
    /// `Value`; without one whoever runs the stack makes it up. Never printed.
    pub value: Option<String>,
    /// `Enabled`; a key is not unless the template says so.
    pub enabled: bool,
    /// Where the resource begins.
    pub at: Place,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ApiKey { logical_id, key_id, enabled, .. } = self;
        f.debug_struct("ApiKey")
            .field("logical_id", logical_id)
            .field("key_id", key_id)
            .field("enabled", enabled)
            .finish_non_exhaustive()
    }
}

/// What the holders of API keys may do (A10).
#[derive(Debug, Clone, PartialEq)]
pub struct UsagePlan {
    /// Key in the template.
    pub logical_id: String,
    /// Seven letters and digits, derived from the logical id.
    pub plan_id: String,
    /// `ApiStages` of this template's WebSocket APIs: id of the API, name of the stage.
    pub stages: Vec<(String, String)>,
    /// Ids of its keys.
    pub keys: Vec<String>,
    /// `Throttle`.
    pub throttle: Option<Throttle>,
    /// `Quota`.
    pub quota: Option<Quota>,
}

/// Requests that a key has in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// `Limit`.
    pub limit: u64,
    /// `Offset`: requests less in the first period.
    pub offset: u64,
    /// `Period`.
    pub period: QuotaPeriod,
}

/// `Period` of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaPeriod {
    /// `DAY`
    Day,
    /// `WEEK`
    Week,
    /// `MONTH`
    Month,
}
