//! Ratios of interleaved blocks, and how sure they are.

use serde::Serialize;

/// Resamples of which the interval is made.
const RESAMPLES: usize = 2_000;

/// The same measurements give the same interval.
const SEED: u64 = 0x6475_6e6c_696e;

/// A ratio of subject to reference with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The geometric mean over all quads.
    pub mean: f64,
    /// 2.5 % of the bootstrap's means are below.
    pub low: f64,
    /// 2.5 % of the bootstrap's means are above.
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
    /// From one logarithm for each quad of blocks (subject, reference, reference, subject): its mean, and what the
    /// bootstrap over quads says of it. A quad cancels what drifts evenly through it.
    pub(super) fn of_logs(logs: &[f64]) -> Option<Self> {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        if logs.is_empty() {
            return None;
        }
        let mut random = fastrand::Rng::with_seed(SEED);
        let mut resample = vec![0.0; logs.len()];
        let mut means: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                resample.fill_with(|| logs[random.usize(..logs.len())]);
                mean(&resample)
            })
            .collect();
        means.sort_by(f64::total_cmp);
        let at = |share: f64| means[((RESAMPLES - 1) as f64 * share).round() as usize].exp();
        Some(Ratio { mean: mean(logs).exp(), low: at(0.025), high: at(0.975) })
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
    fn the_interval_holds_the_mean_and_widens_with_the_spread() {
        let steady = Ratio::of_logs(&[0.69, 0.70, 0.69, 0.70, 0.69, 0.70]).unwrap();
        assert!(steady.low <= steady.mean && steady.mean <= steady.high, "{steady:?}");
        assert!((steady.mean - 2.0).abs() < 0.02, "{steady:?}");
        let spread = Ratio::of_logs(&[0.2, 1.2, 0.3, 1.1, 0.5, 0.9]).unwrap();
        assert!(spread.high - spread.low > 10.0 * (steady.high - steady.low), "{spread:?}");
        assert_eq!(Ratio::of_logs(&[]), None);
    }

    /// Of intervals around means of twelve draws, about 95 % hold the true mean; percentile intervals of so few are somewhat
    /// narrow.
    #[test]
    fn the_interval_holds_the_truth_about_as_often_as_it_says() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut normal = || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        let held = (0..400)
            .filter(|_| {
                let logs: Vec<f64> = (0..12).map(|_| 0.1 * normal()).collect();
                Ratio::of_logs(&logs).is_some_and(|ratio| ratio.low <= 1.0 && 1.0 <= ratio.high)
            })
            .count();
        assert!((350..=395).contains(&held), "{held} of 400");
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
