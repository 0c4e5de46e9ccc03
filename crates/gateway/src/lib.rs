//! A local API Gateway WebSocket data plane.

mod api;
mod backend;
mod config;
mod counters;
mod gateway;

pub use api::{ApiConfig, Integration, LambdaProxy, RouteConfig, StageConfig};
pub use backend::{Backend, BackendError};
pub use config::{Clock, ConfigError, Credential, CredentialLookup, GatewayConfig, Limits};
pub use counters::Counters;
pub use gateway::{Gateway, ServeError};
pub use tokio_rustls::rustls;
