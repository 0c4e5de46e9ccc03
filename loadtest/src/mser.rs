//! MSER-5: where the warm-up of a series ends (K. P. White, "An effective truncation heuristic for bias reduction in
//! simulation output", 1997, on means of five).
//!
//! Of all places where the start could be cut off, it takes the one after which the mean of the rest is known best: the
//! least variance of the rest over the square of its length. A place in the second half means that nothing settled.

/// Observations of one batch.
const BATCH: usize = 5;

/// Batches from which a place can be told.
const BATCHES_MIN: usize = 10;

/// What MSER-5 says of a series of means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Truncation {
    TooShort,
    /// So many observations come before the steady state.
    At(usize),
    NeverSettles,
}

/// Where to cut; `means` are the means of equal intervals, without a value where nothing happened.
pub(crate) fn truncation(means: &[Option<f64>]) -> Truncation {
    // A batch without any value tells nothing; it keeps its place.
    let batches: Vec<Option<f64>> = means
        .chunks_exact(BATCH)
        .map(|batch| {
            let values: Vec<f64> = batch.iter().flatten().copied().collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        })
        .collect();
    if batches.iter().flatten().count() < BATCHES_MIN {
        return Truncation::TooShort;
    }
    // Sums over the rest, from the end; the last few batches alone would always look steady.
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    let mut best: Option<(f64, usize)> = None;
    for (start, batch) in batches.iter().enumerate().rev() {
        let Some(value) = batch else { continue };
        count += 1.0;
        sum += value;
        squares += value * value;
        if count < BATCH as f64 {
            continue;
        }
        let statistic = (squares - sum * sum / count).max(0.0) / (count * count);
        // The earlier place wins a tie: what need not be cut is not.
        if best.is_none_or(|(least, _)| statistic <= least) {
            best = Some((statistic, start));
        }
    }
    match best {
        Some((_, start)) if start * 2 <= batches.len() => Truncation::At(start * BATCH),
        _ => Truncation::NeverSettles,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(length: usize, mean: impl Fn(usize) -> f64) -> Vec<Option<f64>> {
        let mut rng = fastrand::Rng::with_seed(1);
        (0..length).map(|at| Some(mean(at) + rng.f64())).collect()
    }

    #[test]
    fn a_steady_series_is_kept_nearly_whole() {
        let Truncation::At(cut) = truncation(&noisy(200, |_| 10.0)) else { panic!("it is steady") };
        assert!(cut <= 50, "{cut}");
        assert_eq!(truncation(&vec![Some(3.0); 100]), Truncation::At(0));
    }

    #[test]
    fn a_warm_up_is_cut_where_it_ends() {
        let Truncation::At(cut) =
            truncation(&noisy(200, |at| if at < 30 { 100.0 - at as f64 } else { 10.0 }))
        else {
            panic!("it settles")
        };
        assert!((30..=60).contains(&cut), "{cut}");
    }

    #[test]
    fn what_drifts_never_settles_and_what_is_short_says_nothing() {
        assert_eq!(truncation(&noisy(200, |at| (at * at) as f64)), Truncation::NeverSettles);
        assert_eq!(truncation(&noisy(49, |_| 1.0)), Truncation::TooShort);
        assert_eq!(truncation(&[None; 500]), Truncation::TooShort);
    }
}
