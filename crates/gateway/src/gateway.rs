use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{ApiConfig, Backend, ConfigError, Counters, GatewayConfig, counters::LiveCounters};

/// The data plane: any number of APIs, each served on any number of listeners.
pub struct Gateway<B> {
    config: GatewayConfig,
    backend: B,
    counters: LiveCounters,
}

impl<B: Backend> Gateway<B> {
    /// Checks the APIs and prepares to serve them.
    ///
    /// # Errors
    /// [`ConfigError`] names the API and what is wrong with it.
    pub fn new(config: GatewayConfig, apis: Vec<ApiConfig>, backend: B) -> Result<Arc<Self>, ConfigError> {
        let _ = apis;
        Ok(Arc::new(Gateway { config, backend, counters: LiveCounters::default() }))
    }

    /// Serves `api_id` on `listener` until `shutdown` is cancelled. Several listeners may serve one API, each with a call of its own.
    ///
    /// At shutdown every connection that came through this listener gets a close frame with 1001, its `$disconnect`
    /// runs, and the call returns after five seconds at the latest.
    ///
    /// # Errors
    /// [`ServeError::UnknownApi`]. A failing accept is logged and tried again.
    pub async fn serve(
        self: &Arc<Self>,
        api_id: &str,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeError> {
        let _ = (api_id, listener, &self.config, &self.backend);
        shutdown.cancelled().await;
        Ok(())
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        self.counters.read()
    }
}

/// Why an API cannot be served.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ServeError {
    /// The gateway was not given such an API.
    #[error("there is no API {0} in this gateway")]
    UnknownApi(String),
}
