//! A client's WebSocket: small buffers, no delay, and a source address with free ports.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use dunlin_events::limits::MESSAGE_BYTES_MAX;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, handshake::client::Response};

use crate::target::WsTarget;

/// From the start of a connect to the 101. Above the 29 s that the service gives a `$connect` function, a refusal
/// would have come.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that a read can take at once: a push has about 150, and tungstenite allocates the buffer for good.
const READ_BUFFER_BYTES: usize = 2 * 1024;

/// Clients per source address: an address has some 28,000 ports to one destination, and closed ones linger.
const CLIENTS_PER_SOURCE: usize = 10_000;

/// A client's end of a WebSocket.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Connects client number `client` to the target.
///
/// # Errors
///
/// A sentence that says at which step and why.
pub(crate) async fn connect(target: &WsTarget, client: usize) -> Result<Socket, String> {
    match timeout(CONNECT_TIMEOUT, connect_unbounded(target, client)).await {
        Ok(result) => result,
        Err(_) => Err(format!("no handshake within {} s", CONNECT_TIMEOUT.as_secs())),
    }
}

/// The WebSocket configuration of clients and of the bare server: what the default would allocate is 128 KiB a socket.
pub(crate) fn small_buffers() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MESSAGE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

async fn connect_unbounded(target: &WsTarget, client: usize) -> Result<Socket, String> {
    let stream = open(target.address, client).await.map_err(|error| format!("TCP connect: {error}"))?;
    let handshake =
        tokio_tungstenite::client_async_with_config(target.url.as_str(), stream, Some(small_buffers())).await;
    let (socket, _): (Socket, Response) = handshake.map_err(|error| match error {
        Error::Http(response) => format!("handshake refused with {}", response.status()),
        error => format!("handshake: {error}"),
    })?;
    Ok(socket)
}

async fn open(address: SocketAddr, client: usize) -> std::io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_nodelay(true)?;
    if let Some(source) = source(address.ip(), client) {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}

/// The source address of a client, where one needs choosing: all of 127/8 is local, and each address has its own ports.
fn source(destination: IpAddr, client: usize) -> Option<IpAddr> {
    let group = client / CLIENTS_PER_SOURCE;
    match destination {
        IpAddr::V4(v4) if v4.is_loopback() && group > 0 => {
            Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, u8::try_from(group + 1).unwrap_or(u8::MAX))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_spread_over_loopback_only() {
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(source(loopback, 9_999), None);
        assert_eq!(source(loopback, 10_000), Some("127.0.0.2".parse().unwrap()));
        assert_eq!(source(loopback, 29_999), Some("127.0.0.3".parse().unwrap()));
        assert_eq!(source("192.0.2.1".parse().unwrap(), 29_999), None);
        assert_eq!(source("::1".parse().unwrap(), 29_999), None);
    }
}
