//! The client that signs and sends by itself.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dunlin_events::ConnectionId;
use dunlin_management::{
    ConnectionInfo, DeleteOutcome, ManagementClient, ManagementError, ManagementErrorKind, PostOutcome,
};
use http::header::{AUTHORIZATION, HOST, HeaderName, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::answer::Refusal;
use crate::endpoint::canonical_path;
use crate::sign::Signer;
use crate::{CONNECT_TIMEOUT, ClientConfig, ConfigError, Endpoint};

/// A connection that was idle this long is closed rather than used again: load balancers close idle ones after a minute.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

/// Most idle connections that are kept: a few passes' worth of posts in flight.
pub const IDLE_CONNECTIONS_MAX: usize = 256;

/// Most bytes of an answer that are read; the longest, about a connection, has some hundred.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const X_AMZN_ERRORTYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Posts with little more than the request itself: one signature with a kept key, one pooled HTTP/1.1 connection per
/// post in flight, and no retries.
#[derive(Clone)]
pub struct LeanManagementClient {
    http: Client<HttpConnector, Full<Bytes>>,
    endpoint: Endpoint,
    signer: Arc<Signer>,
    request_timeout: Duration,
    clock: fn() -> SystemTime,
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
    source_ip: Option<IpAddr>,
    user_agent: Option<String>,
}

#[derive(Deserialize)]
struct MessageBody {
    #[serde(alias = "Message")]
    message: Option<String>,
}

impl LeanManagementClient {
    /// A client; it connects when it is first used.
    ///
    /// # Errors
    /// If the session token cannot be a header's value.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let ClientConfig { endpoint, region, credentials, request_timeout } = config;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        let signer = Signer::new(&credentials, region).map_err(|_| ConfigError::SessionToken)?;
        Ok(Self { http, endpoint, signer: signer.into(), request_timeout, clock: SystemTime::now })
    }

    /// A client with region and credentials from the environment of the process; see [`ClientConfig::from_lookup`].
    ///
    /// # Errors
    /// As [`ClientConfig::from_lookup`] and [`new`](Self::new).
    pub fn from_env(endpoint: &str) -> Result<Self, ConfigError> {
        Self::new(ClientConfig::from_env(endpoint)?)
    }

    /// The same client on another wall clock, which dates the signatures.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.clock = clock;
        self
    }

    async fn call(&self, method: Method, id: &ConnectionId, body: Bytes) -> Result<Answer, ManagementError> {
        let request = self.request(method, id, body)?;
        let exchange = async {
            let response = self.http.request(request).await.map_err(unavailable)?;
            let (parts, body) = response.into_parts();
            // Read to its end, so that the connection can be used again.
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(unavailable)?;
            Ok((parts.status, parts.headers, body.to_bytes()))
        };
        let (status, headers, body) =
            tokio::time::timeout(self.request_timeout, exchange).await.map_err(unavailable)??;
        if status.is_success() { Ok(Answer::Success(body)) } else { refused(status, &headers, &body) }
    }

    fn request(
        &self,
        method: Method,
        id: &ConnectionId,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, ManagementError> {
        let uri = self.endpoint.connection_uri(id).map_err(internal)?;
        let host = self.endpoint.host();
        let signed = self
            .signer
            .sign(method.as_str(), &canonical_path(uri.path()), host, &body, (self.clock)())
            .map_err(internal)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
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
        Ok(match self.call(Method::POST, id, data).await? {
            Answer::Success(_) => PostOutcome::Delivered,
            Answer::Gone => PostOutcome::Gone,
        })
    }

    async fn get(&self, id: &ConnectionId) -> Result<Option<ConnectionInfo>, ManagementError> {
        let Answer::Success(body) = self.call(Method::GET, id, Bytes::new()).await? else { return Ok(None) };
        let body: ConnectionBody = serde_json::from_slice(&body).map_err(internal)?;
        let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).map(SystemTime::from).map_err(internal);
        let (source_ip, user_agent) = match body.identity {
            Some(identity) => (identity.source_ip, identity.user_agent),
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
        Ok(match self.call(Method::DELETE, id, Bytes::new()).await? {
            Answer::Success(_) => DeleteOutcome::Deleted,
            Answer::Gone => DeleteOutcome::Gone,
        })
    }
}

fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Answer, ManagementError> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // The body may be no JSON at all (facts C4 and C14); then there is no message.
    let message = serde_json::from_slice::<MessageBody>(body).ok().and_then(|body| body.message);
    let refusal = Refusal::new(status.as_u16(), header(X_AMZN_ERRORTYPE), message.as_deref());
    if refusal.is_gone() { Ok(Answer::Gone) } else { Err(refusal.into_error(header(RETRY_AFTER))) }
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ManagementError {
    ManagementError::new(ManagementErrorKind::Unavailable).with_source(error)
}

fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ManagementError {
    ManagementError::new(ManagementErrorKind::Internal).with_source(error)
}

impl fmt::Debug for LeanManagementClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeanManagementClient").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
