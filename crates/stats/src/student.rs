//! Student's t-test of two samples.

/// How likely two samples differ by this much in their means, or more, if both come from one normal distribution; two-sided.
/// 1 if there are too few values to say anything.
///
/// The variance is pooled, so that a side may have few values, even one.
pub(crate) fn p_value(left: &[f64], right: &[f64]) -> f64 {
    let (n, m) = (left.len() as f64, right.len() as f64);
    let degrees = n + m - 2.0;
    if left.is_empty() || right.is_empty() || degrees < 1.0 {
        return 1.0;
    }
    let (a, b) = (mean(left), mean(right));
    let variance = (squares(left, a) + squares(right, b)) / degrees;
    if variance == 0.0 {
        return if a == b { 1.0 } else { 0.0 };
    }
    let t = (a - b) / (variance * (1.0 / n + 1.0 / m)).sqrt();
    // Both tails of Student's distribution.
    incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + t * t))
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn squares(values: &[f64], mean: f64) -> f64 {
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// Terms of the continued fraction at most; tens are enough for the degrees of freedom here.
const TERMS_MAX: u32 = 300;

/// The regularised incomplete beta function, by its continued fraction (modified Lentz).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast on one side of the mean; on the other one its mirror image does.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = (a * x.ln() + b * (1.0 - x).ln() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b)).exp() / a;
    let nonzero = |value: f64| if value.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for term in 1..=TERMS_MAX {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / nonzero(1.0 + numerator * d);
            c = nonzero(1.0 + numerator / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() < 1e-14 {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

/// The logarithm of the gamma function of a positive number (Lanczos, g = 7).
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        let pi = std::f64::consts::PI;
        return (pi / (pi * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let base = x + 7.5;
    let terms = COEFFICIENTS.iter().zip(1..).map(|(coefficient, n)| coefficient / (x + f64::from(n)));
    let sum = 0.999_999_999_999_809_9 + terms.sum::<f64>();
    (2.0 * std::f64::consts::PI).sqrt().ln() + (x + 0.5) * base.ln() - base + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6 * expected.max(1e-3), "{found} instead of {expected}");
    }

    #[test]
    fn the_beta_function_has_its_closed_forms() {
        // I_x(1, b) = 1 - (1 - x)^b, I_x(a, 1) = x^a, and the arcsine law.
        for x in [0.01, 0.3, 0.5, 0.9, 0.99] {
            check(incomplete_beta(1.0, 3.0, x), 1.0 - (1.0 - x).powi(3));
            check(incomplete_beta(4.5, 1.0, x), x.powf(4.5));
            check(incomplete_beta(0.5, 0.5, x), 2.0 / std::f64::consts::PI * x.sqrt().asin());
        }
    }

    #[test]
    fn p_values_are_those_of_the_tables() {
        // One and two degrees of freedom have closed forms: 1 - 2/π·atan(t) and 1 - t/√(2 + t²).
        let two_tails =
            |t: f64, degrees: f64| incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + t * t));
        check(two_tails(3.0, 1.0), 1.0 - 2.0 / std::f64::consts::PI * 3.0_f64.atan());
        check(two_tails(3.0, 2.0), 1.0 - 3.0 / 11.0_f64.sqrt());
        // The two-sided 5 % and 0.1 % points of ten degrees, as printed.
        assert!((two_tails(2.228, 10.0) - 0.05).abs() < 1e-4);
        assert!((two_tails(4.587, 10.0) - 0.001).abs() < 1e-5);
    }

    #[test]
    fn samples_are_told_apart_by_their_spread() {
        check(p_value(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 1.0);
        // t = -3 · √(3/2), four degrees of freedom: 1 - (t·(t² + 6))/(t² + 4)^1.5.
        let t = 3.0 * 1.5_f64.sqrt();
        check(p_value(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), 1.0 - t * (t * t + 6.0) / (t * t + 4.0).powf(1.5));
        assert_eq!(p_value(&[1.0, 1.0], &[2.0, 2.0]), 0.0);
        assert_eq!(p_value(&[1.0, 1.0], &[1.0, 1.0]), 1.0);
        assert_eq!(p_value(&[1.0], &[2.0]), 1.0);
    }
}
