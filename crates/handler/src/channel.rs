//! The second way to a client.

use bytes::Bytes;
use dunlin_events::ConnectionId;
use futures_util::future::BoxFuture;

use crate::BoxError;

/// Posts to a connection from outside its route response: answers and errors of [`one_way`](crate::one_way) routes go this way.
pub trait ReplyChannel: Send + Sync + 'static {
    /// Posts one text message. Bounds its own wait: the handler's answer waits for it.
    ///
    /// # Errors
    /// Whatever kept the message from being accepted; it is logged, and the invocation goes on. A connection that is
    /// gone is no error.
    fn post<'a>(
        &'a self,
        connection: &'a ConnectionId,
        message: Bytes,
    ) -> BoxFuture<'a, Result<(), BoxError>>;
}
