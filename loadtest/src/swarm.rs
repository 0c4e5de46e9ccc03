//! What the clients, the publisher and the driver of a run share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use tokio::sync::{Notify, watch};

use crate::account::Tally;
use crate::clock::Clock;
use crate::plan::Plan;
use crate::recorder::{Recorder, lock};
use crate::target::Target;

/// Shared state of a run.
#[derive(Debug)]
pub(crate) struct Swarm {
    pub(crate) plan: Plan,
    pub(crate) target: Target,
    pub(crate) clock: Clock,
    pub(crate) recorder: Recorder,
    /// Numbers for the clients, in the order in which they start.
    next_user: AtomicU64,
    ramp: watch::Sender<Ramp>,
    /// Time of the schedule's start on the clock; 0 before it is known.
    start_ns: AtomicU64,
    /// By device: connections that follow it now.
    followers: Vec<AtomicU32>,
    /// By device: updates published so far. Read together with `followers` it need not be exact: see `publishing`.
    published: Vec<AtomicU32>,
    /// Deliveries that are due and have not happened.
    outstanding: AtomicI64,
    arrived: AtomicU64,
    all_arrived: Notify,
    stop: watch::Sender<bool>,
    /// Tells the publisher, which is no task.
    stopped: AtomicBool,
    outcomes: Mutex<Outcomes>,
}

/// How far the clients are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ramp {
    pub(crate) following: usize,
    pub(crate) failed: usize,
    closed: bool,
}

impl Ramp {
    pub(crate) fn settled(self) -> usize {
        self.following + self.failed
    }
}

/// What came of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) unexpected: u64,
    pub(crate) corrupt: u64,
    pub(crate) error_frames: u64,
    pub(crate) first_error_frame: Option<String>,
    /// Why the connection ended before it was told to.
    pub(crate) dropped: Option<String>,
}

/// Sums over connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) sum: Outcome,
    pub(crate) dropped: usize,
    pub(crate) first_failure: Option<String>,
    pub(crate) goose_pushes_dropped: u64,
}

impl Swarm {
    pub(crate) fn new(plan: Plan, target: Target) -> Swarm {
        let devices = plan.load.devices;
        Swarm {
            recorder: Recorder::new(plan.seconds()),
            plan,
            target,
            clock: Clock::start(),
            next_user: AtomicU64::new(0),
            ramp: watch::Sender::default(),
            start_ns: AtomicU64::new(0),
            followers: (0..devices).map(|_| AtomicU32::new(0)).collect(),
            published: (0..devices).map(|_| AtomicU32::new(0)).collect(),
            outstanding: AtomicI64::new(0),
            arrived: AtomicU64::new(0),
            all_arrived: Notify::new(),
            stop: watch::Sender::new(false),
            stopped: AtomicBool::new(false),
            outcomes: Mutex::default(),
        }
    }

    pub(crate) fn next_user(&self) -> usize {
        usize::try_from(self.next_user.fetch_add(1, Ordering::Relaxed))
            .expect("users were counted in a usize")
    }

    /// A client has its list: from now on it is due the updates of its devices. `false` if publishing has begun.
    pub(crate) fn follow(&self, user: usize) -> bool {
        self.add_follower(user);
        let in_time = self.ramp.send_if_modified(|ramp| {
            ramp.following += usize::from(!ramp.closed);
            !ramp.closed
        });
        if !in_time {
            self.remove_follower(user);
        }
        in_time
    }

    /// No client can join any more: who is due what must be known when an update is published.
    pub(crate) fn close_ramp(&self) -> Ramp {
        self.ramp.send_modify(|ramp| ramp.closed = true);
        *self.ramp.borrow()
    }

    /// A client did not get its list.
    pub(crate) fn fail(&self, reason: String) {
        lock(&self.outcomes).first_failure.get_or_insert(reason);
        self.ramp.send_modify(|ramp| ramp.failed += 1);
    }

    pub(crate) fn ramp(&self) -> watch::Receiver<Ramp> {
        self.ramp.subscribe()
    }

    pub(crate) fn set_start(&self, start_ns: u64) {
        self.start_ns.store(start_ns, Ordering::Relaxed);
    }

    /// The time since the schedule's start of a time on the clock.
    pub(crate) fn offset_ns(&self, time_ns: u64) -> u64 {
        time_ns.saturating_sub(self.start_ns.load(Ordering::Relaxed))
    }

    /// An update is about to be published. Counted before it is sent, so that no delivery can come first.
    pub(crate) fn publishing(&self, device: usize) {
        self.published[device].fetch_add(1, Ordering::AcqRel);
        let followers = self.followers[device].load(Ordering::Acquire);
        self.outstanding.fetch_add(i64::from(followers), Ordering::AcqRel);
    }

    /// The update was not published after all.
    pub(crate) fn not_published(&self, device: usize) {
        self.published[device].fetch_sub(1, Ordering::AcqRel);
        let followers = self.followers[device].load(Ordering::Acquire);
        self.settle_deliveries(i64::from(followers));
    }

    /// A delivery happened, for the first time.
    pub(crate) fn arrived(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        self.settle_deliveries(1);
    }

    /// A connection ended by itself: what it was due will not come.
    pub(crate) fn leave(&self, user: usize, tally: Tally) {
        self.remove_follower(user);
        self.settle_deliveries(i64::try_from(tally.gaps + tally.lost).unwrap_or(i64::MAX));
    }

    /// By slot of a client: versions of its devices that were published.
    pub(crate) fn published(&self, user: usize) -> impl Iterator<Item = u32> + use<'_> {
        self.plan.followed(user).map(|device| self.published[device].load(Ordering::Acquire))
    }

    pub(crate) fn outstanding(&self) -> i64 {
        self.outstanding.load(Ordering::Acquire)
    }

    pub(crate) fn arrived_count(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Waits until nothing is outstanding.
    pub(crate) async fn all_arrived(&self) {
        while self.outstanding() > 0 {
            self.all_arrived.notified().await;
        }
    }

    /// Tells all clients to close, and the publisher to end.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.stop.send_replace(true);
    }

    /// Resolves once the run stops.
    pub(crate) async fn stopped(&self) {
        // The sender lives as long as `self`.
        let _ = self.stop.subscribe().wait_for(|&stop| stop).await;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Adds a connection's outcome to the sums.
    pub(crate) fn book(&self, outcome: Outcome, goose_pushes_dropped: u64) {
        let mut outcomes = lock(&self.outcomes);
        outcomes.goose_pushes_dropped += goose_pushes_dropped;
        let sum = &mut outcomes.sum;
        sum.tally += outcome.tally;
        sum.unexpected += outcome.unexpected;
        sum.corrupt += outcome.corrupt;
        sum.error_frames += outcome.error_frames;
        if sum.first_error_frame.is_none() {
            sum.first_error_frame = outcome.first_error_frame;
        }
        if let Some(reason) = outcome.dropped {
            outcomes.dropped += 1;
            outcomes.first_failure.get_or_insert(reason);
        }
    }

    pub(crate) fn outcomes(&self) -> Outcomes {
        lock(&self.outcomes).clone()
    }

    fn add_follower(&self, user: usize) {
        for device in self.plan.followed(user) {
            self.followers[device].fetch_add(1, Ordering::AcqRel);
        }
    }

    fn remove_follower(&self, user: usize) {
        for device in self.plan.followed(user) {
            self.followers[device].fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn settle_deliveries(&self, deliveries: i64) {
        let before = self.outstanding.fetch_sub(deliveries, Ordering::AcqRel);
        if before - deliveries <= 0 {
            // One waiter at most, the driver; a permit stays for it if it is not waiting yet.
            self.all_arrived.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::tests::swarm;

    /// Six clients follow two of four devices each: three followers a device.
    fn following() -> Swarm {
        let swarm = swarm();
        assert!((0..6).all(|user| swarm.follow(user)));
        swarm
    }

    #[tokio::test]
    async fn all_have_arrived_once_each_delivery_happened() {
        let swarm = following();
        swarm.publishing(0);
        swarm.publishing(1);
        assert_eq!(swarm.outstanding(), 6);
        for _ in 0..6 {
            assert!(tokio::time::timeout(std::time::Duration::ZERO, swarm.all_arrived()).await.is_err());
            swarm.arrived();
        }
        swarm.all_arrived().await;
        assert_eq!(swarm.arrived_count(), 6);
    }

    #[tokio::test]
    async fn nothing_is_awaited_of_a_client_that_left_or_an_update_that_failed() {
        let swarm = following();
        swarm.publishing(0);
        swarm.publishing(1);
        // Client 0 follows devices 0 and 1; it got one of the two.
        swarm.arrived();
        swarm.leave(0, Tally { expected: 2, received: 1, lost: 1, ..Tally::default() });
        swarm.publishing(0);
        swarm.not_published(0);
        assert_eq!(swarm.outstanding(), 4);
        assert_eq!(swarm.published(0).collect::<Vec<_>>(), [1, 1]);
        (0..4).for_each(|_| swarm.arrived());
        swarm.all_arrived().await;
    }

    #[test]
    fn who_comes_after_the_ramp_is_due_nothing() {
        let swarm = swarm();
        assert!(swarm.follow(0));
        assert_eq!(swarm.close_ramp().following, 1);
        assert!(!swarm.follow(2));
        swarm.publishing(0);
        assert_eq!(swarm.outstanding(), 1);
    }
}
