use std::time::Duration;

use crate::counters::Counter;

/// Upper ends of the buckets, in milliseconds: ours, in steps of 1, 2 and 5 up to the longest timeout of an integration.
pub(super) const BOUNDS_MS: [u64; 14] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 29_000];

/// How long things took.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// Each without those before it; the last one is what is longer than all bounds.
    buckets: [Counter; BOUNDS_MS.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    pub(super) fn add(&self, duration: Duration) {
        let index = BOUNDS_MS.partition_point(|bound| Duration::from_millis(*bound) < duration);
        self.buckets[index].increment();
        self.sum_us.add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many were at most as long as each bound, all of them last; and their sum in milliseconds.
    pub(super) fn read(&self) -> (Vec<u64>, f64) {
        let cumulated = self.buckets.iter().scan(0, |sum, bucket| {
            *sum += bucket.get();
            Some(*sum)
        });
        #[expect(clippy::cast_precision_loss, reason = "a sum of times to look at")]
        let sum_ms = self.sum_us.get() as f64 / 1e3;
        (cumulated.collect(), sum_ms)
    }

    /// Puts what another one has counted on top.
    pub(super) fn absorb(&self, other: &Histogram) {
        for (own, other) in self.buckets.iter().zip(&other.buckets) {
            own.add(other.get());
        }
        self.sum_us.add(other.sum_us.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_find_their_buckets() {
        let histogram = Histogram::default();
        for micros in [0, 1_000, 1_001, 29_000_000, 29_000_001] {
            histogram.add(Duration::from_micros(micros));
        }
        let (cumulated, sum_ms) = histogram.read();
        assert_eq!(cumulated, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5]);
        assert!((sum_ms - 58_002.002).abs() < 1e-6, "{sum_ms}");
        let sum = Histogram::default();
        sum.absorb(&histogram);
        sum.absorb(&histogram);
        assert_eq!(sum.read().0[14], 10);
    }
}
