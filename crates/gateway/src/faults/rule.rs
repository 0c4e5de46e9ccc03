use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::connection::Connection;

/// Rules at a time: ours, more than a test has things to break.
pub(crate) const RULES_MAX: usize = 64;

/// Characters of a rule's id: ours.
const ID_CHARS_MAX: usize = 64;

/// The longest delay: ours, the life of a connection.
const DELAY_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// A rule as it is written.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleConfig {
    /// Names it in answers and in the log.
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) fault: Fault,
    /// Route key of the event that it is about; any without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<String>,
    /// Id of the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connection: Option<String>,
    /// Name or ARN of the function, as the template gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function: Option<String>,
    /// Which part of what matches is hit, from 0 to 1; all of it without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<f64>,
    /// Decides which ones these are; the same seed gives the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
    /// How many it hits at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
}

/// What can go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    DisconnectDelay,
    DisconnectDrop,
    DisconnectDuplicate,
    PostError,
    Cut,
    Freeze,
    FunctionDelay,
    FunctionError,
    FunctionThrottle,
    FunctionCrash,
    ColdStart,
}

/// [`Fault`], with what it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effect {
    DisconnectDelay(Duration),
    DisconnectDrop,
    DisconnectDuplicate,
    PostError(StatusCode),
    Cut,
    Freeze,
    FunctionDelay(Duration),
    FunctionError,
    FunctionThrottle,
    FunctionCrash,
    ColdStart,
}

/// What may be hit.
pub(crate) struct Event<'a> {
    pub(crate) route: Option<&'a str>,
    pub(crate) connection: Option<&'a str>,
    pub(crate) function: Option<&'a str>,
}

/// A rule in force.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) config: RuleConfig,
    pub(crate) effect: Effect,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many events matched, hit or not.
    matched: AtomicU64,
    hits: AtomicU64,
    frozen: Mutex<Vec<Weak<Connection>>>,
}

impl Rule {
    /// Checks a rule.
    ///
    /// # Errors
    /// One sentence.
    pub(crate) fn new(config: RuleConfig) -> Result<Self, String> {
        let id = &config.id;
        let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if id.is_empty() || id.len() > ID_CHARS_MAX || !id.chars().all(is_id) {
            return Err(format!(
                "a rule has the id {id:?}; 1 to {ID_CHARS_MAX} letters, digits, -, _ and . are expected"
            ));
        }
        let effect = config.effect().map_err(|problem| format!("rule {id}: {problem}"))?;
        Ok(Rule { config, effect, state: Arc::default() })
    }

    /// The same rule with the same past, for a list that changes around it.
    pub(crate) fn again(&self) -> Self {
        Rule { config: self.config.clone(), effect: self.effect, state: Arc::clone(&self.state) }
    }

    pub(crate) fn is_same(&self, other: &Rule) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    pub(crate) fn route(&self) -> Option<&str> {
        self.config.route.as_deref()
    }

    /// How many it has hit so far.
    pub(crate) fn hits_so_far(&self) -> u64 {
        self.state.hits.load(Relaxed)
    }

    /// Whether this event is hit; it then counts as such.
    pub(crate) fn hits(&self, event: &Event<'_>) -> bool {
        let RuleConfig { route, connection, function, share, seed, count, .. } = &self.config;
        let wanted = |wanted: &Option<String>, given: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| given == Some(wanted))
        };
        if !wanted(route, event.route)
            || !wanted(connection, event.connection)
            || !wanted(function, event.function)
        {
            return false;
        }
        let matched = self.state.matched.fetch_add(1, Relaxed);
        if share.is_some_and(|share| fraction(seed.unwrap_or_default(), matched) >= share) {
            return false;
        }
        let room = |hits: u64| (hits < count.unwrap_or(u64::MAX)).then(|| hits.saturating_add(1));
        let is_hit = self.state.hits.fetch_update(Relaxed, Relaxed, room).is_ok();
        if is_hit {
            tracing::debug!(
                rule = self.config.id,
                connection_id = event.connection,
                "a fault that was asked for"
            );
        }
        is_hit
    }

    pub(super) fn freeze(&self, connection: &Arc<Connection>) {
        connection.outbox.freeze();
        let mut frozen = self.state.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that are gone make room.
        if frozen.len() == frozen.capacity() {
            frozen.retain(|connection| connection.strong_count() > 0);
        }
        frozen.push(Arc::downgrade(connection));
    }

    pub(super) fn thaw_all(&self) {
        let frozen = std::mem::take(&mut *self.state.frozen.lock().unwrap_or_else(PoisonError::into_inner));
        frozen.iter().filter_map(Weak::upgrade).for_each(|connection| connection.outbox.thaw());
    }
}

impl RuleConfig {
    fn effect(&self) -> Result<Effect, String> {
        use Fault as F;
        let name = serde_json::to_string(&self.fault).unwrap_or_default();
        let of_disconnects =
            matches!(self.fault, F::DisconnectDelay | F::DisconnectDrop | F::DisconnectDuplicate);
        let of_sockets = matches!(self.fault, F::Cut | F::Freeze);
        let is_delay = matches!(self.fault, F::DisconnectDelay | F::FunctionDelay);
        let unused = [
            ("route", self.route.is_some() && (of_disconnects || self.fault == F::PostError)),
            (
                "function",
                self.function.is_some() && (of_disconnects || of_sockets || self.fault == F::PostError),
            ),
            ("delay_ms", self.delay_ms.is_some() && !is_delay),
            ("status", self.status.is_some() && self.fault != F::PostError),
            ("seed", self.seed.is_some() && self.share.is_none()),
        ];
        if let Some((field, _)) = unused.iter().find(|(_, unused)| *unused) {
            let hint = if *field == "seed" { " without a share" } else { "" };
            return Err(format!("{field} means nothing to {name}{hint}; leave it out"));
        }
        if self.share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err("share must be a number from 0 to 1".to_owned());
        }
        let delay = || match self.delay_ms.map(Duration::from_millis) {
            Some(delay) if delay <= DELAY_MAX => Ok(delay),
            _ => Err(format!("{name} needs delay_ms, from 0 to {}", DELAY_MAX.as_millis())),
        };
        Ok(match self.fault {
            F::DisconnectDelay => Effect::DisconnectDelay(delay()?),
            F::DisconnectDrop => Effect::DisconnectDrop,
            F::DisconnectDuplicate => Effect::DisconnectDuplicate,
            F::PostError => Effect::PostError(match self.status {
                Some(410) => StatusCode::GONE,
                Some(429) => StatusCode::TOO_MANY_REQUESTS,
                Some(500) => StatusCode::INTERNAL_SERVER_ERROR,
                _ => return Err(format!("{name} needs a status, which is 410, 429 or 500")),
            }),
            F::Cut => Effect::Cut,
            F::Freeze => Effect::Freeze,
            F::FunctionDelay => Effect::FunctionDelay(delay()?),
            F::FunctionError => Effect::FunctionError,
            F::FunctionThrottle => Effect::FunctionThrottle,
            F::FunctionCrash => Effect::FunctionCrash,
            F::ColdStart => Effect::ColdStart,
        })
    }
}

impl Effect {
    pub(super) fn is_of_calls(self) -> bool {
        matches!(
            self,
            Effect::FunctionDelay(_)
                | Effect::FunctionError
                | Effect::FunctionThrottle
                | Effect::FunctionCrash
                | Effect::ColdStart
        )
    }

    pub(super) fn is_of_disconnects(self) -> bool {
        matches!(self, Effect::DisconnectDelay(_) | Effect::DisconnectDrop | Effect::DisconnectDuplicate)
    }
}

/// A number from 0 up to 1 for the nth event: SplitMix64.
fn fraction(seed: u64, n: u64) -> f64 {
    let mut mixed = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    #[expect(clippy::cast_precision_loss, reason = "32 bits are exact")]
    let high = (mixed >> 32) as f64;
    high / f64::from(u32::MAX).next_up()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Result<Rule, String> {
        Rule::new(serde_json::from_str(json).unwrap())
    }

    #[track_caller]
    fn check_problem(json: &str, expected: &str) {
        assert_eq!(rule(json).unwrap_err(), expected, "{json}");
    }

    #[test]
    fn mistakes_are_told() {
        check_problem(
            r#"{"fault":"cut"}"#,
            "a rule has the id \"\"; 1 to 64 letters, digits, -, _ and . are expected",
        );
        check_problem(
            r#"{"id":"a","fault":"cut","delay_ms":1}"#,
            "rule a: delay_ms means nothing to \"cut\"; leave it out",
        );
        check_problem(
            r#"{"id":"a","fault":"post_error","status":404}"#,
            "rule a: \"post_error\" needs a status, which is 410, 429 or 500",
        );
        check_problem(
            r#"{"id":"a","fault":"disconnect_drop","route":"$disconnect"}"#,
            "rule a: route means nothing to \"disconnect_drop\"; leave it out",
        );
        check_problem(
            r#"{"id":"a","fault":"function_delay","delay_ms":7200001}"#,
            "rule a: \"function_delay\" needs delay_ms, from 0 to 7200000",
        );
        check_problem(
            r#"{"id":"a","fault":"cut","share":1.5}"#,
            "rule a: share must be a number from 0 to 1",
        );
        check_problem(
            r#"{"id":"a","fault":"cut","seed":1}"#,
            "rule a: seed means nothing to \"cut\" without a share; leave it out",
        );
    }

    #[test]
    fn rules_hit_what_they_name_and_no_more_than_they_may() {
        let limited = rule(r#"{"id":"a","fault":"function_error","route":"join","function":"f","count":2}"#);
        let limited = limited.unwrap();
        let event =
            |route, function| Event { route: Some(route), connection: None, function: Some(function) };
        assert!(!limited.hits(&event("leave", "f")));
        assert!(!limited.hits(&event("join", "g")));
        let hits = (0..5).filter(|_| limited.hits(&event("join", "f"))).count();
        assert_eq!((hits, limited.hits_so_far()), (2, 2));
    }

    #[test]
    fn a_share_is_the_same_again_and_about_as_large() {
        let pattern = |seed: u64| -> Vec<bool> {
            let rule =
                rule(&format!(r#"{{"id":"a","fault":"post_error","status":429,"share":0.3,"seed":{seed}}}"#));
            let rule = rule.unwrap();
            let event = Event { route: None, connection: Some("c"), function: None };
            (0..1_000).map(|_| rule.hits(&event)).collect()
        };
        let one = pattern(1);
        assert_eq!(one, pattern(1));
        assert_ne!(one, pattern(2));
        let hits = one.iter().filter(|hit| **hit).count();
        assert!((250..350).contains(&hits), "{hits}");
        for (share, expected) in [(0, 0), (1, 100)] {
            let rule = rule(&format!(r#"{{"id":"a","fault":"cut","share":{share}}}"#)).unwrap();
            let event = Event { route: None, connection: None, function: None };
            assert_eq!((0..100).filter(|_| rule.hits(&event)).count(), expected);
        }
    }
}
