//! `bench.json`: what was measured, against what, and what was promised. Its layout is in docs/bench.md.

use anyhow::Result;
pub(super) use dunlin_report::Unit;
use serde::Serialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{machine::Machine, promises::Promise};

/// Version of the layout; it changes when a reader of the old one would be wrong.
pub(crate) const VERSION: u32 = 2;

/// One run.
#[derive(Serialize)]
pub(super) struct Report {
    version: u32,
    pub(super) started_at: String,
    /// Few repetitions.
    pub(super) quick: bool,
    pub(super) machine: Machine,
    pub(super) measures: Vec<Measure>,
    /// The load test's own report, as it wrote it.
    pub(super) swarm: Option<Value>,
}

/// One figure.
#[derive(Serialize)]
pub(super) struct Measure {
    /// `group/what/size`.
    pub(super) id: String,
    pub(super) value: f64,
    pub(super) unit: Unit,
    /// What the value is held against, measured in the same run and in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) promise: Option<Promise>,
    /// Why the figure is worthless, if it is: a sentence for each defect of the benchmark.
    pub(super) defects: Vec<String>,
    /// How the samples are spread, as the benchmark wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) samples: Option<Value>,
}

/// The bare thing beside it.
#[derive(Serialize)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) value: f64,
    /// Value over reference; not always the quotient of the two medians, where pairs were measured in turns.
    pub(super) ratio: f64,
    /// Where the ratio lies with 95 % confidence, if it was measured in turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interval: Option<[f64; 2]>,
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

    /// The figures whose benchmarks are defective.
    pub(super) fn defective(&self) -> impl Iterator<Item = &Measure> {
        self.measures.iter().filter(|measure| !measure.defects.is_empty())
    }
}

impl Measure {
    /// A figure without reference or promise.
    pub(super) fn new(id: impl Into<String>, value: f64, unit: Unit) -> Self {
        Measure {
            id: id.into(),
            value,
            unit,
            reference: None,
            promise: None,
            defects: Vec::new(),
            samples: None,
        }
    }

    pub(super) fn against(self, name: impl Into<String>, value: f64, ratio: f64) -> Self {
        Measure { reference: Some(Reference { name: name.into(), value, ratio, interval: None }), ..self }
    }

    /// The first part of the id.
    pub(super) fn group(&self) -> &str {
        self.id.split('/').next().unwrap_or_default()
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
                format!("{} ({} × {})", self.unit.text(self.value), reference.text(), reference.name)
            }
            None => self.unit.text(self.value),
        }
    }
}

impl Reference {
    /// The ratio, with what is known of its error.
    pub(super) fn text(&self) -> String {
        match self.interval {
            // Both digits of an interval that is narrower than them would be the same.
            Some([low, high]) => {
                let decimals = if high - low < 0.02 { 3 } else { 2 };
                format!("{:.decimals$} [{low:.decimals$}, {high:.decimals$}]", self.ratio)
            }
            None => format!("{:.2}", self.ratio),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_kept_at_the_bound_and_broken_above() {
        let measure = |ratio| Measure {
            promise: Some(Promise::RatioAtMost(2.0)),
            ..Measure::new("a/b/c", 1.0, Unit::Count).against("r", 1.0, ratio)
        };
        assert_eq!(measure(2.0).verdict(), Some((true, 0.0)));
        assert_eq!(measure(3.0).verdict(), Some((false, 0.5)));
        assert_eq!(measure(2.0).group(), "a");
        assert_eq!(Measure { reference: None, ..measure(2.0) }.verdict(), None);
    }

    #[test]
    fn ratios_show_their_intervals() {
        let reference = |interval| Reference { name: "r".to_owned(), value: 1.0, ratio: 1.234, interval };
        assert_eq!(reference(None).text(), "1.23");
        assert_eq!(reference(Some([1.1, 1.4])).text(), "1.23 [1.10, 1.40]");
        assert_eq!(reference(Some([1.23, 1.24])).text(), "1.234 [1.230, 1.240]");
    }
}
