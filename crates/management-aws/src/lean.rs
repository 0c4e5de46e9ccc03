//! The client that signs and sends by itself.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dunlin_events::ConnectionId;
use dunlin_management::{
    ConnectionInfo, DeleteOutcome, ManagementClient, ManagementError, ManagementErrorKind, PostOutcome,
};
use http::header::{AUTHORIZATION, HOST, HeaderName, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::answer::{Refusal, check_size};
use crate::config::Clock;
use crate::connect::Connector;
use crate::credentials::Keyring;
use crate::endpoint::canonical_path;
use crate::pool::Pool;
use crate::sign::Signer;
use crate::{ClientConfig, ConfigError, Endpoint};

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const X_AMZN_ERRORTYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Posts with little more than the request itself: one signature with a kept key, over one of at most
/// [`connections_max`](ClientConfig::with_connections_max) connections, and no retries.
///
/// Copies share everything. Connections end with the runtime on which they were opened, and then others take their place.
#[derive(Clone)]
pub struct LeanManagementClient {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool<Connector>,
    endpoint: Endpoint,
    keyring: Keyring,
    request_timeout: Duration,
    clock: Clock,
}

/// A success, or what it was instead.
enum Answer {
    Success(Bytes),
    Gone,
}

/// The answer about a connection (fact C2).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionBody {
    connected_at: String,
    last_active_at: String,
    identity: Option<IdentityBody>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityBody {
    source_ip: Option<String>,
    user_agent: Option<String>,
}

#[derive(Deserialize)]
struct MessageBody {
    #[serde(alias = "Message")]
    message: Option<String>,
}

impl LeanManagementClient {
    /// A client; it connects when it is first used. Certificate authorities are read now, if the endpoint needs them.
    ///
    /// # Errors
    /// [`ConfigError::Roots`].
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let pool = Pool::new(Connector::new(&config)?, config.connections_max);
        let ClientConfig { endpoint, region, credentials, request_timeout, clock, .. } = config;
        let keyring = Keyring::new(credentials, region);
        Ok(Self { inner: Arc::new(Inner { pool, endpoint, keyring, request_timeout, clock }) })
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

impl Inner {
    /// One call, within the time limit whatever it waits for: a place, credentials, a connection, the answer.
    async fn call(&self, method: Method, id: &ConnectionId, body: Bytes) -> Result<Answer, ManagementError> {
        match tokio::time::timeout(self.request_timeout, self.attempt(method, id, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(unavailable(format!("no answer within {} ms", self.request_timeout.as_millis()))),
        }
    }

    async fn attempt(
        &self,
        method: Method,
        id: &ConnectionId,
        body: Bytes,
    ) -> Result<Answer, ManagementError> {
        let place = self.pool.place().await.map_err(unavailable)?;
        let signer = self.keyring.signer((self.clock)()).await?;
        let request = self.request(&signer, method, id, body)?;
        let (head, body) = place.exchange(request).await.map_err(unavailable)?;
        drop(place);
        if head.status.is_success() {
            return Ok(Answer::Success(body));
        }
        let header = |name| text(&head.headers, name);
        // The body may be no JSON at all (facts C4 and C14); then there is no message.
        let message = serde_json::from_slice::<MessageBody>(&body).ok().and_then(|body| body.message);
        let refusal = Refusal::new(head.status.as_u16(), header(X_AMZN_ERRORTYPE), message.as_deref());
        if refusal.is_gone() {
            return Ok(Answer::Gone);
        }
        if refusal.is_expired() {
            self.keyring.expired(&signer, (self.clock)());
        }
        Err(refusal.into_error(header(RETRY_AFTER)))
    }

    fn request(
        &self,
        signer: &Signer,
        method: Method,
        id: &ConnectionId,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, ManagementError> {
        let path = self.endpoint.connection_path(id).map_err(internal)?;
        let host = self.endpoint.host();
        let canonical_path = canonical_path(path.as_str());
        let signed =
            signer.sign(method.as_str(), &canonical_path, host, &body, (self.clock)()).map_err(internal)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from(path);
        let headers = request.headers_mut();
        headers.insert(HOST, host.clone());
        headers.insert(X_AMZ_DATE, signed.date);
        headers.insert(AUTHORIZATION, signed.authorization);
        if let Some(token) = signed.session_token {
            headers.insert(X_AMZ_SECURITY_TOKEN, token);
        }
        Ok(request)
    }
}

impl ManagementClient for LeanManagementClient {
    async fn post(&self, id: &ConnectionId, data: Bytes) -> Result<PostOutcome, ManagementError> {
        check_size(&data)?;
        Ok(match self.inner.call(Method::POST, id, data).await? {
            Answer::Success(_) => PostOutcome::Delivered,
            Answer::Gone => PostOutcome::Gone,
        })
    }

    async fn get(&self, id: &ConnectionId) -> Result<Option<ConnectionInfo>, ManagementError> {
        let Answer::Success(body) = self.inner.call(Method::GET, id, Bytes::new()).await? else {
            return Ok(None);
        };
        let body: ConnectionBody = serde_json::from_slice(&body).map_err(internal)?;
        let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).map(SystemTime::from).map_err(internal);
        let (source_ip, user_agent) = match body.identity {
            Some(identity) => (
                identity.source_ip.and_then(|ip| ip.parse().ok()),
                identity.user_agent.filter(|name| !name.is_empty()),
            ),
            None => (None, None),
        };
        Ok(Some(ConnectionInfo {
            connected_at: time(&body.connected_at)?,
            last_active_at: time(&body.last_active_at)?,
            source_ip,
            user_agent,
        }))
    }

    async fn delete(&self, id: &ConnectionId) -> Result<DeleteOutcome, ManagementError> {
        Ok(match self.inner.call(Method::DELETE, id, Bytes::new()).await? {
            Answer::Success(_) => DeleteOutcome::Deleted,
            Answer::Gone => DeleteOutcome::Gone,
        })
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ManagementError {
    ManagementError::new(ManagementErrorKind::Unavailable).with_source(error)
}

fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ManagementError {
    ManagementError::new(ManagementErrorKind::Internal).with_source(error)
}

impl fmt::Debug for LeanManagementClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeanManagementClient").field("endpoint", &self.inner.endpoint).finish_non_exhaustive()
    }
}
