//! Times as people write them: `250ms`, `5s`, `2m`, `1h`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// The units of a time and their nanoseconds, longest names first.
const UNITS: [(&str, f64); 6] =
    [("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3_600e9)];

/// A time in a scenario.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub(crate) struct Time(pub(crate) Duration);

/// Parses a number and its unit.
///
/// # Errors
///
/// A sentence that says what a time looks like.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is no time: give a number with its unit (us, ms, s, m or h), such as `250ms`");
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = (&text[..end], text[end..].trim());
    let (_, ns) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * ns / 1e9).map_err(|_| wrong())
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Time;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a time with its unit, such as \"5s\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                parse_time(text).map(Time).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        for (text, ns) in
            [("250us", 250_000), ("1.5ms", 1_500_000), ("2 s", 2_000_000_000), ("2h", 7_200_000_000_000)]
        {
            assert_eq!(parse_time(text).unwrap().as_nanos(), ns, "{text}");
        }
        for text in ["5", "s", "", "5 parsecs", "-1s", "1.2.3s", "99999999999999999999h"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
