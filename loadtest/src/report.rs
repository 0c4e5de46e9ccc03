//! What the load test writes: plain serde structures, one JSON document per run.
//!
//! A reader that must stay light takes these files as JSON; `loadtest/README.md` documents the keys. Times are
//! microseconds with a fraction (`_us`), rates are per second, and an absent value is `null`, never zero.

use serde::{Deserialize, Serialize};

/// The layout of every document here. It grows when a key changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// The document of a swarm run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// `"run"`.
    pub kind: String,
    /// Part of the device ids of this run: `load-{run_id}-{number}`.
    pub run_id: String,
    /// Start of the run, in milliseconds of the Unix epoch.
    pub started_unix_ms: u64,
    /// The addresses under test.
    pub target: TargetReport,
    /// What was asked for.
    pub config: ConfigReport,
    /// Clients and their connections.
    pub connections: ConnectionsReport,
    /// The updates that were published.
    pub updates: UpdatesReport,
    /// Which updates arrived where.
    pub reach: ReachReport,
    /// From the intended time of an update to its push on a client's socket, warm-up left out.
    pub push: Latency,
    /// The same for the warm-up.
    pub push_warm_up: Latency,
    /// One entry per second of the schedule, warm-up included.
    pub by_second: Vec<SecondReport>,
    /// What the measuring itself cost.
    pub generator: GeneratorReport,
    /// Whether the latencies may be believed. `false` says nothing about the stack, only about this measurement.
    pub valid: bool,
    /// Why not, one sentence each.
    pub invalid_reasons: Vec<String>,
    /// Whether every connection held and every follower ended with the last version, told once.
    pub passed: bool,
    /// Why not, one sentence each.
    pub failures: Vec<String>,
}

/// The addresses under test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetReport {
    /// The WebSocket URL, stage included.
    pub ws: String,
    /// `host:port` of the MQTT broker.
    pub mqtt: String,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConfigReport {
    /// Clients, one connection each.
    pub users: usize,
    /// Devices that publish.
    pub devices: usize,
    /// Devices that each client follows.
    pub devices_per_user: usize,
    /// Updates a second over all devices.
    pub updates_per_second: f64,
    /// Measured part of the schedule.
    pub seconds: f64,
    /// Part of the schedule before it.
    pub warm_up_seconds: f64,
    /// `"constant"` or `"poisson"`.
    pub arrivals: String,
    /// New connections a second.
    pub ramp_per_second: f64,
    /// Decides the gaps of a Poisson schedule.
    pub seed: u64,
}

/// Clients and their connections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConnectionsReport {
    /// Connects that were tried.
    pub attempted: usize,
    /// Clients that connected and got the reply to `set_notify_list`.
    pub following: usize,
    /// Clients that did not get that far.
    pub failed: usize,
    /// Connections that ended before the run did.
    pub dropped: usize,
    /// The first failure or drop, as a sentence.
    pub first_failure: Option<String>,
    /// From the first byte of the TCP connect to the 101.
    pub connect: Latency,
    /// From `set_notify_list` to its reply.
    pub request: Latency,
}

/// The updates that were published.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpdatesReport {
    /// Length of the schedule.
    pub planned: u64,
    /// Publishes that were written to the broker's socket.
    pub published: u64,
    /// Why publishing ended early.
    pub first_failure: Option<String>,
    /// The rate of the schedule.
    pub offered_per_second: f64,
    /// The rate that was kept; `null` below two updates.
    pub achieved_per_second: Option<f64>,
    /// From the intended time of an update to the moment it was handed to the socket, warm-up left out.
    pub schedule_lag: Latency,
}

/// Which updates arrived where. A delivery is one update at one follower, counted at most once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReachReport {
    /// Deliveries that were due: for each update, the connections that followed its device when it was published.
    pub expected: u64,
    /// Deliveries that happened.
    pub received: u64,
    /// Further copies of a delivery that had happened.
    pub duplicates: u64,
    /// Missing deliveries that a newer version of the same device made up for.
    pub gaps: u64,
    /// Missing deliveries with nothing newer after them: the follower ended behind.
    pub lost: u64,
    /// Deliveries that came after a newer version of the same device.
    pub out_of_order: u64,
    /// Pushes of a device that the connection does not follow, or of a version that was never published.
    pub unexpected: u64,
    /// Pushes whose value is not the one that was published under their version.
    pub corrupt: u64,
    /// Error frames and replies that nobody asked for.
    pub error_frames: u64,
    /// The first of them, cut to a line.
    pub first_error_frame: Option<String>,
}

/// One second of the schedule, by the intended time of the updates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecondReport {
    /// Counted from the start of the schedule.
    pub second: usize,
    /// Updates that the schedule has in it.
    pub planned: u64,
    /// Deliveries of them.
    pub received: u64,
    /// Their median; two digits.
    pub p50_us: Option<f64>,
    /// Their 99th percentile; two digits.
    pub p99_us: Option<f64>,
    /// Their slowest.
    pub max_us: Option<f64>,
}

/// What the measuring itself cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GeneratorReport {
    /// User and system time of the process.
    pub cpu_seconds: f64,
    /// From the first connect to the last close.
    pub wall_seconds: f64,
    /// Processor time from the start of the schedule to its last delivery, per delivery.
    pub cpu_us_per_delivery: Option<f64>,
    /// Pushes that goose's own report counts.
    pub goose_pushes: u64,
    /// Pushes that were left out of goose's report because a client's queue of them was full.
    pub goose_pushes_dropped: u64,
}

/// A distribution of times. With `count` 0 everything else is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Number of values.
    pub count: u64,
    /// Smallest.
    pub min_us: Option<f64>,
    /// Arithmetic mean.
    pub mean_us: Option<f64>,
    /// Median.
    pub p50_us: Option<f64>,
    /// 90th percentile.
    pub p90_us: Option<f64>,
    /// 99th percentile.
    pub p99_us: Option<f64>,
    /// 99.9th percentile.
    pub p999_us: Option<f64>,
    /// 99.99th percentile.
    pub p9999_us: Option<f64>,
    /// Largest.
    pub max_us: Option<f64>,
    /// The curve, for plots: pairs of quantile (0 to 1) and microseconds.
    pub curve: Vec<(f64, f64)>,
    /// The whole histogram in nanoseconds, HdrHistogram V2 with DEFLATE, base64: add these, never average percentiles.
    pub hdr: Option<String>,
}

/// The document of an echo measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EchoReport {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// `"echo"`.
    pub kind: String,
    /// The URL under test.
    pub ws: String,
    /// Round trips on each side.
    pub count: u64,
    /// Round trips of one block; the sides alternate A B B A.
    pub block: u64,
    /// The very first round trip, in no other figure: a cold function answers it.
    pub first_us: f64,
    /// Closed-loop round trips of the target, after the warm-up.
    pub target: Latency,
    /// The same messages through a bare tokio-tungstenite echo server, if asked for.
    pub bare: Option<Latency>,
    /// Median of the target over median of the bare server.
    pub ratio_p50: Option<f64>,
    /// Geometric mean, over the pairs of neighbouring blocks, of the ratio of their medians: drift cancels.
    pub ratio_paired: Option<f64>,
}

/// The document of an idle-memory measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdleReport {
    /// [`SCHEMA_VERSION`].
    pub version: u32,
    /// `"idle"`.
    pub kind: String,
    /// The URL under test.
    pub ws: String,
    /// The process that was measured.
    pub pid: u32,
    /// Connections that were open at once, one message each.
    pub connections: usize,
    /// `RssAnon` before, in bytes.
    pub rss_anon_before_bytes: u64,
    /// `RssAnon` with the connections open, in bytes.
    pub rss_anon_after_bytes: u64,
    /// The difference, divided by the connections.
    pub bytes_per_connection: f64,
}
