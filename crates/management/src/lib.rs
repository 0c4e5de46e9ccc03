//! The client of the management API (`@connections`): its contract, its outcomes, and a fake to test with.
//!
//! An application reaches its connections through [`ManagementClient`]: post a message, ask about a connection, close it. A
//! connection that is gone is an outcome, and a failure says by its [kind](ManagementErrorKind) whether to try again.
//! What carries the requests (an SDK, a signed HTTP client) is another crate's business: this one must not know an SDK
//! or a socket.
//!
//! ```
//! use dunlin_management::{Answer, FakeManagement, ManagementClient, ManagementErrorKind, PostOutcome};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let management = FakeManagement::new();
//! let id = "L0SM9cOFvHcCIhw=".parse()?;
//! assert_eq!(management.post(&id, "{\"version\":7}".into()).await?, PostOutcome::Delivered);
//! assert_eq!(management.posts_to(&id), ["{\"version\":7}"]);
//!
//! // What the service does now and then, a test has it do at once.
//! management.script(&id, [Answer::failed(ManagementErrorKind::Throttled)]);
//! assert!(management.post(&id, "{\"version\":8}".into()).await.is_err_and(|error| error.kind().is_retryable()));
//! management.hang_up(&id);
//! assert_eq!(management.post(&id, "{\"version\":8}".into()).await?, PostOutcome::Gone);
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
//! ```

mod client;
mod error;
mod fake;

pub use client::{ConnectionInfo, DeleteOutcome, ManagementClient, PostOutcome};
pub use error::{ManagementError, ManagementErrorKind};
pub use fake::{Answer, FakeManagement, Post};
