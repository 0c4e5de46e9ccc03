//! Values for people.

use serde::{Deserialize, Serialize};

/// What a value counts, and so how it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A time, given in nanoseconds, shown in ns, µs, ms or s.
    Nanoseconds,
    /// A moment of a run, given in seconds, shown as `30 s`, `2:05 min` or `1:30 h`.
    Seconds,
    /// An amount of data; 1 KB is 1,000 bytes.
    Bytes,
    /// A share of 1, shown in per cent.
    Share,
    /// A whole number of things.
    #[default]
    Count,
    /// A rate.
    PerSecond,
    /// A quotient.
    Ratio,
}

const TIMES: &[(&str, f64)] = &[("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
const SIZES: &[(&str, f64)] = &[("B", 1.0), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9)];

impl Unit {
    /// A value with its unit: three digits that count.
    ///
    /// ```
    /// use dunlin_report::Unit;
    ///
    /// assert_eq!(Unit::Nanoseconds.text(1_234.0), "1.23 µs");
    /// assert_eq!(Unit::Count.text(12_345.0), "12,345");
    /// assert_eq!(Unit::Share.text(0.99995), "99.995 %");
    /// ```
    pub fn text(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        match self {
            Unit::Nanoseconds => scaled(value, TIMES),
            Unit::Bytes => scaled(value, SIZES),
            Unit::Seconds => moment(value),
            Unit::Share => share(value),
            Unit::Count => thousands(&format!("{value:.0}")),
            Unit::PerSecond => format!("{} /s", thousands(&digits(value))),
            Unit::Ratio => format!("{} ×", thousands(&digits(value))),
        }
    }

    /// A value of an axis: the same, without digits that say nothing.
    pub(crate) fn tick(self, value: f64) -> String {
        let text = match self {
            Unit::Count => thousands(&trimmed(&format!("{value:.3}"))),
            Unit::Share => format!("{} %", trimmed(&format!("{:.4}", value * 100.0))),
            _ if value == 0.0 => return "0".to_owned(),
            _ => self.text(value),
        };
        match text.split_once(' ') {
            Some((number, unit)) if !number.contains(':') => format!("{} {unit}", trimmed(number)),
            _ => text,
        }
    }
}

fn scaled(value: f64, steps: &[(&str, f64)]) -> String {
    let (name, size) = steps.iter().rev().find(|(_, size)| value.abs() >= *size).unwrap_or(&steps[0]);
    format!("{} {name}", thousands(&digits(value / size)))
}

/// Three digits, or all before the point.
fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// Per cent, near 0 and 100 with as many digits as tell the value from them: a lost one in a million is not rounded away.
fn share(value: f64) -> String {
    let near = value.abs().min((1.0 - value).abs());
    let decimals = match near {
        0.0 => 0,
        near if near < 0.01 => ((-near.log10() - 1e-9).ceil() - 2.0).clamp(1.0, 9.0) as usize,
        _ => 2,
    };
    format!("{:.decimals$} %", value * 100.0)
}

fn moment(seconds: f64) -> String {
    let whole = seconds.round();
    if whole.abs() < 120.0 {
        let text = if seconds.fract() == 0.0 { format!("{seconds:.0}") } else { format!("{seconds:.1}") };
        return format!("{text} s");
    }
    let whole = whole as i64;
    if whole.abs() < 7_200 {
        return format!("{}:{:02} min", whole / 60, (whole % 60).abs());
    }
    format!("{}:{:02} h", whole / 3_600, (whole % 3_600).abs() / 60)
}

/// Commas between groups of three digits before the point.
fn thousands(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(w, f)| (w, Some(f)));
    let mut text = sign.to_owned();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

fn trimmed(number: &str) -> String {
    if !number.contains('.') {
        return number.to_owned();
    }
    number.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_show_three_digits() {
        for (unit, value, text) in [
            (Unit::Nanoseconds, 0.4, "0.40 ns"),
            (Unit::Nanoseconds, 1_234.0, "1.23 µs"),
            (Unit::Nanoseconds, 234_567_890.0, "235 ms"),
            (Unit::Nanoseconds, 61.5e9, "61.5 s"),
            (Unit::Nanoseconds, f64::NAN, "–"),
            (Unit::Bytes, 60e6, "60.0 MB"),
            (Unit::Share, 0.0312, "3.12 %"),
            (Unit::Share, 1.0, "100 %"),
            (Unit::Share, 0.999_999, "99.9999 %"),
            (Unit::Share, 0.9999, "99.99 %"),
            (Unit::Share, 0.000_02, "0.002 %"),
            (Unit::Count, 0.0, "0"),
            (Unit::Count, 1_234_567.0, "1,234,567"),
            (Unit::PerSecond, 19_800.4, "19,800 /s"),
            (Unit::Ratio, 1.0, "1.00 ×"),
            (Unit::Seconds, 7.25, "7.2 s"),
            (Unit::Seconds, 150.0, "2:30 min"),
            (Unit::Seconds, 9_000.0, "2:30 h"),
        ] {
            assert_eq!(unit.text(value), text, "{unit:?} {value}");
        }
    }

    #[test]
    fn ticks_are_short() {
        for (unit, value, text) in [
            (Unit::Nanoseconds, 0.0, "0"),
            (Unit::Nanoseconds, 5e6, "5 ms"),
            (Unit::Nanoseconds, 2.5e3, "2.5 µs"),
            (Unit::Count, 20_000.0, "20,000"),
            (Unit::Count, 0.5, "0.5"),
            (Unit::Share, 0.999, "99.9 %"),
            (Unit::PerSecond, 150.0, "150 /s"),
            (Unit::Seconds, 150.0, "2:30 min"),
        ] {
            assert_eq!(unit.tick(value), text, "{unit:?} {value}");
        }
    }
}
