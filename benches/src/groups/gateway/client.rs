//! The other end of the socket, by hand: the least that a client can do.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustix::net::sockopt::set_socket_linger;

/// What a client says to become a WebSocket.
pub(super) fn handshake_request(address: SocketAddr) -> String {
    format!(
        "GET /dev HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A plain connection. At its end it is reset, so that its port is free again at once: a run has more connections than there are
/// ports.
pub(super) fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a fresh socket takes its options");
    set_socket_linger(&stream, Some(Duration::ZERO)).expect("a fresh socket takes its options");
    stream.set_read_timeout(Some(PATIENCE)).expect("a fresh socket takes its options");
    stream
}

/// Longer than any server takes to answer, on a machine however busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what others do, which takes a moment at most.
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::yield_now();
    }
}

/// A WebSocket, by its handshake.
pub(super) fn web_socket(address: SocketAddr) -> TcpStream {
    let mut stream = tcp(address);
    stream.write_all(handshake_request(address).as_bytes()).expect("the server reads");
    await_101(&mut stream);
    stream
}

/// Reads the answer to a handshake, and nothing more.
pub(super) fn await_101(stream: &mut impl Read) {
    let mut answer = [0; 1024];
    let mut length = 0;
    while !answer[..length].ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut answer[length..]).expect("the server answers");
        assert!(read > 0, "the server hung up");
        length += read;
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", answer[..length].escape_ascii());
}

/// A text frame as a client sends it.
pub(super) fn masked(payload: &str) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0xe8];
    let mut frame = text_frame(payload);
    let head = frame.len() - payload.len();
    frame[1] |= 0x80;
    for (byte, mask) in frame[head..].iter_mut().zip(MASK.into_iter().cycle()) {
        *byte ^= mask;
    }
    frame.splice(head..head, MASK);
    frame
}

/// A text frame as a server sends it.
pub(super) fn text_frame(payload: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(length @ ..126) => frame.push(length),
        _ => {
            frame.push(126);
            frame.extend(u16::try_from(payload.len()).expect("a short message").to_be_bytes());
        }
    }
    frame.extend_from_slice(payload.as_bytes());
    frame
}

/// Reads so many bytes as are expected, which must be these.
pub(super) fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut answer = [0; 2 * 1024];
    let answer = &mut answer[..expected.len()];
    stream.read_exact(answer).expect("the server answers");
    assert!(answer == expected, "{} instead of {}", answer.escape_ascii(), expected.escape_ascii());
}

/// Reads one text frame of less than 126 bytes.
pub(super) fn read_text(stream: &mut TcpStream) -> String {
    let mut head = [0; 2];
    stream.read_exact(&mut head).expect("the server answers");
    assert!(head[0] == 0x81 && head[1] < 126, "{head:?}");
    let mut payload = vec![0; usize::from(head[1])];
    stream.read_exact(&mut payload).expect("the server answers");
    String::from_utf8(payload).expect("a text frame is text")
}
