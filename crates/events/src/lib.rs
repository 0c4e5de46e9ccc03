//! The wire of API Gateway WebSocket APIs, Lambda and IoT rules: the events that functions receive, what they
//! may return, the frames that the gateway writes by itself, ids and limits.
//!
//! This is the only crate that knows the service's JSON. The cloud side (handlers, stores, fan-out) and the local
//! side (gateway, function host, rules) meet here and nowhere else. It does no I/O and reads no clock.
//!
//! Events borrow from the bytes that they were parsed from, keep the order of their keys, and print only what
//! is there: an absent key stays absent.
//!
//! ```
//! use dunlin_events::{EventType, WebSocketEvent};
//!
//! let bytes = br#"{"requestContext":{"routeKey":"ping","eventType":"MESSAGE","connectionId":"Zk3pQdXMDoECEeg="},
//!                  "body":"{\"action\":\"ping\"}","isBase64Encoded":false}"#;
//! let event: WebSocketEvent<'_> = serde_json::from_slice(bytes)?;
//! assert_eq!(event.request_context.event_type, Some(EventType::Message));
//! assert_eq!(event.body.as_deref(), Some(r#"{"action":"ping"}"#));
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! Fact numbers such as `H10` or `R8` in comments refer to the list in `docs/service-facts.md`.

mod authorizer;
pub mod device;
mod frame;
mod head;
mod id;
pub mod limits;
mod map;
mod policy;
mod problem;
mod proxy;
mod text;
mod time;
mod websocket;

pub use authorizer::{AuthorizerRequest, AuthorizerResponse};
pub use frame::{ErrorFrame, ErrorMessage};
pub use head::{ContextHead, EventHead};
pub use id::{ConnectionId, InvalidConnectionId, RouteKey, opaque_id};
pub use map::{ListMap, OrderedMap, TextMap};
pub use policy::{Effect, OneOrMany, PolicyDocument, Statement};
pub use problem::json_problem;
pub use proxy::{MalformedProxyResult, ProxyResult};
pub use text::Text;
pub use time::{request_time, utc};
pub use websocket::{EventType, Identity, RequestContext, WebSocketEvent};
