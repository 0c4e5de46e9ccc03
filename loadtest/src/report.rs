//! What the load test writes: plain serde structures, one JSON document per run.
//!
//! A reader that must stay light takes these files as JSON; `loadtest/README.md` documents the keys. Times are
//! microseconds with a fraction (`_us`), rates are per second, and an absent value is `null`, never zero.

use serde::{Deserialize, Serialize};

/// The layout of every document here. It grows when a key changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

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
