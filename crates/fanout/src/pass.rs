//! One pass over the subscribers of a topic.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::pin::pin;

use dunlin_connection_store::{
    ConnectionStore, Head, PageToken, Shard, ShardCount, StoreError, Subscriber, SubscriberPage,
    Subscription, TopicShard,
};
use dunlin_management::{ManagementClient, ManagementError, ManagementErrorKind, PostOutcome};
use futures_util::future::{Fuse, FusedFuture as _, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout_at};

use crate::config::{Schedule, retry_delay};
use crate::{FanoutConfig, PAGE_ATTEMPTS_MAX, PRUNE_BATCH_MAX, Report, Update, YOUNG_CONNECTION_AGE};

/// An estimate is written again when it is off by more than one part in this many ...
const ESTIMATE_TOLERANCE_PARTS: u64 = 8;

/// ... and by more than this many: a steady audience, or a small one, costs no writes.
const ESTIMATE_TOLERANCE_MIN: u64 = 50;

/// Gone subscribers that wait to be pruned; what is found beyond that is left for the next pass to find.
const GONE_WAITING_MAX: usize = 40 * PRUNE_BATCH_MAX;

/// A pass under way. Everything it does runs inside the one task that polls [`run`](Self::run).
pub(crate) struct Pass<'a, S, M> {
    store: &'a S,
    management: &'a M,
    config: &'a FanoutConfig,
    update: &'a Update,
    schedule: Schedule,
    random: fastrand::Rng,
    report: Report,
    /// Where the next page starts; `None` once every shard is enumerated, or enumeration is given up.
    cursor: Option<Cursor>,
    /// Found, and not posted to yet.
    fresh: VecDeque<Job>,
    /// Waiting for another attempt, the earliest first.
    waiting: BinaryHeap<Retry>,
    /// Gone, and not pruned yet.
    gone: Vec<Subscription>,
    failure_logged: bool,
}

/// A place in the enumeration.
#[derive(Clone, Debug)]
struct Cursor {
    shard: Shard,
    after: Option<PageToken>,
    failures: u32,
}

/// A subscriber who has not got the update yet.
struct Job {
    subscriber: Subscriber,
    shard: Shard,
    failures: u32,
}

struct Retry {
    due: Instant,
    job: Job,
}

/// An attempt that came to an answer.
struct Attempt {
    job: Job,
    took: Duration,
    result: Result<PostOutcome, ManagementError>,
}

impl<'a, S: ConnectionStore, M: ManagementClient> Pass<'a, S, M> {
    pub(crate) fn new(
        store: &'a S,
        management: &'a M,
        config: &'a FanoutConfig,
        update: &'a Update,
        schedule: Schedule,
        report: Report,
    ) -> Self {
        Self {
            store,
            management,
            config,
            update,
            schedule,
            random: fastrand::Rng::with_seed(update.seed),
            report,
            cursor: Some(Cursor { shard: Shard::new(0), after: None, failures: 0 }),
            fresh: VecDeque::new(),
            waiting: BinaryHeap::new(),
            gone: Vec::new(),
            failure_logged: false,
        }
    }

    pub(crate) async fn run(mut self, head: &Head, began_at: Instant) -> Report {
        let (store, management, update) = (self.store, self.management, self.update);
        let page_max = self.config.page_subscribers_max;
        let fetch = |cursor: Cursor, delay| fetch(store, update, began_at, page_max, cursor, delay);
        let mut posts = FuturesUnordered::new();
        let mut page = pin!(Fuse::terminated());
        let mut prune = pin!(Fuse::terminated());
        let mut stop = pin!(sleep_until(self.schedule.stop_at));
        loop {
            while posts.len() < self.config.posts_in_flight_max.max(1)
                && let Some(job) = self.next_job()
            {
                self.report.posts += 1;
                posts.push(attempt(management, update, job));
            }
            // The next page is read while the rest of this one is being posted.
            if page.is_terminated()
                && self.fresh.len() <= self.config.posts_in_flight_max
                && self.takes_fresh()
                && let Some(cursor) = self.cursor.take()
            {
                let delay = match cursor.failures {
                    0 => Duration::ZERO,
                    failures => retry_delay(failures, None, self.random.f64()),
                };
                page.set(fetch(cursor, delay).fuse());
            }
            if prune.is_terminated() && self.gone.len() >= PRUNE_BATCH_MAX {
                let batch = self.gone.drain(..PRUNE_BATCH_MAX).collect();
                prune.set(prune_batch(store, batch).fuse());
            }
            let due = self.waiting.peek().map(|retry| retry.due);
            if posts.is_empty() && page.is_terminated() && due.is_none() {
                break;
            }
            let room = posts.len() < self.config.posts_in_flight_max.max(1);
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(attempt) = posts.next(), if !posts.is_empty() => self.settle(attempt, began_at),
                (cursor, result) = &mut page => self.take_page(cursor, result, head.shard_count),
                pruned = &mut prune => self.report.pruned += pruned,
                // A retry that is due and has no room waits for a post to come back.
                () = sleep_until(due.unwrap_or(self.schedule.stop_at)), if due.is_some() && room => {}
            }
        }
        // What is dropped here was not answered in time, and may yet arrive.
        self.report.skipped += (posts.len() + self.fresh.len() + self.waiting.len()) as u64;
        self.report.enumerated = self.cursor.is_none() && page.is_terminated() && !self.report.gave_up;
        drop(posts);
        if !prune.is_terminated() {
            self.report.pruned += timeout_at(self.schedule.finish_by, prune).await.unwrap_or_default();
        }
        self.finish(head).await
    }

    /// The next subscriber to post to: one that waited long enough, or else a new one.
    fn next_job(&mut self) -> Option<Job> {
        if self.waiting.peek().is_some_and(|retry| retry.due <= Instant::now()) {
            return self.waiting.pop().map(|retry| retry.job);
        }
        if self.takes_fresh() { self.fresh.pop_front() } else { None }
    }

    fn takes_fresh(&self) -> bool {
        self.waiting.len() < self.config.retries_waiting_max.max(1)
    }

    fn take_page(
        &mut self,
        cursor: Cursor,
        result: Result<SubscriberPage, StoreError>,
        shard_count: ShardCount,
    ) {
        match result {
            Ok(page) => {
                let job = |subscriber| Job { subscriber, shard: cursor.shard, failures: 0 };
                self.fresh.extend(page.subscribers.into_iter().map(job));
                self.cursor = match page.next {
                    Some(next) => Some(Cursor { after: Some(next), failures: 0, ..cursor }),
                    None => shard_count.shards().find(|&shard| shard > cursor.shard).map(|shard| Cursor {
                        shard,
                        after: None,
                        failures: 0,
                    }),
                };
            }
            Err(error) => {
                let failures = cursor.failures + 1;
                let again = error.kind().is_retryable() && failures < PAGE_ATTEMPTS_MAX;
                tracing::warn!(
                    topic = %self.update.topic, shard = %cursor.shard, failures, again,
                    error = &error as &dyn std::error::Error, "page of subscribers not read"
                );
                self.cursor = again.then_some(Cursor { failures, ..cursor });
                self.report.gave_up |= !again;
            }
        }
    }

    fn settle(&mut self, attempt: Attempt, began_at: Instant) {
        let Attempt { mut job, took, result } = attempt;
        self.report.post_latency.record(took);
        let error = match result {
            Ok(PostOutcome::Delivered) => {
                self.report.delivered += 1;
                return;
            }
            Ok(PostOutcome::Gone) => {
                self.report.gone += 1;
                let age = (self.update.now + began_at.elapsed()).since(job.subscriber.connected_at);
                if age >= YOUNG_CONNECTION_AGE && self.gone.len() < GONE_WAITING_MAX {
                    let place = TopicShard { topic: self.update.topic.clone(), shard: job.shard };
                    self.gone.push(Subscription { place, connection_id: job.subscriber.connection_id });
                }
                return;
            }
            Err(error) => error,
        };
        if error.kind() == ManagementErrorKind::Throttled {
            self.report.throttled += 1;
        }
        if !error.kind().is_retryable() {
            self.report.failed += 1;
            self.log_first_failure(&error);
            return;
        }
        job.failures = job.failures.saturating_add(1);
        let due = Instant::now() + retry_delay(job.failures, error.retry_after(), self.random.f64());
        if due < self.schedule.stop_at {
            self.waiting.push(Retry { due, job });
        } else {
            // Nobody waits for a retry that would come too late.
            self.report.skipped += 1;
            self.log_first_failure(&error);
        }
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

    /// What can still be done for the store before the caller must have the report.
    async fn finish(mut self, head: &Head) -> Report {
        let gone = std::mem::take(&mut self.gone);
        let work = async {
            for batch in gone.chunks(PRUNE_BATCH_MAX) {
                self.report.pruned += prune_batch(self.store, batch.to_vec()).await;
            }
            let found = self.report.subscribers();
            if self.report.enumerated && is_off(head.subscriber_estimate, found) {
                // Only a hint for later passes: without it they plan with the old one.
                if let Err(error) = self.store.record_estimate(&self.update.topic, found).await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "estimate not recorded");
                }
            }
        };
        // Whether it came to its end shows in the report.
        let _ = timeout_at(self.schedule.finish_by, work).await;
        self.report
    }
}

async fn fetch<S: ConnectionStore>(
    store: &S,
    update: &Update,
    began_at: Instant,
    page_max: usize,
    cursor: Cursor,
    delay: Duration,
) -> (Cursor, Result<SubscriberPage, StoreError>) {
    if !delay.is_zero() {
        sleep(delay).await;
    }
    let now = update.now + began_at.elapsed();
    let page = store.subscribers(&update.topic, cursor.shard, cursor.after.as_ref(), page_max, now).await;
    (cursor, page)
}

async fn attempt<M: ManagementClient>(management: &M, update: &Update, job: Job) -> Attempt {
    let began_at = Instant::now();
    let result = management.post(&job.subscriber.connection_id, update.payload.clone()).await;
    Attempt { job, took: began_at.elapsed(), result }
}

/// How many were pruned. What the store could not do now, the next pass finds again.
async fn prune_batch<S: ConnectionStore>(store: &S, batch: Vec<Subscription>) -> u64 {
    match store.prune(&batch).await {
        Ok(()) => batch.len() as u64,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "gone connections not pruned");
            0
        }
    }
}

fn is_off(estimate: Option<u64>, found: u64) -> bool {
    let tolerance = ESTIMATE_TOLERANCE_MIN.max(found / ESTIMATE_TOLERANCE_PARTS);
    estimate.unwrap_or(0).abs_diff(found) > tolerance
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
