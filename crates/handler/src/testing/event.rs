use std::{fmt, time::Instant};

use dunlin_events::{
    AuthorizerRequest, EventType, Identity, ListMap, RequestContext, RouteKey, Text, TextMap, WebSocketEvent,
    request_time,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::RawEvent;

/// The connection of a [`TestEvent`] that names none.
pub const CONNECTION_ID: &str = "Zk3pQdXMDoECEeg=";

/// When the connection of a [`TestEvent`] was made, in milliseconds since 1970, unless it says otherwise.
pub const CONNECTED_AT_MS: u64 = 1_721_807_234_120;

/// What an authorizer is asked about in a [`TestEvent`].
pub const METHOD_ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/dev/$connect";

const HOST: &str = "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com";

/// An event about a connection with all that the service sends, to change where a test cares.
///
/// ```
/// use dunlin_handler::{RawEvent, testing::TestEvent};
///
/// let event = TestEvent::connect().query("device", "pump-7").offer("telemetry.v1").source_ip("198.51.100.4");
/// assert!(RawEvent::from(event).payload().contains(r#""queryStringParameters":{"device":"pump-7"}"#));
/// ```
#[derive(Clone, Debug)]
pub struct TestEvent {
    for_authorizer: bool,
    event_type: EventType,
    route_key: String,
    connection_id: Option<String>,
    request_id: String,
    connected_at_ms: u64,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    stage_variables: Vec<(String, String)>,
    stage: String,
    domain_name: String,
    source_ip: String,
    user_agent: Option<String>,
    authorizer: Option<Box<RawValue>>,
    closed: Option<(u16, String)>,
    body: Option<String>,
    is_base64_encoded: bool,
    deadline: Option<Instant>,
}

impl TestEvent {
    fn new(event_type: EventType, route_key: &str) -> Self {
        TestEvent {
            for_authorizer: false,
            event_type,
            route_key: route_key.to_owned(),
            connection_id: Some(CONNECTION_ID.to_owned()),
            request_id: "Zk3qBGv-DoEFb1A=".to_owned(),
            connected_at_ms: CONNECTED_AT_MS,
            headers: Vec::new(),
            query: Vec::new(),
            stage_variables: Vec::new(),
            stage: "dev".to_owned(),
            domain_name: HOST.to_owned(),
            source_ip: "203.0.113.17".to_owned(),
            user_agent: None,
            authorizer: None,
            closed: None,
            body: None,
            is_base64_encoded: false,
            deadline: None,
        }
    }

    /// A handshake.
    pub fn connect() -> Self {
        TestEvent::new(EventType::Connect, RouteKey::CONNECT).header("Host", HOST)
    }

    /// What the authorizer of the handshake is asked, about [`METHOD_ARN`].
    pub fn authorizer_request() -> Self {
        TestEvent { for_authorizer: true, ..TestEvent::connect() }
    }

    /// A message that the gateway selected this route for.
    pub fn message(route_key: &str, body: impl Into<String>) -> Self {
        TestEvent { body: Some(body.into()), ..TestEvent::new(EventType::Message, route_key) }
    }

    /// A message in JSON that the gateway selected this route for.
    ///
    /// # Panics
    /// If the value has no JSON form.
    pub fn message_json(route_key: &str, body: &impl Serialize) -> Self {
        TestEvent::message(route_key, serde_json::to_string(body).expect("the message has a JSON form"))
    }

    /// The end of a connection.
    pub fn disconnect(code: u16, reason: impl Into<String>) -> Self {
        TestEvent {
            closed: Some((code, reason.into())),
            ..TestEvent::new(EventType::Disconnect, RouteKey::DISCONNECT)
        }
    }

    /// Sets the connection.
    #[must_use]
    pub fn connection_id(mut self, id: impl fmt::Display) -> Self {
        self.connection_id = Some(id.to_string());
        self
    }

    /// Leaves the connection out, which the service never does.
    #[must_use]
    pub fn without_connection_id(mut self) -> Self {
        self.connection_id = None;
        self
    }

    /// Sets the request id.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = id.into();
        self
    }

    /// Sets when the connection was made, in milliseconds since 1970.
    #[must_use]
    pub fn connected_at_ms(mut self, at: u64) -> Self {
        self.connected_at_ms = at;
        self
    }

    /// Adds a header of the handshake.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a query parameter of the handshake.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Offers a subprotocol, besides those that are offered already.
    #[must_use]
    pub fn offer(mut self, subprotocol: &str) -> Self {
        const NAME: &str = "Sec-WebSocket-Protocol";
        match self.headers.iter_mut().find(|(name, _)| name == NAME) {
            Some((_, offered)) => *offered = format!("{offered}, {subprotocol}"),
            None => self.headers.push((NAME.to_owned(), subprotocol.to_owned())),
        }
        self
    }

    /// Adds a variable of the stage.
    #[must_use]
    pub fn stage_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.stage_variables.push((name.into(), value.into()));
        self
    }

    /// Sets the stage.
    #[must_use]
    pub fn stage(mut self, stage: impl Into<String>) -> Self {
        self.stage = stage.into();
        self
    }

    /// Sets the host that the client used.
    #[must_use]
    pub fn domain_name(mut self, domain_name: impl Into<String>) -> Self {
        self.domain_name = domain_name.into();
        self
    }

    /// Sets the client's address.
    #[must_use]
    pub fn source_ip(mut self, address: impl fmt::Display) -> Self {
        self.source_ip = address.to_string();
        self
    }

    /// Sets what the client calls itself.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// Sets what the authorizer returned.
    ///
    /// # Panics
    /// If the value has no JSON form.
    #[must_use]
    pub fn authorizer(mut self, returned: &impl Serialize) -> Self {
        let raw = serde_json::value::to_raw_value(returned);
        self.authorizer = Some(raw.expect("what an authorizer returns has a JSON form"));
        self
    }

    /// Says that the body is base64.
    #[must_use]
    pub fn base64(mut self) -> Self {
        self.is_base64_encoded = true;
        self
    }

    /// Sets when the invocation is cut off.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    fn request_context(&self) -> RequestContext<'_> {
        fn text(text: &str) -> Option<Text<'_>> {
            Some(Text::from(text))
        }
        RequestContext {
            route_key: text(&self.route_key),
            disconnect_status_code: self.closed.as_ref().map(|(code, _)| *code),
            authorizer: self.authorizer.as_deref(),
            message_id: self.body.is_some().then(|| Text::from("Zk3qBcW0joECEeg=")),
            event_type: Some(self.event_type),
            extended_request_id: text(&self.request_id),
            request_time: Some(Text::from(request_time(self.connected_at_ms))),
            message_direction: text("IN"),
            disconnect_reason: self.closed.as_ref().and_then(|(_, reason)| text(reason)),
            stage: text(&self.stage),
            connected_at: Some(self.connected_at_ms),
            request_time_epoch: Some(self.connected_at_ms),
            identity: Some(Identity {
                user_agent: self.user_agent.as_deref().and_then(text),
                source_ip: text(&self.source_ip),
                ..Identity::default()
            }),
            request_id: text(&self.request_id),
            domain_name: text(&self.domain_name),
            connection_id: self.connection_id.as_deref().and_then(text),
            api_id: text("a1b2c3d4e5"),
        }
    }

    /// The maps are there even if they are empty (fact A2).
    fn authorizer_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&AuthorizerRequest {
            kind: "REQUEST".into(),
            method_arn: METHOD_ARN.into(),
            headers: single(&self.headers).unwrap_or_default(),
            multi_value_headers: multi(&self.headers).unwrap_or_default(),
            query_string_parameters: single(&self.query).unwrap_or_default(),
            multi_value_query_string_parameters: multi(&self.query).unwrap_or_default(),
            stage_variables: single(&self.stage_variables).unwrap_or_default(),
            request_context: self.request_context(),
        })
    }

    fn websocket_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&WebSocketEvent {
            headers: single(&self.headers),
            multi_value_headers: multi(&self.headers),
            query_string_parameters: single(&self.query),
            multi_value_query_string_parameters: multi(&self.query),
            stage_variables: single(&self.stage_variables),
            request_context: self.request_context(),
            body: self.body.as_deref().map(Text::from),
            is_base64_encoded: self.is_base64_encoded,
        })
    }
}

/// The last value of each name; nothing without a name (fact H21).
fn single(entries: &[(String, String)]) -> Option<TextMap<'_>> {
    let mut map = TextMap::new();
    for (name, value) in entries {
        match map.get_mut(name) {
            Some(last) => *last = Text::from(value.as_str()),
            None => map.push(name.as_str(), Text::from(value.as_str())),
        }
    }
    Some(map).filter(|map| !map.is_empty())
}

/// All values of each name; nothing without a name (fact H21).
fn multi(entries: &[(String, String)]) -> Option<ListMap<'_>> {
    let mut map = ListMap::new();
    for (name, value) in entries {
        match map.get_mut(name) {
            Some(values) => values.push(Text::from(value.as_str())),
            None => map.push(name.as_str(), vec![Text::from(value.as_str())]),
        }
    }
    Some(map).filter(|map| !map.is_empty())
}

impl From<TestEvent> for RawEvent {
    fn from(test: TestEvent) -> Self {
        let json = if test.for_authorizer { test.authorizer_json() } else { test.websocket_json() };
        let raw = RawEvent::new(json.expect("an event has a JSON form"));
        match test.deadline {
            Some(deadline) => raw.deadline(deadline),
            None => raw,
        }
    }
}
