//! The app, put together.

use std::{sync::Arc, time::Duration};

use dunlin_connection_store::{ConnectionStore, Timestamp};
use dunlin_events::limits::FUNCTION_TIMEOUT_DEFAULT;
use dunlin_fanout::Fanout;
use dunlin_handler::{Deadline, EventHandler, Router};
use dunlin_management::ManagementClient;
use tokio::time::Instant;

use crate::{Role, connection, list, metrics::Metrics, unrouted, update};

/// How long an invocation may take that brought no deadline along: what a function has unless its template says more.
pub const DEADLINE_DEFAULT: Duration = FUNCTION_TIMEOUT_DEFAULT;

/// What the roles that reach clients work on, made once at the start of the process.
#[derive(Debug)]
pub struct App<S, M> {
    fanout: Fanout<S, M>,
    now: fn() -> Timestamp,
    seed: fn() -> u64,
    metrics: Option<Metrics>,
}

impl<S: ConnectionStore, M: ManagementClient> App<S, M> {
    /// The app on this store and this management API, with these clocks and dice.
    pub fn new(store: S, management: M, now: fn() -> Timestamp, seed: fn() -> u64) -> Self {
        App { fanout: Fanout::new(store, management), now, seed, metrics: None }
    }

    /// The same, printing what each update reached and cost to standard output, for CloudWatch to make metrics of
    /// ([`METRICS_NAMESPACE`](crate::METRICS_NAMESPACE)) under the name of this function.
    #[must_use]
    pub fn with_metrics(self, function_name: impl Into<String>) -> Self {
        App { metrics: Some(Metrics::new(function_name.into())), ..self }
    }

    /// Who is connected, who follows what.
    pub fn store(&self) -> &S {
        self.fanout.store()
    }

    /// The way to clients.
    pub fn management(&self) -> &M {
        self.fanout.management()
    }

    pub(crate) fn fanout(&self) -> &Fanout<S, M> {
        &self.fanout
    }

    pub(crate) fn metrics(&self) -> Option<&Metrics> {
        self.metrics.as_ref()
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.now)()
    }

    pub(crate) fn seed(&self) -> u64 {
        (self.seed)()
    }
}

/// The function of `$connect`.
pub fn connect<S: ConnectionStore>(store: S, now: fn() -> Timestamp) -> Router {
    Router::new().connect(connection::connect::<S>).with_state(Arc::new(connection::Registry { store, now }))
}

/// The function of `$disconnect`.
pub fn disconnect<S: ConnectionStore>(store: S) -> Router {
    Router::new().disconnect(connection::disconnect::<S>).with_state(Arc::new(store))
}

/// The function of the route `set_notify_list`.
pub fn set_notify_list<S: ConnectionStore, M: ManagementClient>(app: Arc<App<S, M>>) -> Router {
    Router::new().route(Role::SetNotifyList.as_str(), list::set_notify_list::<S, M>).with_state(app)
}

/// The function of `$default`.
pub fn default() -> Router {
    Router::new().default(unrouted::default)
}

/// The function that a topic rule calls with a device's update.
pub fn notify_parameter<S: ConnectionStore, M: ManagementClient>(app: Arc<App<S, M>>) -> EventHandler {
    EventHandler::new(update::notify_parameter::<S, M>).with_state(app)
}

/// The deadline on tokio's clock.
pub(crate) fn deadline(Deadline(deadline): Deadline) -> Instant {
    deadline.map_or_else(|| Instant::now() + DEADLINE_DEFAULT, Instant::from_std)
}
