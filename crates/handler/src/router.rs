//! From a route key to a handler, and from what it returned to the client.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use dunlin_events::{EventType, RouteKey};
use serde::de::IgnoredAny;
use tower::Service;

use crate::{
    Answer, Answering, Handler, HandlerError, Limits, RawEvent, Reply, ReplyChannel, Request,
    answering::Client,
    field,
    invocation::{self, Running, Start},
    limits::Gate,
};

/// Routes of a WebSocket API, by route key.
///
/// It is a [`Service`] from [`RawEvent`] to [`Answer`] that never fails: every error is a proxy result with a status, and a
/// message to the client. An event without a route is answered as the service itself would: `$connect` and `$disconnect` succeed
/// (fact H9), a message gets `unknown_action`, or `invalid_body` if it is not JSON.
///
/// `S` is the state that the handlers still want; [`with_state`](Router::with_state) gives it to them.
pub struct Router<S = ()> {
    routes: BTreeMap<Box<str>, Route<S>>,
    channel: Option<Arc<dyn ReplyChannel>>,
    gate: Gate,
}

struct Route<S> {
    start: Start<S, Reply>,
    one_way: bool,
}

impl<S: Send + Sync + 'static> Router<S> {
    /// A router without routes.
    pub fn new() -> Self {
        Router { routes: BTreeMap::new(), channel: None, gate: Gate::default() }
    }

    /// Adds the handler of `$connect`. The connection does not exist before it succeeds: it cannot be posted to (fact C8).
    #[must_use]
    pub fn connect<Args>(self, handler: impl Handler<Args, S>) -> Self {
        self.route(RouteKey::CONNECT, handler)
    }

    /// Adds the handler of `$disconnect`, which runs at best effort once the connection is gone (fact X1).
    #[must_use]
    pub fn disconnect<Args>(self, handler: impl Handler<Args, S>) -> Self {
        self.route(RouteKey::DISCONNECT, handler)
    }

    /// Adds the handler of `$default`: of messages that no other route takes (facts R4, R6).
    #[must_use]
    pub fn default<Args>(self, handler: impl Handler<Args, S>) -> Self {
        self.route(RouteKey::DEFAULT, handler)
    }

    /// Adds the handler of a route key, as the template spells it. The last one added for a key counts.
    ///
    /// The route is taken to have a route response; see [`one_way`](crate::one_way).
    #[must_use]
    pub fn route<Args, H: Handler<Args, S>>(mut self, route_key: &str, handler: H) -> Self {
        let start: Start<S, Reply> = Arc::new(move |request, state| handler.start(request, state));
        self.routes.insert(route_key.into(), Route { start, one_way: H::ONE_WAY });
        self
    }

    /// Adds the routes of another router, as if they had been added here. Its channel and limits do not come along.
    #[must_use]
    pub fn merge(mut self, other: Router<S>) -> Self {
        self.routes.extend(other.routes);
        self
    }

    /// Sets the bounds of its handlers.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.gate = Gate::new(limits);
        self
    }

    /// Sets the way to the clients of [`one_way`](crate::one_way) routes, and of replies that are
    /// [`posted`](Reply::posted).
    #[must_use]
    pub fn reply_channel(mut self, channel: impl ReplyChannel) -> Self {
        self.channel = Some(Arc::new(channel));
        self
    }

    /// Gives the handlers their state.
    pub fn with_state(self, state: S) -> Router<()> {
        let state = Arc::new(state);
        let bound = |(key, route): (Box<str>, Route<S>)| {
            let start = invocation::bind(route.start, Arc::clone(&state));
            (key, Route { start, one_way: route.one_way })
        };
        Router {
            routes: self.routes.into_iter().map(bound).collect(),
            channel: self.channel,
            gate: self.gate,
        }
    }

    /// The route keys that have a handler, sorted.
    pub fn route_keys(&self) -> Vec<&str> {
        self.routes.keys().map(|key| &**key).collect()
    }
}

impl<S: Send + Sync + 'static> Default for Router<S> {
    fn default() -> Self {
        Router::new()
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Router { routes: self.routes.clone(), channel: self.channel.clone(), gate: self.gate.clone() }
    }
}

impl<S> Clone for Route<S> {
    fn clone(&self) -> Self {
        Route { start: Arc::clone(&self.start), one_way: self.one_way }
    }
}

impl Service<RawEvent> for Router<()> {
    type Response = Answer;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, raw: RawEvent) -> Answering {
        match self.start(&raw) {
            Ok((running, client)) => Answering::handling(running, raw, client),
            Err(refused) => Answering::refused(refuse(&refused, raw.invocation_id_ref())),
        }
    }
}

impl Router<()> {
    /// Parses the event and starts its handler.
    ///
    /// # Errors
    /// `invalid_event` for what is not about a connection: nobody could be told, and nothing else happens.
    fn start(&self, raw: &RawEvent) -> Result<(Running<Reply>, Client), HandlerError> {
        let head = raw.head()?;
        let request = Request::websocket(raw, &head, &self.gate)?;
        let route_key = route_key(&request)?;
        let handshake_or_end = matches!(route_key, RouteKey::CONNECT | RouteKey::DISCONNECT);
        let fallback = || self.routes.get(RouteKey::DEFAULT).filter(|_| !handshake_or_end);
        let route = self.routes.get(route_key).or_else(fallback);
        request.record_span(route_key);

        let running = match route {
            Some(route) => match request.check_body(&self.gate) {
                Ok(()) => Running::start(&route.start, &request, &self.gate),
                Err(error) => Running::ended(Err(error)),
            },
            // As the service does without such a route (fact H9).
            None if handshake_or_end => Running::ended(Ok(Reply::empty())),
            None => Running::ended(Err(self.no_route(&request))),
        };
        let client = Client {
            connection: request.connection_id()?.clone(),
            one_way: route.is_some_and(|route| route.one_way),
            is_connected: !handshake_or_end,
            channel: self.channel.clone(),
        };
        Ok((running, client))
    }

    /// Why a message that no route takes is refused.
    fn no_route(&self, request: &Request<'_>) -> HandlerError {
        let body = match request.body() {
            Ok(body) => body,
            Err(error) => return error,
        };
        if let Err(sentence) = field::parse::<IgnoredAny>("the message", &body) {
            return HandlerError::invalid_body(sentence);
        }
        let known: Vec<_> = self.route_keys().into_iter().filter(|key| !key.starts_with('$')).collect();
        HandlerError::unknown_action(match known.as_slice() {
            [] => "no route takes this message".to_owned(),
            known => format!("no route takes this message; there are {}", known.join(", ")),
        })
    }
}

/// The route that the gateway selected; what the kind of event implies if a minimal event does not say.
fn route_key<'e>(request: &Request<'e>) -> Result<&'e str, HandlerError> {
    if let Some(key) = request.head()?.request_context.route_key.as_deref() {
        return Ok(key);
    }
    Ok(match request.event()?.request_context.event_type {
        Some(EventType::Connect) => RouteKey::CONNECT,
        Some(EventType::Disconnect) => RouteKey::DISCONNECT,
        Some(EventType::Message) | None => RouteKey::DEFAULT,
    })
}

/// Answers what is not about a connection: with a status, and nothing else happens.
fn refuse(error: &HandlerError, request_id: Option<&str>) -> Answer {
    error.log_for_nobody();
    Reply::json_text(error.to_frame(request_id)).status(error.status_code()).into_proxy_result()
}
