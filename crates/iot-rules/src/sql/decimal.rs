//! A decimal number of 34 digits. What fits 128 bits on the way is computed in them; the rest is left to `bigdecimal`.

use std::{cmp::Ordering, fmt, num::NonZeroU64};

use bigdecimal::{BigDecimal, ToPrimitive, num_bigint::BigInt, rounding::RoundingMode};

/// Significant digits of an Int or a Decimal (data types page).
const DIGITS_MAX: u32 = 34;

/// Where a number of 34 digits ends.
pub(super) const END: i128 = 10_i128.pow(DIGITS_MAX);

/// Digits that any coefficient on the way may have: one more does not always fit 128 bits.
const WIDE_DIGITS_MAX: u32 = 38;

/// A Decimal is at most 9.999…E999, and at least 1E-999 or zero (data types page).
const MAGNITUDE_MAX: i64 = 999;

/// `coefficient · 10^exponent`; the coefficient has at most 34 digits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal {
    coefficient: i128,
    exponent: i32,
}

/// Where a number goes that is between two whole ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    Down,
    Up,
    /// To the nearer one; from the middle away from zero.
    Nearest,
}

impl Decimal {
    pub(super) const ZERO: Self = Self { coefficient: 0, exponent: 0 };

    /// Rounded to 34 digits, half to even. `None` if it is too large; what is too small is zero.
    pub(super) fn new(coefficient: i128, exponent: i64) -> Option<Self> {
        Self::rounded(coefficient, exponent, false)
    }

    /// The same, of a coefficient that is cut off: its true value is a little further from zero.
    fn rounded(coefficient: i128, exponent: i64, cut: bool) -> Option<Self> {
        let excess = digits(coefficient).saturating_sub(DIGITS_MAX);
        let (mut coefficient, mut exponent) = if excess == 0 {
            (coefficient, exponent)
        } else {
            let unit = 10_i128.pow(excess);
            let (quotient, rest) = (coefficient / unit, (coefficient % unit).abs());
            let away = match rest.cmp(&(unit / 2)) {
                Ordering::Greater => true,
                Ordering::Equal => cut || quotient % 2 != 0,
                Ordering::Less => false,
            };
            (
                quotient + if away { coefficient.signum() } else { 0 },
                exponent.saturating_add(i64::from(excess)),
            )
        };
        if coefficient.abs() == END {
            (coefficient, exponent) = (coefficient / 10, exponent + 1);
        }
        if coefficient == 0 {
            return Some(Self::ZERO);
        }
        match exponent.saturating_add(i64::from(digits(coefficient)) - 1) {
            magnitude if magnitude > MAGNITUDE_MAX => None,
            magnitude if magnitude < -MAGNITUDE_MAX => Some(Self::ZERO),
            _ => Some(Self { coefficient, exponent: i32::try_from(exponent).ok()? }),
        }
    }

    /// Rounded to 34 digits.
    pub(super) fn from_big(big: &BigDecimal) -> Option<Self> {
        const DIGITS: NonZeroU64 = NonZeroU64::new(DIGITS_MAX as u64).expect("34 is not 0");
        let (digits, scale) =
            big.with_precision_round(DIGITS, RoundingMode::HalfEven).into_bigint_and_scale();
        // Rounding also fills up to 34 digits, so that these always fit.
        Self::new(digits.to_i128()?, scale.checked_neg()?)
    }

    fn to_big(self) -> BigDecimal {
        BigDecimal::new(BigInt::from(self.coefficient), -i64::from(self.exponent))
    }

    pub(super) fn signum(self) -> i128 {
        self.coefficient.signum()
    }

    pub(super) fn abs(self) -> Self {
        Self { coefficient: self.coefficient.abs(), ..self }
    }

    pub(super) fn to_double(self) -> f64 {
        // The library reads decimal digits correctly rounded; powers of ten in doubles would not be.
        format!("{}e{}", self.coefficient, self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// Both coefficients at the smaller exponent, if they fit.
    fn aligned(self, other: Self) -> Option<(i128, i128, i64)> {
        let exponent = self.exponent.min(other.exponent);
        Some((self.at(exponent)?, other.at(exponent)?, i64::from(exponent)))
    }

    fn at(self, exponent: i32) -> Option<i128> {
        let zeros = u32::try_from(self.exponent - exponent).ok()?;
        if self.coefficient == 0 {
            return Some(0);
        }
        (zeros <= WIDE_DIGITS_MAX).then(|| self.coefficient.checked_mul(10_i128.pow(zeros)))?
    }

    pub(super) fn add(self, other: Self) -> Option<Self> {
        match self
            .aligned(other)
            .and_then(|(left, right, exponent)| Some((left.checked_add(right)?, exponent)))
        {
            Some((sum, exponent)) => Self::new(sum, exponent),
            None => Self::from_big(&(self.to_big() + other.to_big())),
        }
    }

    pub(super) fn subtract(self, other: Self) -> Option<Self> {
        self.add(Self { coefficient: -other.coefficient, ..other })
    }

    pub(super) fn multiply(self, other: Self) -> Option<Self> {
        match self.coefficient.checked_mul(other.coefficient) {
            Some(product) => Self::new(product, i64::from(self.exponent) + i64::from(other.exponent)),
            None => Self::from_big(&(self.to_big() * other.to_big())),
        }
    }

    /// `None` also by zero.
    pub(super) fn divide(self, other: Self) -> Option<Self> {
        if other.coefficient == 0 {
            return None;
        }
        let zeros = WIDE_DIGITS_MAX - digits(self.coefficient);
        let dividend = self.coefficient * 10_i128.pow(zeros);
        let (quotient, rest) = (dividend / other.coefficient, dividend % other.coefficient);
        if rest == 0 || digits(quotient) > DIGITS_MAX {
            let exponent = i64::from(self.exponent) - i64::from(other.exponent) - i64::from(zeros);
            let (quotient, exponent) =
                if rest == 0 { stripped(quotient, exponent) } else { (quotient, exponent) };
            return Self::rounded(quotient, exponent, rest != 0);
        }
        Self::from_big(&(self.to_big() / other.to_big()))
    }

    /// With the sign of the dividend; `None` by zero.
    pub(super) fn remainder(self, other: Self) -> Option<Self> {
        if other.coefficient == 0 {
            return None;
        }
        match self.aligned(other) {
            Some((left, right, exponent)) => Self::new(left % right, exponent),
            None => Self::from_big(&(self.to_big() % other.to_big())),
        }
    }

    /// The next whole number in a direction. `Err` is one that is too large for an Int.
    pub(super) fn to_whole(self, rounding: Rounding) -> Result<i128, Self> {
        if self.exponent >= 0 {
            return self.at(0).filter(|int| int.abs() < END).ok_or(self);
        }
        let Some(unit) = 10_i128.checked_pow(self.exponent.unsigned_abs()) else {
            // Less than a tenth of one.
            return Ok(match rounding {
                Rounding::Down if self.coefficient < 0 => -1,
                Rounding::Up if self.coefficient > 0 => 1,
                _ => 0,
            });
        };
        let (whole, rest) = (self.coefficient / unit, self.coefficient % unit);
        Ok(match rounding {
            Rounding::Down if rest < 0 => whole - 1,
            Rounding::Up if rest > 0 => whole + 1,
            Rounding::Nearest if rest.abs() >= unit - rest.abs() => whole + rest.signum(),
            _ => whole,
        })
    }

    /// Cut after so many places.
    pub(super) fn truncated(self, places: u8) -> Self {
        let kept = -i32::from(places);
        match u32::try_from(kept - self.exponent) {
            Err(_) | Ok(0) => self,
            Ok(cut) => match 10_i128.checked_pow(cut) {
                Some(unit) => Self { coefficient: self.coefficient / unit, exponent: kept },
                None => Self::ZERO,
            },
        }
    }

    pub(super) fn compare(self, other: Self) -> Ordering {
        let by_sign = self.signum().cmp(&other.signum());
        if by_sign != Ordering::Equal || self.coefficient == 0 {
            return by_sign;
        }
        let magnitude = |decimal: Self| i64::from(decimal.exponent) + i64::from(digits(decimal.coefficient));
        let by_size = match magnitude(self).cmp(&magnitude(other)) {
            // As many digits before the point, so both fit at the smaller exponent.
            Ordering::Equal => match self.aligned(other) {
                Some((left, right, _)) => return left.cmp(&right),
                None => Ordering::Equal,
            },
            by_size => by_size,
        };
        if self.coefficient < 0 { by_size.reverse() } else { by_size }
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.compare(*other) == Ordering::Equal
    }
}

/// Decimal digits; none for zero.
fn digits(coefficient: i128) -> u32 {
    coefficient.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1)
}

/// Without zeros at the end.
fn stripped(mut coefficient: i128, mut exponent: i64) -> (i128, i64) {
    if coefficient == 0 {
        return (0, 0);
    }
    // Division of 128 bits is slow: many zeros at once.
    for zeros in [32, 16, 8, 4, 2, 1] {
        let unit = 10_i128.pow(zeros);
        if coefficient % unit == 0 {
            (coefficient, exponent) = (coefficient / unit, exponent + i64::from(zeros));
        }
    }
    (coefficient, exponent)
}

/// A whole number prints like an Int, as with SQL version 2016-03-23; very large and very small ones in scientific
/// notation (cast table of the functions page).
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (coefficient, exponent) = stripped(self.coefficient, self.exponent.into());
        let sign = if coefficient < 0 { "-" } else { "" };
        let digits = coefficient.unsigned_abs().to_string();
        let magnitude = i64::try_from(digits.len()).unwrap_or(0) - 1 + exponent;
        let places = usize::try_from(magnitude.unsigned_abs()).unwrap_or(0);
        match magnitude {
            _ if coefficient == 0 => f.write_str("0"),
            // As Java's BigDecimal does: plain down to a millionth.
            -6..=-1 => write!(f, "{sign}0.{:0>width$}", digits, width = digits.len() + places - 1),
            0..=34 if exponent >= 0 => write!(f, "{sign}{digits:0<width$}", width = places + 1),
            0..=34 => write!(f, "{sign}{}.{}", &digits[..=places], &digits[places + 1..]),
            _ if digits.len() == 1 => write!(f, "{sign}{digits}E{magnitude:+}"),
            _ => write!(f, "{sign}{}.{}E{magnitude:+}", &digits[..1], &digits[1..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    /// A number of any size up to 34 digits, often a small one.
    fn any(rng: &mut Rng) -> Decimal {
        let digits = rng.u32(0..=DIGITS_MAX).min(rng.u32(0..=DIGITS_MAX));
        let coefficient =
            i128::try_from(rng.u128(..10_u128.pow(digits))).unwrap() * if rng.bool() { 1 } else { -1 };
        Decimal::new(coefficient, rng.i64(-60..40)).unwrap()
    }

    /// What is computed in 128 bits is what arbitrary precision gives.
    #[test]
    fn short_ways_and_long_ways_agree() {
        for seed in 0..5_000 {
            let mut rng = Rng::with_seed(seed);
            let (left, right) = (any(&mut rng), any(&mut rng));
            let (big_left, big_right) = (left.to_big(), right.to_big());
            let said = format!("seed {seed}: {left} and {right}");
            assert_eq!(left.add(right), Decimal::from_big(&(&big_left + &big_right)), "{said} added");
            assert_eq!(
                left.subtract(right),
                Decimal::from_big(&(&big_left - &big_right)),
                "{said} subtracted"
            );
            assert_eq!(
                left.multiply(right),
                Decimal::from_big(&(&big_left * &big_right)),
                "{said} multiplied"
            );
            assert_eq!(left.compare(right), big_left.cmp(&big_right), "{said} compared");
            if right.signum() != 0 {
                assert_eq!(
                    left.divide(right),
                    Decimal::from_big(&(&big_left / &big_right)),
                    "{said} divided"
                );
                assert_eq!(
                    left.remainder(right),
                    Decimal::from_big(&(&big_left % &big_right)),
                    "{said} remainder"
                );
            }
            assert_eq!(left.to_string().parse::<BigDecimal>().unwrap(), big_left, "{said} printed");
            for (ours, theirs) in [
                (Rounding::Down, RoundingMode::Floor),
                (Rounding::Up, RoundingMode::Ceiling),
                (Rounding::Nearest, RoundingMode::HalfUp),
            ] {
                let whole = left.to_whole(ours).map_or_else(|large| large.to_big(), BigDecimal::from);
                assert_eq!(whole, big_left.with_scale_round(0, theirs), "{said} to a whole");
            }
            let places = rng.u8(0..40);
            let cut = big_left.with_scale_round(places.into(), RoundingMode::Down);
            assert_eq!(left.truncated(places).to_big(), cut, "{said} cut");
        }
    }

    #[test]
    fn rounding_is_to_even_and_knows_what_was_cut() {
        let nines = END - 1;
        assert_eq!(Decimal::new(nines * 10 + 5, 0).unwrap().to_string(), "1E+35");
        let even = "10000000000000000000000000000000000";
        assert_eq!(Decimal::new(END + 5, 0).unwrap().to_string(), even);
        let further = "10000000000000000000000000000000010";
        assert_eq!(Decimal::rounded(END + 5, 0, true).unwrap().to_string(), further);
        assert_eq!(Decimal::new(1, 999).unwrap().to_string(), "1E+999");
        assert_eq!(Decimal::new(1, 1000), None);
        assert_eq!(Decimal::new(1, -1000), Some(Decimal::ZERO));
        assert_eq!(Decimal::new(i128::MIN + 1, i64::MAX), None);
    }
}
