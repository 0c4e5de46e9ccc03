//! Local Lambda: functions are processes that speak the Runtime API, and callers reach them in the process or over
//! the Invoke API.
//!
//! A [`LambdaHost`] starts a function's `bootstrap` when an event needs it (a cold start), keeps the process warm
//! between events, starts more of them while events overlap, and ends them when they time out, use too much memory, stand
//! idle or when the host goes away, in whatever way it goes. Each process gets a Runtime API address of its own: the
//! address alone tells which execution environment is asking.
//!
//! Around that it does what the service does: it throttles ([`FunctionConfig::reserved_concurrency`]), tries an
//! initialisation that failed once more, retries asynchronous invocations and tells their destinations
//! ([`EventInvokeConfig`]), tells extensions of invocations and of the end, and writes `REPORT` lines
//! ([`PlatformLines`]). What takes minutes there takes seconds here ([`HostConfig::event_delay_divisor`]).
//!
//! This crate does not know that a gateway or a rule engine exists, and it never looks into a payload. Where the
//! endpoints and credentials that functions see come from is the caller's business too.
//! It runs on Linux: process groups, pidfds and the parent-death signal keep its promise that nothing is left running.
//!
//! A function is a folder with an executable `bootstrap`. Nearly always that is a compiled program with a runtime inside;
//! anything that speaks HTTP will do, such as these lines of bash that send each event back:
//!
//! ```
//! use std::{fs, os::unix::fs::PermissionsExt};
//!
//! use bytes::Bytes;
//! use dunlin_lambda_host::{FunctionConfig, HostConfig, InvocationType, LambdaHost};
//!
//! const BOOTSTRAP: &str = r#"#!/bin/bash
//! calls=/2018-06-01/runtime/invocation
//! while exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/:/\/}"; do
//!   printf 'GET %s/next HTTP/1.1\r\nHost: runtime\r\n\r\n' "$calls" >&3
//!   while read -r name value <&3 && [ "$name" != $'\r' ]; do
//!     case ${name,,} in
//!       lambda-runtime-aws-request-id:) id=${value%$'\r'} ;;
//!       content-length:) length=${value%$'\r'} ;;
//!     esac
//!   done
//!   read -r -N "$length" event <&3
//!   printf 'POST %s/%s/response HTTP/1.1\r\nHost: runtime\r\nContent-Length: %s\r\n\r\n%s' \
//!     "$calls" "$id" "$length" "$event" >&3
//!   read -r status <&3
//! done
//! "#;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let code = tempfile::tempdir()?;
//! let bootstrap = code.path().join("bootstrap");
//! fs::write(&bootstrap, BOOTSTRAP)?;
//! fs::set_permissions(&bootstrap, fs::Permissions::from_mode(0o755))?;
//!
//! let host = LambdaHost::start(HostConfig::new("eu-west-1", "123456789012"))?;
//! host.set_functions(vec![FunctionConfig::new("echo", code.path())])?;
//!
//! let payload = Bytes::from_static(br#"{"hello":"world"}"#);
//! let outcome = host.invoke("echo", payload.clone(), InvocationType::RequestResponse).await?;
//! assert_eq!(outcome.function_error, None);
//! assert_eq!(outcome.payload, payload);
//! assert!(outcome.init_duration.is_some(), "the first invocation of an environment");
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
mod schedule;

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
