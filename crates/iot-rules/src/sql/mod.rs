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
mod message;
mod outgoing;
mod parse;
mod template;
mod topic;

pub use message::{Message, Properties};
pub use outgoing::{EvaluateError, Outgoing, Variables};
pub use parse::SQL_BYTES_MAX;
pub use template::Template;
pub use topic::TopicFilter;

use expression::Expression;

/// One rule's statement.
///
/// ```
/// use dunlin_iot_rules::sql::{Message, Statement};
///
/// let statement = Statement::parse("SELECT v, topic(2) AS device FROM 'devices/+/parameters' WHERE v > 1")?;
/// let message = Message::new("devices/dev-1/parameters", br#"{"v":2,"w":3}"#);
/// let outgoing = statement.evaluate(&message)?.expect("v is more than 1");
/// assert_eq!(outgoing.payload, br#"{"v":2,"device":"dev-1"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    filter: TopicFilter,
    /// Whether the payload's own keys are in the event.
    all: bool,
    items: Vec<Item>,
    condition: Option<Expression>,
}

/// A version of the service's SQL (S8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// The first one, and the service's choice for a rule that names none.
    V2015_10_08,
    /// The present one.
    #[default]
    V2016_03_23,
    /// Whatever is newest; here the same as the present one.
    Beta,
}

impl std::str::FromStr for Version {
    type Err = SqlError;

    fn from_str(text: &str) -> Result<Self, SqlError> {
        match text {
            "2015-10-08" => Ok(Self::V2015_10_08),
            "2016-03-23" => Ok(Self::V2016_03_23),
            "beta" => Ok(Self::Beta),
            other => Err(SqlError::new(format!(
                "there is no SQL version {other:?}; there are 2016-03-23, 2015-10-08 and beta"
            ))),
        }
    }
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
    /// Parses a statement of SQL version 2016-03-23.
    ///
    /// # Errors
    /// If it is not SQL, or asks for something that is not supported.
    pub fn parse(sql: &str) -> Result<Self, SqlError> {
        Self::parse_version(sql, Version::V2016_03_23)
    }

    /// Parses a statement of any version.
    ///
    /// # Errors
    /// If it is not SQL, or asks for something that is not supported, or not in this version.
    pub fn parse_version(sql: &str, _version: Version) -> Result<Self, SqlError> {
        parse::statement(sql)
    }

    /// The topics that the rule is about; `None` for a rule without `FROM`, which only Basic Ingest reaches.
    #[must_use]
    pub fn filter(&self) -> Option<&TopicFilter> {
        Some(&self.filter)
    }

    /// Whether messages on `topic` are for this rule.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        self.filter().is_some_and(|filter| filter.matches(topic))
    }

    /// What `message` becomes, if `WHERE` is true of it. The topic filter is not looked at.
    ///
    /// # Errors
    /// If the payload is not what the statement needs, or the work is beyond a bound.
    pub fn evaluate(&self, message: &Message<'_>) -> Result<Option<Outgoing>, EvaluateError> {
        match evaluate::statement(self, message) {
            evaluate::Evaluation::Event(event) => Ok(Some(Outgoing {
                payload: event.into_bytes(),
                is_json: true,
                variables: Variables::default(),
            })),
            evaluate::Evaluation::Skipped => Ok(None),
            evaluate::Evaluation::Unreadable => {
                Err(EvaluateError::NotJson { problem: "the statement looks inside it".to_owned() })
            }
        }
    }
}
