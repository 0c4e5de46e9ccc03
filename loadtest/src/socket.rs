//! A client's WebSocket: small buffers, no delay, a source address with free ports, and the time of each step.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dunlin_events::limits::MESSAGE_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::clock;
use crate::target::WsTarget;

/// From the start of a connect to the 101. Above the 29 s that the service gives a `$connect` function, a refusal
/// would have come.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes that a read can take at once: a push has about 150, and tungstenite allocates the buffer for good.
const READ_BUFFER_BYTES: usize = 512;

/// Clients per source address: an address has some 28,000 ports to one destination, and closed ones linger.
const CLIENTS_PER_SOURCE: usize = 10_000;

/// A client's end of a WebSocket.
pub(crate) type Socket = WebSocketStream<Stream>;

/// Times of the steps of a connect that succeeded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) tcp_ns: u64,
    /// Absent on a plain connection.
    pub(crate) tls_ns: Option<u64>,
    /// From the upgrade request to the first byte of its answer.
    pub(crate) first_byte_ns: u64,
    /// From the upgrade request to the end of its answer.
    pub(crate) upgrade_ns: u64,
}

/// Why a connect failed.
#[derive(Clone, Debug)]
pub(crate) struct ConnectError {
    /// What errors are counted by: `status 403`, `connection refused`, `timeout`.
    pub(crate) kind: String,
    /// The whole sentence.
    pub(crate) text: String,
}

impl ConnectError {
    fn new(kind: impl Into<String>, text: impl Into<String>) -> ConnectError {
        ConnectError { kind: kind.into(), text: text.into() }
    }
}

/// Connects client number `client` to the target.
///
/// # Errors
///
/// A sentence that says at which step and why.
pub(crate) async fn connect(target: &WsTarget, client: usize) -> Result<(Socket, Steps), ConnectError> {
    match timeout(CONNECT_TIMEOUT, connect_unbounded(target, client)).await {
        Ok(result) => result,
        Err(_) => {
            Err(ConnectError::new("timeout", format!("no handshake within {} s", CONNECT_TIMEOUT.as_secs())))
        }
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

/// What an I/O error is counted by.
pub(crate) fn io_kind(error: &io::Error) -> String {
    match error.raw_os_error() {
        // EMFILE has no kind of its own.
        Some(24) => "too many open files".to_owned(),
        _ => error.kind().to_string(),
    }
}

/// What an error of an open WebSocket is counted by.
pub(crate) fn error_kind(error: &Error) -> String {
    match error {
        Error::Io(error) => io_kind(error),
        Error::ConnectionClosed | Error::AlreadyClosed => "closed".to_owned(),
        Error::Protocol(_) => "protocol violation".to_owned(),
        Error::Capacity(_) => "message too large".to_owned(),
        Error::Utf8(_) => "text that is no UTF-8".to_owned(),
        Error::Tls(_) => "TLS".to_owned(),
        _ => "WebSocket".to_owned(),
    }
}

async fn connect_unbounded(target: &WsTarget, client: usize) -> Result<(Socket, Steps), ConnectError> {
    let started_ns = clock::now_ns();
    let tcp = open(target.address, client)
        .await
        .map_err(|error| ConnectError::new(io_kind(&error), format!("TCP connect: {error}")))?;
    let connected_ns = clock::now_ns();
    let (io, tls_ns) = match &target.tls {
        None => (Io::Plain(tcp), None),
        Some(tls) => {
            let stream = tls
                .connector
                .connect(tls.name.clone(), tcp)
                .await
                .map_err(|error| ConnectError::new("TLS handshake", format!("TLS handshake: {error}")))?;
            (Io::Tls(Box::new(stream)), Some(clock::now_ns() - connected_ns))
        }
    };
    let mut request = target
        .url
        .as_str()
        .into_client_request()
        .map_err(|error| ConnectError::new("request", format!("the upgrade request: {error}")))?;
    for (name, value) in &target.headers {
        request.headers_mut().insert(name.clone(), value.clone());
    }
    let asked_ns = clock::now_ns();
    let stream = Stream { io, first_byte_ns: 0 };
    let handshake = tokio_tungstenite::client_async_with_config(request, stream, Some(small_buffers())).await;
    let (socket, _) = handshake.map_err(|error| match error {
        Error::Http(response) => {
            let status = response.status();
            ConnectError::new(
                format!("status {}", status.as_u16()),
                format!("handshake refused with {status}"),
            )
        }
        error => ConnectError::new(error_kind(&error), format!("handshake: {error}")),
    })?;
    let steps = Steps {
        tcp_ns: connected_ns - started_ns,
        tls_ns,
        first_byte_ns: socket.get_ref().first_byte_ns.saturating_sub(asked_ns),
        upgrade_ns: clock::now_ns() - asked_ns,
    };
    Ok((socket, steps))
}

async fn open(address: SocketAddr, client: usize) -> io::Result<TcpStream> {
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

/// A plain or a TLS connection that remembers when its first byte came.
#[derive(Debug)]
pub(crate) struct Stream {
    io: Io,
    /// 0: none yet.
    first_byte_ns: u64,
}

#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Io::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if self.first_byte_ns == 0 && buf.filled().len() > before {
            self.first_byte_ns = clock::now_ns();
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Io::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
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
