//! The SQL of IoT rules: parsed once at start, evaluated per message.
//!
//! Supported are `SELECT` with `*`, nested paths (`payload.value.t`), literals, functions and aliases, `FROM` with a topic
//! filter, and `WHERE` with comparisons, `AND`, `OR`, `NOT` and parentheses. The functions are `topic()`, `topic(n)`,
//! `timestamp()`, `clientid()`, `newuuid()`, `isUndefined(x)`, `isNull(x)` and `encode(*, 'base64')`.
//!
//! What a message does not have is *undefined*: such an item is left out of the event, and a condition that comes out
//! undefined is not true. In detail:
//!
//! - `=` and `<>` compare values of the same type; a text that is a number also equals that number; other types differ.
//! - `<`, `<=`, `>`, `>=` compare numbers, and texts that are numbers; anything else is undefined.
//! - `AND`, `OR`, `NOT` take booleans and the texts `true` and `false`; anything else is undefined, whatever the other side is.

mod evaluate;
mod expression;
mod json;
mod parse;
mod topic;

pub use evaluate::{Evaluation, Message};
pub use parse::SQL_BYTES_MAX;
pub use topic::TopicFilter;

use expression::Expression;

/// One rule's statement.
///
/// ```
/// use dunlin_iot_rules::sql::{Evaluation, Message, Statement};
///
/// let statement = Statement::parse("SELECT v, topic(2) AS device FROM 'devices/+/parameters' WHERE v > 1")?;
/// let message = Message {
///     topic: "devices/dev-1/parameters",
///     client_id: "dev-1",
///     payload: br#"{"v":2,"w":3}"#,
///     received_at_ms: 0,
///     random: &|| 0,
/// };
/// assert_eq!(statement.evaluate(&message), Evaluation::Event(r#"{"v":2,"device":"dev-1"}"#.into()));
/// # Ok::<(), dunlin_iot_rules::sql::SqlError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    filter: TopicFilter,
    /// Whether the payload's own keys are in the event.
    all: bool,
    items: Vec<Item>,
    condition: Option<Expression>,
}

/// A named item of the `SELECT` list.
#[derive(Debug, Clone, PartialEq)]
struct Item {
    name: String,
    value: Expression,
}

/// Why a statement cannot serve as a rule: not SQL, or not supported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    message: String,
}

impl SqlError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl Statement {
    /// Parses a statement.
    ///
    /// # Errors
    /// If it is not SQL, or asks for something that is not supported.
    pub fn parse(sql: &str) -> Result<Self, SqlError> {
        parse::statement(sql)
    }

    /// The topics that the rule is about.
    #[must_use]
    pub fn filter(&self) -> &TopicFilter {
        &self.filter
    }

    /// The event that `message` becomes, if it becomes one. The topic filter is not looked at.
    #[must_use]
    pub fn evaluate(&self, message: &Message<'_>) -> Evaluation {
        evaluate::statement(self, message)
    }
}
