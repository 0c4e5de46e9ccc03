//! One thread for both sides of a socket: who wakes whom is then decided by the program and not by the kernel.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime needs nothing but descriptors")
}

/// A listener on a free port of loopback, and its address.
pub(crate) async fn listen() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

pub(crate) async fn connect(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a fresh socket takes its options");
    stream
}

/// Reads up to and with the end of an HTTP head, which nothing follows.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(head.len() < 64 * 1024, "a head that does not end");
        head.push(stream.read_u8().await.expect("the other side answers"));
    }
    head
}

/// A WebSocket connection without a library: opened, sent to and read from byte by byte.
pub(crate) struct BareSocket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl BareSocket {
    pub(crate) async fn open(address: std::net::SocketAddr, path: &str) -> Self {
        let mut stream = connect(address).await;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let head = read_head(&mut stream).await;
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        BareSocket { stream, buffer: vec![0; 4 * 1024] }
    }

    /// Sends these bytes, such as those of [`text_frame`].
    pub(crate) async fn send(&mut self, frame: &[u8]) {
        self.stream.write_all(frame).await.expect("it reads");
    }

    /// The payload of the next frame, which is one short text.
    pub(crate) async fn receive(&mut self) -> &[u8] {
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await.expect("it answers");
            assert!(read > 0, "the connection ended");
            filled += read;
            if filled < 2 {
                continue;
            }
            assert_eq!(self.buffer[0], 0x81, "one unfragmented text");
            let (header, length) = match self.buffer[1] {
                126 if filled < 4 => continue,
                126 => (4, usize::from(u16::from_be_bytes([self.buffer[2], self.buffer[3]]))),
                length => (2, usize::from(length)),
            };
            if filled == header + length {
                return &self.buffer[header..filled];
            }
            assert!(filled < header + length, "more than one frame");
        }
    }
}

/// A client's frame with this text, of at most 125 bytes. Its mask is zero, which a server cannot tell from any other.
pub(crate) fn text_frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length <= 125).expect("a short text");
    let mut frame = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    frame
}
