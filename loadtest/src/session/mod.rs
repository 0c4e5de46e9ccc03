//! One session: a connection from its intended arrival to its end. Everything happens in the client's own task, which
//! waits for the socket, the timeline's commands and one deadline, and for nothing else. What it says is here; what it is told
//! is in `incoming`.

mod incoming;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use crate::account::Account;
use crate::clock;
use crate::measured::{Model, Offered};
use crate::recorder::{CONNECT, FIRST_BYTE, SeriesId, TCP, TLS, UPGRADE};
use crate::scenario::Placeholder;
use crate::socket::{self, Socket, error_kind};
use crate::stamp::{Finder, Kind, Stamp};
use crate::swarm::{Command, Swarm};

/// Wait for an answer: the service's longest integration (29 s), and a second for the way.
pub(crate) const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Wait for a socket to take a message: a target that reads nothing for so long takes none.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Wait for the server's side of the close, pushes on their way included.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Further watch for duplicates once everything has arrived.
const DUPLICATE_WATCH: Duration = Duration::from_millis(250);

/// Messages of one client without an answer. At this bound a message is not sent, and is an error.
const UNANSWERED_MAX: usize = 64;

/// Samples that a client holds before it tells goose.
pub(crate) const SAMPLES_MAX: usize = 64;

/// Frames that are read before other clients of the thread get their turn.
const FRAMES_IN_A_ROW_MAX: u32 = 32;

/// How a session ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// As planned.
    Left,
    /// The timeline broke the connection.
    Cut,
    /// The other side did, or the way to it: kind, and a sentence.
    Dropped(String, String),
    /// The run was stopped.
    Stopped,
}

/// One latency for goose's own report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) series: SeriesId,
    pub(crate) us: u32,
}

/// What waits for an answer.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// Index into the scenario's messages; absent for the subscription.
    message: Option<u16>,
    number: u32,
    intended_ns: u64,
    deadline: Instant,
    /// Still to come: route response, post.
    open: [bool; 2],
}

/// A connection that is open.
pub(crate) struct Session<'a> {
    swarm: &'a Swarm,
    slot: usize,
    user: u32,
    socket: Socket,
    finder: Finder,
    account: Option<Account>,
    pending: VecDeque<Pending>,
    pub(crate) samples: Vec<Sample>,
    /// When to stop waiting for what is due, once it leaves.
    leaving: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
    in_a_row: u32,
    /// Code and reason of the server's close frame.
    closed: Option<(String, String)>,
    /// The timeline has nothing more for this client.
    pub(crate) ended: bool,
    /// Messages that a closed model has sent.
    sent: u32,
}

/// What a session waits for.
enum Next {
    Command(Command),
    Frame(Option<Result<Message, tungstenite::Error>>),
    Deadline,
    /// The samples must go to goose, which only the client's own transaction can tell.
    Full,
}

/// Why [`Session::run`] returned.
pub(crate) enum Pause {
    Ended(End),
    Full,
}

/// Connects, and books how that went.
///
/// # Errors
///
/// The sentence that the error was booked with.
pub(crate) async fn connect<'a>(
    swarm: &'a Swarm,
    slot: usize,
    user: u32,
    intended_ns: u64,
) -> Result<Session<'a>, String> {
    let phase = swarm.plan.phase_of(swarm.offset_ns(intended_ns));
    let started_ns = clock::now_ns();
    {
        let mut shard = swarm.recorder.shard(slot);
        shard.phases[phase].attempts += 1;
        shard.lag(phase, Offered::Connects, started_ns.saturating_sub(intended_ns));
    }
    let connected = tokio::select! {
        connected = socket::connect(&swarm.target, slot) => connected,
        () = swarm.stopped() => return Err("the run was stopped".to_owned()),
    };
    let now_ns = clock::now_ns();
    let (socket, steps) = connected.map_err(|error| {
        swarm.recorder.error(slot, phase, "connect", &error.kind, || error.text.clone());
        error.text
    })?;
    let connect_ns = now_ns.saturating_sub(intended_ns);
    let mut shard = swarm.recorder.shard(slot);
    shard.done(phase, Offered::Connects, swarm.offset_ns(now_ns));
    shard.time(phase, CONNECT, connect_ns);
    shard.time(phase, TCP, steps.tcp_ns);
    if let Some(tls_ns) = steps.tls_ns {
        shard.time(phase, TLS, tls_ns);
    }
    shard.time(phase, FIRST_BYTE, steps.first_byte_ns);
    shard.time(phase, UPGRADE, steps.upgrade_ns);
    if swarm.primary == CONNECT {
        shard.mean(swarm.offset_ns(intended_ns), connect_ns);
    }
    drop(shard);
    swarm.open.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Ok(Session {
        swarm,
        slot,
        user,
        socket,
        finder: Finder::default(),
        account: None,
        pending: VecDeque::new(),
        samples: vec![Sample { series: CONNECT, us: micros(connect_ns) }],
        leaving: None,
        sleep: None,
        in_a_row: 0,
        closed: None,
        ended: false,
        sent: 0,
    })
}

impl Session<'_> {
    /// Subscribes, if the app has a subscription.
    pub(crate) async fn begin(&mut self) -> Result<(), End> {
        let swarm = self.swarm;
        let Some(subscribe) = swarm.plan.scenario.app.subscribe.as_ref().filter(|_| swarm.plan.topics() > 0)
        else {
            self.followed();
            return Ok(());
        };
        let text = subscribe.send.render(|placeholder, out| match placeholder {
            Placeholder::Topics => {
                for (number, topic) in swarm.plan.followed(self.user).enumerate() {
                    if number > 0 {
                        out.push(',');
                    }
                    out.push('"');
                    out.push_str(&swarm.plan.topic_name(topic));
                    out.push('"');
                }
            }
            Placeholder::Topic => {
                if let Some(topic) = swarm.plan.followed(self.user).next() {
                    out.push_str(&swarm.plan.topic_name(topic));
                }
            }
            other => self.fill(other, None, out),
        });
        let intended_ns = clock::now_ns();
        let phase = swarm.plan.phase_of(swarm.offset_ns(intended_ns));
        swarm.recorder.shard(self.slot).phases[phase].attempts += 1;
        if subscribe.reply.is_some() {
            self.expect(Pending {
                message: None,
                number: 0,
                intended_ns,
                deadline: Instant::now() + REPLY_TIMEOUT,
                open: [true, false],
            });
        }
        self.send(text).await?;
        if subscribe.reply.is_none() {
            self.followed();
        }
        Ok(())
    }

    /// Lasts until the connection ends, or goose must be told something.
    pub(crate) async fn run(&mut self) -> Pause {
        // Without a subscription nothing comes before the first message of a closed model.
        if let Err(end) = self.reply_in_turn().await {
            return Pause::Ended(end);
        }
        loop {
            let ended = match poll_fn(|cx| self.poll_next(cx)).await {
                Next::Frame(Some(Ok(message))) => {
                    self.in_a_row += 1;
                    self.take(message);
                    self.reply_in_turn().await
                }
                Next::Frame(end) => Err(self.dropped(end)),
                Next::Command(command) => Box::pin(self.command(command)).await,
                Next::Deadline => self.deadline().await,
                Next::Full => return Pause::Full,
            };
            if let Err(end) = ended {
                return Pause::Ended(end);
            }
            if self.in_a_row >= FRAMES_IN_A_ROW_MAX {
                self.in_a_row = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Closes the books, and the connection if it is still there.
    pub(crate) async fn close(mut self, end: &End) -> Vec<Sample> {
        let swarm = self.swarm;
        self.not_ready();
        let offset_ns = swarm.now_offset_ns();
        if let Some(account) = &mut self.account {
            account.end(&swarm.plan, offset_ns);
        }
        if matches!(end, End::Left | End::Stopped) {
            let closing = async {
                if self.socket.close(None).await.is_ok() {
                    while let Some(Ok(message)) = self.socket.next().await {
                        self.take(message);
                        self.samples.truncate(SAMPLES_MAX);
                    }
                }
            };
            // The session is over: a server that does not answer the close has delivered what it will.
            let _ = timeout(CLOSE_TIMEOUT, closing).await;
        }
        swarm.open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        // A run that was stopped gave them no time.
        if *end != End::Stopped {
            for _ in 0..self.pending.len() {
                swarm.error(self.slot, "request", "no answer", || {
                    "the session ended before an answer came".to_owned()
                });
            }
        }
        if let Some(account) = &self.account {
            let mut shard = swarm.recorder.shard(self.slot);
            for (phase, reach) in account.settle(&swarm.plan, swarm) {
                shard.phases[phase].reach += reach;
            }
        }
        self.samples
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if self.samples.len() >= SAMPLES_MAX {
            return Poll::Ready(Next::Full);
        }
        if let Poll::Ready(command) = self.swarm.mailboxes[self.slot].poll(cx) {
            return Poll::Ready(Next::Command(command));
        }
        if let Poll::Ready(frame) = self.socket.poll_next_unpin(cx) {
            return Poll::Ready(Next::Frame(frame));
        }
        self.in_a_row = 0;
        match self.sleep.as_mut().map(|sleep| sleep.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => {
                self.sleep = None;
                Poll::Ready(Next::Deadline)
            }
            _ => Poll::Pending,
        }
    }

    async fn command(&mut self, command: Command) -> Result<(), End> {
        match command {
            Command::Leave(until_ns) => {
                self.not_ready();
                if let Some(account) = &mut self.account {
                    account.end(&self.swarm.plan, until_ns);
                }
                self.leaving.get_or_insert(Instant::now() + self.swarm.plan.scenario.straggler_wait);
                self.complete();
                self.set_sleep();
                Ok(())
            }
            Command::Message(kind, number, intended_ns) => self.message(kind, number, intended_ns).await,
            Command::Say(update, intended_ns) => self.say(update, intended_ns).await,
            Command::Cut => Err(End::Cut),
            Command::Stop => Err(End::Stopped),
            Command::End => {
                self.ended = true;
                Ok(())
            }
            // The session before it lasts longer than planned: it comes again once this one is over.
            Command::Arrive(session, intended_ns) => {
                self.swarm.mailboxes[self.slot].put(Command::Arrive(session, intended_ns));
                Err(End::Left)
            }
        }
    }

    async fn message(&mut self, kind: u16, number: u32, intended_ns: u64) -> Result<(), End> {
        let swarm = self.swarm;
        let scenario = &swarm.plan.scenario;
        let message = &scenario.app.messages[scenario.messages[kind as usize].message];
        let phase = swarm.plan.phase_of(swarm.offset_ns(intended_ns));
        swarm.recorder.shard(self.slot).phases[phase].attempts += 1;
        if self.pending.len() >= UNANSWERED_MAX {
            swarm.recorder.error(self.slot, phase, "request", "too many unanswered", || {
                format!(
                    "{UNANSWERED_MAX} messages of one client have no answer, so that no further one was sent"
                )
            });
            return Ok(());
        }
        let stamp =
            Stamp::new(Kind::Message, swarm.plan.run, self.user, number, u32::from(kind), intended_ns);
        let text = message.send.render(|placeholder, out| match placeholder {
            Placeholder::Version => out.push_str(&number.to_string()),
            other => self.fill(other, Some(stamp), out),
        });
        let open = [message.response.is_some(), message.post.is_some()];
        if open != [false, false] {
            let deadline = Instant::now() + REPLY_TIMEOUT;
            self.expect(Pending { message: Some(kind), number, intended_ns, deadline, open });
        }
        let now_ns = clock::now_ns();
        let sent = self.send(text).await;
        let mut shard = swarm.recorder.shard(self.slot);
        shard.lag(phase, Offered::Messages, now_ns.saturating_sub(intended_ns));
        if sent.is_ok() {
            shard.done(phase, Offered::Messages, swarm.offset_ns(now_ns));
            shard.phases[phase].frames += 1;
        }
        drop(shard);
        sent
    }

    /// Says an update, as the cause of everybody's push.
    async fn say(&mut self, update: u32, intended_ns: u64) -> Result<(), End> {
        let swarm = self.swarm;
        let Some(crate::scenario::Cause::Socket { send, returns_to_sender }) = &swarm.plan.scenario.app.cause
        else {
            return Ok(());
        };
        let (topic, version) = (swarm.plan.topic_of(update), swarm.plan.version_of(update));
        let name = swarm.plan.topic_name(topic);
        let stamp = Stamp::new(Kind::Update, swarm.plan.run, topic, version, update, intended_ns);
        let text = crate::cause::Update { topic: &name, version, run: swarm.plan.run, stamp }.render(send);
        if let (false, Some(account)) = (returns_to_sender, &mut self.account)
            && let Some(position) = swarm.plan.position(self.user, topic)
        {
            account.waive(position, version);
        }
        let phase = swarm.plan.phase_of(swarm.offset_ns(intended_ns));
        let now_ns = clock::now_ns();
        let sent = self.send(text).await;
        let mut shard = swarm.recorder.shard(self.slot);
        shard.lag(phase, Offered::Updates, now_ns.saturating_sub(intended_ns));
        match sent {
            Ok(()) => shard.done(phase, Offered::Updates, swarm.offset_ns(now_ns)),
            Err(_) => swarm.not_published(update),
        }
        drop(shard);
        sent
    }

    /// In a closed model, the next message leaves when the last one is answered.
    async fn reply_in_turn(&mut self) -> Result<(), End> {
        let swarm = self.swarm;
        let scenario = &swarm.plan.scenario;
        let idle = self.pending.is_empty() && self.leaving.is_none() && self.account.is_some();
        if scenario.model != Model::Closed || !idle || scenario.messages.is_empty() || swarm.is_halted() {
            return Ok(());
        }
        let kind = self.sent % scenario.messages.len() as u32;
        self.sent += 1;
        // In memory of its own: a client is mostly one that waits.
        Box::pin(self.message(kind as u16, self.sent, clock::now_ns())).await
    }

    async fn send(&mut self, text: String) -> Result<(), End> {
        match timeout(SEND_TIMEOUT, self.socket.send(Message::Text(Utf8Bytes::from(text)))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.dropped(Some(Err(error)))),
            Err(_) => Err(End::Dropped(
                "send timeout".to_owned(),
                format!("the target took nothing for {} s", SEND_TIMEOUT.as_secs()),
            )),
        }
    }

    fn fill(&self, placeholder: Placeholder, stamp: Option<Stamp>, out: &mut String) {
        match placeholder {
            Placeholder::Stamp => {
                if let Some(stamp) = stamp {
                    stamp.write(out);
                }
            }
            Placeholder::User => out.push_str(&self.user.to_string()),
            Placeholder::Run => out.push_str(&format!("{:08x}", self.swarm.plan.run)),
            Placeholder::Topic => {
                if let Some(topic) = self.swarm.plan.followed(self.user).next() {
                    out.push_str(&self.swarm.plan.topic_name(topic));
                }
            }
            Placeholder::Topics | Placeholder::Version => {}
        }
    }

    /// From now on it is due the updates of its topics.
    fn followed(&mut self) {
        let swarm = self.swarm;
        self.account = Some(Account::new(&swarm.plan, self.user, swarm.now_offset_ns()));
        swarm.follow(self.user, true);
        swarm.mailboxes[self.slot].set_ready(Some(self.user));
    }

    fn not_ready(&mut self) {
        let mailbox = &self.swarm.mailboxes[self.slot];
        if mailbox.ready().is_some() {
            mailbox.set_ready(None);
            self.swarm.follow(self.user, false);
        }
    }

    /// The connection ended by itself.
    fn dropped(&mut self, end: Option<Result<Message, tungstenite::Error>>) -> End {
        match (self.closed.take(), end) {
            (Some((kind, text)), _) => {
                End::Dropped(kind, format!("the server closed the connection: {text}"))
            }
            (None, Some(Err(error))) => {
                End::Dropped(error_kind(&error), format!("the connection broke: {error}"))
            }
            (None, _) => End::Dropped(
                "no close frame".to_owned(),
                "the connection ended without a close frame".to_owned(),
            ),
        }
    }

    fn expect(&mut self, pending: Pending) {
        self.pending.push_back(pending);
        self.set_sleep();
    }

    /// Once it leaves and has everything, it only watches for duplicates.
    fn complete(&mut self) {
        let Some(leaving) = self.leaving else { return };
        let has_all =
            self.account.as_ref().is_none_or(|account| account.is_complete(self.swarm, &self.swarm.plan));
        if has_all && self.pending.is_empty() {
            self.leaving = Some(leaving.min(Instant::now() + DUPLICATE_WATCH));
            self.set_sleep();
        }
    }

    /// Sleeps until the first deadline, if there is one.
    fn set_sleep(&mut self) {
        let reply = self.pending.front().map(|pending| pending.deadline);
        let Some(deadline) = reply.into_iter().chain(self.leaving).min() else {
            // It fires for nothing, which is cheaper than a timer for each message.
            return;
        };
        match &mut self.sleep {
            // An earlier one looks again by itself.
            Some(sleep) if sleep.deadline() <= deadline => {}
            Some(sleep) => sleep.as_mut().reset(deadline),
            None => self.sleep = Some(Box::pin(sleep_until(deadline))),
        }
    }

    async fn deadline(&mut self) -> Result<(), End> {
        let now = Instant::now();
        while let Some(pending) = self.pending.pop_front_if(|pending| pending.deadline <= now) {
            let what = match pending.message {
                None => "the subscription",
                Some(_) => "a message",
            };
            self.swarm.error(self.slot, "request", "timeout", || {
                format!("no answer to {what} within {} s", REPLY_TIMEOUT.as_secs())
            });
        }
        if self.leaving.is_some_and(|leaving| leaving <= now) {
            return Err(End::Left);
        }
        self.complete();
        self.set_sleep();
        self.reply_in_turn().await
    }
}

fn micros(ns: u64) -> u32 {
    u32::try_from(ns / 1_000).unwrap_or(u32::MAX)
}
