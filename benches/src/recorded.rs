//! What a client says on the wire, recorded once and said again without the client: the floor of every client is to write the
//! same bytes and to read the same answers.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Headers of an HTTP message, at most.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Stands between a client and its server, and keeps the requests. Its threads end with the program.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A connection to a server that says what was recorded.
pub(crate) struct Replay {
    socket: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Recorder {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, kept) = (client.expect("the listener stays"), Arc::clone(&kept));
                thread::spawn(move || forward(client, server, &kept));
            }
        });
        Recorder { address, requests }
    }

    /// The requests since the last call, in the order of their ends.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Until one side ends the connection.
fn forward(client: TcpStream, server: SocketAddr, kept: &Mutex<Vec<Vec<u8>>>) -> Option<()> {
    let mut server = connect(server);
    client.set_nodelay(true).ok()?;
    let mut client = BufReader::new(client);
    loop {
        let request = message(&mut client)?;
        server.get_mut().write_all(&request).ok()?;
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let answer = message(&mut server)?;
        client.get_mut().write_all(&answer).ok()?;
    }
}

pub(crate) fn connect(server: SocketAddr) -> BufReader<TcpStream> {
    let socket = TcpStream::connect(server).expect("the server accepts");
    socket.set_nodelay(true).expect("a fresh socket takes its options");
    BufReader::with_capacity(HEAD_BYTES_MAX, socket)
}

/// One HTTP message with a content length, as it is on the wire.
fn message(socket: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let body_bytes = head(socket, &mut message)?;
    let head_bytes = message.len();
    message.resize(head_bytes + body_bytes, 0);
    socket.read_exact(&mut message[head_bytes..]).ok()?;
    Some(message)
}

/// Reads to the end of the headers, and says how long the body is.
pub(crate) fn head(socket: &mut BufReader<TcpStream>, into: &mut Vec<u8>) -> Option<usize> {
    let begins_at = into.len();
    loop {
        let line_at = into.len();
        socket.by_ref().take(HEAD_BYTES_MAX as u64).read_until(b'\n', into).ok()?;
        if into.len() == line_at {
            return None;
        }
        if into[line_at..].trim_ascii().is_empty() {
            let body_bytes = header_value(&into[begins_at..], "content-length").unwrap_or("0");
            return body_bytes.parse().ok();
        }
    }
}

/// The value of a header; `name` in lower case.
pub(crate) fn header_value<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let value = |line: &'a [u8]| {
        let (found, rest) = line.split_at_checked(name.len())?;
        let value = rest.strip_prefix(b":").filter(|_| found.eq_ignore_ascii_case(name.as_bytes()))?;
        std::str::from_utf8(value).ok().map(str::trim)
    };
    head.split(|byte| *byte == b'\n').find_map(value)
}

impl Replay {
    pub(crate) fn to(server: SocketAddr) -> Self {
        Replay { socket: connect(server), body: Vec::new() }
    }

    /// Says all of it, one request after the other, and returns how many bytes of answers came.
    pub(crate) fn say(&mut self, requests: &[Vec<u8>]) -> usize {
        let mut bytes = 0;
        for request in requests {
            self.socket.get_mut().write_all(request).expect("the server reads");
            self.body.clear();
            let body_bytes = head(&mut self.socket, &mut self.body).expect("the server answers");
            assert!(self.body.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.body));
            let head_bytes = self.body.len();
            self.body.resize(head_bytes + body_bytes, 0);
            self.socket.read_exact(&mut self.body[head_bytes..]).expect("the server ends its answer");
            bytes += body_bytes;
        }
        bytes
    }
}
