//! What the clients, the timeline and the driver of a run share.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::sync::watch;

use crate::account::Published;
use crate::clock;
use crate::measured::SeriesName;
use crate::plan::Plan;
use crate::recorder::{PUSH, Recorder, SeriesId, answers, lock, names};
use crate::target::WsTarget;

/// Commands that wait for one client; one that is connecting takes none for up to half a minute.
const COMMANDS_MAX: usize = 1_024;

/// What the timeline tells a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    /// Begin a session: index into the plan's, and the time that was intended on the clock.
    Arrive(u32, u64),
    /// End it, as of a time of the schedule.
    Leave(u64),
    /// The connection breaks.
    Cut,
    /// Send a message: its kind, its number, and its intended time.
    Message(u16, u32, u64),
    /// Say an update, intended for a time.
    Say(u32, u64),
    /// No session comes any more.
    End,
    /// Close at once.
    Stop,
}

/// Where the timeline leaves commands for a client.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    waiting: AtomicUsize,
    commands: Mutex<VecDeque<Command>>,
    waker: AtomicWaker,
    /// Whether the client can send: it is connected, and has its subscription.
    ready: AtomicBool,
    /// Who it plays.
    user: AtomicU32,
}

impl Mailbox {
    /// `false` if the client has too many already.
    pub(crate) fn put(&self, command: Command) -> bool {
        let mut commands = lock(&self.commands);
        // What ends things always fits.
        let bounded = matches!(command, Command::Message(..) | Command::Say(..) | Command::Cut);
        if bounded && commands.len() >= COMMANDS_MAX {
            return false;
        }
        commands.push_back(command);
        self.waiting.store(commands.len(), Ordering::Release);
        drop(commands);
        self.waker.wake();
        true
    }

    /// The next command.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Command> {
        if let Some(command) = self.take() {
            return Poll::Ready(command);
        }
        self.waker.register(cx.waker());
        // One may have come before the waker was there.
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    fn take(&self) -> Option<Command> {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut commands = lock(&self.commands);
        let command = commands.pop_front();
        self.waiting.store(commands.len(), Ordering::Release);
        command
    }

    pub(crate) fn set_ready(&self, user: Option<u32>) {
        if let Some(user) = user {
            self.user.store(user, Ordering::Release);
        }
        self.ready.store(user.is_some(), Ordering::Release);
    }

    /// The user that the client plays, if it can send.
    pub(crate) fn ready(&self) -> Option<u32> {
        self.ready.load(Ordering::Acquire).then(|| self.user.load(Ordering::Acquire))
    }
}

/// Shared state of a run.
#[derive(Debug)]
pub(crate) struct Swarm {
    pub(crate) plan: Plan,
    pub(crate) target: WsTarget,
    pub(crate) names: Vec<SeriesName>,
    /// Method and name of each series in goose's report.
    pub(crate) rows: Vec<(String, String)>,
    /// The series that warm-up is judged by: pushes, else the answers of the first message.
    pub(crate) primary: SeriesId,
    pub(crate) recorder: Recorder,
    pub(crate) mailboxes: Vec<Mailbox>,
    next_slot: AtomicUsize,
    /// Of the schedule, on the monotonic clock.
    start_ns: AtomicU64,
    pub(crate) open: AtomicI64,
    /// Clients that play, waiting ones included.
    pub(crate) playing: AtomicUsize,
    /// By topic: connections that follow it now.
    followers: Vec<AtomicU32>,
    /// By phase: deliveries that became due, as far as the publisher knows.
    due: Vec<AtomicU64>,
    /// Every update of this process below it has been sent or has failed.
    next_update: AtomicU32,
    unpublished: Mutex<HashSet<u32>>,
    any_unpublished: AtomicBool,
    stop: watch::Sender<bool>,
    /// Tells the timeline, which is no task, that nothing more is to be sent.
    halted: AtomicBool,
}

impl Swarm {
    pub(crate) fn new(plan: Plan, target: WsTarget) -> Swarm {
        let names = names(&plan.scenario);
        let primary = match plan.scenario.updates {
            Some(_) => PUSH,
            None if plan.scenario.messages.is_empty() => crate::recorder::CONNECT,
            None => {
                let first = &plan.scenario.app.messages[plan.scenario.messages[0].message];
                answers(0)[usize::from(first.response.is_none())]
            }
        };
        let row = |name: &SeriesName| {
            let what = if name.message.is_empty() { "all" } else { &name.message };
            (name.metric.to_string().to_uppercase(), what.to_owned())
        };
        Swarm {
            recorder: Recorder::new(plan.phases.len()),
            mailboxes: (0..plan.slots).map(|_| Mailbox::default()).collect(),
            next_slot: AtomicUsize::new(0),
            start_ns: AtomicU64::new(0),
            open: AtomicI64::new(0),
            playing: AtomicUsize::new(0),
            followers: (0..plan.topics()).map(|_| AtomicU32::new(0)).collect(),
            due: plan.phases.iter().map(|_| AtomicU64::new(0)).collect(),
            next_update: AtomicU32::new(0),
            unpublished: Mutex::default(),
            any_unpublished: AtomicBool::new(false),
            stop: watch::Sender::new(false),
            halted: AtomicBool::new(false),
            rows: names.iter().map(row).collect(),
            names,
            primary,
            plan,
            target,
        }
    }

    /// Numbers for the clients, in the order in which they start.
    pub(crate) fn next_slot(&self) -> usize {
        self.next_slot.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn set_start(&self, start_ns: u64) {
        self.start_ns.store(start_ns, Ordering::Release);
    }

    /// A time of the schedule on the clock.
    pub(crate) fn at(&self, offset_ns: u64) -> u64 {
        self.start_ns.load(Ordering::Acquire).saturating_add(offset_ns)
    }

    /// The time of the schedule of a time on the clock.
    pub(crate) fn offset_ns(&self, time_ns: u64) -> u64 {
        time_ns.saturating_sub(self.start_ns.load(Ordering::Acquire))
    }

    /// The time of the schedule now.
    pub(crate) fn now_offset_ns(&self) -> u64 {
        self.offset_ns(clock::now_ns())
    }

    /// The phase that it is now.
    pub(crate) fn phase_now(&self) -> usize {
        self.plan.phase_of(self.now_offset_ns())
    }

    /// An error that happened now.
    pub(crate) fn error(
        &self,
        slot: usize,
        during: &'static str,
        kind: &str,
        first: impl FnOnce() -> String,
    ) {
        self.recorder.error(slot, self.phase_now(), during, kind, first);
    }

    pub(crate) fn follow(&self, user: u32, following: bool) {
        for topic in self.plan.followed(user) {
            let followers = &self.followers[topic as usize];
            if following {
                followers.fetch_add(1, Ordering::AcqRel);
            } else {
                followers.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// An update is about to leave.
    pub(crate) fn publishing(&self, update: u32, phase: usize) {
        let followers = self.followers[self.plan.topic_of(update) as usize].load(Ordering::Acquire);
        self.due[phase].fetch_add(u64::from(followers), Ordering::Relaxed);
        self.next_update.store(update + 1, Ordering::Release);
    }

    /// It did not leave after all.
    pub(crate) fn not_published(&self, update: u32) {
        lock(&self.unpublished).insert(update);
        self.any_unpublished.store(true, Ordering::Release);
    }

    /// Deliveries that became due in a phase.
    pub(crate) fn due(&self, phase: usize) -> u64 {
        self.due[phase].load(Ordering::Relaxed)
    }

    /// Nothing more of the schedule is to happen.
    pub(crate) fn halt(&self) {
        self.halted.store(true, Ordering::Release);
    }

    pub(crate) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Acquire)
    }

    /// Ends every session now, and lets it wait for what it is due.
    pub(crate) fn finish(&self) {
        self.halt();
        let now = self.now_offset_ns();
        for mailbox in &self.mailboxes {
            mailbox.put(Command::Leave(now));
            mailbox.put(Command::End);
        }
    }

    /// Closes everything at once.
    pub(crate) fn stop(&self) {
        self.halt();
        self.stop.send_replace(true);
        for mailbox in &self.mailboxes {
            mailbox.put(Command::Stop);
        }
    }

    /// Resolves once the run stops at once. For what is not waiting for its mailbox.
    pub(crate) async fn stopped(&self) {
        // The sender lives as long as `self`.
        let _ = self.stop.subscribe().wait_for(|&stop| stop).await;
    }
}

impl Published for Swarm {
    fn was(&self, update: u32) -> bool {
        // What another process sends, it sends at its time; if it cannot, its report says so.
        if !self.plan.is_own(update) {
            return true;
        }
        update < self.next_update.load(Ordering::Acquire)
            && (!self.any_unpublished.load(Ordering::Acquire) || !lock(&self.unpublished).contains(&update))
    }

    fn all(&self) -> bool {
        !self.is_halted() && !self.any_unpublished.load(Ordering::Acquire)
    }
}
