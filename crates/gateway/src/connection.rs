use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use serde_json::value::RawValue;

use crate::{
    ApiKeyConfig,
    api::Stage,
    ids::{IdBytes, Suffix},
    outbox::Outbox,
};

/// One client, from the moment that `$connect` let it in until its socket is gone. Small: there is one per open socket.
///
/// In the order in which it stands in memory: what a post needs comes first, in as few cache lines as possible.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Connection {
    last_active_tick: AtomicU64,
    pub(crate) stage: Arc<Stage>,
    pub(crate) outbox: Outbox,
    pub(crate) key: IdBytes,
    /// The end of the ids of its messages.
    pub(crate) suffix: Suffix,
    /// Which listener it came through.
    pub(crate) listener: u32,
    /// The `Host` that the client used.
    pub(crate) domain_name: Box<str>,
    pub(crate) source_ip: IpAddr,
    pub(crate) user_agent: Option<Box<str>>,
    /// What the authorizer knows of the client, as events show it (A5).
    pub(crate) authorizer: Option<Box<RawValue>>,
    /// What it was let in with (A10).
    pub(crate) api_key: Option<Arc<ApiKeyConfig>>,
    /// Milliseconds since 1970.
    pub(crate) connected_at: u64,
    /// The same moment on the gateway's own monotonic clock.
    pub(crate) connected_tick: u64,
    in_flight: AtomicUsize,
}

/// What a connection is made of.
pub(crate) struct NewConnection {
    pub(crate) id: (IdBytes, Suffix),
    pub(crate) listener: u32,
    pub(crate) stage: Arc<Stage>,
    pub(crate) domain_name: Box<str>,
    pub(crate) source_ip: IpAddr,
    pub(crate) user_agent: Option<Box<str>>,
    pub(crate) connected_at: u64,
    pub(crate) connected_tick: u64,
}

impl Connection {
    pub(crate) fn new(new: NewConnection) -> Self {
        Connection {
            key: new.id.0,
            suffix: new.id.1,
            listener: new.listener,
            stage: new.stage,
            domain_name: new.domain_name,
            source_ip: new.source_ip,
            user_agent: new.user_agent,
            authorizer: None,
            api_key: None,
            connected_at: new.connected_at,
            connected_tick: new.connected_tick,
            outbox: Outbox::default(),
            last_active_tick: AtomicU64::new(new.connected_tick),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// The id as it travels. Computed, since the bytes are what has to be kept.
    pub(crate) fn id(&self) -> String {
        dunlin_events::opaque_id(self.key)
    }

    /// Notes a message in either direction (Q4).
    pub(crate) fn touch(&self, tick: u64) {
        self.last_active_tick.fetch_max(tick, Relaxed);
    }

    /// When the last message passed, in milliseconds of the monotonic clock.
    pub(crate) fn last_active_tick(&self) -> u64 {
        self.last_active_tick.load(Relaxed)
    }

    /// When the last message passed, in milliseconds since 1970.
    pub(crate) fn last_active_at(&self) -> u64 {
        self.connected_at + self.last_active_tick().saturating_sub(self.connected_tick)
    }

    /// How many of its messages are with functions.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }
}

/// One message with a function. When it goes, the connection's task may read on.
pub(crate) struct InFlight(Arc<Connection>);

impl InFlight {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        connection.in_flight.fetch_add(1, Relaxed);
        InFlight(connection)
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
        self.0.outbox.wake();
    }
}
