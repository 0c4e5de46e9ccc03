//! One pass over the subscribers of a topic.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dunlin_connection_store::{ConnectionStore, Head, Shard, StoreError, SubscriberPage, Subscription};
use dunlin_management::ManagementClient;
use futures_util::future::{Fuse, FusedFuture as _, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::audience::{Audience, Job, PageRequest};
use crate::governor::{Governor, Place};
use crate::schedule::Schedule;
use crate::{PRUNE_BATCH_MAX, Report, Update};

/// An estimate is written again when it is off by more than one part in this many ...
const ESTIMATE_TOLERANCE_PARTS: u64 = 8;

/// ... and by more than this many: a steady audience, or a small one, costs no writes.
const ESTIMATE_TOLERANCE_MIN: u64 = 50;

/// A pass under way. Everything it does runs inside the one task that polls [`run`](Self::run): one loop that reads
/// pages, prunes and starts workers, and as many workers as there are posts in flight. A worker goes from post to post on
/// its own, and ends when the loop is needed.
pub(crate) struct Pass<'a, S, M> {
    pub(crate) store: &'a S,
    pub(crate) management: &'a M,
    pub(crate) governor: &'a Governor,
    pub(crate) update: &'a Update,
    pub(crate) page_subscribers_max: usize,
    pub(crate) schedule: Schedule,
    /// Never locked across an await.
    pub(crate) audience: Mutex<Audience<'a>>,
}

/// What the loop holds for the next post.
#[derive(Default)]
struct Ready<'a> {
    place: Option<Place<'a>>,
    turn: Option<Instant>,
}

/// What the loop waits for, apart from what is under way.
enum Wait {
    Until(Instant),
    ForPlace,
    ForNothing,
}

impl<'a, S: ConnectionStore, M: ManagementClient> Pass<'a, S, M> {
    /// Makes the pass. With a head, it is one over everyone, and its count is worth recording there.
    pub(crate) async fn run(&self, head: Option<&Head>) -> Report {
        let mut workers = FuturesUnordered::new();
        let mut page = pin!(Fuse::terminated());
        let mut prune = pin!(Fuse::terminated());
        let mut place = pin!(Fuse::terminated());
        let mut stop = pin!(sleep_until(self.schedule.stop_at));
        let mut ready = Ready::default();
        loop {
            let wait = loop {
                if let Some(request) = self.audience().begin_page() {
                    page.set(self.read_page(request).fuse());
                }
                if let Some(batch) = self.audience().begin_prune() {
                    prune.set(self.prune(batch).fuse());
                }
                match self.next_post(&mut ready) {
                    Ok((job, began_at, place)) => workers.push(self.work(job, began_at, place)),
                    Err(wait) => break wait,
                }
                // Each begins its post at once. One whose posts need not wait makes all of them, and needs no second.
                let _ended = workers.next().now_or_never();
            };
            if !matches!(wait, Wait::ForPlace) {
                // Asked for when there was somebody to post to, and somebody else's by now.
                ready.place = None;
            }
            let wake_at = match wait {
                Wait::Until(at) => Some(at),
                // With the whole window its own, the next place is one that its own worker gives back.
                Wait::ForPlace if workers.len() < self.governor.posts_in_flight_max() => {
                    if place.is_terminated() {
                        place.set(self.governor.place().fuse());
                    }
                    None
                }
                Wait::ForPlace | Wait::ForNothing => None,
            };
            if workers.is_empty() && self.audience().is_done() {
                break;
            }
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(()) = workers.next(), if !workers.is_empty() => {}
                (shard, result) = &mut page => self.audience().take_page(shard, result),
                pruned = &mut prune => self.audience().end_prune(pruned),
                taken = &mut place => ready.place = Some(taken),
                () = sleep_until(wake_at.unwrap_or(self.schedule.stop_at)), if wake_at.is_some() => {}
            }
        }
        // No further post begins: workers end with the one under way, and give their places back.
        place.set(Fuse::terminated());
        drop(ready);
        let mut answers_by = pin!(sleep_until(self.schedule.answers_by));
        while !workers.is_empty() {
            tokio::select! {
                biased;
                Some(()) = workers.next() => {}
                pruned = &mut prune => self.audience().end_prune(pruned),
                () = &mut answers_by => break,
            }
        }
        drop(workers);
        if !prune.is_terminated() {
            let pruned = timeout_at(self.schedule.finish_by, &mut prune).await.unwrap_or_default();
            self.audience().end_prune(pruned);
        }
        self.finish(head).await
    }

    /// The next post, with its place in the window, if audience, pace and window allow one; else what to wait for.
    fn next_post(&self, ready: &mut Ready<'a>) -> Result<(Job, Instant, Place<'a>), Wait> {
        let now = Instant::now();
        let mut audience = self.audience();
        let due = audience.due().ok_or(Wait::ForNothing)?;
        if due > now {
            return Err(Wait::Until(due));
        }
        let turn = *ready.turn.get_or_insert_with(|| self.governor.reserve(now));
        if turn > now {
            return Err(Wait::Until(turn));
        }
        let place = ready.place.take().or_else(|| self.governor.try_place()).ok_or(Wait::ForPlace)?;
        let job = audience.next(now).ok_or(Wait::ForNothing)?;
        ready.turn = None;
        Ok((job, now, place))
    }

    /// Posts to this subscriber and then to others, until there is nobody, somebody else's turn, or something else to do.
    async fn work(&self, job: Job, mut began_at: Instant, _place: Place<'a>) {
        let mut held = Held { audience: &self.audience, job: Some(job) };
        while let Some(job) = &held.job {
            let result = self.management.post(&job.connection_id, self.update.payload.clone()).await;
            let now = Instant::now();
            self.governor.answered(began_at, now, &result, job.throttled);
            let mut audience = self.audience();
            let Some(job) = held.job.take() else { return };
            audience.settle(job, (began_at, now), result);
            let goes_on = !self.governor.is_contended()
                && !audience.wants_attention()
                && audience.due().is_some_and(|due| due <= now)
                && self.governor.try_take(now);
            held.job = if goes_on { audience.next(now) } else { None };
            began_at = now;
        }
    }

    async fn read_page(&self, request: PageRequest) -> (Shard, Result<SubscriberPage, StoreError>) {
        let PageRequest { shard, after, delay } = request;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let now = self.counting_call().wall_clock(Instant::now());
        let topic = &self.update.topic;
        let page = self.store.subscribers(topic, shard, after.as_ref(), self.page_subscribers_max, now);
        (shard, page.await)
    }

    /// How many were pruned. What the store could not do now, the next pass finds again.
    async fn prune(&self, batch: Vec<Subscription>) -> u64 {
        drop(self.counting_call());
        match self.store.prune(&batch).await {
            Ok(()) => batch.len() as u64,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "gone connections not pruned");
                0
            }
        }
    }

    /// What can still be done for the store before the caller must have the report.
    async fn finish(&self, head: Option<&Head>) -> Report {
        let gone = self.audience().take_gone();
        let work = async {
            for batch in gone.chunks(PRUNE_BATCH_MAX) {
                let pruned = self.prune(batch.to_vec()).await;
                self.audience().end_prune(pruned);
            }
        };
        // Whether it came to its end shows in the report.
        let _ = timeout_at(self.schedule.finish_by, work).await;
        let mut report = self.audience().close();
        report.posts_per_s_max = self.governor.per_s(Instant::now()).map(|per_s| per_s.round() as u64);
        let found = report.subscribers();
        if let Some(head) = head
            && report.enumerated
            && is_off(head.subscriber_estimate, found)
        {
            report.cost.store_calls += 1;
            // Only a hint for later passes: without it they plan with the old one.
            let recorded = self.store.record_estimate(&self.update.topic, found);
            if let Ok(Err(error)) = timeout_at(self.schedule.finish_by, recorded).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "estimate not recorded");
            }
        }
        report
    }

    fn counting_call(&self) -> MutexGuard<'_, Audience<'a>> {
        let mut audience = self.audience();
        audience.report.cost.store_calls += 1;
        audience
    }

    fn audience(&self) -> MutexGuard<'_, Audience<'a>> {
        locked(&self.audience)
    }
}

/// The subscriber whom a worker posts to. Whoever drops the worker in the middle of it leaves the subscriber to the checkpoint.
struct Held<'p, 'a> {
    audience: &'p Mutex<Audience<'a>>,
    job: Option<Job>,
}

impl Drop for Held<'_, '_> {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            locked(self.audience).abandon(job);
        }
    }
}

fn locked<'g, 'a>(audience: &'g Mutex<Audience<'a>>) -> MutexGuard<'g, Audience<'a>> {
    // A panic of the client ends the whole pass, and nobody reads the books any more.
    audience.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_off(estimate: Option<u64>, found: u64) -> bool {
    let tolerance = ESTIMATE_TOLERANCE_MIN.max(found / ESTIMATE_TOLERANCE_PARTS);
    estimate.unwrap_or(0).abs_diff(found) > tolerance
}
