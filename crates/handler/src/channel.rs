//! The second way to a client.

use bytes::Bytes;
use dunlin_events::ConnectionId;
use futures_util::future::BoxFuture;

use crate::BoxError;

/// Posts to a connection from outside its route response: answers and errors of [`one_way`](crate::one_way) routes go this way.
///
/// A closure that posts is one:
///
/// ```
/// use std::{io, sync::Arc};
/// use bytes::Bytes;
/// use dunlin_events::ConnectionId;
/// use dunlin_handler::{Router, one_way, testing::{TestEvent, send}};
///
/// /// The app's client of the management API.
/// struct Client;
///
/// impl Client {
///     async fn post(&self, connection: &ConnectionId, message: Bytes) -> io::Result<()> {
///         assert_eq!((connection.as_str(), &message[..]), ("Zk3pQdXMDoECEeg=", &b"pong"[..]));
///         Ok(())
///     }
/// }
///
/// async fn ping() -> &'static str { "pong" }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let client = Arc::new(Client);
/// let mut router = Router::new().route("ping", one_way(ping)).reply_channel(move |connection, message| {
///     let client = Arc::clone(&client);
///     async move { client.post(&connection, message).await }
/// });
/// assert_eq!(send(&mut router, TestEvent::message("ping", "{}")).await.status(), 200);
/// # }
/// ```
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

impl<F, Posting, E> ReplyChannel for F
where
    F: Fn(ConnectionId, Bytes) -> Posting + Send + Sync + 'static,
    Posting: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError>,
{
    fn post<'a>(
        &'a self,
        connection: &'a ConnectionId,
        message: Bytes,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        let posting = self(connection.clone(), message);
        Box::pin(async move { posting.await.map_err(Into::into) })
    }
}
