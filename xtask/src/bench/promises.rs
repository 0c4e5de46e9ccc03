//! `benches/promises.toml`: what is promised of which figure. The one place where a promise stands.

use std::fs;

use anyhow::{Context, Result};
use dunlin_report::Unit;
use serde::Deserialize;

use crate::command::root;

/// Where it is, from the root of the repository.
pub(crate) const FILE: &str = "benches/promises.toml";

/// All of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Promises {
    promise: Vec<Entry>,
}

/// One promise.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The benchmark that measures it: `group/what/size`.
    pub(crate) id: String,
    /// What is promised, in words.
    pub(crate) what: String,
    /// The quotient to the reference is at most this.
    ratio_at_most: Option<f64>,
    /// Instead, the figure itself is at most so many milliseconds.
    ms_at_most: Option<f64>,
    /// Instead, the figure itself is at most so many bytes.
    bytes_at_most: Option<f64>,
    /// Which layer of `cargo xtask gate` refuses a change that makes this slower.
    pub(crate) gate: Gate,
    /// What holds the figure itself where no layer of the gate does: a test, or the tool that reports it.
    pub(crate) held_by: Option<String>,
    /// Why no benchmark measures it yet.
    pub(crate) not_measured: Option<String>,
}

/// A layer of `cargo xtask gate`.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gate {
    /// Instructions, allocations, calls or bytes are counted.
    Counted,
    /// Processor time is compared in turns.
    Cpu,
    /// Nothing.
    None,
}

/// What the project promises of a figure.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Promise {
    /// The ratio is at most this.
    RatioAtMost(f64),
    /// The value, in its unit, is at most this.
    ValueAtMost(f64),
}

impl Promises {
    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(root().join(FILE)).with_context(|| format!("cannot read {FILE}"))?;
        Self::parse(&text).with_context(|| format!("{FILE} is not as expected"))
    }

    fn parse(text: &str) -> Result<Self> {
        let promises: Promises = toml::from_str(text)?;
        for entry in &promises.promise {
            let bounds = [entry.ratio_at_most, entry.ms_at_most, entry.bytes_at_most];
            anyhow::ensure!(
                bounds.iter().flatten().count() == 1,
                "{} needs one of ratio_at_most, ms_at_most and bytes_at_most",
                entry.id
            );
        }
        let mut ids: Vec<&str> = promises.promise.iter().map(|entry| entry.id.as_str()).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            anyhow::bail!("{} is promised twice", twice[0]);
        }
        Ok(promises)
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.promise
    }

    /// What is promised of this figure.
    pub(crate) fn of(&self, id: &str) -> Option<Promise> {
        self.promise.iter().find(|entry| entry.id == id).map(|entry| entry.bound().0)
    }
}

impl Entry {
    /// The bound, and the unit of the figure that it is for.
    pub(crate) fn bound(&self) -> (Promise, Unit) {
        match (self.ratio_at_most, self.ms_at_most, self.bytes_at_most) {
            (Some(ratio), _, _) => (Promise::RatioAtMost(ratio), Unit::Ratio),
            (_, Some(ms), _) => (Promise::ValueAtMost(ms * 1e6), Unit::Nanoseconds),
            (_, _, bytes) => (Promise::ValueAtMost(bytes.unwrap_or_default()), Unit::Bytes),
        }
    }
}

impl Promise {
    /// The bound for people.
    pub(crate) fn text(self, unit: Unit) -> String {
        match self {
            Promise::RatioAtMost(bound) => format!("≤ {} ×", trimmed(bound)),
            Promise::ValueAtMost(bound) => format!("≤ {}", unit.text(bound)),
        }
    }
}

/// Two decimals at most.
fn trimmed(ratio: f64) -> String {
    format!("{ratio:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_as_expected() {
        let promises = Promises::read().unwrap();
        assert_eq!(promises.of("handler/message_slim/typical"), Some(Promise::RatioAtMost(2.0)));
        assert_eq!(promises.of("nothing/of/that"), None);
    }

    #[test]
    fn a_promise_has_one_bound_and_stands_once() {
        let entry =
            |bounds: &str| format!("[[promise]]\nid = \"a\"\nwhat = \"b\"\ngate = \"none\"\n{bounds}\n");
        let sentence = |text: &str| Promises::parse(text).err().map(|error| error.to_string());
        assert_eq!(sentence(&entry("ratio_at_most = 2.0")), None);
        let one_of = "a needs one of ratio_at_most, ms_at_most and bytes_at_most".to_owned();
        assert_eq!(sentence(&entry("")), Some(one_of.clone()));
        assert_eq!(sentence(&entry("ratio_at_most = 2.0\nms_at_most = 3.0")), Some(one_of));
        assert_eq!(sentence(&entry("ms_at_most = 3.0").repeat(2)), Some("a is promised twice".to_owned()));
    }

    #[test]
    fn bounds_are_written_for_people() {
        assert_eq!(Promise::RatioAtMost(0.25).text(Unit::Ratio), "≤ 0.25 ×");
        assert_eq!(Promise::RatioAtMost(4.0).text(Unit::Ratio), "≤ 4 ×");
        assert_eq!(Promise::ValueAtMost(300e6).text(Unit::Nanoseconds), "≤ 300 ms");
    }
}
