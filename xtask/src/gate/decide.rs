//! What is called slower.

use dunlin_stats::{Interval, Sample, holm};
use serde::Serialize;

/// How much more of a counted figure is too much.
pub(super) const COUNTED_MAX: f64 = 0.02;

/// How much more processor time is too much.
pub(super) const CPU_MAX: f64 = 0.05;

/// How much more wall time is too much: on a shared machine it differs from itself by a third.
pub(super) const WALL_MAX: f64 = 0.25;

/// Two-sided.
const CONFIDENCE: f64 = 0.95;

/// The chance of one false alarm among all paths: the upper tail of [`CONFIDENCE`].
const FALSE_ALARM_MAX: f64 = (1.0 - CONFIDENCE) / 2.0;

/// Any seed, always the same: the same pairs give the same verdict.
const SEED: u64 = 1;

/// Ordered by how bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// Nothing depends on it.
    Shown,
    Pass,
    Undecided,
    Fail,
}

/// A figure of one operation on both sides, equal up to what differs from run to run.
pub(super) fn counted(base: f64, head: f64) -> Verdict {
    if base == 0.0 && head == 0.0 {
        return Verdict::Pass;
    }
    if change(base, head) > COUNTED_MAX { Verdict::Fail } else { Verdict::Pass }
}

/// By how much of the base the head is more; of nothing, anything is infinitely more.
pub(super) fn change(base: f64, head: f64) -> f64 {
    if base == head { 0.0 } else { head / base - 1.0 }
}

/// What the pairs of one path say.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Slowdown {
    /// As shares, such as 0.05 for five per cent.
    pub(super) interval: Interval,
    /// How likely such pairs are if the head is not slower by more than is allowed.
    pub(super) p: f64,
    pub(super) verdict: Verdict,
}

/// Decides about all paths at once. Each has the log ratios of its pairs, head over base.
pub(super) fn timed(paths: &[&[f64]], allowed: f64) -> Vec<Slowdown> {
    let bound = allowed.ln_1p();
    let samples: Vec<Sample<'_>> = paths.iter().map(|pairs| Sample::new(pairs)).collect();
    let p_values: Vec<f64> = samples.iter().map(|sample| sample.p_above(bound, SEED)).collect();
    let slower = holm(&p_values, FALSE_ALARM_MAX);
    let decide = |((sample, p), slower): ((&Sample<'_>, f64), bool)| {
        let interval = sample.interval(CONFIDENCE, SEED);
        let verdict = if slower {
            Verdict::Fail
        } else if interval.upper < bound {
            Verdict::Pass
        } else {
            Verdict::Undecided
        };
        let share = |log: f64| log.exp_m1();
        let interval = Interval {
            mean: share(interval.mean),
            lower: share(interval.lower),
            upper: share(interval.upper),
        };
        Slowdown { interval, p, verdict }
    };
    samples.iter().zip(p_values).zip(slower).map(decide).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_figures_have_a_tolerance() {
        assert_eq!(counted(0.0, 0.0), Verdict::Pass);
        assert_eq!(counted(0.0, 0.1), Verdict::Fail);
        assert_eq!(counted(100.0, 101.9), Verdict::Pass);
        assert_eq!(counted(100.0, 102.1), Verdict::Fail);
        assert_eq!(counted(100.0, 50.0), Verdict::Pass);
        assert_eq!(change(100.0, 110.0), 110.0 / 100.0 - 1.0);
        assert_eq!(change(0.0, 0.0), 0.0);
        assert_eq!(change(0.0, 1.0), f64::INFINITY);
    }

    /// Twenty pairs around this slowdown, two per cent to each side.
    fn pairs(slowdown: f64) -> Vec<f64> {
        (0..20).map(|n| (slowdown + 0.002 * f64::from(n % 21 - 10)).ln_1p()).collect()
    }

    #[test]
    fn times_are_decided_by_both_bounds() {
        let (same, slower, between) = (pairs(0.0), pairs(0.10), pairs(0.05));
        let verdicts = timed(&[&same, &slower, &between], CPU_MAX);
        let kinds: Vec<_> = verdicts.iter().map(|slowdown| slowdown.verdict).collect();
        assert_eq!(kinds, [Verdict::Pass, Verdict::Fail, Verdict::Undecided]);
        let slower = verdicts[1];
        assert!(
            slower.p < 0.001 && slower.interval.lower > 0.05 && slower.interval.upper < 0.15,
            "{slower:?}"
        );
        assert!(timed(&[&same], WALL_MAX)[0].verdict == Verdict::Pass);
    }

    #[test]
    fn too_few_pairs_decide_nothing() {
        assert_eq!(timed(&[&[0.0]], CPU_MAX)[0].verdict, Verdict::Undecided);
        assert_eq!(timed(&[&[]], CPU_MAX)[0].verdict, Verdict::Undecided);
    }
}
