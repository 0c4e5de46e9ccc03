//! The numbers of rule SQL: whole ones stay exact, others have 34 significant digits (data types page).

use std::{cmp::Ordering, fmt};

use bigdecimal::{BigDecimal, Zero};

use super::decimal::{Decimal, END, Rounding};

/// Digits that are read without arbitrary precision: they fit 128 bits.
const SHORT_DIGITS_MAX: usize = 38;

/// Characters of a number's text: ours. Nothing that fits 34 digits needs more, and the time to read one grows with its
/// square.
const TEXT_BYTES_MAX: usize = 1_100;

/// Exponents that are looked at: far beyond any Decimal, and small enough for every step with them.
const EXPONENT_MAX: i64 = 10_000;

/// A number. Its type decides how it divides: `7 / 2` is 3, `7.0 / 2` is 3.5.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i128),
    Decimal(Decimal),
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
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((digits, exponent)) => (digits, exponent_of(exponent)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if digits.len() <= SHORT_DIGITS_MAX {
            let mut coefficient: i128 = 0;
            for digit in whole.bytes().chain(fraction.bytes()).filter(u8::is_ascii_digit) {
                coefficient = coefficient * 10 + i128::from(digit - b'0');
            }
            if whole.starts_with('-') {
                coefficient = -coefficient;
            }
            if digits.len() == text.len() && fraction.is_empty() && !digits.contains('.') {
                return Self::whole(coefficient);
            }
            let exponent = exponent - i64::try_from(fraction.len()).ok()?;
            return Decimal::new(coefficient, exponent).map(Self::Decimal);
        }
        if digits.len() > TEXT_BYTES_MAX {
            return None;
        }
        let big: BigDecimal = digits.parse().ok()?;
        if big.is_zero() {
            return Some(Self::Decimal(Decimal::ZERO));
        }
        let (digits, scale) = big.into_bigint_and_scale();
        Decimal::from_big(&BigDecimal::new(digits, scale - exponent)).map(Self::Decimal)
    }

    /// A text that stands for a number: `^-?\d+(\.\d+)?(E-?\d+)?$`, `E` in either case (data types page).
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let rest = after_digits(text.strip_prefix('-').unwrap_or(text))?;
        let rest = match rest.strip_prefix('.') {
            Some(fraction) => after_digits(fraction)?,
            None => rest,
        };
        let rest = match rest.strip_prefix(['e', 'E']) {
            Some(exponent) => after_digits(exponent.strip_prefix('-').unwrap_or(exponent))?,
            None => rest,
        };
        if rest.is_empty() { Self::from_json(text) } else { None }
    }

    /// An Int, or the Decimal nearest to it if it has more than 34 digits.
    fn whole(int: i128) -> Option<Self> {
        if -END < int && int < END { Some(Self::Int(int)) } else { Decimal::new(int, 0).map(Self::Decimal) }
    }

    /// A double, in the shortest digits that mean it. `None` for what is no number, such as the root of -1.
    pub(super) fn from_double(double: f64) -> Option<Self> {
        if !double.is_finite() {
            return None;
        }
        // With an exponent the shortest digits are never many, and a Decimal is what they make.
        Self::from_json(&format!("{double:e}"))
    }

    /// The same value as a Decimal.
    pub(super) fn into_decimal(self) -> Decimal {
        match self {
            // An Int has no more digits than a Decimal.
            Self::Int(int) => Decimal::new(int, 0).unwrap_or(Decimal::ZERO),
            Self::Decimal(decimal) => decimal,
        }
    }

    pub(super) fn to_double(self) -> f64 {
        match self {
            Self::Int(int) => int as f64,
            Self::Decimal(decimal) => decimal.to_double(),
        }
    }

    /// The next whole number in a direction.
    pub(super) fn to_whole(self, rounding: Rounding) -> Self {
        match self {
            Self::Int(int) => Self::Int(int),
            Self::Decimal(decimal) => decimal.to_whole(rounding).map_or_else(Self::Decimal, Self::Int),
        }
    }

    /// Rounded down to a whole number, if that has at most 34 digits.
    pub(super) fn to_int(self) -> Option<i128> {
        match self.to_whole(Rounding::Down) {
            Self::Int(int) => Some(int),
            Self::Decimal(_) => None,
        }
    }

    /// Cut after so many places.
    pub(super) fn truncated(self, places: u8) -> Self {
        match self {
            Self::Int(int) => Self::Int(int),
            Self::Decimal(decimal) => Self::Decimal(decimal.truncated(places)),
        }
    }

    pub(super) fn sign(self) -> i128 {
        match self {
            Self::Int(int) => int.signum(),
            Self::Decimal(decimal) => decimal.signum(),
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
        if let (Self::Int(left), Self::Int(right)) = (self, other) {
            let whole = match operation {
                Arithmetic::Add => left.checked_add(right),
                Arithmetic::Subtract => left.checked_sub(right),
                Arithmetic::Multiply => left.checked_mul(right),
                Arithmetic::Divide => return left.checked_div(right).map(Self::Int),
                Arithmetic::Remainder => return left.checked_rem(right).map(Self::Int),
            };
            if let Some(whole) = whole {
                return Self::whole(whole);
            }
        }
        let (left, right) = (self.into_decimal(), other.into_decimal());
        let result = match operation {
            Arithmetic::Add => left.add(right),
            Arithmetic::Subtract => left.subtract(right),
            Arithmetic::Multiply => left.multiply(right),
            Arithmetic::Divide => left.divide(right),
            Arithmetic::Remainder => left.remainder(right),
        };
        result.map(Self::Decimal)
    }

    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => left.cmp(&right),
            (left, right) => left.into_decimal().compare(right.into_decimal()),
        }
    }
}

/// The value of an exponent's text, or one that is beyond everything in the same direction.
fn exponent_of(text: &str) -> i64 {
    let beyond = if text.starts_with('-') { -EXPONENT_MAX } else { EXPONENT_MAX };
    text.parse::<i64>().map_or(beyond, |exponent| exponent.clamp(-EXPONENT_MAX, EXPONENT_MAX))
}

/// What follows one or more digits.
fn after_digits(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|character: char| character.is_ascii_digit());
    (rest.len() < text.len()).then_some(rest)
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => write!(f, "{int}"),
            Self::Decimal(decimal) => write!(f, "{decimal}"),
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
