//! What a session is told: pushes, answers, and what nobody asked for.

use tokio_tungstenite::tungstenite::Message;

use super::{Sample, Session, micros};
use crate::account::Arrival;
use crate::clock;
use crate::recorder::{PUSH, SUBSCRIBE, answers};
use crate::stamp::{Kind, Stamp};

impl Session<'_> {
    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Text(text) => self.frame(text.as_bytes(), false),
            Message::Binary(bytes) => self.frame(&bytes, true),
            Message::Close(frame) => {
                self.closed = Some(match frame {
                    Some(frame) => {
                        let code = u16::from(frame.code);
                        (
                            format!("close {code}"),
                            format!("code {code} {}", frame.reason).trim_end().to_owned(),
                        )
                    }
                    None => ("close without code".to_owned(), "no code".to_owned()),
                });
            }
            // tungstenite answers pings by itself, with the next read.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }

    fn frame(&mut self, bytes: &[u8], is_binary: bool) {
        let now_ns = clock::now_ns();
        match self.finder.find(bytes) {
            Some(stamp) if stamp.run != self.swarm.plan.run => self.odd("push of another run", bytes),
            Some(stamp) if stamp.kind == Kind::Update => self.push(stamp, bytes, now_ns),
            Some(stamp) => self.answer(Some(stamp), bytes, now_ns),
            None if is_binary => self.odd("binary frame", bytes),
            None => self.answer(None, bytes, now_ns),
        }
    }

    fn push(&mut self, stamp: Stamp, bytes: &[u8], now_ns: u64) {
        let swarm = self.swarm;
        let plan = &swarm.plan;
        if plan.update_of(stamp.subject, stamp.version) != Some(stamp.sequence) {
            return self.odd("corrupt push", bytes);
        }
        let Some(position) = plan.position(self.user, stamp.subject) else {
            return self.odd("unexpected push", bytes);
        };
        if plan.scenario.app.push_contains.as_ref().is_some_and(|text| !contains(bytes, text)) {
            return self.odd("unexpected frame", bytes);
        }
        // Before the subscription is confirmed nothing is due, nor is it wrong.
        let arrival =
            self.account.as_mut().map_or(Arrival::NotDue, |account| account.arrive(position, stamp.version));
        let offset_ns = plan.update_ns(stamp.sequence);
        let phase = plan.phase_of(offset_ns);
        let latency_ns = now_ns.saturating_sub(stamp.intended_ns);
        let timed = stamp.host == clock::host();
        let mut shard = swarm.recorder.shard(self.slot);
        shard.second.pushes += 1;
        shard.phases[phase].frames += 1;
        match arrival {
            Arrival::NotDue => return,
            Arrival::Duplicate => {
                shard.phases[phase].reach.duplicates += 1;
                return;
            }
            Arrival::Newest | Arrival::OutOfOrder => {}
        }
        let reach = &mut shard.phases[phase].reach;
        reach.received += 1;
        reach.out_of_order += u64::from(arrival == Arrival::OutOfOrder);
        if timed {
            reach.late += u64::from(u128::from(latency_ns) > plan.scenario.late_after.as_nanos());
            shard.time(phase, PUSH, latency_ns);
            shard.mean(offset_ns, latency_ns);
            drop(shard);
            self.samples.push(Sample { series: PUSH, us: micros(latency_ns) });
        } else {
            shard.second.untimed += 1;
            drop(shard);
        }
        self.complete();
    }

    /// An answer with a stamp or without, or something that nobody asked for.
    fn answer(&mut self, stamp: Option<Stamp>, bytes: &[u8], now_ns: u64) {
        let scenario = &self.swarm.plan.scenario;
        let app = &scenario.app;
        let mut found = None;
        for (at, pending) in self.pending.iter().enumerate() {
            let texts = match pending.message {
                None => [app.subscribe.as_ref().and_then(|subscribe| subscribe.reply.as_ref()), None],
                Some(kind) => {
                    let message = &app.messages[scenario.messages[kind as usize].message];
                    [message.response.as_ref(), message.post.as_ref()]
                }
            };
            let is_its = stamp.is_none_or(|stamp| {
                stamp.subject == self.user
                    && stamp.version == pending.number
                    && pending.message.is_some_and(|kind| u32::from(kind) == stamp.sequence)
            });
            let which = (0..2)
                .find(|&which| pending.open[which] && texts[which].is_some_and(|text| contains(bytes, text)));
            if let (true, Some(which)) = (is_its, which) {
                found = Some((at, which));
                break;
            }
        }
        let Some((at, which)) = found else {
            if app.ignored.iter().any(|text| contains(bytes, text)) {
                return;
            }
            let is_error = app.error_contains.as_ref().is_some_and(|text| contains(bytes, text));
            let kind = match (is_error, stamp) {
                (true, _) => "error frame",
                (false, Some(stamp)) if stamp.subject != self.user => "answer of another client",
                (false, _) => "unexpected frame",
            };
            // In place of the answer: what waited longest does not wait for it any more.
            if stamp.is_none() {
                self.pending.pop_front();
                self.set_sleep();
            }
            return self.odd(kind, bytes);
        };
        let pending = &mut self.pending[at];
        pending.open[which] = false;
        let (message, intended_ns, answered) =
            (pending.message, pending.intended_ns, pending.open == [false, false]);
        if answered {
            self.pending.remove(at);
            self.set_sleep();
        }
        let series = message.map_or(SUBSCRIBE, |kind| answers(kind as usize)[which]);
        let offset_ns = self.swarm.offset_ns(intended_ns);
        let phase = self.swarm.plan.phase_of(offset_ns);
        let latency_ns = now_ns.saturating_sub(intended_ns);
        let mut shard = self.swarm.recorder.shard(self.slot);
        shard.phases[phase].frames += 1;
        shard.time(phase, series, latency_ns);
        if series == self.swarm.primary {
            shard.mean(offset_ns, latency_ns);
        }
        drop(shard);
        self.samples.push(Sample { series, us: micros(latency_ns) });
        if message.is_none() {
            self.followed();
        }
        self.complete();
    }

    /// Something that is not in the contract. Its text is not kept: it may be anybody's.
    fn odd(&mut self, kind: &str, bytes: &[u8]) {
        let length = bytes.len();
        let during = if self.pending.is_empty() { "session" } else { "request" };
        self.swarm.error(self.slot, during, kind, || format!("{kind} of {length} bytes"));
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}
