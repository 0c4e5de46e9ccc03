//! A local API Gateway WebSocket data plane.

mod accept;
mod api;
mod backend;
mod closing;
mod config;
mod connection;
mod counters;
mod event;
mod gateway;
mod handshake;
mod head;
mod host;
mod http_service;
mod ids;
mod invoke;
mod management;
mod outbox;
mod refusal;
mod registry;
mod selection;
mod session;
mod sigv4;
mod socket;
mod stream;

pub use api::{ApiConfig, Integration, LambdaProxy, RouteConfig, StageConfig};
pub use backend::{Backend, BackendError};
pub use config::{Clock, ConfigError, Credential, CredentialLookup, GatewayConfig, Limits, Ticks};
pub use counters::Counters;
pub use gateway::{Gateway, SHUTDOWN_TIME_MAX, ServeError};
pub use tokio_rustls::rustls;
