use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use dunlin_events::limits;
use futures_util::future::BoxFuture;
use tokio_rustls::rustls;

use crate::{
    domain::DomainConfig,
    throttle::AccountThrottles,
    usage::{ApiKeyConfig, UsagePlanConfig},
};

/// Everything a gateway needs besides its APIs and its back end.
#[derive(Clone)]
pub struct GatewayConfig {
    /// The region in host names, ARNs and signatures, such as `eu-west-1`.
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
    /// The end of `{api-id}.execute-api.{region}.{dns_suffix}`.
    pub dns_suffix: String,
    /// Host names, without port, that clients may use besides `localhost`, `127.0.0.1`, `[::1]` and the APIs' own.
    /// Any other `Host` is refused, so that a web page cannot reach the gateway under a name of its own.
    pub extra_hosts: Vec<String>,
    /// Whether clients may also use any IP address: for listeners on all addresses of the machine. A web page can have a name
    /// of its own lead here, but not an address.
    pub any_address: bool,
    /// Who may call the management API.
    pub credentials: Arc<dyn CredentialLookup>,
    /// What callers of `/_dunlin/…` send in the header `x-dunlin-control-token`; without one there are no such paths.
    pub control_token: Option<String>,
    /// What else of the stack follows the clock when it is set ahead.
    pub on_advance: Option<OnAdvance>,
    /// With it, TLS and plain text are spoken on the same port: the first byte tells. It should offer `http/1.1` only.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// What the account may do.
    pub account_throttles: AccountThrottles,
    /// Whom `https://` endpoints of integrations must be vouched for by. By default the system's authorities, or those of
    /// `SSL_CERT_FILE`; they are read only where a route needs them.
    pub endpoint_authorities: Option<Arc<rustls::RootCertStore>>,
    /// Custom domain names (H4).
    pub domains: Vec<DomainConfig>,
    /// API keys (A10).
    pub api_keys: Vec<ApiKeyConfig>,
    /// What they open; a key without a plan opens nothing.
    pub usage_plans: Vec<UsagePlanConfig>,
    /// Timeouts and bounds.
    pub limits: Limits,
    /// The wall clock of events, ids and signatures.
    pub clock: Clock,
    /// The clock of idle times and ages.
    pub ticks: Ticks,
    /// Where the sequence of ids starts. The same seed and clock give the same ids.
    pub id_seed: u64,
}

impl GatewayConfig {
    /// A configuration with the service's limits, the system's clock, random ids and no TLS.
    pub fn new(
        region: impl Into<String>,
        account_id: impl Into<String>,
        credentials: Arc<dyn CredentialLookup>,
    ) -> Self {
        GatewayConfig {
            region: region.into(),
            account_id: account_id.into(),
            dns_suffix: "amazonaws.com".to_owned(),
            extra_hosts: Vec::new(),
            any_address: false,
            credentials,
            control_token: None,
            on_advance: None,
            tls: None,
            account_throttles: AccountThrottles::default(),
            endpoint_authorities: None,
            domains: Vec::new(),
            api_keys: Vec::new(),
            usage_plans: Vec::new(),
            limits: Limits::default(),
            clock: Arc::new(SystemTime::now),
            ticks: {
                let start = Instant::now();
                Arc::new(move || start.elapsed())
            },
            // Ids start with the time, so that without randomness they would still not repeat.
            id_seed: getrandom::u64().unwrap_or_default(),
        }
    }
}

impl fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayConfig")
            .field("region", &self.region)
            .field("account_id", &self.account_id)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Tells the time of day.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Is told how far the gateway's clock is ahead of the world's, whenever that changes; whoever set it ahead is answered after.
pub type OnAdvance = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// Tells the time since some fixed moment; it never goes back.
pub type Ticks = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Timeouts and bounds. The defaults are the service's, or documented where they are ours; tests shorten them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Without a message in either direction a connection is closed after this (Q4).
    pub idle_timeout: Duration,
    /// A connection is closed at this age (Q6).
    pub connection_life_max: Duration,
    /// From the TCP connection to the end of the request head, TLS included; also how long a management call's body may take.
    pub head_timeout: Duration,
    /// How long a keep-alive connection may wait for its next management call.
    pub keep_alive_timeout: Duration,
    /// Messages of one connection that may be with functions at once. At the bound the gateway stops reading from that
    /// connection, pings included, until one of them ends.
    pub invocations_per_connection_max: usize,
    /// Bytes that may wait for one client to read them; a post beyond answers 429 (C3).
    pub outbox_bytes_max: usize,
    /// Sockets that are not, or not yet, connections: they read a request, wait for `$connect`, or serve management calls.
    /// A client beyond is refused with 503.
    pub open_requests_max: usize,
    /// All sockets together. A client beyond is refused with 503. It should leave room in the process's limit of open files.
    pub sockets_max: usize,
}

/// Ours: the service publishes none. Long enough for a slow network, short enough that idle sockets cannot pile up.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Ours: above the idle time of common HTTP pools, which then close first and never meet a closed connection.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(120);

/// Ours: the service bounds the account's concurrency, not the connection's. Keeps one client from occupying every environment.
const INVOCATIONS_PER_CONNECTION_MAX: usize = 64;

/// Ours: two messages of the largest size.
const OUTBOX_BYTES_MAX: usize = 2 * limits::MESSAGE_BYTES_MAX;

/// Ours: what the service's default of 500 connects a second makes of a `$connect` that takes its full 29 s, and below usual limits of
/// open files.
const OPEN_REQUESTS_MAX: usize = 15_000;

/// Ours: more than one client machine has ports to connect from.
const SOCKETS_MAX: usize = 65_536;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            idle_timeout: limits::IDLE_TIMEOUT,
            connection_life_max: limits::CONNECTION_LIFE_MAX,
            head_timeout: HEAD_TIMEOUT,
            keep_alive_timeout: KEEP_ALIVE_TIMEOUT,
            invocations_per_connection_max: INVOCATIONS_PER_CONNECTION_MAX,
            outbox_bytes_max: OUTBOX_BYTES_MAX,
            open_requests_max: OPEN_REQUESTS_MAX,
            sockets_max: SOCKETS_MAX,
        }
    }
}

/// Finds the secret that belongs to an access key id.
pub trait CredentialLookup: Send + Sync + 'static {
    /// The credential with this access key id, if it is a valid one at this moment.
    fn credential(&self, access_key_id: &str) -> Option<Credential>;
}

impl CredentialLookup for HashMap<String, Credential> {
    fn credential(&self, access_key_id: &str) -> Option<Credential> {
        self.get(access_key_id).cloned()
    }
}

impl<F: Fn(&str) -> Option<Credential> + Send + Sync + 'static> CredentialLookup for F {
    fn credential(&self, access_key_id: &str) -> Option<Credential> {
        self(access_key_id)
    }
}

/// What a caller of the management API signs with.
#[derive(Clone)]
pub struct Credential {
    /// Never printed.
    pub secret_access_key: String,
    /// The token that must come along with temporary credentials; `None` for long-lived ones, which need none.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").finish_non_exhaustive()
    }
}

/// What is wrong with the configuration of an API. Each names the API.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// Two APIs with one id.
    #[error("API {api_id}: the id is used by two APIs")]
    DuplicateApi {
        /// The id.
        api_id: String,
    },
    /// A stage name that the service refuses, or that two stages have.
    #[error("API {api_id}: stage \"{stage}\" {problem}")]
    Stage {
        /// The API.
        api_id: String,
        /// The name.
        stage: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A selection expression outside R1.
    #[error("API {api_id}: route selection expression \"{expression}\": {problem}")]
    SelectionExpression {
        /// The API.
        api_id: String,
        /// The expression as given.
        expression: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A route key or its integration.
    #[error("API {api_id}: route \"{route_key}\" {problem}")]
    Route {
        /// The API.
        api_id: String,
        /// The key as given.
        route_key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A model that is no JSON Schema.
    #[error("API {api_id}: model {model} {problem}")]
    Model {
        /// The API.
        api_id: String,
        /// The name of the model.
        model: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A custom domain name.
    #[error("domain {domain} {problem}")]
    Domain {
        /// The name.
        domain: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A usage plan.
    #[error("usage plan {plan} {problem}")]
    UsagePlan {
        /// The id of the plan.
        plan: String,
        /// What is wrong with it.
        problem: String,
    },
    /// More routes than the service allows.
    #[error("API {api_id}: {routes} routes are more than the {max} that an API may have", max = limits::ROUTES_MAX)]
    TooManyRoutes {
        /// The API.
        api_id: String,
        /// How many there are.
        routes: usize,
    },
}

impl ConfigError {
    /// The API that it is about, if it is about one.
    pub fn api_id(&self) -> Option<&str> {
        match self {
            ConfigError::Domain { .. } | ConfigError::UsagePlan { .. } => None,
            ConfigError::DuplicateApi { api_id }
            | ConfigError::Stage { api_id, .. }
            | ConfigError::SelectionExpression { api_id, .. }
            | ConfigError::Route { api_id, .. }
            | ConfigError::Model { api_id, .. }
            | ConfigError::TooManyRoutes { api_id, .. } => Some(api_id),
        }
    }
}
