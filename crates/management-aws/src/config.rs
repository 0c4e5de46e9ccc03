//! What a client needs to know.

use std::time::Duration;

use aws_credential_types::Credentials;

use crate::{Endpoint, InvalidEndpoint};

/// Longest wait for a TCP connection to the endpoint.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);

/// Longest wait for the answer to one request, by default. Answers take milliseconds; some posts are known to hang
/// (fact C8), and a post that hangs holds one of the caller's places in flight.
pub const REQUEST_TIMEOUT: Duration = Duration::from_millis(5_000);

/// Address, region and credentials. Printing it for debugging hides the secret.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    pub(crate) endpoint: Endpoint,
    pub(crate) region: String,
    pub(crate) credentials: Credentials,
    pub(crate) request_timeout: Duration,
}

/// Why there is no [`ClientConfig`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable that every function has is not set.
    #[error("{name} is not set; the management client signs with it, and a function's environment has it")]
    Missing {
        /// The variable.
        name: &'static str,
    },
    /// The session token has characters that no header may have.
    #[error("AWS_SESSION_TOKEN has characters that a header cannot carry")]
    SessionToken,
    /// The endpoint does not fit.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
}

impl ClientConfig {
    /// A configuration from its parts; `session_token` belongs to temporary credentials.
    ///
    /// # Errors
    /// [`InvalidEndpoint`] if `endpoint` is not a URL of the form `http://host:port/stage`.
    pub fn new(
        endpoint: &str,
        region: impl Into<String>,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Result<Self, InvalidEndpoint> {
        Ok(Self {
            endpoint: endpoint.parse()?,
            region: region.into(),
            credentials: Credentials::new(
                access_key_id,
                secret_access_key,
                session_token,
                None,
                "dunlin-management-aws",
            ),
            request_timeout: REQUEST_TIMEOUT,
        })
    }

    /// The same configuration with another longest wait for an answer than [`REQUEST_TIMEOUT`].
    #[must_use]
    pub fn with_request_timeout(mut self, request_timeout: Duration) -> Self {
        self.request_timeout = request_timeout;
        self
    }

    /// A configuration from the variables that `lookup` finds: `AWS_REGION` or `AWS_DEFAULT_REGION`,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; an empty variable counts as unset.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable that is missing, or says what is wrong with the endpoint.
    pub fn from_lookup(endpoint: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name| lookup(name).filter(|value| !value.is_empty());
        let need = |name| get(name).ok_or(ConfigError::Missing { name });
        let region = get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION"));
        Ok(Self::new(
            endpoint,
            region.ok_or(ConfigError::Missing { name: "AWS_REGION" })?,
            need("AWS_ACCESS_KEY_ID")?,
            need("AWS_SECRET_ACCESS_KEY")?,
            get("AWS_SESSION_TOKEN"),
        )?)
    }

    /// [`from_lookup`](Self::from_lookup) on the environment of the process.
    ///
    /// # Errors
    /// As [`from_lookup`](Self::from_lookup).
    pub fn from_env(endpoint: &str) -> Result<Self, ConfigError> {
        Self::from_lookup(endpoint, |name| std::env::var(name).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(missing: &str, expected: Result<(), ConfigError>) {
        let lookup = |name: &str| match name {
            _ if name == missing => None,
            "AWS_REGION" => Some("eu-west-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("wJalrXUtnFEMI".to_owned()),
            _ => None,
        };
        let config = ClientConfig::from_lookup("http://localhost:3001/dev", lookup);
        assert_eq!(config.map(drop), expected);
    }

    #[test]
    fn says_which_variable_is_missing() {
        check("", Ok(()));
        check("AWS_SESSION_TOKEN", Ok(()));
        for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            check(name, Err(ConfigError::Missing { name }));
        }
        let error = ClientConfig::from_lookup("localhost", |_| Some("x".to_owned())).unwrap_err();
        assert!(error.to_string().contains("http://host:port/stage"), "{error}");
    }

    #[test]
    fn debugging_hides_the_secret() {
        let config = ClientConfig::new("http://localhost/dev", "r", "AKIDEXAMPLE", "wJalrXUtnFEMI", None);
        let printed = format!("{config:?}");
        assert!(printed.contains("localhost") && !printed.contains("wJalrXUtnFEMI"), "{printed}");
    }
}
