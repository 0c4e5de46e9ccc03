//! Builds events and reads answers, so that an app is tested without a stack.
//!
//! [`TestEvent`] is an event as the service sends it, with what a test cares about changed. [`send`] hands it to a
//! [`Router`](crate::Router) and reads what the gateway would read; [`send_event`] and [`send_authorizer`] do so for the
//! functions of plain events and of authorizers. [`RecordedPosts`] is a [`ReplyChannel`](crate::ReplyChannel) that keeps what
//! it is given.
//!
//! ```
//! use dunlin_handler::{Connection, Json, Reply, HandlerError, Router, testing::{RecordedPosts, TestEvent, send}};
//! use serde_json::{Value, json};
//!
//! async fn whoami(connection: Connection) -> String { connection.id.to_string() }
//!
//! async fn later(Json(message): Json<Value>) -> Result<Reply, HandlerError> { Ok(Reply::json(&message["text"])?.posted()) }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let posts = RecordedPosts::default();
//! let mut router = Router::new().route("whoami", whoami).route("later", later).reply_channel(posts.clone());
//!
//! let event = TestEvent::message("whoami", r#"{"action":"whoami"}"#).connection_id("Zk3pQdXMDoECEeg=");
//! assert_eq!(send(&mut router, event).await.body(), Some("Zk3pQdXMDoECEeg="));
//!
//! let event = TestEvent::message_json("later", &json!({"action": "later", "text": "done"})).connection_id("abc");
//! assert_eq!(send(&mut router, event).await.body(), None);
//! assert_eq!(posts.to("abc"), [r#""done""#]);
//! # }
//! ```

mod event;
mod posts;
mod reply;

pub use event::{CONNECTED_AT_MS, CONNECTION_ID, METHOD_ARN, TestEvent};
pub use posts::RecordedPosts;
pub use reply::{TestReply, TestVerdict, send, send_authorizer, send_event};
