//! Faults that somebody asked for: what the service, a network or a function does on a bad day, when a test wants it.

mod call;
mod rule;

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;

pub(crate) use call::Faulty;
pub(crate) use rule::{RULES_MAX, Rule, RuleConfig};

use crate::{closing::CloseCause, connection::Connection};
use call::{CallPlan, Outcome};
use rule::{Effect, Event};

/// The rules in force. Without any they cost one look at a flag.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    is_armed: AtomicBool,
    rules: RwLock<Arc<[Rule]>>,
}

/// What becomes of one `$disconnect`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Disconnect {
    pub(crate) delay: Duration,
    /// How often it is told: never, once, or again.
    pub(crate) times: u32,
}

impl Faults {
    /// The rules, in the order in which they are looked at.
    pub(crate) fn rules(&self) -> Arc<[Rule]> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the rules, unless that fails; gives those that are new. Connections that a rule froze go on when it goes.
    pub(crate) fn change<E>(
        &self,
        change: impl FnOnce(Vec<Rule>) -> Result<Vec<Rule>, E>,
    ) -> Result<Vec<Rule>, E> {
        let mut current = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let before = Arc::clone(&current);
        *current = change(before.iter().map(Rule::again).collect())?.into();
        self.is_armed.store(!current.is_empty(), Relaxed);
        let is_in = |rule: &Rule, rules: &[Rule]| rules.iter().any(|other| other.is_same(rule));
        before.iter().filter(|rule| !is_in(rule, &current)).for_each(Rule::thaw_all);
        Ok(current.iter().filter(|rule| !is_in(rule, &before)).map(Rule::again).collect())
    }

    /// Whether there is any rule.
    pub(crate) fn is_armed(&self) -> bool {
        self.is_armed.load(Relaxed)
    }

    /// An event takes a route: connections may be cut or frozen over it.
    pub(crate) fn on_route(&self, connection: &Arc<Connection>, route: &str) {
        if !self.is_armed() {
            return;
        }
        let id = connection.id();
        for rule in &*self.rules() {
            let event = Event { route: Some(route), connection: Some(&id), function: None };
            if rule.route().is_some()
                && matches!(rule.effect, Effect::Cut | Effect::Freeze)
                && rule.hits(&event)
            {
                rule.seize(connection);
            }
        }
    }

    /// Cuts or freezes what a new rule without a route is about; `for_each` shows every connection.
    pub(crate) fn seize_now(rule: &Rule, for_each: impl FnOnce(&mut dyn FnMut(&Arc<Connection>))) {
        if rule.route().is_some() || !matches!(rule.effect, Effect::Cut | Effect::Freeze) {
            return;
        }
        // By age, so that the same share is the same connections.
        let mut connections = Vec::new();
        for_each(&mut |connection| connections.push(Arc::clone(connection)));
        connections.sort_by_key(|connection| connection.key);
        for connection in connections {
            let id = connection.id();
            if rule.hits(&Event { route: None, connection: Some(&id), function: None }) {
                rule.seize(&connection);
            }
        }
    }

    /// What becomes of a call to a function, if anything.
    pub(crate) fn on_call(&self, route: &str, connection: &Connection, function: &str) -> Option<CallPlan> {
        if !self.is_armed() {
            return None;
        }
        let id = connection.id();
        let event = Event { route: Some(route), connection: Some(&id), function: Some(function) };
        let mut plan = None;
        for rule in &*self.rules() {
            if rule.effect.is_of_calls() && rule.hits(&event) {
                let plan = plan.get_or_insert_with(CallPlan::default);
                match rule.effect {
                    Effect::FunctionDelay(delay) => plan.delay += delay,
                    Effect::ColdStart => plan.is_cold = true,
                    Effect::FunctionError => plan.outcome = Outcome::Error(rule.config.id.clone()),
                    Effect::FunctionThrottle => plan.outcome = Outcome::Throttle,
                    Effect::FunctionCrash => plan.outcome = Outcome::Crash,
                    _ => {}
                }
            }
        }
        plan
    }

    /// What becomes of a `$disconnect`.
    pub(crate) fn on_disconnect(&self, connection: &Connection) -> Disconnect {
        let mut fate = Disconnect { delay: Duration::ZERO, times: 1 };
        if !self.is_armed() {
            return fate;
        }
        let id = connection.id();
        let event = Event { route: None, connection: Some(&id), function: None };
        let mut is_dropped = false;
        for rule in &*self.rules() {
            if rule.effect.is_of_disconnects() && rule.hits(&event) {
                match rule.effect {
                    Effect::DisconnectDelay(delay) => fate.delay += delay,
                    Effect::DisconnectDrop => is_dropped = true,
                    Effect::DisconnectDuplicate => fate.times += 1,
                    _ => {}
                }
            }
        }
        if is_dropped {
            fate.times = 0;
        }
        fate
    }

    /// The status that a post is answered with instead of being taken.
    pub(crate) fn on_post(&self, connection_id: &str) -> Option<StatusCode> {
        if !self.is_armed() {
            return None;
        }
        let event = Event { route: None, connection: Some(connection_id), function: None };
        self.rules().iter().find_map(|rule| match rule.effect {
            Effect::PostError(status) if rule.hits(&event) => Some(status),
            _ => None,
        })
    }
}

impl Rule {
    /// Cuts a connection without a close frame, or neither reads nor writes it until the rule goes.
    fn seize(&self, connection: &Arc<Connection>) {
        match self.effect {
            Effect::Cut => drop(connection.outbox.close(CloseCause::Cut)),
            _ => self.freeze(connection),
        }
    }
}
