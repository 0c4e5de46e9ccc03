//! Runs a router of `dunlin-handler`, or any service like it, as a Lambda function.
//!
//! This is the only crate that knows `lambda_runtime`. It must not know what the service does: events go in as raw JSON,
//! with the deadline of the invocation, and answers come out as raw JSON.
//!
//! ```no_run
//! use dunlin_handler::{Json, Router};
//! use serde_json::Value;
//!
//! async fn echo(Json(message): Json<Value>) -> Json<Value> { Json(message) }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), dunlin_lambda::RunError> {
//!     dunlin_lambda::init_tracing();
//!     dunlin_lambda::run(Router::new().route("echo", echo)).await
//! }
//! ```

mod bridge;
mod log;
mod run;

pub use bridge::SERVICE_ERROR_TYPE;
pub use log::init_tracing;
pub use run::{RunError, run, run_until_shutdown};
