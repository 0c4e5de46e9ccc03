//! The address of a stage's management API.

use std::str::FromStr;

use dunlin_events::ConnectionId;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a path segment; anything else is percent-encoded, `=` of a connection id in particular (fact C6).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The same for a whole path.
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// `https://{host}[:{port}]/{stage}`, or with another base path, or none (fact C1); plain `http://` for a local stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    /// Begins with a slash and does not end with one; empty for none.
    base_path: String,
}

/// Why a text is not an [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// The text is no URL with a host, or its path has empty or dot segments.
    #[error(
        "management endpoint {0:?} is not a URL of the form https://host/stage, or http://host:port/stage of a local stack"
    )]
    Malformed(String),
    /// The endpoint is reached over TLS, and this build has none.
    #[error(
        "management endpoint {0} needs TLS, which this build leaves out; \
         build dunlin-management-aws with the feature tls, or use the http:// address of a local stack"
    )]
    NeedsTls(String),
}

impl Endpoint {
    /// The endpoint as a URL without a trailing slash.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.base_path)
    }

    /// Whether requests go over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Host without brackets, as a certificate has it.
    pub(crate) fn host_name(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// Scheme and authority, to connect to.
    pub(crate) fn origin(&self) -> Result<Uri, http::Error> {
        let builder = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        builder.path_and_query("/").build()
    }

    /// Where the connection's requests go, as it is sent: the path alone.
    pub(crate) fn connection_path(&self, id: &ConnectionId) -> Result<PathAndQuery, http::Error> {
        let path = format!("{}/@connections/{}", self.base_path, utf8_percent_encode(id.as_str(), SEGMENT));
        Ok(PathAndQuery::try_from(path)?)
    }

    /// The value of `Host`.
    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }
}

/// The path as the signature has it: what is sent, encoded once more (fact C6).
pub(crate) fn canonical_path(path_as_sent: &str) -> String {
    utf8_percent_encode(path_as_sent, PATH).to_string()
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let malformed = || InvalidEndpoint::Malformed(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| malformed())?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => (Scheme::HTTP, 80),
            Some("https") if cfg!(feature = "tls") => (Scheme::HTTPS, 443),
            Some("https") => return Err(InvalidEndpoint::NeedsTls(text.to_owned())),
            _ => return Err(malformed()),
        };
        let authority =
            uri.authority().filter(|authority| !authority.host().is_empty()).ok_or_else(malformed)?;
        // `user@host` would be sent as part of `Host`, and a query has no place in an endpoint.
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(malformed());
        }
        let base_path = uri.path().trim_end_matches('/');
        // The service's signature takes such segments out of the path before it hashes it.
        if base_path.split('/').skip(1).any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(malformed());
        }
        // A client leaves the default port out of `Host`.
        let is_default = authority.port_u16() == Some(default_port);
        let host = if is_default { authority.host() } else { authority.as_str() };
        Ok(Self {
            scheme,
            host: HeaderValue::from_str(host).map_err(|_| malformed())?,
            authority: authority.clone(),
            base_path: base_path.to_owned(),
        })
    }
}

#[cfg(test)]
#[cfg(feature = "lean")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(endpoint: &str, expected_path: &str, expected_host: &str) {
        let endpoint: Endpoint = endpoint.parse().unwrap();
        let id = "L0SM9cOFvHcCIhw=".parse().unwrap();
        assert_eq!(endpoint.connection_path(&id).unwrap(), expected_path);
        assert_eq!(endpoint.host(), expected_host);
    }

    #[test]
    fn the_path_keeps_the_base_and_encodes_the_id() {
        check("http://127.0.0.1:3001/dev", "/dev/@connections/L0SM9cOFvHcCIhw%3D", "127.0.0.1:3001");
        check("http://[::1]:3001/a/b/", "/a/b/@connections/L0SM9cOFvHcCIhw%3D", "[::1]:3001");
        check("http://localhost:80", "/@connections/L0SM9cOFvHcCIhw%3D", "localhost");
        assert_eq!(canonical_path("/dev/@connections/a%3D"), "/dev/%40connections/a%253D");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn over_tls_another_port_is_the_default() {
        let path = "/dev/@connections/L0SM9cOFvHcCIhw%3D";
        check(
            "https://abc123.execute-api.eu-west-1.amazonaws.com/dev",
            path,
            "abc123.execute-api.eu-west-1.amazonaws.com",
        );
        check("https://localhost:443/dev/", path, "localhost");
        check("https://localhost:80/dev", path, "localhost:80");
        let endpoint: Endpoint = "https://[::1]:3001/dev/".parse().unwrap();
        assert_eq!((endpoint.url().as_str(), endpoint.host_name()), ("https://[::1]:3001/dev", "::1"));
        assert_eq!(endpoint.origin().unwrap(), "https://[::1]:3001/");
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_tls_such_an_endpoint_is_refused() {
        let tls = "https://abc123.execute-api.us-east-1.amazonaws.com/dev";
        assert_eq!(tls.parse::<Endpoint>(), Err(InvalidEndpoint::NeedsTls(tls.to_owned())));
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for bad in ["", "/dev", "127.0.0.1:3001", "ftp://host/dev", "http://host//dev", "http://host/../dev"]
        {
            assert_eq!(bad.parse::<Endpoint>(), Err(InvalidEndpoint::Malformed(bad.to_owned())), "{bad}");
        }
        for bad in ["http://user@host/dev", "http://host/dev?x=1", "http:///dev"] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
