//! Posts from within the process: what `@connections` does, without HTTP.

use crate::{connection::Connection, frames::Frames, gateway::Gateway, outbox::Refused, registry::parse_id};
use dunlin_events::limits;

/// A text message for any number of connections: it is checked and framed once.
#[derive(Clone, Debug)]
pub struct Post(Frames);

/// Why a post was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PostError {
    /// Connections carry text only (U11).
    #[error("the payload is not UTF-8")]
    NotText,
    /// Over the service's limit (C11).
    #[error("the payload is larger than {} bytes", limits::MESSAGE_BYTES_MAX)]
    TooLarge,
    /// Nobody has this id, or not any more (C4).
    #[error("the connection is gone")]
    Gone,
    /// The client does not read what it gets, or the account is throttled (C3).
    #[error("the client does not read what it gets, or the account is throttled")]
    Throttled,
}

impl Post {
    /// Frames a payload.
    ///
    /// # Errors
    /// [`PostError::NotText`] and [`PostError::TooLarge`].
    pub fn new(payload: &[u8]) -> Result<Self, PostError> {
        if payload.len() > limits::MESSAGE_BYTES_MAX {
            return Err(PostError::TooLarge);
        }
        let text = str::from_utf8(payload).map_err(|_| PostError::NotText)?;
        Ok(Post(Frames::text(text)))
    }
}

impl<B> Gateway<B> {
    /// Sends a message to a connection of any stage of `api_id`, as a POST to `@connections` would: written at once while
    /// nothing waits for the client, otherwise queued. Success says accepted, not received (C9).
    ///
    /// # Errors
    /// [`PostError::Gone`] and [`PostError::Throttled`].
    pub fn post(&self, api_id: &str, connection_id: &str, post: &Post) -> Result<(), PostError> {
        let tick = self.tick();
        if !self.account.requests.take(tick) {
            self.counters.posts_throttled.increment();
            return Err(PostError::Throttled);
        }
        let key = parse_id(connection_id).ok_or(PostError::Gone)?;
        let api = self.api(api_id).ok_or(PostError::Gone)?;
        let connection = api.registry.get(&key).ok_or(PostError::Gone)?;
        deliver(self, &connection, post, tick)
    }
}

/// Hands a message over to its connection. `tick` was before the client can have it, as for answers.
pub(crate) fn deliver<B>(
    gateway: &Gateway<B>,
    connection: &Connection,
    post: &Post,
    tick: u64,
) -> Result<(), PostError> {
    match connection.outbox.post(post.0.clone(), gateway.config.limits.outbox_bytes_max) {
        Ok(()) => {
            gateway.counters.messages_out.increment();
            connection.stage.watch.unrouted.metrics.messages.increment();
            connection.touch(tick);
            Ok(())
        }
        Err(Refused::Full) => {
            gateway.counters.posts_throttled.increment();
            Err(PostError::Throttled)
        }
        Err(Refused::Closed) => Err(PostError::Gone),
    }
}
