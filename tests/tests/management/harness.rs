//! What the suite needs to know of a client and of what is behind it.

use std::time::Duration;

use dunlin_events::ConnectionId;
use dunlin_management::{ConnectionInfo, ManagementClient};
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine; a wait that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What clients of the WebSocket API say that they are.
pub(crate) const USER_AGENT: &str = "dunlin-tests/1";

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("what the test waits for did not happen")
}

/// A client of the management API, and a service behind it.
pub(crate) trait Harness: Sized {
    type Client: ManagementClient;
    type Peer: Peer;

    async fn start() -> Self;

    fn client(&self) -> &Self::Client;

    /// Somebody connects to the WebSocket API.
    async fn connect(&self) -> Self::Peer;

    /// The id of a connection that there never was.
    fn nobody(&self) -> ConnectionId;

    /// How many calls have arrived at the service.
    fn arrived(&self) -> u64;
}

/// A service that can be in trouble.
pub(crate) trait Troubled: Harness {
    /// The next call, which is about `id`, gets this answer.
    fn answer_next(&self, id: &ConnectionId, status: u16, headers: &[(&str, &str)]);
}

/// The other end of a connection.
pub(crate) trait Peer {
    fn id(&self) -> &ConnectionId;

    /// The next message.
    async fn message(&mut self) -> String;

    /// Hangs up, and waits until the service has noticed.
    async fn hang_up(self);

    /// Waits until the service has closed the connection as a delete does.
    async fn closed(self);

    /// Checks what the service says of this connection.
    fn check(&self, info: &ConnectionInfo);
}
