//! The schedule, kept: one thread that starts each event of the plan at its time, whatever became of those before it.
//!
//! The thread parks until shortly before an event is due and spins for the rest, because tokio's timer counts in
//! milliseconds and the kernel wakes a thread some fifty microseconds late, neither of which is little against a push.

use std::hint;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::sleep;

use crate::cause::{self, Connected, Publisher, Update};
use crate::clock;
use crate::measured::Offered;
use crate::plan::Event;
use crate::stamp::{Kind, Stamp};
use crate::swarm::{Command, Swarm};

/// Below this the thread parks; above it, it also serves the MQTT client's own tasks.
const PARK_MAX: Duration = Duration::from_millis(5);

/// Below this the thread spins: the kernel's timer slack, 50 µs, and as much again for the wake-up. At a hundred events
/// a second it is a hundredth of a processor.
const SPIN_MAX: Duration = Duration::from_micros(100);

/// The longest park or sleep: how soon a stopped run ends.
const NAP_MAX: Duration = Duration::from_millis(100);

/// Plays the timeline on the calling thread; `tasks` is where requests go on by themselves.
///
/// # Errors
///
/// A sentence, if it cannot begin.
pub(crate) fn play(swarm: &Arc<Swarm>, publisher: Option<&Publisher>, tasks: &Handle) -> Result<(), String> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the schedule's thread: {error}"))?;
    let mut timeline = Timeline { swarm, publisher, connected: None, runtime, tasks, turn: 0 };
    if let Some(publisher) = publisher.filter(|_| swarm.plan.topics() > 0) {
        timeline.connected = publisher.connect(&timeline.runtime, &format!("{:08x}", swarm.plan.run))?;
    }
    for &(offset_ns, event) in &swarm.plan.timeline {
        let intended_ns = swarm.at(offset_ns);
        if !timeline.wait_until(intended_ns) {
            break;
        }
        timeline.start(event, offset_ns, intended_ns);
    }
    if !swarm.is_halted() {
        for mailbox in &swarm.mailboxes {
            mailbox.put(Command::End);
        }
    }
    if let Some(connected) = &timeline.connected {
        connected.disconnect(&timeline.runtime);
    }
    Ok(())
}

struct Timeline<'a> {
    swarm: &'a Arc<Swarm>,
    publisher: Option<&'a Publisher>,
    connected: Option<Connected>,
    runtime: Runtime,
    tasks: &'a Handle,
    /// The client that is asked first to send something.
    turn: usize,
}

impl Timeline<'_> {
    fn start(&mut self, event: Event, offset_ns: u64, intended_ns: u64) {
        let plan = &self.swarm.plan;
        let mailbox = |slot: u32| &self.swarm.mailboxes[slot as usize];
        match event {
            Event::Arrive(session) => {
                mailbox(plan.sessions[session as usize].slot).put(Command::Arrive(session, intended_ns));
            }
            Event::Leave(session) => {
                mailbox(plan.sessions[session as usize].slot).put(Command::Leave(offset_ns));
            }
            Event::Cut(slot) => {
                mailbox(slot).put(Command::Cut);
            }
            Event::Message(kind, number) => {
                let phase = plan.phase_of(offset_ns);
                let command = Command::Message(kind, number, intended_ns);
                let told =
                    self.next_ready(|_| true).is_some_and(|slot| self.swarm.mailboxes[slot].put(command));
                if !told {
                    self.swarm.recorder.shard(0).phases[phase].attempts += 1;
                    self.not_sent("request", phase, "no client is connected that could send a message");
                }
            }
            Event::Update(update) => self.update(update, offset_ns, intended_ns),
        }
    }

    fn update(&mut self, update: u32, offset_ns: u64, intended_ns: u64) {
        let swarm = self.swarm;
        let plan = &swarm.plan;
        let phase = plan.phase_of(offset_ns);
        let (topic, version) = (plan.topic_of(update), plan.version_of(update));
        swarm.publishing(update, phase);
        swarm.recorder.shard(0).phases[phase].attempts += 1;
        let name = plan.topic_name(topic);
        let stamp = Stamp::new(Kind::Update, plan.run, topic, version, update, intended_ns);
        let filled = Update { topic: &name, version, run: plan.run, stamp };
        match self.publisher {
            Some(Publisher::Mqtt { topic, payload, .. }) => {
                let (topic, payload) = (filled.render(topic), filled.render(payload));
                let now_ns = clock::now_ns();
                let Some(connected) = &mut self.connected else { return };
                let sent = connected.publish(&self.runtime, topic, payload);
                swarm.recorder.shard(0).lag(phase, Offered::Updates, now_ns.saturating_sub(intended_ns));
                match sent {
                    Ok(()) => swarm.recorder.shard(0).done(phase, Offered::Updates, swarm.offset_ns(now_ns)),
                    Err(reason) => {
                        swarm.not_published(update);
                        self.not_sent("update", phase, &reason);
                    }
                }
            }
            Some(Publisher::Http { client, method, url, body, in_flight }) => {
                let now_ns = clock::now_ns();
                swarm.recorder.shard(0).lag(phase, Offered::Updates, now_ns.saturating_sub(intended_ns));
                let Ok(permit) = Arc::clone(in_flight).try_acquire_owned() else {
                    swarm.not_published(update);
                    return self.not_sent("update", phase, "too many HTTP requests are under way");
                };
                let (url, body) = (filled.render(url), body.as_ref().map(|body| filled.render(body)));
                let (client, method, swarm) = (client.clone(), method.clone(), Arc::clone(swarm));
                self.tasks.spawn(async move {
                    match cause::request(&client, method, url, body).await {
                        Ok(()) => {
                            swarm.recorder.shard(0).done(phase, Offered::Updates, swarm.offset_ns(now_ns));
                        }
                        Err((kind, text)) => {
                            swarm.not_published(update);
                            swarm.recorder.error(0, phase, "update", &kind, || text);
                        }
                    }
                    drop(permit);
                });
            }
            Some(Publisher::Socket) => {
                let command = Command::Say(update, intended_ns);
                let told = self
                    .next_ready(|user| plan.position(user, topic).is_some())
                    .is_some_and(|slot| swarm.mailboxes[slot].put(command));
                if !told {
                    swarm.not_published(update);
                    self.not_sent("update", phase, "no client is connected that follows the topic");
                }
            }
            None => {}
        }
    }

    /// The next client in turn that can send, and whose user will do.
    fn next_ready(&mut self, will_do: impl Fn(u32) -> bool) -> Option<usize> {
        let clients = self.swarm.mailboxes.len();
        let slot = (0..clients)
            .map(|step| (self.turn + step) % clients)
            .find(|&slot| self.swarm.mailboxes[slot].ready().is_some_and(&will_do))?;
        self.turn = slot + 1;
        Some(slot)
    }

    fn not_sent(&self, during: &'static str, phase: usize, reason: &str) {
        self.swarm.recorder.error(0, phase, during, "not sent", || reason.to_owned());
    }

    /// Waits for a time of the clock. `false` if nothing more is to be sent.
    fn wait_until(&self, time_ns: u64) -> bool {
        loop {
            if self.swarm.is_halted() {
                return false;
            }
            let left = clock::until(time_ns);
            if left.is_zero() {
                return true;
            }
            if left > PARK_MAX {
                // The timer needs the runtime around it when it is made.
                self.runtime.block_on(async { sleep((left - PARK_MAX).min(NAP_MAX)).await });
            } else if left > SPIN_MAX {
                // May return early.
                thread::park_timeout(left - SPIN_MAX);
            } else {
                hint::spin_loop();
            }
        }
    }
}
