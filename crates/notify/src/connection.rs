//! `connect` and `disconnect`.

use std::sync::Arc;

use dunlin_connection_store::{Connection as StoredConnection, ConnectionStore, Timestamp};
use dunlin_events::ConnectionId;
use dunlin_handler::{Closed, Connection, HandlerError, State};

/// Where `connect` writes, and by which clock.
pub(crate) struct Registry<S> {
    pub(crate) store: S,
    pub(crate) now: fn() -> Timestamp,
}

/// Remembers the connection. If that fails the client is refused with a 500: it would follow nothing for two hours.
pub(crate) async fn connect<S: ConnectionStore>(
    State(registry): State<Arc<Registry<S>>>,
    connection: Connection,
) -> Result<(), HandlerError> {
    registry.store.add(&stored(&connection, (registry.now)())).await?;
    Ok(())
}

/// Forgets the connection and its list. Best effort by contract (fact X1): rows expire, and a post that finds the connection gone prunes them.
pub(crate) async fn disconnect<S: ConnectionStore>(
    State(store): State<Arc<S>>,
    id: ConnectionId,
    closed: Closed,
) -> Result<(), HandlerError> {
    let present = store.remove(&id).await?;
    tracing::debug!(code = closed.code, present, "disconnected");
    Ok(())
}

/// What the store keeps of a connection. Every event of a connection says when it was made (section 4.2 of the service's facts).
pub(crate) fn stored(connection: &Connection, now: Timestamp) -> StoredConnection {
    let connected_at = connection.connected_at_ms.map_or(now, Timestamp::from_epoch_ms);
    StoredConnection::new(connection.id.clone(), connected_at)
}
