//! Typed routes for the events that a WebSocket API hands to its functions.
//!
//! A [`Router`] maps route keys to ordinary async functions. Their arguments are extractors, in any order
//! ([`Json`], [`Text`], [`Connection`], [`State`], [`Headers`], [`Query`], ...); what they return is the answer. A
//! router is a [`tower::Service`] from [`RawEvent`] to [`Answer`], so layers wrap it and tests call it; `dunlin-lambda`
//! runs it. [`EventHandler`] is the same for one plain event, such as a topic rule's.
//!
//! This crate must not know the Lambda runtime, a store, a management client or a socket.
//!
//! ```
//! use dunlin_handler::{Connection, HandlerError, Json, Router, State, testing::{TestEvent, send}};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Join { room: String }
//!
//! #[derive(Serialize)]
//! struct Joined { room: String, greeting: String }
//!
//! async fn join(
//!     State(greeting): State<&'static str>,
//!     connection: Connection,
//!     Json(join): Json<Join>,
//! ) -> Result<Json<Joined>, HandlerError> {
//!     if join.room.is_empty() {
//!         return Err(HandlerError::new("no_room", "room must not be empty"));
//!     }
//!     Ok(Json(Joined { greeting: format!("{greeting}, {}", connection.id), room: join.room }))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut router = Router::new().route("join", join).with_state("hello");
//! let reply = send(&mut router, TestEvent::message("join", r#"{"action":"join","room":"blue"}"#)).await;
//! assert_eq!(reply.json()["room"], "blue");
//! # }
//! ```
//!
//! # How do I answer, where is the callback?
//!
//! There is none. A handler answers by returning, once, and the router turns what it returned into what the service
//! wants. Nothing can be answered twice, or forgotten in one branch.
//!
//! Whether an answer reaches the client over the route response is a property of the route in the template, and the
//! service drops it silently where there is none (fact T1). Say so with [`one_way`] and give the router a
//! [`ReplyChannel`]: the same return value is then posted to the connection instead.
//!
//! ```
//! use dunlin_handler::{Router, one_way, testing::{RecordedPosts, TestEvent, send}};
//!
//! async fn ping() -> &'static str { "pong" }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let posts = RecordedPosts::default();
//! let mut router = Router::new().route("ping", ping).route("ping_one_way", one_way(ping)).reply_channel(posts.clone());
//!
//! assert_eq!(send(&mut router, TestEvent::message("ping", "{}")).await.body(), Some("pong"));
//!
//! assert_eq!(send(&mut router, TestEvent::message("ping_one_way", "{}")).await.body(), None);
//! assert_eq!(posts.texts(), ["pong"]);
//! # }
//! ```
//!
//! # How does an error reach the client?
//!
//! As a message that it can read, by the same way as an answer: `{"type":"error","error":{"code","message","requestId"}}`. The
//! gateway gets the status besides, which decides on `$connect` and means nothing on the wire of a message (facts H10, T3).
//! An error of anything else that `?` meets becomes `internal`: its text goes to the log, never to the client; the
//! `requestId` joins the two. A panic is such an error too, and the process lives on.
//!
//! ```
//! use dunlin_handler::{HandlerError, Router, Text, testing::{TestEvent, send}};
//!
//! async fn parse(Text(body): Text) -> Result<String, HandlerError> {
//!     if body.len() > 5 {
//!         return Err(HandlerError::new("too_long", "at most five digits"));
//!     }
//!     let number: u16 = body.parse()?; // any error: `internal`
//!     Ok(number.to_string())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut router = Router::new().default(parse);
//!
//! let reply = send(&mut router, TestEvent::message("$default", "123456").request_id("Zk3qBGv-DoEFb1A=")).await;
//! assert_eq!(reply.status(), 400);
//! assert_eq!(
//!     reply.body(),
//!     Some(r#"{"type":"error","error":{"code":"too_long","message":"at most five digits","requestId":"Zk3qBGv-DoEFb1A="}}"#),
//! );
//!
//! let reply = send(&mut router, TestEvent::message("$default", "five")).await;
//! assert_eq!((reply.status(), reply.error_code()), (500, Some("internal")));
//! assert!(!reply.body().unwrap().contains("digit"), "the cause is for the log");
//! # }
//! ```
//!
//! # How does a handler stop?
//!
//! It returns: `return Err(..)`, or `?`. What stands after that does not run, in contrast to calling back with a 400 and
//! falling through. An argument that cannot be extracted stops it before it starts.
//!
//! ```
//! use dunlin_handler::{HandlerError, Json, Router, State, testing::{TestEvent, send}};
//! use serde::Deserialize;
//! use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
//!
//! #[derive(Deserialize)]
//! struct Order { pieces: u32 }
//!
//! fn check(order: &Order) -> Result<(), HandlerError> {
//!     if order.pieces == 0 { Err(HandlerError::new("no_pieces", "order one piece or more")) } else { Ok(()) }
//! }
//!
//! async fn order(State(sold): State<Arc<AtomicU32>>, Json(order): Json<Order>) -> Result<(), HandlerError> {
//!     check(&order)?;
//!     sold.fetch_add(order.pieces, Ordering::Relaxed);
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let sold = Arc::new(AtomicU32::new(0));
//! let mut router = Router::new().route("order", order).with_state(sold.clone());
//! let reply = send(&mut router, TestEvent::message("order", r#"{"pieces":0}"#)).await;
//! assert_eq!(reply.error_code(), Some("no_pieces"));
//! let reply = send(&mut router, TestEvent::message("order", r#"{"pieces":"two"}"#)).await;
//! assert_eq!(reply.error_code(), Some("invalid_body"));
//! assert_eq!(sold.load(Ordering::Relaxed), 0);
//! # }
//! ```
//!
//! # What must a handler return?
//!
//! Anything that is [`IntoReply`]: `()`, a text, [`Json`], a [`Reply`] where status or subprotocol matter, or a `Result` of one
//! of them with [`HandlerError`]. The proxy result that the service insists on (fact T5) is the router's business.
//!
//! ```
//! use dunlin_handler::{Headers, HandlerError, Reply, Router, testing::{TestEvent, send}};
//!
//! async fn connect(headers: Headers) -> Result<Reply, HandlerError> {
//!     let offered = headers.get("Sec-WebSocket-Protocol").unwrap_or_default();
//!     if !offered.split(',').any(|protocol| protocol.trim() == "telemetry.v1") {
//!         return Err(HandlerError::new("subprotocol", "offer telemetry.v1"));
//!     }
//!     Ok(Reply::empty().subprotocol("telemetry.v1"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut router = Router::new().connect(connect);
//! let offer = TestEvent::connect().header("Sec-WebSocket-Protocol", "telemetry.v2, telemetry.v1");
//! let reply = send(&mut router, offer).await;
//! assert_eq!((reply.status(), reply.header("sec-websocket-protocol")), (200, Some("telemetry.v1")));
//! assert_eq!(send(&mut router, TestEvent::connect()).await.status(), 400);
//! # }
//! ```

mod answering;
mod authorizer_handler;
mod channel;
mod decision;
mod error;
mod event_handler;
mod extract;
mod field;
mod function;
mod handler;
mod invocation;
mod limits;
mod reply;
mod request;
mod router;
pub mod testing;
mod texts;
mod trace;
mod words;

/// An error of any kind.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub use answering::Answering;
pub use authorizer_handler::AuthorizerHandler;
pub use channel::ReplyChannel;
pub use decision::{ContextValue, Decision, IntoDecision};
pub use error::{ERROR_MESSAGE_CHARS_MAX, FunctionError, HandlerError};
pub use event_handler::EventHandler;
pub use extract::{
    Authorizer, Body, Closed, Connection, Deadline, FromRequest, Headers, Json, Payload, Query, QueryMap,
    RequestContext, RequestId, StageVariables, State, Subprotocols, Text,
};
pub use function::{Arguments, Function};
pub use handler::{Called, Handler, HandlerFuture, OneWay, one_way};
pub use limits::{DEADLINE_MARGIN, Limits};
pub use reply::{Answer, IntoReply, Reply};
pub use request::{RawEvent, Request};
pub use router::Router;
pub use trace::{Trace, TraceLayer};
