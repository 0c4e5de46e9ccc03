//! `bench.json`: what was measured, against what, and what was promised.

use anyhow::Result;
pub(super) use dunlin_report::Unit;
use serde::Serialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::machine::Machine;

/// Version of the layout; it changes when a reader of the old one would be wrong.
const VERSION: u32 = 1;

/// One run.
#[derive(Serialize)]
pub(super) struct Report {
    version: u32,
    pub(super) started_at: String,
    pub(super) quick: bool,
    pub(super) machine: Machine,
    pub(super) measures: Vec<Measure>,
    /// The load test's own report, as it wrote it.
    pub(super) swarm: Option<Value>,
}

/// One figure.
#[derive(Serialize)]
pub(super) struct Measure {
    /// What was measured; for microbenchmarks, the id of the benchmark.
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: Unit,
    /// What the value is held against, measured in the same run and in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) promise: Option<Promise>,
}

/// The bare thing beside it.
#[derive(Serialize)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) value: f64,
    /// Value over reference; not always the quotient of the two medians, where pairs were measured side by side.
    pub(super) ratio: f64,
}

/// What the project promises of a figure.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Promise {
    /// The ratio is at most this.
    RatioAtMost(f64),
    /// The value, in its unit, is at most this.
    ValueAtMost(f64),
}

impl Report {
    pub(super) fn new(quick: bool) -> Result<Self> {
        Ok(Report {
            version: VERSION,
            started_at: OffsetDateTime::now_utc().replace_nanosecond(0)?.format(&Rfc3339)?,
            quick,
            machine: Machine::here(),
            measures: Vec::new(),
            swarm: None,
        })
    }
}

impl Measure {
    /// A figure without reference or promise.
    pub(super) fn new(name: impl Into<String>, value: f64, unit: Unit) -> Self {
        Measure { name: name.into(), value, unit, reference: None, promise: None }
    }

    pub(super) fn against(self, name: impl Into<String>, value: f64, ratio: f64) -> Self {
        Measure { reference: Some(Reference { name: name.into(), value, ratio }), ..self }
    }

    pub(super) fn promised(self, promise: Promise) -> Self {
        Measure { promise: Some(promise), ..self }
    }

    /// Whether the promise is kept, and by how much the figure is under (or over) it, as a share of the promise.
    pub(super) fn verdict(&self) -> Option<(bool, f64)> {
        let (figure, bound) = match self.promise? {
            Promise::RatioAtMost(bound) => (self.reference.as_ref()?.ratio, bound),
            Promise::ValueAtMost(bound) => (self.value, bound),
        };
        Some((figure <= bound, (figure - bound).abs() / bound))
    }

    /// The figure on one line.
    pub(super) fn summary(&self) -> String {
        match &self.reference {
            Some(reference) => {
                format!("{} ({:.2} × {})", self.unit.text(self.value), reference.ratio, reference.name)
            }
            None => self.unit.text(self.value),
        }
    }
}

impl Promise {
    pub(super) fn text(self, unit: Unit) -> String {
        match self {
            Promise::RatioAtMost(bound) => format!("≤ {bound:.2} ×"),
            Promise::ValueAtMost(bound) => format!("≤ {}", unit.text(bound)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_kept_at_the_bound_and_broken_above() {
        let at = |ratio| {
            Measure::new("m", 1.0, Unit::Count)
                .against("r", 1.0, ratio)
                .promised(Promise::RatioAtMost(2.0))
                .verdict()
        };
        assert_eq!(at(2.0), Some((true, 0.0)));
        assert_eq!(at(3.0), Some((false, 0.5)));
        assert_eq!(Measure::new("m", 1.0, Unit::Count).promised(Promise::RatioAtMost(2.0)).verdict(), None);
    }
}
