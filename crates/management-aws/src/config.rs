//! What a client needs to know.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use http::HeaderValue;

#[cfg(feature = "tls")]
use crate::Roots;
use crate::{Endpoint, InvalidEndpoint};

/// Longest wait for a connection to the endpoint, TLS included, by default.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);

/// Longest wait for the answer to one request, by default. Answers take milliseconds; some posts are known to hang
/// (fact C8), and a post that hangs holds one of the caller's places in flight.
pub const REQUEST_TIMEOUT: Duration = Duration::from_millis(5_000);

/// Most connections to the endpoint, by default: as many as a fan-out has posts in flight. Ours; the service publishes
/// no bound, and a function has 1,024 descriptors.
pub const CONNECTIONS_MAX: usize = 64;

/// The variables that may hold the endpoint: the name that Dunlin's templates use, then the SDKs' own.
pub const ENDPOINT_VARIABLES: [&str; 2] = ["MANAGEMENT_ENDPOINT", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"];

/// Tells the time of day, by which requests are dated and credentials expire.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Address, region, credentials and bounds. Printing it for debugging hides the secret.
#[derive(Clone)]
pub struct ClientConfig {
    pub(crate) endpoint: Endpoint,
    pub(crate) region: String,
    pub(crate) credentials: SharedCredentialsProvider,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) connections_max: usize,
    #[cfg(feature = "tls")]
    pub(crate) roots: Roots,
    pub(crate) clock: Clock,
}

/// Why there is no [`ClientConfig`], or no client from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable that every function has is not set.
    #[error("{name} is not set; the management client signs with it, and a function's environment has it")]
    Missing {
        /// The variable.
        name: &'static str,
    },
    /// No variable tells the endpoint.
    #[error(
        "{} is not set; give the function the base address of the management API, stage included",
        ENDPOINT_VARIABLES[0]
    )]
    NoEndpoint,
    /// A variable has characters that the headers of a signed request cannot have.
    #[error("{name} has characters that a header cannot carry")]
    Unsendable {
        /// The variable.
        name: &'static str,
    },
    /// The region could not be part of a signature.
    #[error("region {0:?} is no name of letters, digits and hyphens, such as eu-west-1")]
    Region(String),
    /// The endpoint does not fit.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// The endpoint is reached over TLS, and the certificate authorities to trust cannot be read.
    #[error("{from}: {problem}; the management endpoint cannot be trusted without certificate authorities")]
    Roots {
        /// Where they were to come from.
        from: String,
        /// What is wrong.
        problem: String,
    },
}

impl ClientConfig {
    /// A configuration from its parts. The provider of the credentials may be [`Credentials`] themselves, or whatever
    /// loads them, such as those of the crate `aws-config` for containers and for single sign-on: it is asked again when
    /// they expire.
    ///
    /// # Errors
    /// [`ConfigError::Endpoint`] or [`ConfigError::Region`], if that is not of the form that it should have.
    pub fn new(
        endpoint: &str,
        region: impl Into<String>,
        credentials: impl ProvideCredentials + 'static,
    ) -> Result<Self, ConfigError> {
        let region = region.into();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if region.is_empty() || !region.bytes().all(is_name) {
            return Err(ConfigError::Region(region));
        }
        Ok(Self {
            endpoint: endpoint.parse()?,
            region,
            credentials: SharedCredentialsProvider::new(credentials),
            connect_timeout: CONNECT_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            connections_max: CONNECTIONS_MAX,
            #[cfg(feature = "tls")]
            roots: Roots::default(),
            clock: Arc::new(SystemTime::now),
        })
    }

    /// A configuration from the variables of the process, the endpoint among them: see
    /// [`from_lookup`](Self::from_lookup).
    ///
    /// # Errors
    /// As [`from_lookup`](Self::from_lookup).
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// A configuration from the variables that `lookup` finds, the endpoint among them: the first of
    /// [`ENDPOINT_VARIABLES`] that is set, and the rest as for [`for_endpoint`](Self::for_endpoint).
    ///
    /// # Errors
    /// [`ConfigError::NoEndpoint`], else as for [`for_endpoint`](Self::for_endpoint).
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &&str| lookup(name).filter(|value| !value.is_empty());
        let endpoint = ENDPOINT_VARIABLES.iter().find_map(set).ok_or(ConfigError::NoEndpoint)?;
        Self::for_endpoint(&endpoint, lookup)
    }

    /// A configuration for an endpoint that is known already. The rest comes from the variables that `lookup` finds:
    /// `AWS_REGION` or `AWS_DEFAULT_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, and the
    /// file of `AWS_CA_BUNDLE` in place of the system's certificate authorities. An empty variable counts as unset.
    ///
    /// These credentials are never asked for again: the variables of a function do not change while its process lives,
    /// and the platform ends the process before they expire.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable that is missing, or says what is wrong with it.
    pub fn for_endpoint(
        endpoint: &str,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let get = |name| lookup(name).filter(|value| !value.is_empty());
        let need = |name| get(name).ok_or(ConfigError::Missing { name });
        let sendable = |name: &'static str, value: &str| match HeaderValue::from_str(value) {
            Ok(_) => Ok(()),
            Err(_) => Err(ConfigError::Unsendable { name }),
        };
        let region = get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION"));
        let region = region.ok_or(ConfigError::Missing { name: "AWS_REGION" })?;
        let access_key_id = need("AWS_ACCESS_KEY_ID")?;
        sendable("AWS_ACCESS_KEY_ID", &access_key_id)?;
        let secret_access_key = need("AWS_SECRET_ACCESS_KEY")?;
        let session_token = get("AWS_SESSION_TOKEN");
        sendable("AWS_SESSION_TOKEN", session_token.as_deref().unwrap_or_default())?;
        let credentials =
            Credentials::new(access_key_id, secret_access_key, session_token, None, "environment");
        let config = Self::new(endpoint, region, credentials)?;
        #[cfg(feature = "tls")]
        if let Some(file) = get("AWS_CA_BUNDLE") {
            return Ok(config.with_roots(Roots::File(file.into())));
        }
        Ok(config)
    }

    /// The same configuration with another longest wait for a connection than [`CONNECT_TIMEOUT`].
    #[must_use]
    pub fn with_connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.connect_timeout = connect_timeout;
        self
    }

    /// The same configuration with another longest wait for an answer than [`REQUEST_TIMEOUT`].
    #[must_use]
    pub fn with_request_timeout(mut self, request_timeout: Duration) -> Self {
        self.request_timeout = request_timeout;
        self
    }

    /// The same configuration with another bound than [`CONNECTIONS_MAX`]: give it the window of the fan-out. Calls
    /// beyond it wait for one another, and that wait counts into the request's time limit. At least 1.
    ///
    /// The SDK's client has no such bound; it only keeps no more than these for later.
    #[must_use]
    pub fn with_connections_max(mut self, connections_max: usize) -> Self {
        self.connections_max = connections_max.max(1);
        self
    }

    /// The same configuration with these certificate authorities. They are not looked at unless the endpoint begins
    /// with `https://`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// The same configuration on another wall clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("connections_max", &self.connections_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &[(&str, &str)] = &[
        ("MANAGEMENT_ENDPOINT", "http://localhost:3001/dev"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
    ];

    fn config(change: &[(&str, &str)]) -> Result<ClientConfig, ConfigError> {
        ClientConfig::from_lookup(|name| {
            let of = |variables: &[(&str, &str)]| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            of(change).or_else(|| of(FULL))
        })
    }

    #[track_caller]
    fn check(change: &[(&str, &str)], expected: Result<(), ConfigError>) {
        assert_eq!(config(change).map(drop), expected, "{change:?}");
    }

    #[test]
    fn says_which_variable_is_missing_or_does_not_fit() {
        check(&[], Ok(()));
        check(&[("AWS_SESSION_TOKEN", "FwoGZXIvYXdz//EXAMPLE==")], Ok(()));
        check(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")], Ok(()));
        for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            check(&[(name, "")], Err(ConfigError::Missing { name }));
        }
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"] {
            check(&[(name, "a\nb")], Err(ConfigError::Unsendable { name }));
        }
        check(&[("AWS_REGION", "eu west 1")], Err(ConfigError::Region("eu west 1".to_owned())));
        check(&[("MANAGEMENT_ENDPOINT", "")], Err(ConfigError::NoEndpoint));
        let error = config(&[("MANAGEMENT_ENDPOINT", "localhost")]).unwrap_err();
        assert!(error.to_string().contains("https://host/stage"), "{error}");
    }

    #[test]
    fn the_endpoint_may_be_named_as_the_sdks_do() {
        let endpoint = |change: &[_]| config(change).unwrap().endpoint.url();
        let sdks = ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "http://localhost:4000/prod");
        assert_eq!(endpoint(&[("MANAGEMENT_ENDPOINT", ""), sdks]), "http://localhost:4000/prod");
        assert_eq!(endpoint(&[sdks]), "http://localhost:3001/dev");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_bundle_takes_the_place_of_the_systems_authorities() {
        assert!(matches!(config(&[]).unwrap().roots, Roots::System));
        let config = config(&[("AWS_CA_BUNDLE", "/ca.pem")]).unwrap();
        assert!(matches!(config.roots, Roots::File(file) if file.to_str() == Some("/ca.pem")));
    }

    #[test]
    fn debugging_hides_the_secret() {
        let printed = format!("{:?}", config(&[]));
        assert!(printed.contains("localhost") && !printed.contains("wJalrXUtnFEMI"), "{printed}");
    }
}
