/// Which of these tests may be called significant, in their order: Holm's step-down correction, so that the chance of even
/// one false alarm among all of them stays below `alpha`.
///
/// A p-value that is no number is never significant.
pub fn holm(p_values: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut significant = vec![false; p_values.len()];
    for (rank, index) in order.into_iter().enumerate() {
        // The smallest is held to alpha / n, the next to alpha / (n - 1); the first that fails ends it.
        let bound = alpha / (p_values.len() - rank) as f64;
        if p_values[index].is_nan() || p_values[index] > bound {
            break;
        }
        significant[index] = true;
    }
    significant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_held_to_its_own_bound() {
        assert_eq!(holm(&[], 0.05), Vec::<bool>::new());
        assert_eq!(holm(&[0.05], 0.05), [true]);
        // 0.05 / 3, 0.05 / 2, 0.05.
        assert_eq!(holm(&[0.04, 0.016, 0.025], 0.05), [true, true, true]);
        // The second fails at 0.025, so that the third is not looked at.
        assert_eq!(holm(&[0.04, 0.016, 0.026], 0.05), [false, true, false]);
        assert_eq!(holm(&[0.04, 0.017, 0.02], 0.05), [false, false, false]);
        assert_eq!(holm(&[f64::NAN, 0.001], 0.05), [false, true]);
    }
}
