//! The client on the service's SDK.

use std::error::Error;
use std::fmt;
use std::time::SystemTime;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::config::{
    BehaviorVersion, Config, Region, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::primitives::{Blob, DateTime};
use aws_smithy_async::time::TimeSource;
use aws_smithy_http_client::Builder;
use bytes::Bytes;
use dunlin_events::ConnectionId;
use dunlin_management::{
    ConnectionInfo, DeleteOutcome, ManagementClient, ManagementError, ManagementErrorKind, PostOutcome,
};

use crate::answer::{Refusal, check_size, kind_without};
use crate::config::Clock;
use crate::{ClientConfig, ConfigError};

/// Calls the management API through its SDK, with the SDK's own retries turned off.
#[derive(Clone)]
pub struct SdkManagementClient {
    client: Client,
}

/// The wall clock in the form that the SDK takes.
struct Time(Clock);

impl SdkManagementClient {
    /// A client; it connects when it is first used. Certificate authorities that were given are read now, if the endpoint
    /// needs them, and those of the system when it first connects.
    ///
    /// # Errors
    /// [`ConfigError::Roots`].
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let http_client = http_client(&config)?;
        let ClientConfig { endpoint, region, credentials, connect_timeout, request_timeout, clock, .. } =
            config;
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(credentials)
            .endpoint_url(endpoint.url())
            .http_client(http_client)
            .time_source(Time(clock))
            // Retries belong to the caller; hidden ones would falsify its counts and its deadline.
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(connect_timeout)
                    .operation_timeout(request_timeout)
                    .build(),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Ok(Self { client: Client::from_conf(config) })
    }

    /// A client with endpoint, region and credentials from the environment of the process; see
    /// [`ClientConfig::from_lookup`].
    ///
    /// # Errors
    /// As [`ClientConfig::from_lookup`] and [`new`](Self::new).
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::new(ClientConfig::from_env()?)
    }
}

/// The SDK's own HTTP client, without TLS unless the endpoint needs it.
fn http_client(config: &ClientConfig) -> Result<SharedHttpClient, ConfigError> {
    let builder = Builder::new().pool_max_idle_per_host(config.connections_max);
    #[cfg(feature = "tls")]
    if config.endpoint.is_tls() {
        use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
        use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
        let store = match config.roots.pem()? {
            Some(pem) => TrustStore::empty().with_pem_certificate(pem),
            None => TrustStore::default(),
        };
        let context = TlsContext::builder().with_trust_store(store).build();
        let context = context.map_err(|error| ConfigError::Roots {
            from: "the certificate authorities".to_owned(),
            problem: error.to_string(),
        })?;
        return Ok(builder
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .build_https());
    }
    Ok(builder.build_http())
}

impl TimeSource for Time {
    fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

impl ManagementClient for SdkManagementClient {
    async fn post(&self, id: &ConnectionId, data: Bytes) -> Result<PostOutcome, ManagementError> {
        check_size(&data)?;
        let request = self.client.post_to_connection().connection_id(id.as_str()).data(Blob::new(data));
        match request.send().await {
            Ok(_) => Ok(PostOutcome::Delivered),
            Err(error) => gone_or_error(error).map(|()| PostOutcome::Gone),
        }
    }

    async fn get(&self, id: &ConnectionId) -> Result<Option<ConnectionInfo>, ManagementError> {
        let answer = match self.client.get_connection().connection_id(id.as_str()).send().await {
            Ok(answer) => answer,
            Err(error) => return gone_or_error(error).map(|()| None),
        };
        let identity = answer.identity.as_ref();
        Ok(Some(ConnectionInfo {
            connected_at: time(answer.connected_at)?,
            last_active_at: time(answer.last_active_at)?,
            source_ip: identity.and_then(|identity| identity.source_ip()).and_then(|ip| ip.parse().ok()),
            // The SDK makes an empty one of none.
            user_agent: identity
                .and_then(|identity| identity.user_agent())
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        }))
    }

    async fn delete(&self, id: &ConnectionId) -> Result<DeleteOutcome, ManagementError> {
        match self.client.delete_connection().connection_id(id.as_str()).send().await {
            Ok(_) => Ok(DeleteOutcome::Deleted),
            Err(error) => gone_or_error(error).map(|()| DeleteOutcome::Gone),
        }
    }
}

/// `Ok` if the answer says that the connection is gone.
fn gone_or_error<E>(error: SdkError<E>) -> Result<(), ManagementError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    // A body that broke off was never read into memory.
    let Some(response) = error.raw_response().filter(|response| response.body().bytes().is_some()) else {
        let kind = match (credentials_error(&error), &error) {
            (Some(error), _) => kind_without(error),
            (None, SdkError::ConstructionFailure(_)) => ManagementErrorKind::Internal,
            (None, _) => ManagementErrorKind::Unavailable,
        };
        return Err(ManagementError::new(kind).with_source(error));
    };
    let message = error.as_service_error().and_then(ProvideErrorMetadata::message);
    let headers = response.headers();
    let refusal = Refusal::new(response.status().as_u16(), headers.get("x-amzn-errortype"), message);
    if refusal.is_gone() { Ok(()) } else { Err(refusal.into_error(headers.get("retry-after"))) }
}

/// What the provider of the credentials said, if it is to blame.
fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

fn time(time: Option<DateTime>) -> Result<SystemTime, ManagementError> {
    let time = time.and_then(|time| SystemTime::try_from(time).ok());
    time.ok_or_else(|| {
        ManagementError::new(ManagementErrorKind::Internal)
            .with_source("the answer has no time or an impossible one")
    })
}

impl fmt::Debug for SdkManagementClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SdkManagementClient").finish_non_exhaustive()
    }
}
