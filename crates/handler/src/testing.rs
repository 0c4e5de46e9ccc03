//! Builds events and reads answers, so that an app is tested without a stack.
//!
//! ```
//! use dunlin_handler::{Connection, Router, testing::{TestEvent, send}};
//!
//! async fn whoami(connection: Connection) -> String { connection.id.to_string() }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut router = Router::new().route("whoami", whoami);
//! let event = TestEvent::message("whoami", r#"{"action":"whoami"}"#).connection_id("Zk3pQdXMDoECEeg=");
//! assert_eq!(send(&mut router, event).await.body(), Some("Zk3pQdXMDoECEeg="));
//! # }
//! ```

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use dunlin_events::{
    ConnectionId, EventType, Identity, OrderedMap, ProxyResult, RequestContext, RouteKey, Text,
    WebSocketEvent, request_time,
};
use futures_util::future::BoxFuture;
use serde_json::{Value, value::RawValue};
use tower::{Service, ServiceExt};

use crate::{Answer, BoxError, RawEvent, ReplyChannel};

/// The connection of a [`TestEvent`] that names none.
pub const CONNECTION_ID: &str = "Zk3pQdXMDoECEeg=";

/// When the connection of a [`TestEvent`] was made, in milliseconds since 1970, unless it says otherwise.
pub const CONNECTED_AT_MS: u64 = 1_721_807_234_120;

/// A WebSocket event with all that the service sends, to change where a test cares.
#[derive(Clone, Debug)]
pub struct TestEvent {
    event_type: EventType,
    route_key: String,
    connection_id: Option<String>,
    request_id: String,
    connected_at_ms: u64,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    authorizer: Option<Box<RawValue>>,
    closed: Option<(u16, String)>,
    body: Option<String>,
    is_base64_encoded: bool,
    deadline: Option<Instant>,
}

impl TestEvent {
    fn new(event_type: EventType, route_key: &str) -> Self {
        TestEvent {
            event_type,
            route_key: route_key.to_owned(),
            connection_id: Some(CONNECTION_ID.to_owned()),
            request_id: "Zk3qBGv-DoEFb1A=".to_owned(),
            connected_at_ms: CONNECTED_AT_MS,
            headers: Vec::new(),
            query: Vec::new(),
            authorizer: None,
            closed: None,
            body: None,
            is_base64_encoded: false,
            deadline: None,
        }
    }

    /// A handshake.
    pub fn connect() -> Self {
        TestEvent::new(EventType::Connect, RouteKey::CONNECT)
            .header("Host", "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com")
    }

    /// A message that the gateway selected this route for.
    pub fn message(route_key: &str, body: impl Into<String>) -> Self {
        TestEvent { body: Some(body.into()), ..TestEvent::new(EventType::Message, route_key) }
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

    /// Sets what the authorizer returned.
    ///
    /// # Panics
    /// If the value has no JSON form.
    #[must_use]
    pub fn authorizer(mut self, returned: &impl serde::Serialize) -> Self {
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
}

impl From<TestEvent> for RawEvent {
    fn from(test: TestEvent) -> Self {
        let text = |text: &str| Some(Text::from(text.to_owned()));
        let multi = |entries: &[(String, String)]| {
            entries.iter().map(|(name, value)| (name.clone(), vec![Text::from(value.clone())])).collect()
        };
        let single = |entries: &[(String, String)]| -> OrderedMap<'static, Text<'static>> {
            entries.iter().map(|(name, value)| (name.clone(), Text::from(value.clone()))).collect()
        };
        let some = |entries: &[(String, String)]| !entries.is_empty();
        let event = WebSocketEvent {
            headers: some(&test.headers).then(|| single(&test.headers)),
            multi_value_headers: some(&test.headers).then(|| multi(&test.headers)),
            query_string_parameters: some(&test.query).then(|| single(&test.query)),
            multi_value_query_string_parameters: some(&test.query).then(|| multi(&test.query)),
            stage_variables: None,
            request_context: RequestContext {
                route_key: text(&test.route_key),
                disconnect_status_code: test.closed.as_ref().map(|(code, _)| *code),
                authorizer: test.authorizer.as_deref(),
                message_id: test.body.is_some().then(|| Text::from("Zk3qBcW0joECEeg=")),
                event_type: Some(test.event_type),
                extended_request_id: text(&test.request_id),
                request_time: text(&request_time(test.connected_at_ms)),
                message_direction: text("IN"),
                disconnect_reason: test.closed.as_ref().and_then(|(_, reason)| text(reason)),
                stage: text("dev"),
                connected_at: Some(test.connected_at_ms),
                request_time_epoch: Some(test.connected_at_ms),
                identity: Some(Identity { source_ip: text("203.0.113.17"), ..Identity::default() }),
                request_id: text(&test.request_id),
                domain_name: text("a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"),
                connection_id: test.connection_id.as_deref().and_then(text),
                api_id: text("a1b2c3d4e5"),
            },
            body: test.body.as_deref().and_then(text),
            is_base64_encoded: test.is_base64_encoded,
        };
        let payload = serde_json::to_string(&event).expect("an event has a JSON form");
        let raw = RawEvent::new(payload);
        match test.deadline {
            Some(deadline) => raw.deadline(deadline),
            None => raw,
        }
    }
}

/// What a router answered.
#[derive(Clone, Debug)]
pub struct TestReply {
    result: ProxyResult,
    body: Value,
}

impl TestReply {
    /// The status for the gateway.
    pub fn status(&self) -> u16 {
        self.result.status_code
    }

    /// The message over the route response, if any.
    pub fn body(&self) -> Option<&str> {
        self.result.body.as_deref()
    }

    /// The message as JSON; `null` if there is none, or it is something else.
    pub fn json(&self) -> &Value {
        &self.body
    }

    /// The code of an error message.
    pub fn error_code(&self) -> Option<&str> {
        self.body["error"]["code"].as_str()
    }

    /// A header for the gateway, its name compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.result.header(name)
    }
}

/// Sends one event to a router, layered or not, and reads what the gateway would read.
///
/// # Panics
/// If the service fails, or answers something that the gateway would not take.
pub async fn send<S>(service: &mut S, event: impl Into<RawEvent>) -> TestReply
where
    S: Service<RawEvent, Response = Answer>,
    S::Error: fmt::Debug,
{
    let answer = call(service, event.into()).await.expect("the service answers");
    let result = ProxyResult::from_answer(answer.as_str().as_bytes()).expect("the answer is a proxy result");
    let body = result.body.as_deref().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    TestReply { result, body }
}

/// Sends one plain event to a function and reads its answer.
///
/// # Errors
/// What failed the invocation.
///
/// # Panics
/// If the answer is not JSON.
pub async fn send_event<S>(service: &mut S, event: impl Into<Box<str>>) -> Result<Value, S::Error>
where
    S: Service<RawEvent, Response = Answer>,
{
    let answer = call(service, RawEvent::new(event)).await?;
    Ok(serde_json::from_str(answer.as_str()).expect("the answer is JSON"))
}

async fn call<S: Service<RawEvent>>(service: &mut S, event: RawEvent) -> Result<S::Response, S::Error> {
    service.ready().await?.call(event).await
}

/// A [`ReplyChannel`] that keeps what is posted. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct RecordedPosts(Arc<Mutex<Vec<(ConnectionId, Bytes)>>>);

impl RecordedPosts {
    /// All posts so far, in order.
    pub fn all(&self) -> Vec<(ConnectionId, Bytes)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Their texts.
    pub fn texts(&self) -> Vec<String> {
        self.all().iter().map(|(_, message)| String::from_utf8_lossy(message).into_owned()).collect()
    }
}

impl ReplyChannel for RecordedPosts {
    fn post<'a>(
        &'a self,
        connection: &'a ConnectionId,
        message: Bytes,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((connection.clone(), message));
        Box::pin(std::future::ready(Ok(())))
    }
}
