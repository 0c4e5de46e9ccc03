//! Fewer points, the same picture.

/// Points that are drawn of one series, about as many as a wide screen has columns. A run of a day has 86,400 seconds.
const POINTS_MAX: usize = 1_200;

/// At most [`POINTS_MAX`] points: of each stretch the lowest and the highest, so that no spike goes missing.
pub(super) fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS_MAX {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(POINTS_MAX / 2);
    let mut kept = Vec::with_capacity(POINTS_MAX + 2);
    for chunk in points.chunks(stretch) {
        let finite = chunk.iter().enumerate().filter(|(_, point)| point.1.is_finite());
        let low = finite.clone().min_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let high = finite.max_by(|a, b| a.1.1.total_cmp(&b.1.1));
        match (low, high) {
            (Some((low, _)), Some((high, _))) => {
                kept.push(chunk[low.min(high)]);
                if low != high {
                    kept.push(chunk[low.max(high)]);
                }
            }
            _ => kept.push(chunk[0]),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_and_gaps_stay() {
        let mut points: Vec<_> = (0..86_400).map(|second| (f64::from(second), 1.0)).collect();
        points[40_001].1 = 50.0;
        points[70_000].1 = -2.0;
        for point in &mut points[10_000..20_000] {
            point.1 = f64::NAN;
        }
        let kept = thin(&points);
        assert!(kept.len() <= POINTS_MAX, "{}", kept.len());
        assert!(kept.contains(&(40_001.0, 50.0)) && kept.contains(&(70_000.0, -2.0)));
        assert!(kept.iter().any(|point| point.1.is_nan()));
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(thin(&points[..100]), points[..100]);
    }
}
