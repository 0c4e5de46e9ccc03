//! Where readers put their times: a few histograms under a lock each, merged at the end.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::histogram::{TIME_MIN, empty, record, times};

/// Shards of the recorder. A histogram of three digits takes 200 KB, too much for each of ten thousand clients;
/// with more shards than worker threads, two readers seldom meet at one.
const SHARDS: usize = 8;

/// Times of a whole run, or of one shard of the clients.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    pub(crate) connect: Histogram<u64>,
    pub(crate) request: Histogram<u64>,
    pub(crate) push: Histogram<u64>,
    pub(crate) push_warm_up: Histogram<u64>,
    /// By the second of the intended time; two digits.
    pub(crate) by_second: Vec<Histogram<u32>>,
}

impl Times {
    fn new(seconds: usize) -> Times {
        Times {
            connect: times(),
            request: times(),
            push: times(),
            push_warm_up: times(),
            by_second: vec![empty(TIME_MIN, 2); seconds],
        }
    }

    /// Books a push of an update that was intended in `second` of the schedule.
    pub(crate) fn push(&mut self, latency: Duration, second: usize, warm_up: bool) {
        record(if warm_up { &mut self.push_warm_up } else { &mut self.push }, latency);
        if let Some(histogram) = self.by_second.get_mut(second) {
            record(histogram, latency);
        }
    }

    fn add(&mut self, other: &Times) {
        let pairs = [
            (&mut self.connect, &other.connect),
            (&mut self.request, &other.request),
            (&mut self.push, &other.push),
            (&mut self.push_warm_up, &other.push_warm_up),
        ];
        for (sum, part) in pairs {
            sum.add(part).expect("all shards have the same bounds");
        }
        for (sum, part) in self.by_second.iter_mut().zip(&other.by_second) {
            sum.add(part).expect("all shards have the same bounds");
        }
    }
}

/// The sharded [`Times`] of a run.
#[derive(Debug)]
pub(crate) struct Recorder {
    shards: Vec<Mutex<Times>>,
}

impl Recorder {
    /// A recorder for a schedule of so many seconds.
    pub(crate) fn new(seconds: usize) -> Recorder {
        Recorder { shards: (0..SHARDS).map(|_| Mutex::new(Times::new(seconds))).collect() }
    }

    /// The shard of a client. Hold it for one record only.
    pub(crate) fn shard(&self, user: usize) -> MutexGuard<'_, Times> {
        lock(&self.shards[user % SHARDS])
    }

    /// The sum of all shards.
    pub(crate) fn merged(&self) -> Times {
        let mut sum = lock(&self.shards[0]).clone();
        for shard in &self.shards[1..] {
            sum.add(&lock(shard));
        }
        sum
    }
}

/// Counts stay usable after a panic elsewhere: no update of them stops half way.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_merge_to_the_sum() {
        let recorder = Recorder::new(2);
        for user in 0..20 {
            let mut shard = recorder.shard(user);
            shard.push(Duration::from_millis(user as u64 + 1), user % 2, user < 5);
            record(&mut shard.connect, Duration::from_millis(1));
        }
        let merged = recorder.merged();
        assert_eq!((merged.push.len(), merged.push_warm_up.len(), merged.connect.len()), (15, 5, 20));
        assert_eq!(merged.by_second.iter().map(Histogram::len).collect::<Vec<_>>(), [10, 10]);
        // A push of an update beyond the schedule belongs to no second; it still counts.
        recorder.shard(3).push(Duration::from_millis(1), 2, false);
        assert_eq!(recorder.merged().push.len(), 16);
    }
}
