//! One message to thousands of sockets, by the processor time of the thread that sends it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::sync_channel,
    },
    thread,
};

use dunlin_gateway::Post;
use rustix::net::sockopt::set_socket_linger;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    runtime::Builder,
    sync::{mpsc, oneshot},
};

use super::{
    PAYLOAD_BYTES, bare,
    client::{masked, read_text, text_frame, wait_until, web_socket},
    payload,
    server::Server,
    subject::{self, API_ID, Answer},
};
use crate::{
    pairs::{Group, Pair, Work},
    place::{Place, Stay},
};

/// Connections that get the message.
const SOCKETS: usize = 2_000;

pub(super) fn fill(group: &mut Group) {
    group.heavy_pair("push/2k", || Pair::new(posts(SOCKETS), "try_write", writes(SOCKETS)));
}

/// Posts to one connection of the gateway after the other.
pub(super) fn posts(sockets: usize) -> Work {
    let gateway = subject::gateway(Answer::ConnectionId);
    let server = subject::serve(&gateway);
    let (ids, readers) = connect(server.address, sockets, Place::Server);
    let post = Post::new(payload(PAYLOAD_BYTES).as_bytes()).expect("a short text");
    let mut next = (0..sockets).cycle();
    deliveries(server, readers, move || {
        let to = next.next().expect("a cycle has no end");
        gateway.post(API_ID, &ids[to], &post).expect("the clients read");
    })
}

/// The bare loop: one frame, written to one socket after the other.
fn writes(sockets: usize) -> Work {
    let (sender, mut receiver) = mpsc::channel(sockets);
    let server = bare::collect(sender);
    let clients: Vec<_> = (0..sockets).map(|_| web_socket(server.address)).collect();
    let streams: Vec<TcpStream> =
        (0..sockets).map(|_| receiver.blocking_recv().expect("each of them shook hands")).collect();
    let frame = text_frame(&payload(PAYLOAD_BYTES));
    let mut next = (0..sockets).cycle();
    deliveries(server, Readers::start(clients, Place::Server), move || {
        let to = next.next().expect("a cycle has no end");
        let written = streams[to].try_write(&frame).expect("the clients read");
        assert_eq!(written, frame.len(), "the clients read");
    })
}

/// The processor time of this thread alone: what the server still has to do is none of a delivery. Who reads is where the server
/// was, so that each delivery wakes another core on both sides.
fn deliveries(server: Server, readers: Readers, mut deliver: impl FnMut() + 'static) -> Work {
    let mut sent = 0;
    Work::custom(move |iterations, stopwatch| {
        let _server: &Server = &server;
        stopwatch.measure(|| (0..iterations).for_each(|_| deliver()));
        sent += iterations;
        readers.wait_for(sent);
        iterations
    })
    .at(Place::Client)
}

/// Connects so many clients of the gateway, which read in a place of their own; also returns their connections' ids.
pub(super) fn connect(address: SocketAddr, sockets: usize, place: Place) -> (Vec<String>, Readers) {
    use std::io::Write;

    let hello = masked("who am I?");
    let (ids, clients) = (0..sockets)
        .map(|_| {
            let mut socket = web_socket(address);
            socket.write_all(&hello).expect("the gateway reads");
            (read_text(&mut socket), socket)
        })
        .unzip();
    (ids, Readers::start(clients, place))
}

/// A thread that reads what all clients get, and compares it.
pub(super) struct Readers {
    /// Whole messages.
    received: Arc<AtomicU64>,
    /// Ends the thread when it goes.
    _alive: oneshot::Sender<()>,
}

impl Readers {
    fn start(clients: Vec<std::net::TcpStream>, place: Place) -> Self {
        let received = Arc::new(AtomicU64::new(0));
        let (alive, ended) = oneshot::channel::<()>();
        let (sender, started) = sync_channel(0);
        let counted = Arc::clone(&received);
        thread::spawn(move || {
            Stay::on(place).for_good();
            let runtime =
                Builder::new_current_thread().enable_all().build().expect("a runtime needs only memory");
            runtime.block_on(async {
                for client in clients {
                    client.set_nonblocking(true).expect("a socket takes its options");
                    let client = TcpStream::from_std(client).expect("the runtime takes it");
                    tokio::spawn(read(client, Arc::clone(&counted)));
                }
                sender.send(()).expect("the benchmark waits");
                // An error says that the sender has gone.
                let _ = ended.await;
            });
        });
        started.recv().expect("the readers start");
        Readers { received, _alive: alive }
    }

    /// Waits until so many messages have come in all.
    pub(super) fn wait_for(&self, messages: u64) {
        wait_until("every message's arrival", || self.received.load(Relaxed) >= messages);
        assert_eq!(self.received.load(Relaxed), messages);
    }
}

async fn read(mut client: TcpStream, received: Arc<AtomicU64>) {
    let frame = text_frame(&payload(PAYLOAD_BYTES));
    let mut buffer = [0; 4 * 1024];
    let mut at = 0;
    while let Ok(read @ 1..) = client.read(&mut buffer).await {
        for byte in &buffer[..read] {
            assert_eq!(*byte, frame[at], "a wrong byte arrived");
            at += 1;
            if at == frame.len() {
                at = 0;
                received.fetch_add(1, Relaxed);
            }
        }
    }
    let _ = set_socket_linger(&client, Some(std::time::Duration::ZERO));
}
