//! What a run measured: the one structure between the swarm, which fills it, and the reports, which only read it.
//!
//! It is written as `report.json`, and read again with the interval logs beside it ([`crate::results`]), so that several
//! processes measure one run: each writes its [`Measured`], and adding them up gives the run's. How each part adds up is
//! said with it; verdicts and reasons ([`Measured::thresholds`], [`Measured::invalid`], [`Phase::thresholds`]) do not,
//! and are made again from the sum.
//!
//! Written times are nanoseconds, except inside of a latency ([`Latency`](crate::report::Latency)), which has
//! microseconds. Seconds count from the start of the schedule, which is the start of the first phase.

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::histogram;

/// A whole run, or the part of it that one process measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// What was asked for, and of whom.
    pub run: Run,
    /// Where the swarm ran. Parts: one row per host.
    pub machines: Vec<Machine>,
    /// What the swarm was built from.
    pub revision: Revision,
    /// In the order of the schedule. Parts have the same phases, which add up one by one.
    pub phases: Vec<Phase>,
    /// One entry per second, stragglers after the last phase included; [`Second::second`] rises without gaps from 0.
    /// Parts add up second by second.
    pub seconds: Vec<Second>,
    /// Most frequent first. Parts: rows of the same `during` and `kind` are one.
    pub errors: Vec<ErrorRow>,
    /// How far the generator itself may be believed.
    pub generator: Generator,
    /// Of a scenario with steps: how far it came.
    pub steps: Option<Steps>,
    /// The scenario's and the command line's, over the measured phases.
    pub thresholds: Vec<Verdict>,
    /// Why the latencies may not be believed, one sentence each. Empty: they may.
    pub invalid: Vec<String>,
    /// Why the run ended before its schedule did: an interrupt, a target that went away. Everything else is what was
    /// measured until then.
    pub ended_early: Option<String>,
    /// What a reader of the report should know besides, one sentence each.
    pub notes: Vec<String>,
}

/// What was asked for, and of whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Eight hexadecimal digits, in every topic and stamp of the run.
    pub id: String,
    /// The scenario's name: its file without `.toml`.
    pub scenario: String,
    /// The scenario's description of itself.
    pub description: String,
    /// The scenario file, as it was read.
    pub scenario_text: String,
    /// What the command line changed, as `key = value`.
    pub overrides: Vec<String>,
    /// The WebSocket URL, without its query.
    pub target: String,
    /// How updates were caused, in words: `MQTT at 127.0.0.1:1883`. Absent where the scenario has no updates.
    pub cause: Option<String>,
    /// Closed runs say so on the first line of every report.
    pub model: Model,
    /// Decides the schedule.
    pub seed: u64,
    /// Most sessions that the schedule has at once, over all processes. Parts add.
    pub users: u64,
    /// Processes that measured. Parts add.
    pub processes: u32,
    /// Start of the schedule, in milliseconds of the Unix epoch. Parts: the earliest.
    pub started_unix_ms: u64,
}

/// Who decides when the next message leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// A schedule that is decided before the run, whatever the target does.
    Open,
    /// The answer to the one before: a slow target is asked less, and its slowness is under-reported.
    Closed,
}

/// Where the swarm ran.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's name and release.
    pub os: String,
    /// The processor's model, as the kernel names it.
    pub cpu: String,
    /// Processors that the swarm could use.
    pub cpus: u32,
    /// Installed memory.
    pub memory_bytes: u64,
    /// Descriptors that one process may have open: the bound of its sockets.
    pub descriptors_max: u64,
}

/// What the swarm was built from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revision {
    /// The package's version.
    pub version: String,
    /// The commit of the working folder, if that is known.
    pub commit: Option<String>,
}

/// A part of the schedule with one load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Phase {
    /// Unique in a run: `ramp`, `hold`, `step 3`.
    pub name: String,
    /// Whether thresholds count it. The others prepare: ramps, warm-ups.
    pub measured: bool,
    /// From the start of the schedule.
    pub start_ns: u64,
    /// The end of the schedule's part, or where the run ended early.
    pub end_ns: u64,
    /// What was to be done and what was done.
    pub rates: Vec<Rate>,
    /// Latencies of what was *intended* in this phase, warm-up cut. Series without a value are absent.
    pub series: Vec<Series>,
    /// Deliveries of the updates that were intended in this phase, warm-up included: losing one is never warm-up.
    pub reach: Reach,
    /// Attempts of any kind in this phase (connects, requests, updates), the base of the error share. Parts add.
    pub attempts: u64,
    /// Errors in this phase. Parts add.
    pub errors: u64,
    /// What was cut off at its start. Parts: see [`WarmUp`].
    pub warm_up: WarmUp,
    /// The verdicts on this phase alone, for measured phases.
    pub thresholds: Vec<Verdict>,
}

/// Offered and achieved, side by side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rate {
    /// What is counted.
    pub what: Offered,
    /// Planned in the phase. Parts add.
    pub planned: u64,
    /// Done of those, however late. Parts add.
    pub done: u64,
    /// Planned, per second of the phase. Parts add. Absent in a closed model, which plans nothing.
    pub offered_per_second: Option<f64>,
    /// Done, per second from the phase's start to its end or to the last that was done, whichever is later. Parts add.
    pub achieved_per_second: f64,
}

/// What a schedule offers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Offered {
    /// Connections.
    Connects,
    /// Messages of clients.
    Messages,
    /// Causes of pushes.
    Updates,
}

/// What is timed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// From the intended arrival of a session to its open WebSocket: lag and all steps.
    Connect,
    /// The TCP handshake.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// From the upgrade request to the first byte of its answer.
    FirstByte,
    /// From the upgrade request to the end of its answer.
    Upgrade,
    /// From the intended time of a message to its route response.
    Response,
    /// From the intended time of a message to the answer that its function posted.
    Post,
    /// From the intended time of an update to its push on a client's socket.
    Push,
}

/// A metric of one message type.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SeriesName {
    /// What is timed.
    pub metric: Metric,
    /// The message type, as the scenario names it; empty for the steps of a connect.
    pub message: String,
}

/// The latencies of one series.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    /// Which.
    pub name: SeriesName,
    /// Parts add.
    pub times: Times,
}

/// The latencies of one series in one second, its histogram packed: open it takes 200 KB, and a run of an hour has
/// thousands of them. There is at least one value.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Interval {
    /// Which series.
    pub name: SeriesName,
    /// Number of values.
    pub count: u64,
    /// Arithmetic mean.
    pub mean_us: f64,
    /// Median.
    pub p50_us: f64,
    /// 99th percentile.
    pub p99_us: f64,
    /// Largest.
    pub max_us: f64,
    /// HdrHistogram V2 with DEFLATE, base64. It goes to the interval logs.
    #[serde(skip)]
    packed: String,
}

/// A histogram of nanoseconds: three digits from 1 µs to 60 s; what is above counts as 60 s.
///
/// Serialised as a [`Latency`](crate::report::Latency), of which only the histogram is read again.
#[derive(Clone, PartialEq, Debug)]
pub struct Times(pub Histogram<u64>);

/// Deliveries: one update to one connection that followed its topic when it was published. All parts add.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reach {
    /// Deliveries that were due.
    pub expected: u64,
    /// Of those, the ones that happened.
    pub received: u64,
    /// Of the received, those that took longer than the scenario's `late_after`.
    pub late: u64,
    /// Of the received, those that came after a newer version of their topic.
    pub out_of_order: u64,
    /// Further copies of a received one.
    pub duplicates: u64,
    /// Due and never received: `expected - received`.
    pub lost: u64,
    /// Of the lost, those with nothing newer after them: their follower ended behind.
    pub behind: u64,
}

/// One second of the run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Second {
    /// From the start of the schedule.
    pub second: u32,
    /// WebSockets that were open at its end. Parts add.
    pub open_sockets: u64,
    /// Connects that succeeded in it. Parts add.
    pub connects: u64,
    /// Messages that were sent in it. Parts add.
    pub messages: u64,
    /// Updates that the schedule has in it. Parts add.
    pub updates_offered: u64,
    /// Updates that were published in it. Parts add.
    pub updates: u64,
    /// Pushes that arrived in it, copies included. Parts add.
    pub pushes: u64,
    /// Errors in it: index into [`Measured::errors`], and count. Parts: by the row, not by the index.
    pub errors: Vec<(u32, u64)>,
    /// Processors that the generator used, 1.0 being one of them. Parts add.
    pub generator_cpus: f64,
    /// Latencies that were *recorded* in it, warm-up included. Parts add by series. They are read from the interval logs
    /// alone.
    #[serde(skip_deserializing)]
    pub intervals: Vec<Interval>,
}

/// Errors of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrorRow {
    /// What was being done: `connect`, `session`, `request`, `update`.
    pub during: String,
    /// A status (`status 403`), a close code (`close 1001`), an I/O error (`connection refused`), a timeout, a frame
    /// that is not in the contract (`error frame`, `unexpected push`, `binary frame`).
    pub kind: String,
    /// Parts add.
    pub count: u64,
    /// The first, in words, cut to a line. Never a payload.
    pub first: String,
}

/// How far the generator itself may be believed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Generator {
    /// User and system time over the whole run. Parts add.
    pub cpu_seconds: f64,
    /// From the first connect to the last close. Parts: the longest.
    pub wall_seconds: f64,
    /// The most processors used in one second of a measured phase. Parts: the sum.
    pub cpus_peak: f64,
    /// Processor time of the measured phases per message sent or received. Parts: see `messages`.
    pub cpu_ns_per_message: Option<f64>,
    /// Messages sent and received in the measured phases, to weigh `cpu_ns_per_message` by. Parts add.
    pub messages: u64,
    /// By what was scheduled: how much later than intended it left, in measured phases.
    pub lag: Vec<Lag>,
    /// Samples that no histogram took. Parts add.
    pub dropped_samples: u64,
    /// Samples that are missing in goose's own report alone. Parts add.
    pub goose_dropped_samples: u64,
    /// Anonymous memory at the most open sockets, less that before the first, divided by those sockets. Parts: the
    /// largest.
    pub bytes_per_user: Option<f64>,
    /// Pushes that came from another host's cause: they count for reach, and have no latency. Parts add.
    pub untimed_pushes: u64,
}

/// How much later than intended something left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lag {
    /// What.
    pub what: Offered,
    /// Parts add.
    pub times: Times,
}

/// What MSER-5 says of the start of a measured phase.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmUp {
    /// The phase is not measured, or has no latencies.
    #[default]
    None,
    /// Too few intervals to tell; nothing was cut.
    TooShort,
    /// So much of its start is not in [`Phase::series`]. Parts: the longest.
    Cut {
        /// A whole number of seconds, since that is what can be cut.
        seconds: u32,
    },
    /// The means keep drifting past half of the phase: there is no steady state, and nothing was cut. Parts: this, if
    /// one says so.
    NeverSettled,
}

/// A threshold and what came of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// As it was written: `p99(push) < 50ms`.
    pub threshold: String,
    /// What was measured, in the unit of the threshold: `41.2ms`; `no value` if there was none.
    pub measured: String,
    /// A threshold on something without a value is not met.
    pub met: bool,
}

/// How far the steps of a scenario came.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Steps {
    /// Factor from one step to the next.
    pub factor: f64,
    /// What grows: `updates` or `messages` or `users`.
    pub grows: String,
    /// The phase and its load, per second or in users, of the last step that met all thresholds.
    pub last_good: Option<(String, f64)>,
    /// The same of the step that broke one. Absent: none did.
    pub first_bad: Option<(String, f64)>,
}

impl Measured {
    /// Whether every threshold was met.
    pub fn is_met(&self) -> bool {
        self.thresholds.iter().all(|verdict| verdict.met)
    }

    /// Whether the latencies may be believed.
    pub fn is_valid(&self) -> bool {
        self.invalid.is_empty()
    }

    /// The latencies of a series over all measured phases.
    pub fn measured_times(&self, name: &SeriesName) -> Times {
        sum(self.phases.iter().filter(|phase| phase.measured), name)
    }

    /// The same over all phases, of which ramp and warm-up are not measured.
    pub fn all_times(&self, name: &SeriesName) -> Times {
        sum(self.phases.iter(), name)
    }

    /// Deliveries over all measured phases.
    pub fn measured_reach(&self) -> Reach {
        let mut sum = Reach::default();
        self.phases.iter().filter(|phase| phase.measured).for_each(|phase| sum += phase.reach);
        sum
    }
}

fn sum<'a>(phases: impl Iterator<Item = &'a Phase>, name: &SeriesName) -> Times {
    let mut sum = Times::default();
    for series in phases.flat_map(|phase| &phase.series).filter(|series| series.name == *name) {
        sum.add(&series.times);
    }
    sum
}

impl Times {
    /// Adds another's values.
    pub fn add(&mut self, other: &Times) {
        self.0.add(&other.0).expect("both have the bounds of `Times::default`");
    }

    /// The times of a histogram as text: HdrHistogram V2 with DEFLATE, base64.
    ///
    /// # Errors
    ///
    /// A sentence, if the text is not that of a histogram.
    pub(crate) fn decode(text: &str) -> Result<Times, String> {
        let decoded = histogram::decode(text)?;
        // Into the bounds of all others, so that adding cannot fail.
        let mut times = Times::default();
        for value in decoded.iter_recorded() {
            times.0.saturating_record_n(value.value_iterated_to(), value.count_at_value());
        }
        Ok(times)
    }
}

impl Interval {
    /// Packs the latencies of a second, if there are any.
    pub fn new(name: SeriesName, times: &Times) -> Option<Interval> {
        let Times(histogram) = times;
        let us = |quantile| histogram::quantile_us(histogram, quantile);
        Some(Interval {
            name,
            count: histogram.len(),
            mean_us: histogram.mean() / 1e3,
            p50_us: us(0.5)?,
            p99_us: us(0.99)?,
            max_us: us(1.0)?,
            packed: histogram::encode(histogram)
                .expect("memory takes any histogram whose counts fit 63 bits"),
        })
    }

    /// The histogram.
    pub fn times(&self) -> Times {
        Times::decode(&self.packed).expect("it was packed here")
    }

    /// Adds another's values.
    pub fn add(&mut self, other: &Interval) {
        let mut sum = self.times();
        sum.add(&other.times());
        if let Some(sum) = Interval::new(self.name.clone(), &sum) {
            *self = sum;
        }
    }

    /// The histogram as text: HdrHistogram V2 with DEFLATE, base64.
    pub(crate) fn packed(&self) -> &str {
        &self.packed
    }
}

impl Default for Times {
    fn default() -> Times {
        Times(histogram::times())
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        histogram::summarize(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Times, D::Error> {
        #[derive(Deserialize)]
        struct Hdr {
            hdr: Option<String>,
        }
        match Hdr::deserialize(deserializer)?.hdr {
            Some(text) => Times::decode(&text).map_err(serde::de::Error::custom),
            None => Ok(Times::default()),
        }
    }
}

impl std::fmt::Display for Metric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Metric::Connect => "connect",
            Metric::Tcp => "tcp",
            Metric::Tls => "tls",
            Metric::FirstByte => "first_byte",
            Metric::Upgrade => "upgrade",
            Metric::Response => "response",
            Metric::Post => "post",
            Metric::Push => "push",
        })
    }
}

impl std::fmt::Display for SeriesName {
    /// `push`, `response.echo`: as thresholds name them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.message.as_str() {
            "" => self.metric.fmt(f),
            message => write!(f, "{}.{message}", self.metric),
        }
    }
}

impl std::fmt::Display for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Offered::Connects => "connects",
            Offered::Messages => "messages",
            Offered::Updates => "updates",
        })
    }
}

impl std::ops::AddAssign for Reach {
    fn add_assign(&mut self, other: Reach) {
        self.expected += other.expected;
        self.received += other.received;
        self.late += other.late;
        self.out_of_order += other.out_of_order;
        self.duplicates += other.duplicates;
        self.lost += other.lost;
        self.behind += other.behind;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_survive_being_written_and_read() {
        let mut times = Times::default();
        for us in [1, 70, 70, 41_000, 90_000_000] {
            histogram::record(&mut times.0, Duration::from_micros(us));
        }
        let text = serde_json::to_string(&times).unwrap();
        let mut read: Times = serde_json::from_str(&text).unwrap();
        for quantile in [0.0, 0.5, 0.99, 1.0] {
            assert_eq!(read.0.value_at_quantile(quantile), times.0.value_at_quantile(quantile), "{quantile}");
        }
        read.add(&times);
        assert_eq!(read.0.len(), 10);
        assert!(serde_json::from_str::<Times>(r#"{"hdr":"AAAA"}"#).is_err());
        // What a reader of the report sees.
        assert!(text.contains(r#""p50_us":70."#), "{text}");
    }

    #[test]
    fn series_have_the_names_of_thresholds() {
        let name = |metric, message: &str| SeriesName { metric, message: message.to_owned() }.to_string();
        assert_eq!(name(Metric::FirstByte, ""), "first_byte");
        assert_eq!(name(Metric::Response, "echo"), "response.echo");
    }
}
