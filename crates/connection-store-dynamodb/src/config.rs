//! From the variables of a function to an SDK client.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::InterceptorContext;
use aws_sdk_dynamodb::config::retry::{ClassifyRetry, RetryAction, RetryConfig};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Config, Region, SharedHttpClient, StalledStreamProtectionConfig,
};

/// Longest wait for a TCP connection to the table's endpoint.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);

/// Longest wait for the answer to one attempt. Answers take milliseconds; whoever waits longer does better to ask again.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(2_000);

/// Longest wait for a request with all its attempts, well inside the 29 s that a route has (fact G1).
pub const REQUEST_TIMEOUT: Duration = Duration::from_millis(8_000);

/// Upper bound of the random delay before the SDK's second attempt; it doubles with each further one. The SDK's own default is a
/// second, which is long against answers that take milliseconds.
pub const REQUEST_RETRY_DELAY_BASE: Duration = Duration::from_millis(50);

/// Attempts that the SDK makes for one request when the table throttles it or does not answer.
pub const REQUEST_ATTEMPTS_MAX: u32 = 4;

/// Why no client can be made from the environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable that every function has is not set.
    #[error("{name} is not set; the table's client needs it, and a function's environment has it")]
    Missing {
        /// The variable, or the two that would do.
        name: &'static str,
    },
    /// The endpoint is reached over TLS, and this build has none.
    #[error(
        "the table's endpoint {endpoint} needs TLS, which this build leaves out; \
         set AWS_ENDPOINT_URL_DYNAMODB to an http:// address, or build with the feature \"tls\""
    )]
    NeedsTls {
        /// The endpoint.
        endpoint: String,
    },
    /// The endpoint is not a URL of the known form.
    #[error(
        "AWS_ENDPOINT_URL_DYNAMODB or AWS_ENDPOINT_URL is {endpoint:?}, which is no http:// or https:// address"
    )]
    Endpoint {
        /// The endpoint.
        endpoint: String,
    },
    /// The endpoint is reached over TLS, and there is no authority to trust.
    #[error("{origin} has no certificate of an authority that could be trusted: {reason}")]
    Authorities {
        /// Where they were looked for: a variable with its path, or the system.
        origin: String,
        /// What was found instead.
        reason: String,
    },
}

/// A client from `AWS_REGION` (or `AWS_DEFAULT_REGION`), `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
/// `AWS_SESSION_TOKEN` and `AWS_ENDPOINT_URL_DYNAMODB` (or `AWS_ENDPOINT_URL`), and for an `https://` endpoint
/// `AWS_CA_BUNDLE` (or `SSL_CERT_FILE`); an empty variable counts as unset.
pub(crate) fn client(lookup: impl Fn(&str) -> Option<String>) -> Result<Client, ConfigError> {
    let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let need = |name| get(name).ok_or(ConfigError::Missing { name });
    let region = get("AWS_REGION")
        .or_else(|| get("AWS_DEFAULT_REGION"))
        .ok_or(ConfigError::Missing { name: "AWS_REGION" })?;
    let credentials = Credentials::new(
        need("AWS_ACCESS_KEY_ID")?,
        need("AWS_SECRET_ACCESS_KEY")?,
        get("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let endpoint = get("AWS_ENDPOINT_URL_DYNAMODB")
        .or_else(|| get("AWS_ENDPOINT_URL"))
        .unwrap_or_else(|| format!("https://dynamodb.{region}.{}", domain_of(&region)));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(credentials)
        .http_client(http_client(&endpoint, get)?)
        .endpoint_url(endpoint)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(REQUEST_ATTEMPTS_MAX)
                .with_initial_backoff(REQUEST_RETRY_DELAY_BASE),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(REQUEST_TIMEOUT)
                .build(),
        )
        .retry_classifier(RetryConflicts)
        // Answers are small and have a time limit of their own; watching their rate costs CPU per call.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Ok(Client::from_conf(config))
}

/// Has the SDK try again when somebody else's transaction held the item; it would not by itself. The store has no
/// transactions, but a tool of whoever operates the table may.
#[derive(Debug)]
struct RetryConflicts;

impl ClassifyRetry for RetryConflicts {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        const CODE: &[u8] = b"TransactionConflictException\"";
        let refusal = context.response().filter(|response| !response.status().is_success());
        let body = refusal.and_then(|response| response.body().bytes()).unwrap_or_default();
        if body.windows(CODE.len()).any(|part| part == CODE) {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "transaction conflicts"
    }
}

/// The domain of the region's partition.
fn domain_of(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// A client for this endpoint. Certificates are read for TLS only: they would be most of a cold start.
fn http_client(
    endpoint: &str,
    get: impl Fn(&str) -> Option<String>,
) -> Result<SharedHttpClient, ConfigError> {
    let scheme =
        |prefix: &str| endpoint.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix));
    if scheme("http://") {
        return Ok(aws_smithy_http_client::Builder::new().build_http());
    }
    if !scheme("https://") {
        return Err(ConfigError::Endpoint { endpoint: endpoint.to_owned() });
    }
    #[cfg(feature = "tls")]
    return crate::tls::http_client(get);
    #[cfg(not(feature = "tls"))]
    {
        drop(get);
        Err(ConfigError::NeedsTls { endpoint: endpoint.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &[(&str, &str)] = &[
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:8000"),
    ];

    #[track_caller]
    fn check(change: &[(&str, &str)], expected: Result<(), ConfigError>) {
        let lookup = |name: &str| {
            let of = |vars: &[(&str, &str)]| {
                vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            of(change).or_else(|| of(FULL))
        };
        assert_eq!(client(lookup).map(drop), expected);
    }

    #[test]
    fn says_what_is_missing_and_what_does_not_fit() {
        check(&[], Ok(()));
        check(&[("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-west-1")], Ok(()));
        check(&[("AWS_REGION", "")], Err(ConfigError::Missing { name: "AWS_REGION" }));
        check(&[("AWS_ACCESS_KEY_ID", "")], Err(ConfigError::Missing { name: "AWS_ACCESS_KEY_ID" }));
        check(&[("AWS_SECRET_ACCESS_KEY", "")], Err(ConfigError::Missing { name: "AWS_SECRET_ACCESS_KEY" }));
        for odd in ["localhost:8000", "ftp://localhost", "http:/x", "é", "https:"] {
            check(
                &[("AWS_ENDPOINT_URL_DYNAMODB", odd)],
                Err(ConfigError::Endpoint { endpoint: odd.to_owned() }),
            );
        }
    }

    #[test]
    fn plain_http_asks_for_no_certificates() {
        for endpoint in ["http://127.0.0.1:8000", "HTTP://localhost"] {
            let get = |name: &str| unreachable!("{name} was looked up");
            assert!(http_client(endpoint, get).is_ok());
        }
    }

    #[test]
    fn partitions_have_domains_of_their_own() {
        assert_eq!(domain_of("eu-west-1"), "amazonaws.com");
        assert_eq!(domain_of("us-gov-west-1"), "amazonaws.com");
        assert_eq!(domain_of("cn-north-1"), "amazonaws.com.cn");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn the_service_is_reached_over_tls() {
        // With authorities of its own, since a machine need not have any.
        let nothing = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let error = |variable| {
            let lookup = |name: &str| match name {
                _ if name == variable => Some(nothing.to_owned()),
                "AWS_ENDPOINT_URL" => None,
                _ => FULL.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
            };
            client(lookup).map(drop).unwrap_err().to_string()
        };
        for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
            let text = error(variable);
            assert!(text.starts_with(&format!("{variable}={nothing} has no certificate")), "{text}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_tls_the_service_cannot_be_reached() {
        check(
            &[("AWS_ENDPOINT_URL", "")],
            Err(ConfigError::NeedsTls { endpoint: "https://dynamodb.eu-west-1.amazonaws.com".into() }),
        );
    }
}
