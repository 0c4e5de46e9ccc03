//! A client as goose sees it: one scenario, run once. Connect and follow, report while the run lasts, close.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use goose::prelude::{GooseUser, Scenario, Transaction, TransactionResult};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::histogram::record;
use crate::reader::{Reader, Samples};
use crate::recorder::lock;
use crate::socket;
use crate::swarm::{Outcome, Swarm};
use crate::wire;

/// Wait for the reply to `set_notify_list`: the service's longest integration (29 s), and a second for the way.
pub(crate) const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Gap between a client's reports to goose.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// Method and name of goose's rows.
pub(crate) const ROW_CONNECT: (&str, &str) = ("CONNECT", "handshake");
pub(crate) const ROW_REQUEST: (&str, &str) = ("REQUEST", "set_notify_list");
pub(crate) const ROW_PUSH: (&str, &str) = ("PUSH", "parameters");
/// Only for connections that ended by themselves: what they lasted is no latency.
const ROW_DROPPED: (&str, &str) = ("SOCKET", "dropped");

/// Why a client that was still connecting gave up.
const STOPPED: &str = "the run was stopped";

/// What a client keeps between its transactions.
#[derive(Clone)]
struct Session {
    number: usize,
    opened: Instant,
    samples: Arc<Samples>,
    reader: Arc<Mutex<Option<JoinHandle<Outcome>>>>,
}

/// The clients' scenario. Use it with one iteration per user.
pub(crate) fn scenario(swarm: &Arc<Swarm>) -> Scenario {
    let (start, report, stop) = (Arc::clone(swarm), Arc::clone(swarm), Arc::clone(swarm));
    Scenario::new("follow")
        .set_host(&swarm.target.ws.url)
        .register_transaction(
            Transaction::new(Arc::new(move |user| Box::pin(follow(Arc::clone(&start), user)))).set_on_start(),
        )
        .register_transaction(Transaction::new(Arc::new(move |user| {
            Box::pin(receive(Arc::clone(&report), user))
        })))
        .register_transaction(
            Transaction::new(Arc::new(move |user| Box::pin(close(Arc::clone(&stop), user)))).set_on_stop(),
        )
}

async fn follow(swarm: Arc<Swarm>, user: &mut GooseUser) -> TransactionResult {
    let number = swarm.next_user();
    let started = Instant::now();
    let connected = tokio::select! {
        connected = socket::connect(&swarm.target.ws, number) => connected,
        () = swarm.stopped() => Err(STOPPED.to_owned()),
    };
    let connect_time = started.elapsed();
    row(user, ROW_CONNECT, connect_time, connected.as_ref().err().map(String::as_str)).await?;
    let mut socket = match connected {
        Ok(socket) => socket,
        Err(reason) => {
            swarm.fail(reason);
            return Ok(());
        }
    };
    record(&mut swarm.recorder.shard(number).connect, connect_time);

    let opened = Instant::now();
    let request =
        wire::set_notify_list(swarm.plan.followed(number).map(|device| swarm.plan.device_id(device)));
    let (reply_sender, reply) = oneshot::channel();
    let samples = Arc::new(Samples::default());
    let sent = socket.send(Message::text(request)).await;
    let reader = Reader::new(Arc::clone(&swarm), number, Arc::clone(&samples), reply_sender);
    let reader = tokio::spawn(reader.run(socket));
    let answer = match sent {
        Ok(()) => tokio::select! {
            answer = await_reply(reply) => answer,
            () = swarm.stopped() => Err(STOPPED.to_owned()),
        },
        Err(error) => Err(format!("cannot send set_notify_list: {error}")),
    };
    let answer = match answer {
        Ok(()) if !swarm.follow(number) => {
            Err("the reply to set_notify_list came after the first update".to_owned())
        }
        answer => answer,
    };
    let request_time = opened.elapsed();
    row(user, ROW_REQUEST, request_time, answer.as_ref().err().map(String::as_str)).await?;
    match answer {
        Ok(()) => {
            record(&mut swarm.recorder.shard(number).request, request_time);
            user.set_session_data(Session {
                number,
                opened,
                samples,
                reader: Arc::new(Mutex::new(Some(reader))),
            });
        }
        Err(reason) => {
            reader.abort();
            swarm.fail(reason);
        }
    }
    Ok(())
}

async fn await_reply(reply: oneshot::Receiver<Result<(), String>>) -> Result<(), String> {
    match timeout(REPLY_TIMEOUT, reply).await {
        Ok(Ok(answer)) => answer.map_err(|frame| format!("the reply to set_notify_list is {frame}")),
        Ok(Err(_)) => Err("the connection ended before the reply to set_notify_list".to_owned()),
        Err(_) => Err(format!("no reply to set_notify_list within {} s", REPLY_TIMEOUT.as_secs())),
    }
}

/// Lasts as long as the run. Goose takes measurements only here, in the client's own transaction.
async fn receive(swarm: Arc<Swarm>, user: &mut GooseUser) -> TransactionResult {
    let Some(session) = user.get_session_data::<Session>().cloned() else { return Ok(()) };
    // Clients that start together would report together.
    let seed = swarm.plan.load.seed.wrapping_add(session.number as u64);
    let mut pause = REPORT_INTERVAL.mul_f64(fastrand::Rng::with_seed(seed).f64());
    loop {
        let stopped = tokio::select! {
            () = swarm.stopped() => true,
            () = sleep(pause) => false,
        };
        pause = REPORT_INTERVAL;
        report_pushes(user, &session.samples).await?;
        let ended = lock(&session.reader).as_ref().is_none_or(JoinHandle::is_finished);
        if stopped || ended {
            return Ok(());
        }
    }
}

async fn close(swarm: Arc<Swarm>, user: &mut GooseUser) -> TransactionResult {
    let Some(session) = user.get_session_data::<Session>().cloned() else { return Ok(()) };
    let reader = lock(&session.reader).take();
    let outcome = match reader {
        Some(reader) => reader.await.unwrap_or_else(|error| Outcome {
            dropped: Some(format!("the client's reader failed: {error}")),
            ..Outcome::default()
        }),
        None => return Ok(()),
    };
    report_pushes(user, &session.samples).await?;
    if let Some(reason) = &outcome.dropped {
        row(user, ROW_DROPPED, session.opened.elapsed(), Some(reason)).await?;
    }
    swarm.book(outcome, session.samples.dropped());
    Ok(())
}

async fn report_pushes(user: &mut GooseUser, samples: &Samples) -> TransactionResult {
    for latency in samples.take() {
        row(user, ROW_PUSH, latency, None).await?;
    }
    Ok(())
}

async fn row(
    user: &mut GooseUser,
    (method, name): (&str, &str),
    time: Duration,
    error: Option<&str>,
) -> TransactionResult {
    user.record_custom_request_duration(method, name, time, error.is_none(), None, error).await
}
