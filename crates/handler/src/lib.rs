//! Typed routes for the events that a WebSocket API hands to its functions.
//!
//! A [`Router`] maps route keys to ordinary async functions. Their arguments are extractors, in any order; what they return
//! is the answer. [`AuthorizerHandler`] is the same for the function that decides who may connect, and [`EventHandler`] for one
//! plain event, such as a topic rule's. All three are [`tower::Service`]s from [`RawEvent`] to [`Answer`], so layers wrap
//! them and tests call them; `dunlin-lambda` runs them.
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
//! # What can a handler take?
//!
//! | argument | what it is |
//! | --- | --- |
//! | [`Json<T>`](Json), [`Text`], [`Body`] | the message: as a type, as it came, as bytes |
//! | [`Connection`], [`ConnectionId`](dunlin_events::ConnectionId) | whom the event is about |
//! | [`RequestContext`], [`RequestId`], [`StageVariables`] | what the service says besides |
//! | [`Authorizer<T>`](Authorizer) | what the authorizer returned, as a type or as a map |
//! | [`Headers`], [`Query<T>`](Query), [`QueryMap`], [`Subprotocols`] | the handshake: on `$connect`, and for an authorizer |
//! | [`Closed`] | code and reason, on `$disconnect` |
//! | [`Payload<T>`](Payload) | a plain event |
//! | [`State<S>`](State), [`Deadline`] | what the router was given, and how long there is |
//! | `Result<T, HandlerError>` of one of them | it, or why it cannot be read |
//! | a type of the app's own | see [`FromRequest`] |
//!
//! A body that does not parse is refused before the handler starts, in words of JSON, and names the field:
//!
//! ```
//! use dunlin_handler::{Json, Router, testing::{TestEvent, send}};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct List { device_ids: Vec<String> }
//!
//! async fn list(Json(list): Json<List>) -> String { list.device_ids.join(" ") }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut router = Router::new().route("list", list);
//! let reply = send(&mut router, TestEvent::message("list", r#"{"device_ids":["a","b","c",4]}"#)).await;
//! assert_eq!(
//!     reply.error_message(),
//!     Some("the message does not fit at `device_ids[3]`: a string is expected, not a number"),
//! );
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
//! [`ReplyChannel`]: the same return value is then posted to the connection instead. [`Reply::posted`] does so for one reply.
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
//! On `$connect` the status decides: a 2xx lets the client in, with the subprotocol that the reply chooses; anything else is what it is
//! refused with (fact H10).
//!
//! ```
//! use dunlin_handler::{HandlerError, QueryMap, Reply, Router, Subprotocols, testing::{TestEvent, send}};
//!
//! async fn connect(offered: Subprotocols, query: QueryMap) -> Result<Reply, HandlerError> {
//!     if query.get("token") != Some("abc123") {
//!         return Err(HandlerError::unauthorized("a token is needed"));
//!     }
//!     let chosen = offered.choose(&["telemetry.v1"]);
//!     let chosen = chosen.ok_or_else(|| HandlerError::new("subprotocol", "offer telemetry.v1"))?;
//!     Ok(Reply::empty().subprotocol(chosen))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut router = Router::new().connect(connect);
//! let handshake = TestEvent::connect().query("token", "abc123");
//! let reply = send(&mut router, handshake.clone().offer("telemetry.v2").offer("telemetry.v1")).await;
//! assert_eq!((reply.status(), reply.subprotocol()), (200, Some("telemetry.v1")));
//! assert_eq!(send(&mut router, handshake).await.status(), 400);
//! assert_eq!(send(&mut router, TestEvent::connect()).await.status(), 401);
//! # }
//! ```
//!
//! # What if it takes too long, or too much comes?
//!
//! A handler that has not answered shortly before the invocation's deadline is dropped, and its client told `timeout`: the platform would end
//! the process, and the client would wait. [`Limits`] set that margin, the bytes of a body, and how many handlers run at once.
//! [`Trace`] puts every line of the log under the ids of its invocation. Tower's own layers go around all of that, for what is neither
//! about the client nor about the connection.
//!
//! # How is an app tested?
//!
//! With [`testing`], as in all of these examples: events as the service sends them go in, answers as the gateway reads them come out, and
//! no stack is needed.

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
