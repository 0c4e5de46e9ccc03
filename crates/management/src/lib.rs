//! The client of the management API (`@connections`): its contract, its outcomes, and a fake to test with.
//!
//! An application posts to its connections through [`ManagementClient`]. What carries the request (an SDK, a
//! signed HTTP client) is another crate's business: this one must not know an SDK or a socket.
//!
//! ```
//! use dunlin_management::{FakeManagement, ManagementClient, PostOutcome};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let management = FakeManagement::new();
//! let id = "L0SM9cOFvHcCIhw=".parse()?;
//! assert_eq!(management.post(&id, "{\"version\":7}".into()).await?, PostOutcome::Delivered);
//! assert_eq!(management.posts_to(&id), ["{\"version\":7}"]);
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
