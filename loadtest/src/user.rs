//! A client as goose sees it: one scenario, run once, in which it plays one session after another.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dunlin_events::limits::CONNECTION_LIFE_MAX;
use goose::prelude::{GooseUser, Scenario, Transaction, TransactionResult};
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::scenario::Life;
use crate::session::{self, End, Pause, Sample};
use crate::swarm::{Command, Swarm};

/// A connection that the service cuts this long before its longest life was cut for that.
const LIFE_SLACK: Duration = Duration::from_secs(60);

/// The clients' scenario. Use it with one iteration per user.
pub(crate) fn scenario(swarm: &Arc<Swarm>) -> Scenario {
    let shared = Arc::clone(swarm);
    Scenario::new(&swarm.plan.scenario.name).set_host(&swarm.target.url).register_transaction(
        Transaction::new(Arc::new(move |user| Box::pin(play(Arc::clone(&shared), user)))),
    )
}

/// Plays the sessions of one client, until the timeline has no more for it.
async fn play(swarm: Arc<Swarm>, user: &mut GooseUser) -> TransactionResult {
    let slot = swarm.next_slot();
    if slot >= swarm.mailboxes.len() {
        return Ok(());
    }
    swarm.playing.fetch_add(1, Ordering::AcqRel);
    loop {
        match poll_fn(|cx| swarm.mailboxes[slot].poll(cx)).await {
            Command::Arrive(session, intended_ns) => {
                if Box::pin(session_of(&swarm, slot, user, session, intended_ns)).await? {
                    break;
                }
            }
            Command::End | Command::Stop => break,
            Command::Message(_, _, intended_ns) => {
                let phase = swarm.plan.phase_of(swarm.offset_ns(intended_ns));
                swarm.recorder.shard(slot).phases[phase].attempts += 1;
                swarm.recorder.error(slot, phase, "request", "not connected", || {
                    "the client's connection ended before its message left".to_owned()
                });
            }
            Command::Say(update, _) => swarm.not_published(update),
            Command::Leave(..) | Command::Cut => {}
        }
    }
    swarm.playing.fetch_sub(1, Ordering::AcqRel);
    Ok(())
}

/// One session, its further connections included. Returns whether the client has nothing more to do.
async fn session_of(
    swarm: &Swarm,
    slot: usize,
    user: &mut GooseUser,
    session: u32,
    intended_ns: u64,
) -> Result<bool, Box<goose::goose::TransactionError>> {
    let plan = &swarm.plan;
    let number = plan.sessions[session as usize].user;
    let mut intended_ns = intended_ns;
    let mut rng = fastrand::Rng::with_seed(plan.scenario.seed ^ (u64::from(number) << 20));
    loop {
        let opened = Instant::now();
        let mut ended = false;
        // In memory of their own, for as long as they last: a client is mostly one that waits.
        let end = match Box::pin(session::connect(swarm, slot, number, intended_ns)).await {
            Err(reason) => {
                row(user, ("CONNECT", "handshake"), opened.elapsed(), Some(&reason)).await?;
                End::Dropped(String::new(), reason)
            }
            Ok(mut session) => {
                let mut end = Box::pin(session.begin()).await.err();
                while end.is_none() {
                    match session.run().await {
                        Pause::Ended(how) => end = Some(how),
                        Pause::Full => report(swarm, user, &std::mem::take(&mut session.samples)).await?,
                    }
                }
                ended = session.ended;
                let mut end = end.unwrap_or(End::Left);
                if let End::Dropped(kind, text) = &end {
                    let life = opened.elapsed() + LIFE_SLACK;
                    if plan.scenario.users.life == Life::TwoHours && life >= CONNECTION_LIFE_MAX {
                        // As the scenario says; who comes back is a new connect.
                        end = End::Cut;
                    } else {
                        swarm.error(slot, "session", kind, || text.clone());
                        row(user, ("SOCKET", "dropped"), opened.elapsed(), Some(text)).await?;
                    }
                }
                report(swarm, user, &Box::pin(session.close(&end)).await).await?;
                end
            }
        };
        match end {
            End::Left => return Ok(ended),
            End::Stopped => return Ok(true),
            End::Cut | End::Dropped(..) => {}
        }
        let Some(within) = plan.scenario.users.reconnect_within.filter(|_| !swarm.is_halted() && !ended)
        else {
            return Ok(ended);
        };
        let back = Instant::now() + within.mul_f64(rng.f64());
        intended_ns = clock::now_ns() + u64::try_from((back - Instant::now()).as_nanos()).unwrap_or(0);
        if let Some(over) = away(swarm, slot, back).await {
            return Ok(over);
        }
    }
}

/// Waits to come back. If the session ends meanwhile, returns whether the client has nothing more to do.
async fn away(swarm: &Swarm, slot: usize, back: Instant) -> Option<bool> {
    let waiting = sleep_until(back);
    tokio::pin!(waiting);
    loop {
        let command = tokio::select! {
            () = &mut waiting => return None,
            command = poll_fn(|cx| swarm.mailboxes[slot].poll(cx)) => command,
        };
        match command {
            Command::Leave(..) => return Some(false),
            Command::End | Command::Stop => return Some(true),
            Command::Arrive(session, intended_ns) => {
                swarm.mailboxes[slot].put(Command::Arrive(session, intended_ns));
                return Some(false);
            }
            Command::Say(update, _) => swarm.not_published(update),
            Command::Message(..) | Command::Cut => {}
        }
    }
}

/// Goose takes measurements only here, in the client's own transaction.
async fn report(swarm: &Swarm, user: &mut GooseUser, samples: &[Sample]) -> TransactionResult {
    for sample in samples {
        let (method, what) = &swarm.rows[sample.series.0 as usize];
        row(user, (method, what), Duration::from_micros(sample.us.into()), None).await?;
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
