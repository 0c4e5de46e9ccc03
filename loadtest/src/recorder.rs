//! Where clients put what they measure: a few shards under a lock each, emptied every second.
//!
//! A histogram of three digits takes 150 KB, too much for each of ten thousand clients, and for each second of an hour.
//! So a shard has one for each series that is being recorded, and what a second gave is kept packed.

use std::sync::{Mutex, MutexGuard};

use hdrhistogram::Histogram;

use crate::histogram::{TIME_MIN, empty, record};
use crate::measured::{Metric, Offered, Reach, SeriesName, Times};
use crate::scenario::Scenario;

/// Shards of the recorder: with more than worker threads, two clients seldom meet at one.
const SHARDS: usize = 8;

/// Kinds of errors that are told apart; what comes after them is one kind.
const ERROR_KINDS_MAX: usize = 100;

/// Characters of the first error of a kind.
const ERROR_CHARS_MAX: usize = 200;

/// Intervals whose means decide where the warm-up ends.
pub(crate) const MEAN_INTERVAL_NS: u64 = 100_000_000;

/// A series of a run: index into [`Names`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SeriesId(pub(crate) u8);

/// The series that every run has, in the order of [`Names`].
pub(crate) const CONNECT: SeriesId = SeriesId(0);
pub(crate) const TCP: SeriesId = SeriesId(1);
pub(crate) const TLS: SeriesId = SeriesId(2);
pub(crate) const FIRST_BYTE: SeriesId = SeriesId(3);
pub(crate) const UPGRADE: SeriesId = SeriesId(4);
pub(crate) const PUSH: SeriesId = SeriesId(5);
/// The reply to a subscription; the answers of messages follow, two each.
pub(crate) const SUBSCRIBE: SeriesId = SeriesId(6);

/// The answers of a scenario's message: route response, then post.
pub(crate) fn answers(message: usize) -> [SeriesId; 2] {
    let first = SUBSCRIBE.0 + 1 + 2 * message as u8;
    [SeriesId(first), SeriesId(first + 1)]
}

/// Names of all series of a scenario.
pub(crate) fn names(scenario: &Scenario) -> Vec<SeriesName> {
    let name = |metric, message: &str| SeriesName { metric, message: message.to_owned() };
    let steps = [Metric::Connect, Metric::Tcp, Metric::Tls, Metric::FirstByte, Metric::Upgrade, Metric::Push];
    let mut names: Vec<SeriesName> = steps.map(|metric| name(metric, "")).into();
    let subscribe = scenario.app.subscribe.as_ref().map_or("subscribe", |subscribe| &subscribe.name);
    names.push(name(Metric::Response, subscribe));
    for messages in &scenario.messages {
        let message = &scenario.app.messages[messages.message].name;
        names.extend([name(Metric::Response, message), name(Metric::Post, message)]);
    }
    names
}

/// What is offered, as an index.
pub(crate) fn index(what: Offered) -> usize {
    match what {
        Offered::Connects => 0,
        Offered::Messages => 1,
        Offered::Updates => 2,
    }
}

/// What one phase counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct PhaseCounts {
    /// Late, out of order, duplicate and received as they come; the rest when an account is closed.
    pub(crate) reach: Reach,
    pub(crate) attempts: u64,
    pub(crate) errors: u64,
    /// By [`index`].
    pub(crate) done: [u64; 3],
    /// Time of the schedule.
    pub(crate) last_done_ns: [u64; 3],
    /// Frames sent and received.
    pub(crate) frames: u64,
}

/// What one second counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SecondCounts {
    pub(crate) connects: u64,
    pub(crate) messages: u64,
    pub(crate) updates: u64,
    pub(crate) pushes: u64,
    pub(crate) untimed: u64,
}

/// One shard.
#[derive(Debug)]
pub(crate) struct Shard {
    /// Of the last second, by phase and series; few at a time.
    times: Vec<((usize, SeriesId), Histogram<u32>)>,
    /// By phase and [`index`].
    lag: Vec<((usize, usize), Histogram<u32>)>,
    pub(crate) phases: Vec<PhaseCounts>,
    pub(crate) second: SecondCounts,
    /// Of the primary series, by interval of the schedule: sum in nanoseconds and count.
    means: Vec<(f64, u32)>,
}

impl Shard {
    /// Books a latency of something that was intended in a phase.
    pub(crate) fn time(&mut self, phase: usize, series: SeriesId, ns: u64) {
        put(&mut self.times, (phase, series), ns);
    }

    /// Books how much later than intended something left.
    pub(crate) fn lag(&mut self, phase: usize, what: Offered, ns: u64) {
        put(&mut self.lag, (phase, index(what)), ns);
    }

    /// Something that was planned has been done.
    pub(crate) fn done(&mut self, phase: usize, what: Offered, now_offset_ns: u64) {
        let counts = &mut self.phases[phase];
        counts.done[index(what)] += 1;
        counts.last_done_ns[index(what)] = counts.last_done_ns[index(what)].max(now_offset_ns);
        match what {
            Offered::Connects => self.second.connects += 1,
            Offered::Messages => self.second.messages += 1,
            Offered::Updates => self.second.updates += 1,
        }
    }

    /// Adds to the mean of the interval that something was intended in.
    pub(crate) fn mean(&mut self, intended_offset_ns: u64, ns: u64) {
        let interval = (intended_offset_ns / MEAN_INTERVAL_NS) as usize;
        if self.means.len() <= interval {
            self.means.resize(interval + 1, (0.0, 0));
        }
        self.means[interval].0 += ns as f64;
        self.means[interval].1 += 1;
    }
}

fn put<K: PartialEq>(histograms: &mut Vec<(K, Histogram<u32>)>, key: K, ns: u64) {
    let at = match histograms.iter().position(|(known, _)| *known == key) {
        Some(at) => at,
        None => {
            histograms.push((key, empty(TIME_MIN, 3)));
            histograms.len() - 1
        }
    };
    record(&mut histograms[at].1, std::time::Duration::from_nanos(ns));
}

/// Errors of one kind.
#[derive(Clone, Debug)]
pub(crate) struct ErrorKind {
    pub(crate) during: &'static str,
    pub(crate) kind: String,
    pub(crate) count: u64,
    pub(crate) first: String,
    /// Since the last second.
    pub(crate) second: u64,
}

/// The shards of a run, and its errors.
#[derive(Debug)]
pub(crate) struct Recorder {
    shards: Vec<Mutex<Shard>>,
    errors: Mutex<Vec<ErrorKind>>,
}

/// What all shards took since they were last emptied.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    pub(crate) times: Vec<((usize, SeriesId), Times)>,
    pub(crate) lag: Vec<((usize, usize), Times)>,
    pub(crate) second: SecondCounts,
}

impl Recorder {
    pub(crate) fn new(phases: usize) -> Recorder {
        let shard = || Shard {
            times: Vec::new(),
            lag: Vec::new(),
            phases: vec![PhaseCounts::default(); phases],
            second: SecondCounts::default(),
            means: Vec::new(),
        };
        Recorder { shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(), errors: Mutex::default() }
    }

    /// The shard of a client. Hold it for one frame only.
    pub(crate) fn shard(&self, slot: usize) -> MutexGuard<'_, Shard> {
        lock(&self.shards[slot % SHARDS])
    }

    /// Books an error that happened in a phase.
    pub(crate) fn error(
        &self,
        slot: usize,
        phase: usize,
        during: &'static str,
        kind: &str,
        first: impl FnOnce() -> String,
    ) {
        self.shard(slot).phases[phase].errors += 1;
        let mut errors = lock(&self.errors);
        let known = errors.iter().position(|error| error.during == during && error.kind == kind);
        let at = known.unwrap_or_else(|| {
            if errors.len() >= ERROR_KINDS_MAX {
                return errors.len() - 1;
            }
            let (kind, first) = match errors.len() + 1 {
                ERROR_KINDS_MAX => ("others".to_owned(), format!("{kind}: {}", first())),
                _ => (kind.to_owned(), first()),
            };
            let first = first.chars().filter(|c| !c.is_control()).take(ERROR_CHARS_MAX).collect();
            errors.push(ErrorKind { during, kind, count: 0, first, second: 0 });
            errors.len() - 1
        });
        errors[at].count += 1;
        errors[at].second += 1;
    }

    /// All errors so far.
    pub(crate) fn errors(&self) -> Vec<ErrorKind> {
        lock(&self.errors).clone()
    }

    /// Errors since the last call, by kind.
    pub(crate) fn drain_errors(&self) -> Vec<(u32, u64)> {
        let mut errors = lock(&self.errors);
        let counts =
            (0..).zip(errors.iter_mut()).map(|(index, error)| (index, std::mem::take(&mut error.second)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// Empties the shards.
    pub(crate) fn drain(&self) -> Drained {
        let mut drained = Drained::default();
        for shard in &self.shards {
            let mut shard = lock(shard);
            let second = std::mem::take(&mut shard.second);
            drained.second.connects += second.connects;
            drained.second.messages += second.messages;
            drained.second.updates += second.updates;
            drained.second.pushes += second.pushes;
            drained.second.untimed += second.untimed;
            take(&mut shard.times, &mut drained.times);
            take(&mut shard.lag, &mut drained.lag);
        }
        drained
    }

    /// The sums of all shards, by phase.
    pub(crate) fn phases(&self) -> Vec<PhaseCounts> {
        let mut sums: Vec<PhaseCounts> = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            sums.resize(shard.phases.len(), PhaseCounts::default());
            for (sum, part) in sums.iter_mut().zip(&shard.phases) {
                sum.reach += part.reach;
                sum.attempts += part.attempts;
                sum.errors += part.errors;
                sum.frames += part.frames;
                for what in 0..3 {
                    sum.done[what] += part.done[what];
                    sum.last_done_ns[what] = sum.last_done_ns[what].max(part.last_done_ns[what]);
                }
            }
        }
        sums
    }

    /// The means of the primary series, by interval of the schedule.
    pub(crate) fn means(&self) -> Vec<Option<f64>> {
        let mut sums: Vec<(f64, u32)> = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            if sums.len() < shard.means.len() {
                sums.resize(shard.means.len(), (0.0, 0));
            }
            for (sum, part) in sums.iter_mut().zip(&shard.means) {
                sum.0 += part.0;
                sum.1 += part.1;
            }
        }
        sums.into_iter().map(|(sum, count)| (count > 0).then(|| sum / f64::from(count))).collect()
    }
}

/// Moves the values of a shard to the sums. What a second had nothing of is let go: a phase has ended, or a step.
fn take<K: Copy + PartialEq>(shard: &mut Vec<(K, Histogram<u32>)>, sums: &mut Vec<(K, Times)>) {
    shard.retain(|(_, histogram)| !histogram.is_empty());
    for (key, histogram) in shard {
        let at = match sums.iter().position(|(known, _)| known == key) {
            Some(at) => at,
            None => {
                sums.push((*key, Times::default()));
                sums.len() - 1
            }
        };
        for value in histogram.iter_recorded() {
            sums[at].1.0.saturating_record_n(value.value_iterated_to(), u64::from(value.count_at_value()));
        }
        histogram.reset();
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
    fn shards_add_up_and_are_empty_afterwards() {
        let recorder = Recorder::new(2);
        for slot in 0..20 {
            let mut shard = recorder.shard(slot);
            shard.time(usize::from(slot >= 5), PUSH, 1_000_000 * (slot as u64 + 1));
            shard.lag(0, Offered::Updates, 1_000);
            shard.done(1, Offered::Connects, slot as u64);
            shard.mean(250_000_000, 7);
            shard.second.pushes += 1;
        }
        let drained = recorder.drain();
        let count =
            |key| drained.times.iter().find(|(known, _)| *known == key).map(|(_, times)| times.0.len());
        assert_eq!((count((0, PUSH)), count((1, PUSH)), count((1, CONNECT))), (Some(5), Some(15), None));
        assert_eq!((drained.second.pushes, drained.second.connects), (20, 20));
        let counts = &recorder.phases()[1];
        assert_eq!((counts.done, counts.last_done_ns), ([20, 0, 0], [19, 0, 0]));
        assert_eq!(recorder.means(), [None, None, Some(7.0)]);
        assert!(recorder.drain().times.is_empty());
    }

    #[test]
    fn kinds_of_errors_are_bounded() {
        let recorder = Recorder::new(1);
        for number in 0..300 {
            recorder.error(0, 0, "connect", &format!("status {number}"), || format!("first\n{number}"));
        }
        recorder.error(0, 0, "connect", "status 7", String::new);
        let errors = recorder.errors();
        assert_eq!(errors.len(), ERROR_KINDS_MAX);
        assert_eq!((errors[7].count, errors[7].first.as_str()), (2, "first7"));
        assert_eq!((errors[99].kind.as_str(), errors[99].count), ("others", 201));
        assert_eq!(recorder.drain_errors().len(), 100);
        assert_eq!(recorder.drain_errors(), []);
        assert_eq!(recorder.phases()[0].errors, 301);
    }
}
