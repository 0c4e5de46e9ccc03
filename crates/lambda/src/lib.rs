//! Runs a router of `dunlin-handler`, or any service like it, as a Lambda function.
//!
//! This is the only crate that knows `lambda_runtime`. It must not know what the service does: events go in as raw JSON,
//! with the deadline and the id of the invocation, and answers come out as raw JSON.
//!
//! A whole function is a router and two lines. Outside of Lambda, and of `dunlin up`, it says so and ends:
//!
//! ```
//! use dunlin_handler::{Json, Router};
//! use dunlin_lambda::RunError;
//! use serde_json::Value;
//!
//! async fn echo(Json(message): Json<Value>) -> Json<Value> { Json(message) }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() {
//!     dunlin_lambda::init_tracing();
//!     let ended = dunlin_lambda::run(Router::new().route("echo", echo)).await;
//!     assert!(matches!(ended, Err(RunError::NotAFunction { variable: "AWS_LAMBDA_RUNTIME_API" })));
//! }
//! ```
//!
//! # What becomes of an invocation
//!
//! | the service | Lambda, and whoever invoked |
//! | --- | --- |
//! | answers | the answer, as it stands |
//! | fails with a [`FunctionError`](dunlin_handler::FunctionError) | a function error of the type `Handler.Failed` |
//! | fails otherwise, as layers do | one of the type [`SERVICE_ERROR_TYPE`] |
//! | gets bytes that are no JSON | one of the runtime's; the service is not called |
//!
//! The process lives on in each of them.

mod bridge;
mod log;
mod run;

pub use bridge::SERVICE_ERROR_TYPE;
pub use log::init_tracing;
pub use run::{RunError, run, run_until_shutdown};
