//! The task that reads one client's socket. It never waits for goose, so that a push is seen when it comes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::account::{Account, Arrival};
use crate::recorder::lock;
use crate::socket::Socket;
use crate::swarm::{Outcome, Swarm};
use crate::wire::{self, Frame, Push};

/// Wait for the server's side of the close, pushes on their way included.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Pushes that a client holds for goose's report between two of goose's turns. What does not fit is counted, and is
/// in every other part of the report.
const GOOSE_SAMPLES_MAX: usize = 512;

/// Characters of the first error frame that the report keeps.
const ERROR_FRAME_CHARS_MAX: usize = 300;

/// Push latencies on their way to goose, which only takes them inside of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    queue: Mutex<(Vec<Duration>, u64)>,
}

impl Samples {
    fn add(&self, latency: Duration) {
        let (samples, dropped) = &mut *lock(&self.queue);
        if samples.len() < GOOSE_SAMPLES_MAX { samples.push(latency) } else { *dropped += 1 }
    }

    pub(crate) fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut lock(&self.queue).0)
    }

    pub(crate) fn dropped(&self) -> u64 {
        lock(&self.queue).1
    }
}

/// A client's reader.
pub(crate) struct Reader {
    swarm: Arc<Swarm>,
    user: usize,
    samples: Arc<Samples>,
    /// Gets the reply to `set_notify_list`, or what came in its place.
    reply: Option<oneshot::Sender<Result<(), String>>>,
    account: Account,
    outcome: Outcome,
    /// Code and reason of the server's close frame.
    closed: Option<String>,
}

impl Reader {
    pub(crate) fn new(
        swarm: Arc<Swarm>,
        user: usize,
        samples: Arc<Samples>,
        reply: oneshot::Sender<Result<(), String>>,
    ) -> Reader {
        let account = Account::new(swarm.plan.load.devices_per_user, swarm.plan.version_max());
        Reader {
            swarm,
            user,
            samples,
            reply: Some(reply),
            account,
            outcome: Outcome::default(),
            closed: None,
        }
    }

    /// Reads until the run stops, then closes; or until the connection ends.
    pub(crate) async fn run(mut self, mut socket: Socket) -> Outcome {
        let swarm = Arc::clone(&self.swarm);
        let stopped = swarm.stopped();
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(message)) => self.take(message),
                    end => {
                        self.drop_out(end);
                        break;
                    }
                },
                () = &mut stopped => {
                    self.close(&mut socket).await;
                    break;
                }
            }
        }
        let tally = self.account.settle(self.swarm.published(self.user));
        // A client without its list is due nothing, and has not been counted as a follower.
        if self.reply.is_none() {
            self.outcome.tally = tally;
            if self.outcome.dropped.is_some() {
                self.swarm.leave(self.user, tally);
            }
        }
        self.outcome
    }

    fn take(&mut self, message: Message) {
        let now_ns = self.swarm.clock.now_ns();
        match message {
            Message::Text(text) => match wire::classify(&text) {
                Frame::Push(push) => self.push(&push, now_ns),
                Frame::NotifyList => self.answer(Ok(()), &text),
                Frame::Other => self.answer(Err(cut(&text)), &text),
            },
            Message::Binary(_) => self.error_frame("a binary frame"),
            Message::Close(frame) => {
                self.closed = Some(match frame {
                    Some(frame) => {
                        format!("code {} {}", u16::from(frame.code), frame.reason).trim_end().to_owned()
                    }
                    None => "no code".to_owned(),
                });
            }
            // tungstenite answers pings by itself, with the next read.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }

    fn push(&mut self, push: &Push<'_>, now_ns: u64) {
        let Some(slot) = self.swarm.plan.slot(self.user, push.device_id) else {
            self.outcome.unexpected += 1;
            return;
        };
        match self.account.arrive(slot, push.version) {
            Arrival::Unexpected => self.outcome.unexpected += 1,
            Arrival::Duplicate => {}
            Arrival::Newest | Arrival::Late => {
                if push.sequence == push.version {
                    self.record(push.intended_ns, now_ns);
                } else {
                    self.outcome.corrupt += 1;
                }
                self.swarm.arrived();
            }
        }
    }

    fn record(&self, intended_ns: u64, now_ns: u64) {
        let latency = Duration::from_nanos(now_ns.saturating_sub(intended_ns));
        let offset_ns = self.swarm.offset_ns(intended_ns);
        let warm_up = self.swarm.plan.is_warm_up(offset_ns);
        let second = self.swarm.plan.second_of(offset_ns);
        self.swarm.recorder.shard(self.user).push(latency, second, warm_up);
        self.samples.add(latency);
    }

    fn answer(&mut self, answer: Result<(), String>, text: &str) {
        match self.reply.take() {
            // The client's transaction may have given up waiting; then it has said so.
            Some(reply) => drop(reply.send(answer)),
            None => self.error_frame(text),
        }
    }

    fn error_frame(&mut self, text: &str) {
        self.outcome.error_frames += 1;
        self.outcome.first_error_frame.get_or_insert_with(|| cut(text));
    }

    fn drop_out(&mut self, end: Option<Result<Message, Error>>) {
        self.outcome.dropped = Some(match (self.closed.take(), end) {
            (Some(closed), _) => format!("the server closed the connection: {closed}"),
            (None, Some(Err(error))) => format!("the connection broke: {error}"),
            (None, _) => "the connection ended without a close frame".to_owned(),
        });
    }

    async fn close(&mut self, socket: &mut Socket) {
        let closing = async {
            if socket.close(None).await.is_ok() {
                while let Some(Ok(message)) = socket.next().await {
                    self.take(message);
                }
            }
        };
        // The run is over: a server that does not answer the close has delivered what it will.
        let _ = timeout(CLOSE_TIMEOUT, closing).await;
    }
}

fn cut(text: &str) -> String {
    text.chars().take(ERROR_FRAME_CHARS_MAX).collect()
}
