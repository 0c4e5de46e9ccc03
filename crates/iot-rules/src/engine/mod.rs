//! From a published message to what its rules do: a bounded queue, and one worker that runs the rules. The publisher
//! never waits for a rule or an action.

mod actions;
mod counts;
mod failures;
mod intake;
mod republish;
mod worker;

use std::{
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use dunlin_events::limits::IOT_RULE_ACTIONS_MAX;
use mqtt5::packet::publish::PublishPacket;
use tokio::sync::mpsc;

use crate::{
    rule::{BoxFuture, Rule, RuleSink},
    sql::{SqlError, Statement},
};

use actions::Compiled as CompiledAction;
pub use counts::Counts;
pub(crate) use counts::State;
pub(crate) use intake::{Intake, Published, Way};
pub(crate) use republish::check_topic;
pub(crate) use worker::Worker;

/// Messages that wait for the rules: ours; a burst of a few thousand devices fits. What comes on top is dropped and counted.
pub const QUEUE_MESSAGES_MAX: usize = 4_096;

/// Payload bytes that wait for the rules: ours. Many small messages or few large ones, memory stays bounded.
pub const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a sink may take to accept one event: ours, above any pause of a busy machine.
pub const DELIVER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a message may be republished into a rule that republishes: ours. A rule that feeds itself would otherwise go
/// on for ever, as it does on the service, at the account's cost.
pub const REPUBLISH_DEPTH_MAX: u8 = 10;

/// Where republished messages go: the broker, or in tests a list.
pub(crate) trait Outlet: Send + Sync + 'static {
    /// Hands a packet to everyone who subscribes to its topic.
    fn publish(&self, packet: PublishPacket) -> BoxFuture<'_, ()>;
}

/// Why a rule cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The statement is not SQL, or not supported.
    #[error("{0}")]
    Sql(SqlError),
    /// A substitution template in an action is not one.
    #[error("{field} of a {action} action: {source}")]
    Template {
        /// The action, as the template calls it.
        action: &'static str,
        /// The field that holds the template.
        field: String,
        /// What is wrong with it.
        source: SqlError,
    },
    /// There are more actions than the service takes.
    #[error("has {actions} actions; at most {IOT_RULE_ACTIONS_MAX} are possible")]
    TooManyActions {
        /// How many there are.
        actions: usize,
    },
}

/// A rule, ready to run.
struct Compiled {
    name: String,
    statement: Statement,
    actions: Vec<CompiledAction>,
    error_action: Option<CompiledAction>,
    /// Whether an unreadable payload has been reported: once per rule is enough, the count has the rest.
    reported: AtomicBool,
}

impl Compiled {
    fn new(rule: &Rule) -> Result<Self, RuleError> {
        if rule.actions.len() > IOT_RULE_ACTIONS_MAX {
            return Err(RuleError::TooManyActions { actions: rule.actions.len() });
        }
        let statement = Statement::parse_version(&rule.sql, rule.version).map_err(RuleError::Sql)?;
        let action = |action| CompiledAction::new(action, &statement);
        Ok(Self {
            actions: rule.actions.iter().map(action).collect::<Result<_, _>>()?,
            error_action: rule.error_action.as_ref().map(action).transpose()?,
            name: rule.name.clone(),
            statement,
            reported: AtomicBool::new(false),
        })
    }
}

/// Compiles the rules and connects the two ends. An error comes with the name of its rule.
pub(crate) fn engine(
    rules: &[Rule],
    account_id: &str,
    sink: Arc<dyn RuleSink>,
) -> Result<(Arc<Intake>, Worker), (String, RuleError)> {
    let compiled = rules.iter().map(|rule| Compiled::new(rule).map_err(|error| (rule.name.clone(), error)));
    let rules: Arc<[Compiled]> = compiled.collect::<Result<Vec<_>, _>>()?.into();
    let state = Arc::new(State::default());
    let (sender, queue) = mpsc::channel(QUEUE_MESSAGES_MAX);
    let intake = Arc::new(Intake {
        rules: Arc::clone(&rules),
        queue: sender,
        state: Arc::clone(&state),
        unknown: Mutex::default(),
    });
    let worker =
        Worker { rules, queue, state, sink, intake: Arc::clone(&intake), account_id: account_id.to_owned() };
    Ok((intake, worker))
}

#[cfg(test)]
mod tests;
