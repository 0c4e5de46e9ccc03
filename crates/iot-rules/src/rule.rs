use std::{future::Future, pin::Pin};

use bytes::Bytes;

/// A boxed future, so that [`RuleSink`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One rule: which messages, what of them, and who gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Names the rule in logs and errors.
    pub name: String,
    /// The statement; see [`crate::sql`] for what is supported.
    pub sql: String,
    /// Functions that get the event, by the name that [`RuleSink::deliver`] receives.
    pub functions: Vec<String>,
}

/// Takes the events that rules make. Invocation is asynchronous (S6): the future ends when the event is accepted, not
/// when the function is done.
pub trait RuleSink: Send + Sync + 'static {
    /// Hands `event`, a JSON object, to `function`. Called for one event at a time, in the order of the messages; while it
    /// waits, messages queue up ([`crate::QUEUE_MESSAGES_MAX`]).
    fn deliver<'a>(&'a self, function: &'a str, event: Bytes) -> BoxFuture<'a, Result<(), DeliverError>>;
}

/// Why a sink did not accept an event. The event is lost and counted; everything else goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeliverError(pub String);
