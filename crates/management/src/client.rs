//! The contract of a management client.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use dunlin_events::ConnectionId;

use crate::ManagementError;

/// What became of a post. A gone connection is an outcome and not an error: the service cannot promise that
/// `$disconnect` runs, so posting is how an application learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PostOutcome {
    /// The service accepted the data for the connection; that it arrived is not known (fact C9).
    Delivered,
    /// There is no such connection (any more). One that is still being established answers so too (fact C8).
    Gone,
}

/// What became of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeleteOutcome {
    /// The service closes the connection.
    Deleted,
    /// There was no such connection.
    Gone,
}

/// What the service tells about a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// When the connection was made.
    pub connected_at: SystemTime,
    /// When a message last went through it, in either direction.
    pub last_active_at: SystemTime,
    /// The client's address.
    pub source_ip: Option<IpAddr>,
    /// The client's `User-Agent`, if it sent one.
    pub user_agent: Option<String>,
}

/// Calls the management API of one stage.
///
/// A client makes one attempt per call and never retries by itself: only its caller knows the deadline and
/// what the attempt counts towards. (Opening another connection for a request of which nothing was sent is the same
/// attempt.) Every attempt over a network has a time limit, after which it is `Unavailable`. A call may be dropped at any
/// moment; what the service had received by then stands.
pub trait ManagementClient: Send + Sync + 'static {
    /// Sends `data`, which is UTF-8, to the connection as one text message (fact C7). More than 131,072 bytes (fact C2)
    /// are `TooLarge` before anything is sent; no bytes are a message too.
    ///
    /// Two posts to one connection may overtake each other (fact C10). A post that failed may have arrived.
    ///
    /// # Errors
    /// By kind: see [`ManagementErrorKind`](crate::ManagementErrorKind).
    fn post(
        &self,
        id: &ConnectionId,
        data: Bytes,
    ) -> impl Future<Output = Result<PostOutcome, ManagementError>> + Send;

    /// What the service knows of the connection; `None` if it is gone.
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    fn get(
        &self,
        id: &ConnectionId,
    ) -> impl Future<Output = Result<Option<ConnectionInfo>, ManagementError>> + Send;

    /// Closes the connection; its `$disconnect` route runs afterwards (fact C12).
    ///
    /// # Errors
    /// As for [`post`](Self::post).
    fn delete(
        &self,
        id: &ConnectionId,
    ) -> impl Future<Output = Result<DeleteOutcome, ManagementError>> + Send;
}

/// A shared client is a client.
impl<M: ManagementClient> ManagementClient for Arc<M> {
    fn post(
        &self,
        id: &ConnectionId,
        data: Bytes,
    ) -> impl Future<Output = Result<PostOutcome, ManagementError>> + Send {
        M::post(self, id, data)
    }

    fn get(
        &self,
        id: &ConnectionId,
    ) -> impl Future<Output = Result<Option<ConnectionInfo>, ManagementError>> + Send {
        M::get(self, id)
    }

    fn delete(
        &self,
        id: &ConnectionId,
    ) -> impl Future<Output = Result<DeleteOutcome, ManagementError>> + Send {
        M::delete(self, id)
    }
}
