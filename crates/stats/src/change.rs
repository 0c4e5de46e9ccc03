//! Where a series changes: E-divisive (Matteson and James) with Student's t-test instead of permutations, as Hunter does.

use crate::student::{mean, p_value};

/// Values between two change points at least: one or two odd values are no change.
pub const SEGMENT_MIN: usize = 3;

/// The chance that a series of independent normal values, with no change in it, is said to have one. (Measured, by the tests,
/// on series of 20 to 100 values; the t-test's own bound is a good deal smaller, since the place is chosen where it is
/// smallest.)
pub const FALSE_ALARMS_MAX: f64 = 0.01;

/// The chance that is allowed to a single test. Whoever searches the place of a change makes many.
const P_MAX: f64 = 2e-4;

/// A split that is less likely to be chance than this is worth to be looked into: what is at both sides of it may show it more
/// clearly, once other changes are cut off.
const P_WEAK: f64 = 0.05;

/// A place where the values become others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// The first value after it.
    pub index: usize,
    /// The mean from the change point before it, or the beginning.
    pub before: f64,
    /// The mean until the change point after it, or the end.
    pub after: f64,
    /// How likely two stretches of one distribution differ so much.
    pub p: f64,
}

/// The change points of a series, in order.
///
/// Top-down, each stretch is split where the energy distance of its two sides is largest, which is where their distributions
/// differ most; bottom-up, the least significant split is taken back until all that are left are significant between their
/// neighbours. The first step alone misses a change that another one hides.
///
/// Work grows with the square of the length: some thousand values take milliseconds.
///
/// ```
/// let values = [1.0, 1.1, 1.0, 0.9, 1.0, 1.1, 1.3, 1.4, 1.3, 1.2, 1.3, 1.4];
/// let changes = dunlin_stats::change_points(&values);
/// assert_eq!(changes.iter().map(|change| change.index).collect::<Vec<_>>(), [6]);
/// assert!((changes[0].after / changes[0].before - 1.3).abs() < 0.02);
/// ```
pub fn change_points(values: &[f64]) -> Vec<ChangePoint> {
    let mut splits = Vec::new();
    split(values, 0, &mut splits);
    splits.sort_unstable();
    loop {
        let points = between(values, &splits);
        let weakest = points.iter().enumerate().max_by(|(_, one), (_, other)| one.p.total_cmp(&other.p));
        match weakest {
            Some((place, point)) if point.p > P_MAX => _ = splits.remove(place),
            _ => return points,
        }
    }
}

/// Splits a stretch, which begins at `offset`, and then its parts, as long as there may be something.
fn split(values: &[f64], offset: usize, splits: &mut Vec<usize>) {
    let Some(place) = most_different(values) else { return };
    if p_value(&values[..place], &values[place..]) > P_WEAK {
        return;
    }
    splits.push(offset + place);
    split(&values[..place], offset, splits);
    split(&values[place..], offset + place, splits);
}

/// Each split, judged by the stretches up to its neighbours.
fn between(values: &[f64], splits: &[usize]) -> Vec<ChangePoint> {
    let ends: Vec<usize> = [0].into_iter().chain(splits.iter().copied()).chain([values.len()]).collect();
    let point = |ends: &[usize]| {
        let (left, right) = (&values[ends[0]..ends[1]], &values[ends[1]..ends[2]]);
        ChangePoint { index: ends[1], before: mean(left), after: mean(right), p: p_value(left, right) }
    };
    ends.windows(3).map(point).collect()
}

/// The place at which the energy distance between what is before and after it is largest, if there is room for one. The distance
/// is twice the mean difference across, less the mean differences within the two sides, weighted by their lengths.
fn most_different(values: &[f64]) -> Option<usize> {
    let len = values.len();
    if len < 2 * SEGMENT_MIN {
        return None;
    }
    let difference = |i: usize, j: usize| (values[i] - values[j]).abs();
    let to =
        |range: std::ops::Range<usize>, one: usize| range.map(|other| difference(one, other)).sum::<f64>();
    // Sums of the differences of all pairs: within the left side, within the right side, across. A value that changes sides
    // moves its own differences along.
    let (mut left, mut right, mut across) =
        (0.0, (0..len).map(|one| to(one + 1..len, one)).sum::<f64>(), 0.0);
    let mut best = None;
    for place in 1..=len - SEGMENT_MIN {
        let moved = place - 1;
        let (to_left, to_right) = (to(0..moved, moved), to(place..len, moved));
        left += to_left;
        right -= to_right;
        across += to_right - to_left;
        if place < SEGMENT_MIN {
            continue;
        }
        let (n, m) = (place as f64, (len - place) as f64);
        let pairs = |n: f64| n * (n - 1.0) / 2.0;
        let distance = 2.0 * across / (n * m) - left / pairs(n) - right / pairs(m);
        let weighted = distance * n * m / (n + m);
        if best.is_none_or(|(_, most)| weighted > most) {
            best = Some((place, weighted));
        }
    }
    best.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Normal values, about: twelve uniform ones, summed.
    struct Noise(fastrand::Rng);

    impl Noise {
        fn new(seed: u64) -> Self {
            Noise(fastrand::Rng::with_seed(seed))
        }

        fn next(&mut self) -> f64 {
            (0..12).map(|_| self.0.f64()).sum::<f64>() - 6.0
        }

        /// Stretches of these lengths and means.
        fn series(&mut self, stretches: &[(usize, f64)], deviation: f64) -> Vec<f64> {
            let mut values = Vec::new();
            for (len, mean) in stretches {
                values.extend((0..*len).map(|_| mean + deviation * self.next()));
            }
            values
        }
    }

    fn places(values: &[f64]) -> Vec<usize> {
        change_points(values).iter().map(|change| change.index).collect()
    }

    /// A step of ten standard deviations is always found, at the very value; a false alarm besides is rare.
    #[test]
    fn steps_are_found_where_they_are() {
        for stretches in [
            &[(20, 1.0), (20, 1.1)][..],
            &[(15, 1.0), (10, 1.3), (15, 1.0)],
            &[(12, 2.0), (12, 1.9), (12, 2.1), (12, 1.7)],
        ] {
            let ends = stretches.iter().scan(0, |end, (len, _)| {
                *end += len;
                Some(*end)
            });
            let expected: Vec<usize> = ends.take(stretches.len() - 1).collect();
            let mut exact = 0;
            for seed in 0..50 {
                let found = places(&Noise::new(seed).series(stretches, 0.01));
                assert!(expected.iter().all(|place| found.contains(place)), "seed {seed}: {found:?}");
                exact += usize::from(found == expected);
            }
            assert!(exact >= 48, "{exact} of 50 have nothing else");
        }
    }

    /// Two standard deviations between stretches of twenty are found nine times of ten.
    #[test]
    fn small_steps_are_found_near_where_they_are() {
        let found = (0..200)
            .filter(|seed| {
                let places = places(&Noise::new(*seed).series(&[(20, 0.0), (20, 2.0)], 1.0));
                places.len() == 1 && places[0].abs_diff(20) <= 2
            })
            .count();
        assert!(found >= 180, "{found} of 200");
    }

    #[test]
    fn noise_has_changes_as_seldom_as_is_stated() {
        for len in [20, 40, 100] {
            let alarms = (0..1_000)
                .filter(|seed| !places(&Noise::new(*seed).series(&[(len, 1.0)], 0.05)).is_empty())
                .count();
            assert!(alarms as f64 <= 1_000.0 * FALSE_ALARMS_MAX, "{alarms} of 1,000 series of {len}");
        }
    }

    #[test]
    fn a_change_says_by_how_much() {
        let change = change_points(&Noise::new(1).series(&[(20, 1.0), (20, 1.1)], 0.001))[0];
        assert!((change.before - 1.0).abs() < 0.01 && (change.after - 1.1).abs() < 0.01, "{change:?}");
        assert!(change.p < 1e-6, "{change:?}");
    }

    #[test]
    fn what_is_constant_or_short_has_no_change() {
        assert_eq!(places(&[]), [0; 0]);
        assert_eq!(places(&[1.0; 100]), [0; 0]);
        assert_eq!(places(&[1.0, 1.0, 5.0, 5.0]), [0; 0]);
        assert_eq!(places(&[1.0, 1.0, 1.0, 5.0, 5.0, 5.0]), [3], "without any noise six are enough");
        let mut outlier = vec![1.0; 40];
        outlier[20] = 9.0;
        assert_eq!(places(&outlier), [0; 0], "one odd value is no change");
    }

    #[test]
    fn the_distance_is_that_of_its_definition() {
        let values: [f64; 7] = [1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 9.0];
        let mean_of = |pairs: Vec<f64>| pairs.iter().sum::<f64>() / pairs.len() as f64;
        let within = |side: &[f64]| {
            let pairs = side
                .iter()
                .enumerate()
                .flat_map(|(n, one)| side[n + 1..].iter().map(move |other| (one - other).abs()));
            mean_of(pairs.collect())
        };
        let weighted = |place: usize| {
            let (left, right) = values.split_at(place);
            let across = left.iter().flat_map(|one| right.iter().map(move |other| (one - other).abs()));
            let (n, m) = (left.len() as f64, right.len() as f64);
            (2.0 * mean_of(across.collect()) - within(left) - within(right)) * n * m / (n + m)
        };
        let expected = (SEGMENT_MIN..=values.len() - SEGMENT_MIN)
            .max_by(|one, other| weighted(*one).total_cmp(&weighted(*other)));
        assert_eq!(most_different(&values), expected);
    }
}
