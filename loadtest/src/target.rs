//! Where the stack under test listens: from its ready file, or from addresses given by hand.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::http::Uri;

use crate::LoadError;
use crate::socket::CONNECT_TIMEOUT;

/// The layout of ready files that this program reads.
const READY_FILE_VERSION: u64 = 1;

/// Addresses of a stack: all that the load test knows about it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The WebSocket API.
    pub ws: WsTarget,
    /// `host:port` of the MQTT broker.
    pub mqtt: String,
}

/// A `ws://` URL and the address behind its name.
#[derive(Clone, Debug)]
pub struct WsTarget {
    /// The URL, as sent in the handshake.
    pub url: String,
    /// What to connect to.
    pub address: SocketAddr,
}

impl WsTarget {
    /// Parses a URL and looks its host up.
    ///
    /// # Errors
    ///
    /// `Usage` for anything but `ws://host[:port][/path]`, `Unavailable` for a host without an address.
    pub async fn resolve(url: &str) -> Result<WsTarget, LoadError> {
        let uri: Uri = url.parse().map_err(|error| {
            LoadError::Usage(format!("`{url}` is not a URL ({error}): give ws://host:port/stage"))
        })?;
        match uri.scheme_str() {
            Some("ws") => {}
            Some("wss") => {
                return Err(LoadError::Usage(format!(
                    "`{url}` needs TLS, which the load test does not speak: give the plain address of the same API, ws://…"
                )));
            }
            _ => {
                return Err(LoadError::Usage(format!(
                    "`{url}` is no WebSocket URL: give ws://host:port/stage"
                )));
            }
        }
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(80);
        let address = resolve(host, port)
            .await
            .map_err(|reason| LoadError::Unavailable(format!("cannot find `{host}` of {url}: {reason}")))?;
        Ok(WsTarget { url: url.to_owned(), address })
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

/// The addresses of the stack that wrote a ready file.
///
/// # Errors
///
/// `Unavailable` if there is no such file, `Usage` if it is not a ready file or leaves open which API is meant.
pub async fn from_ready_file(path: &Path, api: Option<&str>) -> Result<Target, LoadError> {
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
    let url = pick(&ready.apis, api).map_err(|reason| LoadError::Usage(format!("{shown} {reason}")))?;
    Ok(Target { ws: WsTarget::resolve(url).await?, mqtt: ready.mqtt })
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

fn pick<'a>(apis: &'a [ReadyApi], wanted: Option<&str>) -> Result<&'a str, String> {
    let names = || apis.iter().map(|api| api.logical_id.as_str()).collect::<Vec<_>>().join(", ");
    match (apis, wanted) {
        ([], _) => Err("lists no WebSocket API".to_owned()),
        (_, Some(wanted)) => apis
            .iter()
            .find(|api| api.logical_id == wanted)
            .map(|api| api.ws.as_str())
            .ok_or_else(|| format!("has no API `{wanted}`; it has {}", names())),
        ([only], None) => Ok(&only.ws),
        (_, None) => Err(format!("lists several APIs: name one with --api ({})", names())),
    }
}

#[derive(Deserialize)]
struct ReadyFile {
    version: u64,
    mqtt: String,
    apis: Vec<ReadyApi>,
}

#[derive(Deserialize)]
struct ReadyApi {
    logical_id: String,
    ws: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str = r#"{"version":1,"pid":7,"region":"us-east-1","mqtt":"127.0.0.1:1883","control_token":"x",
        "apis":[{"logical_id":"Api","api_id":"a","stage":"dev","ws":"ws://127.0.0.1:3001/dev","wss":"wss://127.0.0.1:3001/dev"},
                {"logical_id":"Other","api_id":"b","stage":"dev","ws":"ws://127.0.0.1:3002/dev","wss":"wss://127.0.0.1:3002/dev"}]}"#;

    async fn read(text: &str, api: Option<&str>) -> Result<Target, LoadError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        fs::write(&path, text).unwrap();
        from_ready_file(&path, api).await
    }

    #[tokio::test]
    async fn the_ready_file_names_the_addresses() {
        let target = read(READY, Some("Other")).await.unwrap();
        assert_eq!(target.ws.url, "ws://127.0.0.1:3002/dev");
        assert_eq!(target.ws.address, "127.0.0.1:3002".parse().unwrap());
        assert_eq!(target.mqtt, "127.0.0.1:1883");
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_ready_file_is_said() {
        for (text, api, expected) in [
            (READY, None, "name one with --api (Api, Other)"),
            (READY, Some("Nope"), "has no API `Nope`; it has Api, Other"),
            (r#"{"version":2,"mqtt":"","apis":[]}"#, None, "has version 2"),
            (r#"{"version":1,"mqtt":"","apis":[]}"#, None, "lists no WebSocket API"),
            ("[", None, "is not a ready file"),
        ] {
            let error = read(text, api).await.unwrap_err();
            assert!(matches!(error, LoadError::Usage(_)), "{error:?}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[tokio::test]
    async fn a_missing_ready_file_means_that_the_stack_is_not_there() {
        let error = from_ready_file(Path::new("/nonexistent/ready.json"), None).await.unwrap_err();
        assert!(matches!(error, LoadError::Unavailable(_)), "{error:?}");
    }

    #[tokio::test]
    async fn only_plain_websocket_urls_are_taken() {
        for url in ["wss://127.0.0.1:1/dev", "http://127.0.0.1:1/", "127.0.0.1:1", "ws://", "::"] {
            let error = WsTarget::resolve(url).await.unwrap_err();
            assert!(matches!(error, LoadError::Usage(_)), "{url}: {error:?}");
        }
    }
}
