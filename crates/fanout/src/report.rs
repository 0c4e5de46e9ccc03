//! What a pass did.

use std::time::Duration;

use serde::Serialize;

/// The outcome of one publish. Every subscriber that was found is in exactly one of `delivered`, `gone`, `failed`
/// and `skipped`. Prints as one JSON object.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// What became of the head.
    pub commit: Commit,
    /// Version of the head: the update's own, unless that was older.
    pub head_version: u64,
    /// Subscribers whose post was accepted.
    pub delivered: u64,
    /// Subscribers that were gone.
    pub gone: u64,
    /// Subscribers whose post was refused for a reason that a retry cannot cure.
    pub failed: u64,
    /// Subscribers that the deadline left without an accepted post.
    pub skipped: u64,
    /// Whether every shard was enumerated to its end. If not, there may be subscribers that were not even counted.
    pub enumerated: bool,
    /// Gone connections that were pruned from the store; the others were too young, or the store failed.
    pub pruned: u64,
    /// Posts made, retries included.
    pub posts: u64,
    /// Posts that the service throttled.
    pub throttled: u64,
    /// Time per post that got an answer.
    pub post_latency: PostLatency,
    /// Time from the call to the report, in microseconds.
    pub elapsed_us: u64,
    /// Enumeration ended on an error of the store.
    #[serde(skip)]
    pub(crate) gave_up: bool,
}

/// What became of the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Commit {
    /// The version was newer, is the head now, and was pushed.
    #[default]
    Committed,
    /// An earlier attempt had committed this very update; it was pushed again, since nobody knows how far that attempt came.
    Repeated,
    /// The head was newer; nothing was pushed.
    Older,
}

/// Time per post, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PostLatency {
    /// The fastest; 0 without posts.
    pub min_us: u64,
    /// The mean; 0 without posts.
    pub mean_us: u64,
    /// The slowest; 0 without posts.
    pub max_us: u64,
    #[serde(skip)]
    count: u64,
    #[serde(skip)]
    sum_us: u64,
}

impl Report {
    /// Whether the update was not pushed, because the head was newer.
    pub fn is_older(&self) -> bool {
        self.commit == Commit::Older
    }

    /// Whether everyone who follows the topic was found, and was reached or is gone.
    pub fn is_complete(&self) -> bool {
        self.is_older() || (self.enumerated && self.failed == 0 && self.skipped == 0)
    }

    /// Subscribers found.
    pub fn subscribers(&self) -> u64 {
        self.delivered + self.gone + self.failed + self.skipped
    }
}

impl Report {
    pub(crate) fn taking(self, elapsed: Duration) -> Self {
        Self { elapsed_us: micros(elapsed), ..self }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl PostLatency {
    /// Counts one post.
    pub(crate) fn record(&mut self, took: Duration) {
        let us = micros(took);
        self.min_us = if self.count == 0 { us } else { self.min_us.min(us) };
        self.max_us = self.max_us.max(us);
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
        self.mean_us = self.sum_us / self.count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_one_flat_object() {
        let mut report =
            Report { head_version: 7, delivered: 2, posts: 3, enumerated: true, ..Report::default() };
        for us in [30, 10, 50] {
            report.post_latency.record(Duration::from_micros(us));
        }
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            concat!(
                r#"{"commit":"committed","head_version":7,"delivered":2,"gone":0,"failed":0,"skipped":0,"enumerated":true,"#,
                r#""pruned":0,"posts":3,"throttled":0,"post_latency":{"min_us":10,"mean_us":30,"max_us":50},"#,
                r#""elapsed_us":0}"#
            )
        );
    }
}
