//! A scenario file as it is written. What it means, and what it may not say, is in the module above.

use serde::Deserialize;

use super::quantity::Time;
use crate::measured::Model;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) description: String,
    #[serde(default = "open")]
    pub(super) model: Model,
    #[serde(default = "one")]
    pub(super) seed: u64,
    pub(super) late_after: Option<Time>,
    pub(super) straggler_wait: Option<Time>,
    #[serde(default)]
    pub(super) thresholds: Vec<String>,
    pub(super) target: Target,
    pub(super) users: Users,
    pub(super) updates: Option<Updates>,
    #[serde(default)]
    pub(super) messages: Vec<Messages>,
    pub(super) phases: Phases,
    pub(super) steps: Option<Steps>,
    pub(super) storm: Option<Storm>,
}

fn open() -> Model {
    Model::Open
}

fn one() -> u64 {
    1
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Arrivals {
    /// Equal gaps.
    Constant,
    /// Exponential gaps, as of many independent sources.
    #[default]
    Poisson,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Users {
    pub(super) count: usize,
    pub(super) connects_per_second: f64,
    #[serde(default)]
    pub(super) arrivals: Arrivals,
    #[serde(default = "run")]
    pub(super) life: String,
    #[serde(default)]
    pub(super) topics_each: usize,
    pub(super) reconnect_within: Option<Time>,
}

fn run() -> String {
    "run".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Updates {
    pub(super) topics: usize,
    pub(super) per_second: f64,
    #[serde(default)]
    pub(super) arrivals: Arrivals,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Messages {
    pub(super) name: String,
    pub(super) per_second: Option<f64>,
    #[serde(default)]
    pub(super) arrivals: Arrivals,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Phases {
    pub(super) warm_up: Option<Time>,
    pub(super) hold: Time,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Steps {
    #[serde(default = "step_factor")]
    pub(super) factor: f64,
    pub(super) count_max: u32,
}

fn step_factor() -> f64 {
    1.25
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Storm {
    pub(super) after: Time,
    pub(super) share: Option<f64>,
}

/// A `[target]`: how to speak to an app.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    pub(super) url: Option<String>,
    #[expect(dead_code, reason = "for who brings the stack up; this program knows addresses")]
    pub(super) template: Option<String>,
    pub(super) ca_file: Option<String>,
    #[serde(default)]
    pub(super) headers: std::collections::BTreeMap<String, String>,
    pub(super) subscribe: Option<Subscribe>,
    pub(super) push: Option<Push>,
    pub(super) cause: Option<Cause>,
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) ignore: Vec<String>,
    #[serde(default)]
    pub(super) messages: Vec<MessageType>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subscribe {
    pub(super) name: String,
    pub(super) send: String,
    pub(super) reply: Option<String>,
    pub(super) topics_max: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Push {
    pub(super) contains: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cause {
    pub(super) mqtt: Option<Mqtt>,
    pub(super) http: Option<Http>,
    pub(super) socket: Option<SocketCause>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mqtt {
    pub(super) broker: Option<String>,
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) ca_file: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) key_file: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub(super) method: Option<String>,
    pub(super) url: String,
    #[serde(default)]
    pub(super) headers: std::collections::BTreeMap<String, String>,
    pub(super) body: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SocketCause {
    pub(super) send: String,
    pub(super) returns_to_sender: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageType {
    pub(super) name: String,
    pub(super) send: String,
    pub(super) response: Option<String>,
    pub(super) post: Option<String>,
}
