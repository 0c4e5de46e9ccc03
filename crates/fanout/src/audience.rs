//! Who is to be reached by a pass, and what became of each.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use dunlin_connection_store::{
    PageToken, Shard, ShardCount, StoreError, Subscriber, SubscriberPage, Subscription, Timestamp, TopicShard,
};
use dunlin_events::ConnectionId;
use dunlin_management::{ManagementError, ManagementErrorKind, PostOutcome};
use tokio::time::{Duration, Instant};

use crate::checkpoint::{Checkpoint, Missed, Position};
use crate::schedule::retry_delay;
use crate::{FanoutConfig, PAGE_ATTEMPTS_MAX, PRUNE_BATCH_MAX, Report, Update, YOUNG_CONNECTION_AGE};

/// Gone subscribers that wait to be pruned; what is found beyond that is left for the next pass to find.
const GONE_WAITING_MAX: usize = 40 * PRUNE_BATCH_MAX;

/// The books of a pass: it never waits, and whoever posts or reads asks it what to do next.
pub(crate) struct Audience<'a> {
    update: &'a Update,
    began_at: Instant,
    stop_at: Instant,
    /// Fewer than this many fresh ones, and the next page is wanted.
    fresh_low: usize,
    retries_waiting_max: usize,
    random: fastrand::Rng,
    pub(crate) report: Report,
    enumeration: Enumeration,
    /// Found, and not posted to yet, in the order of enumeration.
    fresh: VecDeque<Job>,
    /// Waiting for another attempt, the earliest first.
    waiting: BinaryHeap<Retry>,
    /// Whose next attempt would come too late, or whose answer did.
    missed: Vec<Missed>,
    /// Gone, and not pruned yet.
    gone: Vec<Subscription>,
    pruning: bool,
    failure_logged: bool,
}

/// How far the subscribers have been read.
struct Enumeration {
    shard_count: ShardCount,
    /// Where the next page starts; `None` once every shard is enumerated.
    position: Option<Position>,
    /// Attempts in vain at the next page.
    failures: u32,
    reading: bool,
    gave_up: bool,
}

/// A subscriber who has not got the update yet.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) connection_id: ConnectionId,
    connected_at: Timestamp,
    shard: Shard,
    failures: u32,
    pub(crate) throttled: u32,
    was_young: bool,
}

struct Retry {
    due: Instant,
    job: Job,
}

/// A page to read.
pub(crate) struct PageRequest {
    pub(crate) shard: Shard,
    pub(crate) after: Option<PageToken>,
    /// How long to wait first.
    pub(crate) delay: Duration,
}

impl<'a> Audience<'a> {
    /// Everyone who follows the topic of the update, or those whom a checkpoint left.
    pub(crate) fn new(
        update: &'a Update,
        config: &FanoutConfig,
        shard_count: ShardCount,
        from: Option<Checkpoint>,
        (began_at, stop_at): (Instant, Instant),
        report: Report,
    ) -> Self {
        let (position, missed) = match from {
            None => (Some(Position::START), Vec::new()),
            Some(checkpoint) => (checkpoint.position, checkpoint.missed),
        };
        Self {
            update,
            began_at,
            stop_at,
            fresh_low: config.posts_in_flight_max,
            retries_waiting_max: config.retries_waiting_max,
            random: fastrand::Rng::with_seed(update.seed),
            report,
            enumeration: Enumeration { shard_count, position, failures: 0, reading: false, gave_up: false },
            fresh: VecDeque::new(),
            waiting: missed.into_iter().map(|missed| Retry { due: began_at, job: missed.into() }).collect(),
            missed: Vec::new(),
            gone: Vec::new(),
            pruning: false,
            failure_logged: false,
        }
    }

    /// The wall clock.
    pub(crate) fn wall_clock(&self, now: Instant) -> Timestamp {
        self.update.now + now.saturating_duration_since(self.began_at)
    }

    /// When the next post may begin, as far as the subscribers are concerned; `None` without any.
    pub(crate) fn due(&self) -> Option<Instant> {
        let fresh = self.takes_fresh() && !self.fresh.is_empty();
        if fresh { Some(self.began_at) } else { self.waiting.peek().map(|retry| retry.due) }
    }

    /// The next subscriber to post to: one that waited long enough, or else a new one.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Job> {
        if now >= self.stop_at {
            return None;
        }
        if self.waiting.peek().is_some_and(|retry| retry.due <= now) {
            return self.waiting.pop().map(|retry| retry.job);
        }
        if self.takes_fresh() { self.fresh.pop_front() } else { None }
    }

    /// Whether a page is to be read or a batch pruned: whoever only posts leaves then.
    pub(crate) fn wants_attention(&self) -> bool {
        self.wants_page() || self.wants_prune()
    }

    /// Whether nothing is left to begin with, whatever is still under way.
    pub(crate) fn is_done(&self) -> bool {
        let stuck = !self.takes_fresh();
        let enumerated = self.enumeration.position.is_none() || self.enumeration.gave_up;
        self.waiting.is_empty() && !self.enumeration.reading && (stuck || self.fresh.is_empty() && enumerated)
    }

    fn takes_fresh(&self) -> bool {
        self.waiting.len() + self.missed.len() < self.retries_waiting_max
    }

    fn wants_page(&self) -> bool {
        let Enumeration { position, reading, gave_up, .. } = &self.enumeration;
        !reading && !gave_up && position.is_some() && self.fresh.len() <= self.fresh_low && self.takes_fresh()
    }

    fn wants_prune(&self) -> bool {
        !self.pruning && self.gone.len() >= PRUNE_BATCH_MAX
    }

    /// The page that is to be read now, if one is; [`take_page`](Self::take_page) must follow. It is read while the rest
    /// of the one before is being posted.
    pub(crate) fn begin_page(&mut self) -> Option<PageRequest> {
        if !self.wants_page() {
            return None;
        }
        let position = self.enumeration.position.as_ref()?;
        let after = position.after.as_deref().map(PageToken::after);
        let delay = match self.enumeration.failures {
            0 => Duration::ZERO,
            failures => retry_delay(failures, None, self.random.f64()),
        };
        self.enumeration.reading = true;
        Some(PageRequest { shard: position.shard, after, delay })
    }

    /// The page that was read.
    pub(crate) fn take_page(&mut self, shard: Shard, result: Result<SubscriberPage, StoreError>) {
        let enumeration = &mut self.enumeration;
        enumeration.reading = false;
        match result {
            Ok(page) => {
                self.fresh.extend(page.subscribers.into_iter().map(|subscriber| Job::new(subscriber, shard)));
                enumeration.failures = 0;
                enumeration.position = match page.next {
                    Some(token) => Some(Position { shard, after: Some(token.position().to_owned()) }),
                    None => enumeration.shard_count.shards().find(|&next| next > shard).map(Position::at),
                };
            }
            Err(error) => {
                enumeration.failures += 1;
                let failures = enumeration.failures;
                enumeration.gave_up = !error.kind().is_retryable() || failures >= PAGE_ATTEMPTS_MAX;
                tracing::warn!(
                    topic = %self.update.topic, %shard, failures, again = !enumeration.gave_up,
                    error = &error as &dyn std::error::Error, "page of subscribers not read"
                );
            }
        }
    }

    /// A batch that is to be pruned now, if one is; [`end_prune`](Self::end_prune) must follow.
    pub(crate) fn begin_prune(&mut self) -> Option<Vec<Subscription>> {
        if !self.wants_prune() {
            return None;
        }
        self.pruning = true;
        Some(self.gone.drain(..PRUNE_BATCH_MAX).collect())
    }

    /// The batch was pruned, or the store failed.
    pub(crate) fn end_prune(&mut self, pruned: u64) {
        self.pruning = false;
        self.report.pruned += pruned;
    }

    /// What is gone and was not pruned yet.
    pub(crate) fn take_gone(&mut self) -> Vec<Subscription> {
        std::mem::take(&mut self.gone)
    }

    /// The answer to a post.
    pub(crate) fn settle(
        &mut self,
        mut job: Job,
        (began_at, now): (Instant, Instant),
        result: Result<PostOutcome, ManagementError>,
    ) {
        self.report.posts += 1;
        self.report.post_latency.record(now.saturating_duration_since(began_at));
        let error = match result {
            Ok(PostOutcome::Delivered) => {
                self.report.delivered += 1;
                return;
            }
            Ok(PostOutcome::Gone) => return self.settle_gone(job, began_at),
            Err(error) => error,
        };
        if error.kind() == ManagementErrorKind::Throttled {
            self.report.throttled += 1;
            job.throttled = job.throttled.saturating_add(1);
        }
        if !error.kind().is_retryable() {
            self.report.failed += 1;
            self.log_first_failure(&error);
            return;
        }
        job.failures = job.failures.saturating_add(1);
        let delay = retry_delay(job.failures, error.retry_after(), self.random.f64());
        if !self.retry_at(now.checked_add(delay), job) {
            self.log_first_failure(&error);
        }
    }

    /// A 410 is believed at once, unless the connection may still have been being established when the post began.
    fn settle_gone(&mut self, mut job: Job, began_at: Instant) {
        let age = self.wall_clock(began_at).since(job.connected_at);
        if age < YOUNG_CONNECTION_AGE && !job.was_young {
            job.was_young = true;
            self.retry_at(began_at.checked_add(YOUNG_CONNECTION_AGE - age), job);
            return;
        }
        self.report.gone += 1;
        if self.gone.len() < GONE_WAITING_MAX {
            let place = TopicShard { topic: self.update.topic.clone(), shard: job.shard };
            self.gone.push(Subscription { place, connection_id: job.connection_id });
        }
    }

    /// Has the subscriber wait for another attempt, or says that it would come too late: then nobody waits for it.
    fn retry_at(&mut self, due: Option<Instant>, job: Job) -> bool {
        match due.filter(|&due| due < self.stop_at) {
            Some(due) => self.waiting.push(Retry { due, job }),
            None => {
                self.missed.push(job.into());
                return false;
            }
        }
        true
    }

    /// Nobody waits for this subscriber's post any more, which may yet arrive.
    pub(crate) fn abandon(&mut self, job: Job) {
        self.report.posts += 1;
        self.missed.push(job.into());
    }

    /// One line for a pass: what fails for one subscriber often fails for all of them.
    fn log_first_failure(&mut self, error: &ManagementError) {
        if !std::mem::replace(&mut self.failure_logged, true) {
            tracing::warn!(
                topic = %self.update.topic, version = self.update.version,
                error = error as &dyn std::error::Error, "post failed; further ones of this pass are only counted"
            );
        }
    }

    /// Closes the books: counts who was not reached, and says where to go on.
    pub(crate) fn close(&mut self) -> Report {
        let mut missed = std::mem::take(&mut self.missed);
        let waiting = self.waiting.drain().map(|retry| retry.job);
        missed.extend(self.fresh.drain(..).chain(waiting).map(Missed::from));
        let position = self.enumeration.position.take();
        let mut report = std::mem::take(&mut self.report);
        report.skipped = missed.len() as u64;
        report.enumerated = position.is_none();
        if position.is_some() || !missed.is_empty() {
            let (topic, version) = (self.update.topic.clone(), self.update.version);
            report.checkpoint = Some(Checkpoint { topic, version, position, missed });
        }
        report
    }
}

impl Job {
    fn new(subscriber: Subscriber, shard: Shard) -> Self {
        let Subscriber { connection_id, connected_at, .. } = subscriber;
        Self { connection_id, connected_at, shard, failures: 0, throttled: 0, was_young: false }
    }
}

impl From<Missed> for Job {
    fn from(Missed { connection_id, shard, connected_at }: Missed) -> Self {
        Self { connection_id, connected_at, shard, failures: 0, throttled: 0, was_young: false }
    }
}

impl From<Job> for Missed {
    fn from(Job { connection_id, shard, connected_at, .. }: Job) -> Self {
        Self { connection_id, shard, connected_at }
    }
}

impl PartialEq for Retry {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Retry {}

impl PartialOrd for Retry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Retry {
    /// Reversed: the heap gives the greatest first, and the earliest is wanted.
    fn cmp(&self, other: &Self) -> Ordering {
        other.due.cmp(&self.due)
    }
}
