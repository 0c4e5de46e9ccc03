//! What the broker asks and tells: who may publish where, and what was published.

use std::{
    collections::{HashMap, VecDeque},
    future::ready,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use mqtt5::{
    broker::{
        AuthProvider, BrokerEventHandler, ClientConnectEvent, ClientDisconnectEvent, ClientPublishEvent,
        PublishAction, auth::AuthResult, router::MessageRouter,
    },
    packet::{connect::ConnectPacket, publish::PublishPacket},
    protocol::v5::reason_codes::ReasonCode,
};

use crate::{
    broker::Clock,
    engine::{Intake, Outlet, Published, Way, check_topic},
    rule::BoxFuture,
};

/// The broker's events. Messages also go to the broker's own subscribers, if they were not for a rule alone.
pub(crate) struct Hook {
    intake: Arc<Intake>,
    clock: Clock,
    wills: Mutex<Wills>,
}

/// The last wills of those who are connected. Of two connections with one client id the earlier one ends first, so each id
/// has a queue.
type Wills = HashMap<Arc<str>, VecDeque<Option<Will>>>;

struct Will {
    topic: Arc<str>,
    payload: Bytes,
}

impl Hook {
    pub(crate) fn new(intake: Arc<Intake>, clock: Clock) -> Self {
        Self { intake, clock, wills: Mutex::default() }
    }

    fn take(&self, client_id: Arc<str>, topic: Arc<str>, payload: Bytes) -> Way {
        let received_at_ms = (self.clock)();
        self.intake.published(Published { topic, client_id, payload, received_at_ms, depth: 0 })
    }

    fn wills(&self) -> MutexGuard<'_, Wills> {
        self.wills.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The will of the connection that ended.
    fn end_of(&self, client_id: &Arc<str>) -> Option<Will> {
        let mut wills = self.wills();
        let queue = wills.get_mut(client_id)?;
        let will = queue.pop_front().flatten();
        if queue.is_empty() {
            wills.remove(client_id);
        }
        will
    }
}

impl BrokerEventHandler for Hook {
    fn on_client_connect<'a>(&'a self, event: ClientConnectEvent) -> BoxFuture<'a, ()> {
        let will =
            event.will_topic.map(|topic| Will { topic, payload: event.will_payload.unwrap_or_default() });
        self.wills().entry(event.client_id).or_default().push_back(will);
        Box::pin(ready(()))
    }

    fn on_client_publish<'a>(&'a self, event: ClientPublishEvent) -> BoxFuture<'a, PublishAction> {
        let ClientPublishEvent { client_id, topic, payload, .. } = event;
        let action = match self.take(client_id, topic, payload) {
            Way::Broker => PublishAction::Continue,
            Way::RuleOnly => PublishAction::Handled,
        };
        Box::pin(ready(action))
    }

    /// The broker publishes a last will without a word to its hook. It waits out the delay that MQTT 5 allows; the rules
    /// do not.
    fn on_client_disconnect<'a>(&'a self, event: ClientDisconnectEvent) -> BoxFuture<'a, ()> {
        let will = self.end_of(&event.client_id);
        if let Some(Will { topic, payload }) = will
            && event.unexpected
            && event.reason != ReasonCode::SessionTakenOver
            && check_topic(&topic).is_ok()
        {
            self.take(event.client_id, topic, payload);
        }
        Box::pin(ready(()))
    }
}

/// Everybody may connect, and publish to any topic that the service takes (S11).
pub(crate) struct AnyClient;

impl AuthProvider for AnyClient {
    fn authenticate<'a>(
        &'a self,
        _connect: &'a ConnectPacket,
        _client: SocketAddr,
    ) -> BoxFuture<'a, mqtt5::Result<AuthResult>> {
        Box::pin(ready(Ok(AuthResult::success())))
    }

    fn authorize_publish<'a>(
        &'a self,
        client_id: &str,
        _user: Option<&'a str>,
        topic: &'a str,
    ) -> BoxFuture<'a, bool> {
        let checked = check_topic(topic);
        if let Err(problem) = &checked {
            tracing::warn!("message of {client_id} refused: {problem}");
        }
        Box::pin(ready(checked.is_ok()))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        _user: Option<&'a str>,
        _filter: &'a str,
    ) -> BoxFuture<'a, bool> {
        Box::pin(ready(true))
    }
}

/// Republished messages reach subscribers past the hook: the engine runs the rules on them itself.
pub(crate) struct Subscribers(pub(crate) Arc<MessageRouter>);

impl Outlet for Subscribers {
    fn publish(&self, packet: PublishPacket) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.0.route_message(&packet, None).await })
    }
}
