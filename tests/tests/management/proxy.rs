//! Stands between a client and the gateway, and does what it is told with the next requests.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request, once it has been read.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// It gets this in place of an answer from the gateway, and the connection goes on.
    Say(String),
    /// It gets this, which may be nothing, and the connection is closed.
    SayAndClose(&'static str),
    /// It gets nothing until the client gives up.
    Hang,
}

/// The proxy; it ends with the test's runtime.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    gateway: SocketAddr,
    acts: Mutex<VecDeque<Act>>,
    lines: Mutex<Vec<String>>,
    accepted: AtomicUsize,
    open: AtomicUsize,
    open_max: AtomicUsize,
}

impl Proxy {
    pub(crate) async fn start(gateway: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            gateway,
            acts: Mutex::default(),
            lines: Mutex::default(),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            open_max: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&accepting);
                state.accepted.fetch_add(1, SeqCst);
                let open = state.open.fetch_add(1, SeqCst) + 1;
                state.open_max.fetch_max(open, SeqCst);
                tokio::spawn(async move {
                    // A client that hangs up within a request is what some tests are about.
                    let _ = pass(stream, &state).await;
                    state.open.fetch_sub(1, SeqCst);
                });
            }
        });
        Proxy { address, state }
    }

    /// What becomes of the next request that has not been told yet.
    pub(crate) fn next(&self, act: Act) {
        self.state.acts.lock().unwrap().push_back(act);
    }

    /// The request lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.state.lines.lock().unwrap().clone()
    }

    /// How many connections there have been, and the most at one time.
    pub(crate) fn connections(&self) -> (usize, usize) {
        (self.state.accepted.load(SeqCst), self.state.open_max.load(SeqCst))
    }
}

async fn pass(mut client: TcpStream, state: &State) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut gateway = TcpStream::connect(state.gateway).await?;
    gateway.set_nodelay(true)?;
    while let Some(request) = read_message(&mut client).await? {
        let line = request.split(|&byte| byte == b'\r').next().unwrap_or_default();
        state.lines.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        let act = state.acts.lock().unwrap().pop_front();
        match act {
            None => {
                gateway.write_all(&request).await?;
                let answer = read_message(&mut gateway).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
                client.write_all(&without_date(&answer)).await?;
            }
            Some(Act::Say(answer)) => client.write_all(answer.as_bytes()).await?,
            Some(Act::SayAndClose(part)) => {
                client.write_all(part.as_bytes()).await?;
                return client.shutdown().await;
            }
            Some(Act::Hang) => {
                let _ = client.read(&mut [0; 1]).await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A request or an answer with its body; `None` at the end of the stream.
async fn read_message(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let (mut message, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        if let Some(head) = message.windows(4).position(|four| four == b"\r\n\r\n")
            && message.len() >= head + 4 + content_length(&message[..head])
        {
            return Ok(Some(message));
        }
        match stream.read(&mut buffer).await? {
            0 if message.is_empty() => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => message.extend_from_slice(&buffer[..read]),
        }
    }
}

/// The SDK corrects its clock by this header, which knows nothing of the clock that the tests move.
fn without_date(answer: &[u8]) -> Vec<u8> {
    let is_date = |line: &&[u8]| line.len() > 5 && line[..5].eq_ignore_ascii_case(b"date:");
    let mut lines: Vec<&[u8]> = answer.split_inclusive(|&byte| byte == b'\n').collect();
    if let Some(date) = lines.iter().position(is_date) {
        lines.remove(date);
    }
    lines.concat()
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:").map(str::to_owned));
    value.map_or(0, |value| value.trim().parse().unwrap())
}
