//! Local Lambda: functions are processes that speak the Runtime API, and callers reach them in the process or over
//! the Invoke API.
//!
//! A [`LambdaHost`] starts a function's `bootstrap` when an event needs it (a cold start), keeps the process warm
//! between events, starts more of them while events overlap, and ends them when they time out, stand idle or
//! when the host goes away, in whatever way it goes. Each process gets a Runtime API address of its own: the address alone
//! tells which execution environment is asking.
//!
//! This crate does not know that a gateway or a rule engine exists, and it never looks into a payload. Where the
//! endpoints and credentials that functions see come from is the caller's business too.
//! It runs on Linux: process groups, pidfds and the parent-death signal keep its promise that nothing is left running.
//!
//! ```no_run
//! use bytes::Bytes;
//! use dunlin_lambda_host::{FunctionConfig, HostConfig, InvocationType, LambdaHost};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let host = LambdaHost::start(HostConfig::new("eu-west-1", "123456789012"))?;
//! host.set_functions(vec![FunctionConfig::new("notify-connect", "infra/.build/notify/")])?;
//!
//! let payload = Bytes::from_static(br#"{"hello":"world"}"#);
//! let outcome = host.invoke("notify-connect", payload, InvocationType::RequestResponse).await?;
//! assert!(outcome.function_error.is_none());
//!
//! host.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Fact numbers such as `P3` or `N2` in comments refer to the list in `docs/service-facts.md`.

mod config;
mod error;
mod function_config;
mod host;
mod invocation;

mod concurrency;
mod function;
mod pool;

mod environment;
mod extensions;
mod extensions_api;
mod outstanding;
mod runtime_api;
mod supervisor;

mod archive;
mod code;
mod failure;
mod memory;
mod orphans;
mod output;
mod platform_log;
mod process;
mod spawner;
mod strays;
mod variables;

mod background;
mod http_server;
mod invoke_api;
pub mod limits;
mod patient_socket;
mod records;

pub use config::{HostConfig, PlatformLines, RandomBytes, WallClock};
pub use error::{CodeError, ConfigError, InvokeError, Throttle};
pub use function_config::{
    ApplicationLogLevel, EventInvokeConfig, FunctionConfig, LogFormat, LoggingConfig, SystemLogLevel,
};
pub use host::{EnvironmentInfo, LambdaHost};
pub use invocation::{FunctionErrorKind, InvocationType, InvokeOutcome, InvokeRequest, RequestId};
pub use invoke_api::Authorize;
pub use output::{LOG_TARGET, LogLine, LogSender, LogSource, PLATFORM_LOG_TARGET};
pub use records::{EventRecord, RecordKind, RecordSink};
