//! Where the stack under test listens: from its ready file, or from addresses given by hand.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Uri};

use crate::LoadError;
use crate::socket::CONNECT_TIMEOUT;

/// The layout of ready files that this program reads.
const READY_FILE_VERSION: u64 = 1;

/// Addresses of a stack: all that the load test knows about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Addresses {
    /// The WebSocket API, plain.
    pub ws: String,
    /// The same over TLS.
    pub wss: String,
    /// `host:port` of the MQTT broker.
    pub mqtt: String,
    /// The authority of the stack's certificates.
    pub ca_file: Option<PathBuf>,
}

/// A WebSocket URL, the address behind its name, and what a handshake needs.
#[derive(Clone, Debug)]
pub struct WsTarget {
    /// The URL, as sent in the handshake.
    pub url: String,
    /// What to connect to.
    pub address: SocketAddr,
    /// For `wss://`.
    pub(crate) tls: Option<Tls>,
    /// Further headers of the handshake.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// One TLS configuration for all clients.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) connector: TlsConnector,
    pub(crate) name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl WsTarget {
    /// Parses a URL and looks its host up. Certificates are checked against the system's authorities.
    ///
    /// # Errors
    ///
    /// `Usage` for anything but `ws://host[:port][/path]` and the same with `wss://`, `Unavailable` for a host without
    /// an address.
    pub async fn resolve(url: &str) -> Result<WsTarget, LoadError> {
        WsTarget::resolve_with(url, None).await
    }

    /// The same, with certificates checked against the authorities of a file.
    ///
    /// # Errors
    ///
    /// As [`WsTarget::resolve`]; `Usage` also for a file that holds no authority.
    pub async fn resolve_with(url: &str, ca_file: Option<&Path>) -> Result<WsTarget, LoadError> {
        let uri: Uri = url.parse().map_err(|error| {
            LoadError::Usage(format!("`{url}` is not a URL ({error}): give ws://host:port/stage"))
        })?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => {
                return Err(LoadError::Usage(format!(
                    "`{url}` is no WebSocket URL: give ws://host:port/stage or wss://host/stage"
                )));
            }
        };
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let address = resolve(host, port)
            .await
            .map_err(|reason| LoadError::Unavailable(format!("cannot find `{host}` of {url}: {reason}")))?;
        let tls = if secure { Some(Tls::new(host, ca_file)?) } else { None };
        Ok(WsTarget { url: url.to_owned(), address, tls, headers: Vec::new() })
    }

    /// Opens and drops a TCP connection.
    ///
    /// # Errors
    ///
    /// `Unavailable` if nothing listens there.
    pub async fn probe(&self) -> Result<(), LoadError> {
        probe(self.address).await.map_err(|reason| {
            LoadError::Unavailable(format!(
                "nothing answers at {} ({}): {reason}; start the stack first, or correct the address",
                self.url, self.address
            ))
        })
    }
}

impl Tls {
    fn new(host: &str, ca_file: Option<&Path>) -> Result<Tls, LoadError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare)
            .map_err(|error| LoadError::Usage(format!("`{host}` is no name for a certificate: {error}")))?;
        let mut roots = RootCertStore::empty();
        match ca_file {
            Some(path) => {
                roots.add_parsable_certificates(certificates(path)?);
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| LoadError::Internal(format!("cannot set up TLS: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { connector: TlsConnector::from(Arc::new(config)), name })
    }
}

/// The certificates of a PEM file.
///
/// # Errors
///
/// `Usage` if it cannot be read or holds none.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let cannot = |reason: String| {
        LoadError::Usage(format!("cannot read certificates of {}: {reason}", path.display()))
    };
    let found = CertificateDer::pem_file_iter(path).map_err(|error| cannot(error.to_string()))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|error| cannot(error.to_string()))?;
    if found.is_empty() { Err(cannot("it holds none".to_owned())) } else { Ok(found) }
}

/// The addresses of the stack that wrote a ready file.
///
/// # Errors
///
/// `Unavailable` if there is no such file, `Usage` if it is not a ready file or leaves open which API is meant.
pub fn from_ready_file(path: &Path, api: Option<&str>) -> Result<Addresses, LoadError> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        LoadError::Unavailable(format!("cannot read the ready file {shown}: {error}; is the stack up?"))
    })?;
    let ready: ReadyFile = serde_json::from_str(&text)
        .map_err(|error| LoadError::Usage(format!("{shown} is not a ready file: {error}")))?;
    if ready.version != READY_FILE_VERSION {
        return Err(LoadError::Usage(format!(
            "{shown} has version {}, and this program reads version {READY_FILE_VERSION}: build both from one revision",
            ready.version
        )));
    }
    let api = pick(&ready.apis, api).map_err(|reason| LoadError::Usage(format!("{shown} {reason}")))?;
    Ok(Addresses { ws: api.ws.clone(), wss: api.wss.clone(), mqtt: ready.mqtt, ca_file: ready.ca_file })
}

/// The first address of a host, IPv4 before IPv6.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = lookup_host((host, port)).await.map_err(|error| error.to_string())?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses.first().copied().ok_or_else(|| "it has no address".to_owned())
}

/// Opens and drops a TCP connection.
pub(crate) async fn probe(address: SocketAddr) -> Result<(), String> {
    match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
    }
}

fn pick<'a>(apis: &'a [ReadyApi], wanted: Option<&str>) -> Result<&'a ReadyApi, String> {
    let names = || apis.iter().map(|api| api.logical_id.as_str()).collect::<Vec<_>>().join(", ");
    match (apis, wanted) {
        ([], _) => Err("lists no WebSocket API".to_owned()),
        (_, Some(wanted)) => apis
            .iter()
            .find(|api| api.logical_id == wanted)
            .ok_or_else(|| format!("has no API `{wanted}`; it has {}", names())),
        ([only], None) => Ok(only),
        (_, None) => Err(format!("lists several APIs: name one with --api ({})", names())),
    }
}

#[derive(Deserialize)]
struct ReadyFile {
    version: u64,
    mqtt: String,
    ca_file: Option<PathBuf>,
    apis: Vec<ReadyApi>,
}

#[derive(Deserialize)]
struct ReadyApi {
    logical_id: String,
    ws: String,
    wss: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str = r#"{"version":1,"pid":7,"region":"us-east-1","mqtt":"127.0.0.1:1883","control_token":"x",
        "apis":[{"logical_id":"Api","api_id":"a","stage":"dev","ws":"ws://127.0.0.1:3001/dev","wss":"wss://127.0.0.1:3001/dev"},
                {"logical_id":"Other","api_id":"b","stage":"dev","ws":"ws://127.0.0.1:3002/dev","wss":"wss://127.0.0.1:3002/dev"}]}"#;

    fn read(text: &str, api: Option<&str>) -> Result<Addresses, LoadError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        fs::write(&path, text).unwrap();
        from_ready_file(&path, api)
    }

    #[test]
    fn the_ready_file_names_the_addresses() {
        let addresses = read(READY, Some("Other")).unwrap();
        assert_eq!(addresses.ws, "ws://127.0.0.1:3002/dev");
        assert_eq!(addresses.wss, "wss://127.0.0.1:3002/dev");
        assert_eq!(addresses.mqtt, "127.0.0.1:1883");
    }

    #[test]
    fn what_is_wrong_with_a_ready_file_is_said() {
        for (text, api, expected) in [
            (READY, None, "name one with --api (Api, Other)"),
            (READY, Some("Nope"), "has no API `Nope`; it has Api, Other"),
            (r#"{"version":2,"mqtt":"","apis":[]}"#, None, "has version 2"),
            (r#"{"version":1,"mqtt":"","apis":[]}"#, None, "lists no WebSocket API"),
            ("[", None, "is not a ready file"),
        ] {
            let error = read(text, api).unwrap_err();
            assert!(matches!(error, LoadError::Usage(_)), "{error:?}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_missing_ready_file_means_that_the_stack_is_not_there() {
        let error = from_ready_file(Path::new("/nonexistent/ready.json"), None).unwrap_err();
        assert!(matches!(error, LoadError::Unavailable(_)), "{error:?}");
    }

    #[tokio::test]
    async fn only_websocket_urls_are_taken() {
        for url in ["http://127.0.0.1:1/", "127.0.0.1:1", "ws://", "::"] {
            let error = WsTarget::resolve(url).await.unwrap_err();
            assert!(matches!(error, LoadError::Usage(_)), "{url}: {error:?}");
        }
        let target = WsTarget::resolve("wss://127.0.0.1/dev").await.unwrap();
        assert_eq!((target.address.port(), target.tls.is_some()), (443, true));
        let none = Path::new("/nonexistent/ca.pem");
        let error = WsTarget::resolve_with("wss://127.0.0.1/dev", Some(none)).await.unwrap_err();
        assert!(error.to_string().contains("cannot read certificates of /nonexistent/ca.pem"), "{error}");
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_unavailable() {
        let error = WsTarget::resolve("ws://no-such-host.invalid/dev").await.unwrap_err();
        assert!(matches!(error, LoadError::Unavailable(_)), "{error:?}");
        assert!(error.to_string().contains("cannot find `no-such-host.invalid`"), "{error}");
    }
}
