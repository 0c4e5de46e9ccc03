//! The numbers of rule SQL: whole ones stay exact, others have 34 significant digits (data types page).

use std::{cmp::Ordering, fmt, num::NonZeroU64};

use bigdecimal::{BigDecimal, Signed, ToPrimitive, Zero, num_bigint::BigInt, rounding::RoundingMode};

/// Significant digits of an Int or a Decimal (data types page).
const DIGITS_MAX: NonZeroU64 = NonZeroU64::new(34).expect("34 is not 0");

/// What an Int stays below: 34 digits.
const INT_END: i128 = 10_i128.pow(34);

/// A Decimal is at most 9.999…E999, and at least 1E-999 or zero (data types page).
const EXPONENT_MAX: i64 = 999;

/// Characters of a number's text: ours. Nothing that fits 34 digits needs more, and the time to read one grows with its
/// square.
const TEXT_BYTES_MAX: usize = 1_100;

/// A number. Its type decides how it divides: `7 / 2` is 3, `7.0 / 2` is 3.5.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number {
    Int(i128),
    Decimal(BigDecimal),
}

/// What the operators do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Number {
    /// A number as JSON writes it. `None` if it is too large for a Decimal.
    pub(super) fn from_json(text: &str) -> Option<Self> {
        if text.len() <= 35
            && !text.contains(['.', 'e', 'E'])
            && let Ok(int) = text.parse()
        {
            return Some(Self::whole(int));
        }
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        // Within a range where no later step can grow without bound.
        let exponent = exponent.parse::<i64>().ok()?;
        let decimal: BigDecimal = digits.parse().ok()?;
        if decimal.is_zero() {
            return Some(Self::Decimal(decimal));
        }
        if exponent.unsigned_abs() > 4 * EXPONENT_MAX.unsigned_abs() {
            return (exponent < 0).then(|| Self::Decimal(BigDecimal::zero()));
        }
        let (digits, scale) = decimal.into_bigint_and_scale();
        Self::decimal(BigDecimal::new(digits, scale - exponent))
    }

    /// A text that stands for a number: `^-?\d+(\.\d+)?(E-?\d+)?$`, `E` in either case (data types page).
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let rest = digits(text.strip_prefix('-').unwrap_or(text))?;
        let rest = match rest.strip_prefix('.') {
            Some(fraction) => digits(fraction)?,
            None => rest,
        };
        let rest = match rest.strip_prefix(['e', 'E']) {
            Some(exponent) => digits(exponent.strip_prefix('-').unwrap_or(exponent))?,
            None => rest,
        };
        if rest.is_empty() { Self::from_json(text) } else { None }
    }

    /// An Int, or the Decimal nearest to it if it has more than 34 digits.
    fn whole(int: i128) -> Self {
        if -INT_END < int && int < INT_END { Self::Int(int) } else { Self::rounded(BigDecimal::from(int)) }
    }

    /// A double, in the shortest digits that mean it. `None` for what is no number, such as the root of -1.
    pub(super) fn from_double(double: f64) -> Option<Self> {
        if !double.is_finite() {
            return None;
        }
        // The shortest digits that read back as this double, with an exponent: never long.
        Self::decimal(format!("{double:e}").parse().ok()?)
    }

    /// A Decimal of 34 digits. `None` if it is too large for one.
    fn decimal(decimal: BigDecimal) -> Option<Self> {
        if decimal.is_zero() {
            return Some(Self::Decimal(BigDecimal::zero()));
        }
        match decimal.order_of_magnitude() {
            magnitude if magnitude > EXPONENT_MAX => None,
            magnitude if magnitude < -EXPONENT_MAX => Some(Self::Decimal(BigDecimal::zero())),
            _ => Some(Self::rounded(decimal)),
        }
    }

    fn rounded(decimal: BigDecimal) -> Self {
        Self::Decimal(if decimal.digits() > DIGITS_MAX.get() {
            decimal.with_precision_round(DIGITS_MAX, RoundingMode::HalfEven)
        } else {
            decimal
        })
    }

    /// The same value as a Decimal.
    pub(super) fn into_decimal(self) -> BigDecimal {
        match self {
            Self::Int(int) => BigDecimal::from(int),
            Self::Decimal(decimal) => decimal,
        }
    }

    pub(super) fn to_double(&self) -> f64 {
        match self {
            Self::Int(int) => *int as f64,
            Self::Decimal(decimal) => decimal.to_f64().unwrap_or(f64::NAN),
        }
    }

    /// The next whole number in the direction of `mode`.
    pub(super) fn to_whole(&self, mode: RoundingMode) -> Self {
        match self {
            Self::Int(int) => Self::Int(*int),
            Self::Decimal(decimal) => {
                let whole = decimal.with_scale_round(0, mode);
                whole.to_i128().map_or_else(|| Self::rounded(whole), Self::whole)
            }
        }
    }

    /// Rounded down to a whole number, if that has at most 34 digits.
    pub(super) fn to_int(&self) -> Option<i128> {
        match self.to_whole(RoundingMode::Floor) {
            Self::Int(int) => Some(int),
            Self::Decimal(_) => None,
        }
    }

    /// Cut after so many places; trailing zeros are gone.
    pub(super) fn truncated(self, places: u8) -> Self {
        match self {
            Self::Int(int) => Self::Int(int),
            Self::Decimal(decimal) => {
                Self::Decimal(decimal.with_scale_round(i64::from(places), RoundingMode::Down).normalized())
            }
        }
    }

    pub(super) fn sign(&self) -> i128 {
        match self {
            Self::Int(int) => int.signum(),
            Self::Decimal(decimal) if decimal.is_positive() => 1,
            Self::Decimal(decimal) if decimal.is_negative() => -1,
            Self::Decimal(_) => 0,
        }
    }

    pub(super) fn abs(self) -> Self {
        match self {
            Self::Int(int) => Self::Int(int.abs()),
            Self::Decimal(decimal) => Self::Decimal(decimal.abs()),
        }
    }

    /// `None` for a division by zero, and for what is too large.
    pub(super) fn arithmetic(self, operation: Arithmetic, other: Self) -> Option<Self> {
        if let (Self::Int(left), Self::Int(right)) = (&self, &other) {
            let (left, right) = (*left, *right);
            let whole = match operation {
                Arithmetic::Add => left.checked_add(right),
                Arithmetic::Subtract => left.checked_sub(right),
                Arithmetic::Multiply => left.checked_mul(right),
                Arithmetic::Divide => return left.checked_div(right).map(Self::whole),
                Arithmetic::Remainder => return left.checked_rem(right).map(Self::whole),
            };
            if let Some(whole) = whole {
                return Some(Self::whole(whole));
            }
        }
        let (left, right) = (self.into_decimal(), other.into_decimal());
        Self::decimal(match operation {
            Arithmetic::Add => left + right,
            Arithmetic::Subtract => left - right,
            Arithmetic::Multiply => left * right,
            Arithmetic::Divide if right.is_zero() => return None,
            Arithmetic::Divide => left / right,
            Arithmetic::Remainder if right.is_zero() => return None,
            Arithmetic::Remainder => left % right,
        })
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => left.cmp(right),
            (left, right) => left.clone().into_decimal().cmp(&right.clone().into_decimal()),
        }
    }
}

/// What follows one or more digits.
fn digits(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|character: char| character.is_ascii_digit());
    (rest.len() < text.len()).then_some(rest)
}

/// A whole Decimal prints like an Int, as with SQL version 2016-03-23; very large and very small ones in scientific
/// notation (cast table of the functions page).
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = match self {
            Self::Int(int) => return write!(f, "{int}"),
            Self::Decimal(decimal) => decimal.normalized(),
        };
        let (digits, scale): (BigInt, i64) = decimal.into_bigint_and_scale();
        let sign = if digits.is_negative() { "-" } else { "" };
        let digits = digits.magnitude().to_string();
        let exponent = i64::try_from(digits.len()).unwrap_or(i64::MAX) - 1 - scale;
        let width = usize::try_from(exponent.abs()).unwrap_or(usize::MAX);
        match exponent {
            // As Java's BigDecimal does: plain down to a millionth.
            -6..=-1 => write!(f, "{sign}0.{}{digits}", "0".repeat(width - 1)),
            0..=34 if width + 1 >= digits.len() => {
                write!(f, "{sign}{digits}{}", "0".repeat(width + 1 - digits.len()))
            }
            0..=34 => write!(f, "{sign}{}.{}", &digits[..=width], &digits[width + 1..]),
            _ if digits.len() == 1 => write!(f, "{sign}{digits}E{exponent:+}"),
            _ => write!(f, "{sign}{}.{}E{exponent:+}", &digits[..1], &digits[1..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_they_read() {
        for (text, printed) in [
            ("0", "0"),
            ("-0", "0"),
            ("007", "7"),
            ("9007199254740993", "9007199254740993"),
            ("9999999999999999999999999999999999", "9999999999999999999999999999999999"),
            ("12345678901234567890123456789012345", "12345678901234567890123456789012340"),
            ("123456789012345678901234567890123456", "1.234567890123456789012345678901235E+35"),
            ("1.50", "1.5"),
            ("10.0", "10"),
            ("-0.000001", "-0.000001"),
            ("0.0000001", "1E-7"),
            ("-2.50E-12", "-2.5E-12"),
            ("5e-12", "5E-12"),
            ("1E3", "1000"),
            ("1.5e999", "1.5E+999"),
            ("1e-1000", "0"),
            ("1e-99999999999999999", "0"),
            ("0e99999999999999999", "0"),
        ] {
            assert_eq!(
                Number::from_json(text).map(|number| number.to_string()).as_deref(),
                Some(printed),
                "{text}"
            );
        }
        for text in ["1e1000", "1e99999999999999999999", "-1e5000"] {
            assert_eq!(Number::from_json(text), None, "{text}");
        }
    }

    #[test]
    fn texts_that_are_numbers() {
        for (text, number) in [
            ("0", Some("0")),
            ("-1.2", Some("-1.2")),
            ("5E-12", Some("5E-12")),
            ("5e2", Some("500")),
            ("5e+2", None),
            ("", None),
            ("-", None),
            (".5", None),
            ("5.", None),
            (" 5", None),
            ("5 ", None),
            ("0x10", None),
            ("NaN", None),
            ("1e", None),
            ("1e5x", None),
        ] {
            assert_eq!(
                Number::from_text(text).map(|number| number.to_string()).as_deref(),
                number,
                "{text:?}"
            );
        }
    }

    #[test]
    fn arithmetic_keeps_34_digits() {
        let number = |text| Number::from_json(text).unwrap();
        for (left, operation, right, expected) in [
            ("7", Arithmetic::Divide, "2", Some("3")),
            ("-7", Arithmetic::Divide, "2", Some("-3")),
            ("7.0", Arithmetic::Divide, "2", Some("3.5")),
            ("1.0", Arithmetic::Divide, "3", Some("0.3333333333333333333333333333333333")),
            ("7", Arithmetic::Divide, "0", None),
            ("7.5", Arithmetic::Divide, "0.0", None),
            ("7", Arithmetic::Remainder, "0", None),
            ("-7", Arithmetic::Remainder, "3", Some("-1")),
            ("7.5", Arithmetic::Remainder, "2", Some("1.5")),
            ("0.1", Arithmetic::Add, "0.2", Some("0.3")),
            (
                "9999999999999999999999999999999999",
                Arithmetic::Add,
                "1",
                Some("10000000000000000000000000000000000"),
            ),
            (
                "9999999999999999999999999999999999",
                Arithmetic::Multiply,
                "10000000000",
                Some("9.999999999999999999999999999999999E+43"),
            ),
            ("1e999", Arithmetic::Multiply, "10", None),
            ("1e-999", Arithmetic::Multiply, "0.1", Some("0")),
            ("1e999", Arithmetic::Add, "1e-999", Some("1E+999")),
            ("1e999", Arithmetic::Remainder, "1e-999", Some("0")),
        ] {
            let result = number(left).arithmetic(operation, number(right)).map(|number| number.to_string());
            assert_eq!(result.as_deref(), expected, "{left} {operation:?} {right}");
        }
    }
}
