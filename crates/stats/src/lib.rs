//! What is decided from measurements: how sure a mean is, whether it is above a bound, how many such tests may be made
//! before one is wrong by chance, and where a series changes.
//!
//! It knows numbers only: not what was measured, nor how. Everything random follows from a seed, so that the same numbers
//! give the same verdict.
//!
//! ```
//! use dunlin_stats::{Sample, holm};
//!
//! // Log ratios of ten pairs: about 10 % slower.
//! let slower = Sample::new(&[0.09, 0.10, 0.11, 0.10, 0.08, 0.10, 0.12, 0.09, 0.11, 0.10]);
//! let interval = slower.interval(0.95, 1);
//! assert!(interval.lower > 0.05 && interval.upper < 0.15);
//! assert_eq!(holm(&[slower.p_above(0.05, 1), 0.6], 0.025), [true, false]);
//! ```

mod bootstrap;
mod change;
mod holm;
mod student;

pub use bootstrap::{Interval, RESAMPLES, Sample};
pub use change::{ChangePoint, FALSE_ALARMS_MAX, SEGMENT_MIN, change_points};
pub use holm::holm;

/// The middle value, or the upper of the two in the middle; none of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    }
}
