//! HdrHistogram, in nanoseconds, and what the report says of one.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use hdrhistogram::{Counter, Histogram};

use crate::report::Latency;

/// Times above it are recorded as this one.
pub const TIME_MAX: Duration = Duration::from_secs(60);

/// Finest time that pushes and connects are told apart at.
pub const TIME_MIN: Duration = Duration::from_micros(1);

/// Finest time of round trips on loopback, which take tens of microseconds.
pub const ROUND_TRIP_MIN: Duration = Duration::from_nanos(64);

/// Quantiles of the curve in a report.
const CURVE: [f64; 14] =
    [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1.0];

/// An empty histogram with `digits` significant digits from `finest` to [`TIME_MAX`].
pub fn empty<C: Counter>(finest: Duration, digits: u8) -> Histogram<C> {
    Histogram::new_with_bounds(nanoseconds(finest), nanoseconds(TIME_MAX), digits)
        .expect("the bounds are constants with low * 2 <= high and at most 5 digits")
}

/// An empty histogram of three digits from [`TIME_MIN`].
pub fn times() -> Histogram<u64> {
    empty(TIME_MIN, 3)
}

/// Records a time; one above [`TIME_MAX`] counts as [`TIME_MAX`].
pub fn record<C: Counter>(histogram: &mut Histogram<C>, time: Duration) {
    histogram.saturating_record(nanoseconds(time));
}

/// The value at a quantile, in microseconds, if there is any value.
pub fn quantile_us<C: Counter>(histogram: &Histogram<C>, quantile: f64) -> Option<f64> {
    (!histogram.is_empty()).then(|| microseconds(histogram.value_at_quantile(quantile).min(histogram.max())))
}

/// A histogram as the report has it.
pub fn summarize(histogram: &Histogram<u64>) -> Latency {
    if histogram.is_empty() {
        return Latency::default();
    }
    Latency {
        count: histogram.len(),
        min_us: Some(microseconds(histogram.min())),
        mean_us: Some(histogram.mean() / 1_000.0),
        p50_us: quantile_us(histogram, 0.5),
        p90_us: quantile_us(histogram, 0.9),
        p99_us: quantile_us(histogram, 0.99),
        p999_us: quantile_us(histogram, 0.999),
        p9999_us: quantile_us(histogram, 0.9999),
        max_us: Some(microseconds(histogram.max())),
        curve: CURVE.iter().filter_map(|&q| Some((q, quantile_us(histogram, q)?))).collect(),
        hdr: encode(histogram).ok(),
    }
}

/// A histogram as text: HdrHistogram V2 with DEFLATE, base64.
///
/// # Errors
///
/// A sentence, if the histogram cannot be written so.
pub fn encode(histogram: &Histogram<u64>) -> Result<String, String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).map_err(|error| error.to_string())?;
    Ok(BASE64_STANDARD.encode(&bytes))
}

/// A histogram from its text.
///
/// # Errors
///
/// A sentence, if the text is not that of a histogram.
pub fn decode(text: &str) -> Result<Histogram<u64>, String> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|error| format!("no base64: {error}"))?;
    let read = Deserializer::new().deserialize(&mut bytes.as_slice());
    read.map_err(|error| format!("no HdrHistogram: {error}"))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut histogram = times();
        for ms in 1..=1_000 {
            record(&mut histogram, Duration::from_millis(ms));
        }
        let latency = summarize(&histogram);
        assert_eq!(latency.count, 1_000);
        for (value, expected_us) in [
            (latency.p50_us, 500e3),
            (latency.p99_us, 990e3),
            (latency.p999_us, 999e3),
            (latency.max_us, 1e6),
        ] {
            let value = value.unwrap();
            assert!((value - expected_us).abs() <= expected_us / 1_000.0, "{value} instead of {expected_us}");
        }
        assert!(latency.curve.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
    }

    #[test]
    fn the_serialized_histogram_reads_back_equal() {
        let mut histogram = times();
        for us in [3, 70, 70, 41_000] {
            record(&mut histogram, Duration::from_micros(us));
        }
        assert_eq!(decode(&summarize(&histogram).hdr.unwrap()).unwrap(), histogram);
    }

    #[test]
    fn no_values_give_no_percentiles() {
        assert_eq!(summarize(&times()), Latency::default());
    }

    #[test]
    fn a_time_beyond_the_range_counts_as_the_largest() {
        let mut histogram = times();
        record(&mut histogram, Duration::from_secs(3_600));
        assert_eq!(histogram.len(), 1);
        assert!(summarize(&histogram).max_us.unwrap() >= 60e6);
    }
}
