use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Compiled, QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX, State};

/// What a topic starts with that addresses a rule by its name, past the message broker.
const BASIC_INGEST: &str = "$aws/rules/";

/// Names of rules that do not exist, of which the log says so: ours. Devices could invent any number.
const UNKNOWN_NAMED_MAX: usize = 16;

/// A message on its way to the rules.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) topic: Arc<str>,
    pub(crate) client_id: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) received_at_ms: u64,
    /// How many rules have republished it on its way.
    pub(crate) depth: u8,
}

/// Where else a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To everyone who subscribes to its topic.
    Broker,
    /// Nowhere: it was for one rule alone.
    RuleOnly,
}

/// A message in the queue.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) message: Published,
    /// The one rule that it is for, by its place; else every rule whose filter fits.
    pub(super) rule: Option<usize>,
}

/// The publisher's end: counts, filters, and queues without waiting.
pub(crate) struct Intake {
    pub(super) rules: Arc<[Compiled]>,
    pub(super) queue: mpsc::Sender<Queued>,
    pub(super) state: Arc<State>,
    /// Rules that do not exist and were asked for, so that each is named once.
    pub(super) unknown: Mutex<BTreeSet<String>>,
}

impl Intake {
    /// Takes a message that a client published.
    pub(crate) fn published(&self, message: Published) -> Way {
        State::count(&self.state.published);
        self.take(message)
    }

    /// Takes a message if a rule is about its topic. Never waits.
    pub(crate) fn take(&self, mut message: Published) -> Way {
        let Some((name, topic)) = basic_ingest(&message.topic) else {
            if self.rules.iter().any(|rule| rule.statement.matches(&message.topic)) {
                self.enqueue(Queued { message, rule: None });
            }
            return Way::Broker;
        };
        match self.rules.iter().position(|rule| rule.name == name) {
            Some(rule) => {
                message.topic = topic.into();
                self.enqueue(Queued { message, rule: Some(rule) });
            }
            None => self.unknown_rule(name),
        }
        Way::RuleOnly
    }

    /// What is counted, here and by the worker.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }

    fn enqueue(&self, queued: Queued) {
        let state = &self.state;
        let bytes = queued.message.payload.len();
        state.pending.fetch_add(1, Ordering::Relaxed);
        let before = state.pending_bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= QUEUE_BYTES_MAX;
        if fits && self.queue.try_send(queued).is_ok() {
            state.overflowing.store(false, Ordering::Relaxed);
            return;
        }
        state.pending.fetch_sub(1, Ordering::Relaxed);
        state.pending_bytes.fetch_sub(bytes, Ordering::Relaxed);
        State::count(&state.dropped);
        if !state.overflowing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                messages_max = QUEUE_MESSAGES_MAX,
                bytes_max = QUEUE_BYTES_MAX,
                "rules do not keep up with published messages; dropping some"
            );
        }
    }

    fn unknown_rule(&self, name: &str) {
        State::count(&self.state.dropped);
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() < UNKNOWN_NAMED_MAX && unknown.insert(name.to_owned()) {
            let known = self.rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>().join(", ");
            tracing::warn!("a message for rule {name:?} is lost: there is no such rule, only [{known}]");
        }
    }
}

/// The rule that a topic names, and the topic that its functions see: the prefix is not part of it.
pub(crate) fn basic_ingest(topic: &str) -> Option<(&str, &str)> {
    let rest = topic.strip_prefix(BASIC_INGEST)?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}
