//! A local API Gateway WebSocket data plane: it holds the sockets, asks functions who may connect, routes messages to them,
//! and serves the management API (`@connections`), so that a client, a function or a test cannot tell it from the service.
//!
//! It reads no template and starts no function. It must not know what is behind [`Backend`], the one trait by which it calls
//! functions, nor anything of the cloud side; the JSON on the wire and every limit of the service are those of `dunlin-events`.
//!
//! ```
//! use std::{collections::HashMap, sync::Arc};
//!
//! use bytes::Bytes;
//! use dunlin_gateway::{
//!     ApiConfig, Backend, BackendError, Credential, Gateway, GatewayConfig, Integration, LambdaFunction, RouteConfig,
//!     StageConfig,
//! };
//! use futures_util::{SinkExt, StreamExt};
//! use tokio_tungstenite::{connect_async, tungstenite::Message};
//! use tokio_util::sync::CancellationToken;
//!
//! struct Greeter;
//!
//! impl Backend for Greeter {
//!     async fn invoke(&self, _function: &str, _event: Bytes) -> Result<Bytes, BackendError> {
//!         Ok(Bytes::from_static(br#"{"statusCode":200,"body":"hello"}"#))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let greet = RouteConfig {
//!     integration: Some(Integration::LambdaProxy(LambdaFunction::new("greet"))),
//!     two_way: true,
//!     ..RouteConfig::new("$default")
//! };
//! let api = ApiConfig {
//!     stages: vec![StageConfig::new("dev")],
//!     routes: vec![greet],
//!     ..ApiConfig::new("a1b2c3d4e5", "$request.body.action")
//! };
//! let credentials = Arc::new(HashMap::<String, Credential>::new());
//! let gateway = Gateway::new(GatewayConfig::new("eu-west-1", "123456789012", credentials), vec![api], Greeter)?;
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let url = format!("ws://{}/dev", listener.local_addr()?);
//! let shutdown = CancellationToken::new();
//! let serving = async { gateway.serve("a1b2c3d4e5", listener, shutdown.clone()).await };
//! let talking = async {
//!     let (mut socket, _) = connect_async(url).await?;
//!     socket.send(Message::text("anybody there?")).await?;
//!     let answer = socket.next().await.ok_or("closed")??;
//!     shutdown.cancel();
//!     Ok::<_, Box<dyn std::error::Error>>(answer)
//! };
//! let (served, answer) = tokio::join!(serving, talking);
//! served?;
//! assert_eq!(answer?, Message::text("hello"));
//! # Ok(())
//! # }
//! ```
//!
//! # Where it differs from the service, on purpose
//!
//! - Plain `ws://` and `http://` are spoken beside TLS, on the same port (H2). `X-Forwarded-Proto` and `X-Forwarded-Port` say what the
//!   client really used, and `domainName` carries the port, so that addresses made from them work.
//! - `permessage-deflate` is declined (H24, U3). Every client can do without.
//! - The account's quotas refuse nothing unless they are asked for: [`GatewayConfig::account_throttles`].
//! - A connection may have a bounded number of messages with functions; at the bound the gateway stops reading from it, its
//!   pings and its close included, until one ends. See [`Limits::invocations_per_connection_max`].
//! - A `Host` that is none of the stack's names is refused with 403. The names of this machine stand for the API of the
//!   listener, also where its own host name is off (H6).
//! - Once a connection has carried an ordinary HTTP request it is no place for a handshake; open another one.
//!
//! Fact numbers such as `H10` or `R8` in comments refer to the list in `docs/service-facts.md`; numbers with `U` are unsettled,
//! and say what was chosen here.

// What it is told.
mod access;
mod api;
mod api_config;
mod authorize;
mod backend;
mod config;
mod domain;
mod selection;
mod throttle;
mod usage;

// What is told while it runs.
mod clock;
mod control;
mod faults;

// What it tells.
mod access_log;
mod metrics;
mod report;

// What stands behind routes.
mod calling;
mod content;
mod integration;
mod model;
mod model_effort;
pub mod velocity;

// From a TCP connection to a WebSocket or a management call.
mod accept;
mod gateway;
mod handshake;
mod head;
mod host;
mod http_service;
mod management;
mod refusal;
pub mod sigv4;
mod stream;

// The life of a connection.
mod closing;
mod connection;
mod disconnect;
mod event;
mod frames;
mod inbound;
mod invoke;
mod outbox;
mod post;
mod registry;
mod session;
mod socket;

mod counters;
mod ids;

#[doc(hidden)]
pub mod fuzzing;

pub use access_log::AccessLogConfig;
pub use api_config::{
    ApiConfig, ApiKeySource, ModelConfig, RequestModels, RouteConfig, StageConfig, StageObservation,
};
pub use authorize::{Authorization, AuthorizerConfig};
pub use backend::{Backend, BackendError};
pub use config::{Clock, ConfigError, Credential, CredentialLookup, GatewayConfig, Limits, OnAdvance, Ticks};
pub use content::ContentHandling;
pub use counters::Counters;
pub use domain::{BasePathMapping, DomainConfig};
pub use gateway::{Gateway, SHUTDOWN_TIME_MAX, ServeError};
pub use integration::{
    HttpEndpoint, Integration, IntegrationResponse, LambdaFunction, Mapping, Passthrough, Permitted,
    Templates,
};
pub use post::{Post, PostError};
pub use report::{LoggingLevel, RouteObservation};
pub use throttle::{AccountThrottles, StageThrottles, Throttle};
pub use tokio_rustls::rustls;
pub use usage::{ApiKeyConfig, Quota, QuotaPeriod, UsagePlanConfig};
