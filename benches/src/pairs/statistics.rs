//! Ratios of interleaved blocks, and how sure they are.

use dunlin_stats::Sample;
use serde::Serialize;

/// How sure an interval is.
const CONFIDENCE: f64 = 0.95;

/// The same measurements give the same interval.
const SEED: u64 = 0x6475_6e6c_696e;

/// A ratio of subject to reference with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The geometric mean over all quads.
    pub mean: f64,
    /// It is hardly below this.
    pub low: f64,
    /// It is hardly above this.
    pub high: f64,
}

/// How the samples of one side are spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "they are what they are called")]
pub struct Summary {
    pub samples: usize,
    pub mean: f64,
    pub min: f64,
    pub p25: f64,
    pub median: f64,
    pub p75: f64,
    pub max: f64,
}

impl Ratio {
    /// From one logarithm for each quad of blocks (subject, reference, reference, subject): their mean, and what the
    /// bootstrap over quads says of it. A quad cancels what drifts evenly through it.
    pub(super) fn of_logs(logs: &[f64]) -> Self {
        let interval = Sample::new(logs).interval(CONFIDENCE, SEED);
        Ratio { mean: interval.mean.exp(), low: interval.lower.exp(), high: interval.upper.exp() }
    }
}

impl Summary {
    /// Nothing of nothing.
    pub(super) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        Some(Summary {
            samples: sorted.len(),
            mean: sorted.iter().sum::<f64>() / sorted.len() as f64,
            min,
            p25: at(0.25),
            median: at(0.5),
            p75: at(0.75),
            max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_the_logarithms() {
        let ratio = Ratio::of_logs(&[0.69, 0.70, 0.69, 0.70, 0.69, 0.70]);
        assert!(ratio.low <= ratio.mean && ratio.mean <= ratio.high, "{ratio:?}");
        assert!((ratio.mean - 2.0).abs() < 0.02 && ratio.high - ratio.low < 0.1, "{ratio:?}");
    }

    #[test]
    fn a_summary_orders_its_samples() {
        let summary = Summary::of(&[5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!(
            (summary.min, summary.p25, summary.median, summary.p75, summary.max, summary.mean),
            (1.0, 2.0, 3.0, 4.0, 5.0, 3.0)
        );
        assert_eq!(Summary::of(&[]), None);
    }
}
