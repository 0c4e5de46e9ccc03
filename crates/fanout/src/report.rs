//! What a pass did.

use std::time::Duration;

use dunlin_events::limits::METERED_MESSAGE_BYTES;
use serde::Serialize;

use crate::Checkpoint;

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
    /// Gone connections that were pruned from the store; for the others the store failed, or the time was over.
    pub pruned: u64,
    /// Posts made, retries included.
    pub posts: u64,
    /// Posts that the service throttled.
    pub throttled: u64,
    /// The pace to which throttling has brought all passes of the engine, in posts per second; `None` without.
    pub posts_per_s_max: Option<u64>,
    /// What the pass used.
    pub cost: Cost,
    /// Time per post that got an answer.
    pub post_latency: PostLatency,
    /// Time from the call to the report, in microseconds.
    pub elapsed_us: u64,
    /// Where to go on, if anyone was skipped or not even found; see [`Fanout::resume`](crate::Fanout::resume).
    pub checkpoint: Option<Checkpoint>,
}

/// What a pass used, of what the service counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Size of the message.
    pub message_bytes: u64,
    /// Messages as they are billed: one for each started 32 KiB of each message delivered (section 7.3).
    pub messages_metered: u64,
    /// Bytes of all posts, retries included, without what HTTP adds.
    pub posted_bytes: u64,
    /// Calls of the store: the head, pages, batches of gone connections, the estimate.
    pub store_calls: u64,
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
    /// The report of a pass with a message of this size that took this long.
    pub(crate) fn of(mut self, message_bytes: usize, elapsed: Duration) -> Self {
        let per_message = message_bytes.div_ceil(METERED_MESSAGE_BYTES).max(1) as u64;
        self.cost.message_bytes = message_bytes as u64;
        self.cost.messages_metered = self.delivered * per_message;
        self.cost.posted_bytes = self.posts * self.cost.message_bytes;
        self.elapsed_us = micros(elapsed);
        self
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
    fn prints_as_one_object() {
        let mut report =
            Report { head_version: 7, delivered: 2, posts: 3, enumerated: true, ..Report::default() };
        report.cost.store_calls = 2;
        for us in [30, 10, 50] {
            report.post_latency.record(Duration::from_micros(us));
        }
        assert_eq!(
            serde_json::to_string(&report.of(100, Duration::from_millis(1))).unwrap(),
            concat!(
                r#"{"commit":"committed","head_version":7,"delivered":2,"gone":0,"failed":0,"skipped":0,"enumerated":true,"#,
                r#""pruned":0,"posts":3,"throttled":0,"posts_per_s_max":null,"#,
                r#""cost":{"message_bytes":100,"messages_metered":2,"posted_bytes":300,"store_calls":2},"#,
                r#""post_latency":{"min_us":10,"mean_us":30,"max_us":50},"elapsed_us":1000,"checkpoint":null}"#
            )
        );
    }

    #[test]
    fn messages_are_metered_by_the_started_32_kib() {
        let check = |message_bytes, expected| {
            let report = Report { delivered: 10, posts: 12, ..Report::default() };
            let cost = report.of(message_bytes, Duration::ZERO).cost;
            assert_eq!((cost.messages_metered, cost.posted_bytes), (expected, 12 * message_bytes as u64));
        };
        check(0, 10);
        check(1, 10);
        check(32_768, 10);
        check(32_769, 20);
        check(131_072, 40);
    }
}
