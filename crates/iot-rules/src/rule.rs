//! A rule as a template describes it, and where its events go.

use std::{future::Future, pin::Pin};

use bytes::Bytes;

use crate::sql::Version;

/// A boxed future, so that [`RuleSink`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One rule: which messages, what of them, and what happens with that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Names the rule in logs, errors and Basic Ingest topics (`$aws/rules/{name}/…`).
    pub name: String,
    /// The statement; see [`crate::sql`].
    pub sql: String,
    /// The version of SQL that it is written in.
    pub version: Version,
    /// What is done with each event, in this order; at most [`dunlin_events::limits::IOT_RULE_ACTIONS_MAX`].
    pub actions: Vec<Action>,
    /// What is done with the message that says which actions failed (S10).
    pub error_action: Option<Action>,
}

/// One thing that a rule does with its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Invokes a function asynchronously (S6). The event must be JSON.
    Lambda {
        /// The name that the sink knows it by.
        function: String,
    },
    /// Publishes the event to another topic.
    Republish(Republish),
    /// Writes the event to a log group.
    CloudwatchLogs {
        /// Its name; may hold substitution templates.
        log_group: String,
        /// Whether the event is a JSON array of `{"timestamp", "message"}`, each a log event of its own.
        batch: bool,
    },
    /// Sends the event to a queue.
    Sqs {
        /// The queue's URL.
        queue_url: String,
        /// Whether the event is sent as Base64.
        base64: bool,
    },
}

/// Where and how a republished event goes. Texts may hold substitution templates: `${topic()}/out`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Republish {
    /// The topic; `$$` at its start stands for `$`.
    pub topic: String,
    /// Whether subscribers get it at least once (QoS 1) rather than at most once (QoS 0).
    pub at_least_once: bool,
    /// Properties that MQTT 5 subscribers see.
    pub headers: Headers,
}

/// The MQTT 5 properties of a republished event. Texts may hold substitution templates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// `UTF8_DATA` or `UNSPECIFIED_BYTES`.
    pub payload_format_indicator: Option<String>,
    /// What the payload is.
    pub content_type: Option<String>,
    /// Where an answer is expected.
    pub response_topic: Option<String>,
    /// What ties an answer to its request, as Base64.
    pub correlation_data: Option<String>,
    /// Seconds for which a subscriber's absence does not matter.
    pub message_expiry: Option<String>,
    /// Names and values of the application's own, in order.
    pub user_properties: Vec<(String, String)>,
}

/// Where an event leaves for; what [`Action`] says, with its templates filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// The function of this name, asynchronously.
    Function(&'a str),
    /// The log group of this name.
    LogGroup(&'a str),
    /// The queue with this URL.
    Queue(&'a str),
}

/// Takes the events that rules make, for everything but republishing.
pub trait RuleSink: Send + Sync + 'static {
    /// Hands the `event` that the rule of this name made to `target`. Called for one event at a time, in the order of the messages; while it waits, messages
    /// queue up ([`crate::QUEUE_MESSAGES_MAX`]). The future ends when the event is accepted: for a function that is
    /// before it runs (S6).
    ///
    /// # Errors
    /// If the target does not take the event. The rule's error action is told; everything else goes on.
    fn deliver<'a>(
        &'a self,
        rule: &'a str,
        target: Target<'a>,
        event: Bytes,
    ) -> BoxFuture<'a, Result<(), DeliverError>>;
}

/// Why a sink did not accept an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeliverError(pub String);
