//! The client on the service's SDK.

use std::fmt;
use std::time::SystemTime;

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Config, Region, StalledStreamProtectionConfig};
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::primitives::{Blob, DateTime};
use bytes::Bytes;
use dunlin_events::ConnectionId;
use dunlin_management::{
    ConnectionInfo, DeleteOutcome, ManagementClient, ManagementError, ManagementErrorKind, PostOutcome,
};

use crate::answer::Refusal;
use crate::{CONNECT_TIMEOUT, ClientConfig, ConfigError};

/// Calls the management API through its SDK, with the SDK's own retries turned off.
#[derive(Clone)]
pub struct SdkManagementClient {
    client: Client,
}

impl SdkManagementClient {
    /// A client; it connects when it is first used.
    pub fn new(config: ClientConfig) -> Self {
        let ClientConfig { endpoint, region, credentials, request_timeout } = config;
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(credentials)
            .endpoint_url(endpoint.url())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            // Retries belong to the caller; hidden ones would falsify its counts and its deadline.
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_timeout(request_timeout)
                    .build(),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Self { client: Client::from_conf(config) }
    }

    /// A client with region and credentials from the environment of the process; see [`ClientConfig::from_lookup`].
    ///
    /// # Errors
    /// As [`ClientConfig::from_lookup`].
    pub fn from_env(endpoint: &str) -> Result<Self, ConfigError> {
        Ok(Self::new(ClientConfig::from_env(endpoint)?))
    }
}

impl ManagementClient for SdkManagementClient {
    async fn post(&self, id: &ConnectionId, data: Bytes) -> Result<PostOutcome, ManagementError> {
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
            user_agent: identity.and_then(|identity| identity.user_agent()).map(str::to_owned),
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
    let Some(response) = error.raw_response() else {
        let kind = match &error {
            SdkError::ConstructionFailure(_) => ManagementErrorKind::Internal,
            _ => ManagementErrorKind::Unavailable,
        };
        return Err(ManagementError::new(kind).with_source(error));
    };
    let message = error.as_service_error().and_then(ProvideErrorMetadata::message);
    let headers = response.headers();
    let refusal = Refusal::new(response.status().as_u16(), headers.get("x-amzn-errortype"), message);
    if refusal.is_gone() { Ok(()) } else { Err(refusal.into_error(headers.get("retry-after"))) }
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
