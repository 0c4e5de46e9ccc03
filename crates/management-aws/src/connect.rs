//! A connection to the endpoint: TCP, and TLS where the endpoint has it.

use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
#[cfg(feature = "tls")]
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tower::ServiceExt as _;

use crate::pool::{BoxError, Connect};
use crate::{ClientConfig, ConfigError, InvalidEndpoint};

/// Knows one endpoint, and how to reach it.
pub(crate) struct Connector {
    origin: Uri,
    tcp: HttpConnector,
    timeout: Duration,
    #[cfg(feature = "tls")]
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// What a connection is to those who use it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Connector {
    /// Reads the certificate authorities if the endpoint needs them.
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, ConfigError> {
        let endpoint = &config.endpoint;
        let malformed = || InvalidEndpoint::Malformed(endpoint.url());
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Divided among the addresses of a name, so that one which leads nowhere does not take all of it.
        tcp.set_connect_timeout(Some(config.connect_timeout));
        Ok(Self {
            origin: endpoint.origin().map_err(|_| malformed())?,
            tcp,
            timeout: config.connect_timeout,
            #[cfg(feature = "tls")]
            tls: match endpoint.is_tls() {
                true => {
                    let name = ServerName::try_from(endpoint.host_name().to_owned());
                    Some((config.roots.connector()?, name.map_err(|_| malformed())?))
                }
                false => None,
            },
        })
    }

    async fn open(&self) -> Result<Box<dyn Stream>, BoxError> {
        let tcp = self.tcp.clone().oneshot(self.origin.clone()).await?.into_inner();
        #[cfg(feature = "tls")]
        if let Some((tls, name)) = &self.tls {
            return Ok(Box::new(tls.connect(name.clone(), tcp).await?));
        }
        Ok(Box::new(tcp))
    }
}

impl Connect for Connector {
    type Io = Box<dyn Stream>;

    async fn connect(&self) -> Result<Self::Io, BoxError> {
        match timeout(self.timeout, self.open()).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("no connection within {} ms", self.timeout.as_millis()).into()),
        }
    }
}
