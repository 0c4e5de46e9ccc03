//! What a connection costs in memory while nothing happens on it.
//!
//! The server is a process of its own, this program again, so that its memory alone is counted: `RssAnon` with all connections minus
//! `RssAnon` before, each after one message on every connection.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
};

use dunlin_gateway::{
    Gateway, GatewayConfig,
    rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};
use rcgen::{CertificateParams, KeyPair};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{io::AsyncReadExt, net::TcpListener, runtime::Builder};
use tokio_util::sync::CancellationToken;

use super::{
    PAYLOAD_BYTES, bare,
    client::{await_101, expect, handshake_request, masked, tcp, text_frame},
    payload,
    subject::{self, API_ID, Answer, Nobody},
};
use crate::pairs::{Effort, Figure, Group, Unit};

/// Which server this process is to be.
const ROLE: &str = "DUNLIN_BENCH_IDLE_SERVER";
/// Key and certificate of the TLS server, in PEM.
const IDENTITY: &str = "DUNLIN_BENCH_IDLE_IDENTITY";

/// Descriptors that a process needs besides its connections.
const OTHER_DESCRIPTORS: u64 = 100;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Gateway,
    /// A task and a socket, read when there is something.
    Bare,
}

pub(super) fn fill(group: &mut Group) {
    for (name, connections) in [("idle/5k", 5_000), ("idle/15k", 15_000)] {
        group.figure(name, move |effort| figure(connections, false, effort));
    }
    group.figure("idle_tls/5k", |effort| figure(5_000, true, effort));
}

fn figure(connections: u64, is_tls: bool, effort: Effort) -> Figure {
    let samples = if effort == Effort::FULL { 3 } else { 1 };
    let connections = within_limit(connections);
    let figures = |role| (0..samples).map(|_| bytes_each(role, connections, is_tls)).collect::<Vec<f64>>();
    let figure = Figure::new(Unit::Bytes, figures(Role::Gateway));
    if is_tls { figure } else { figure.against("task and socket", figures(Role::Bare)) }
}

/// As many of these connections as this process, and with it the server, may have descriptors for.
fn within_limit(connections: u64) -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    // Where it stays as it was, there is less room.
    let _ = setrlimit(Resource::Nofile, raised);
    let room = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(OTHER_DESCRIPTORS);
    if room < connections {
        eprintln!("only {room} of {connections} connections: the limit of open files (nofile) is the bound");
    }
    connections.min(room)
}

/// Connects, lets everybody say one thing, and looks at the server's memory before and after.
fn bytes_each(role: Role, connections: u64, is_tls: bool) -> f64 {
    let authority = is_tls.then(Authority::new);
    let mut server = Server::start(role, authority.as_ref());
    let connect = || {
        let mut socket = tcp(server.address);
        match &authority {
            None => talk(&mut socket, server.address, expect).map(|()| Socket::Plain(socket)),
            Some(authority) => {
                let mut socket = authority.connect(socket);
                let talked = talk(&mut socket, server.address, |socket, expected| {
                    let mut answer = vec![0; expected.len()];
                    socket.read_exact(&mut answer).expect("the server answers");
                    assert_eq!(answer, expected);
                });
                talked.map(|()| Socket::Tls(Box::new(socket)))
            }
        }
        .expect("the server answers")
    };
    // The first ones make what is there once.
    let first: Vec<Socket> = (0..100).map(|_| connect()).collect();
    let before = server.rss_anon_bytes();
    let all: Vec<Socket> = (0..connections - first.len() as u64).map(|_| connect()).collect();
    let after = server.rss_anon_bytes();
    server.assert_alive();
    let kept = all.len();
    assert!(all.iter().chain(&first).all(Socket::is_open), "a connection ended");
    (after - before) / kept as f64
}

/// A client, of which only the other side counts.
enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Socket {
    /// Nothing came after the answer, not even an end.
    fn is_open(&self) -> bool {
        let stream = match self {
            Socket::Plain(stream) => stream,
            Socket::Tls(stream) => &stream.sock,
        };
        stream.set_nonblocking(true).expect("a socket takes its options");
        matches!(stream.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// A handshake, a message and its echo.
fn talk<S: Read + Write>(
    socket: &mut S,
    address: SocketAddr,
    expect: impl FnOnce(&mut S, &[u8]),
) -> io::Result<()> {
    socket.write_all(handshake_request(address).as_bytes())?;
    await_101(socket);
    let text = payload(PAYLOAD_BYTES);
    socket.write_all(&masked(&text))?;
    expect(socket, &text_frame(&text));
    Ok(())
}

/// The process that serves.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(role: Role, authority: Option<&Authority>) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program has a file"));
        command.env(ROLE, format!("{role:?}")).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(authority) = authority {
            command.env(IDENTITY, &authority.identity);
        }
        let mut child = command.spawn().expect("this program starts again");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("the server says its address");
        let address = line.trim().parse().expect("the server says its address");
        Server { child, address }
    }

    fn rss_anon_bytes(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the server lives, on Linux");
        let field = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes: f64 = field
            .and_then(|field| field.trim().strip_suffix(" kB")?.parse().ok())
            .expect("the kernel counts it");
        kilobytes * 1024.0
    }

    fn assert_alive(&mut self) {
        assert!(matches!(self.child.try_wait(), Ok(None)), "the server ended");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Who vouches for the server.
struct Authority {
    identity: String,
    client: Arc<ClientConfig>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("there is randomness");
        let names = CertificateParams::new(vec!["localhost".to_owned()]).expect("a good name");
        let certificate = names.self_signed(&key).expect("the key signs");
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).expect("the certificate is good");
        let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks both")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Authority {
            identity: format!("{}{}", key.serialize_pem(), certificate.pem()),
            client: Arc::new(client),
        }
    }

    fn connect(&self, socket: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from("localhost").expect("a good name");
        let client = ClientConnection::new(Arc::clone(&self.client), name).expect("the name is good");
        StreamOwned::new(client, socket)
    }
}

/// Serves until the standard input ends, if this process was started for that.
pub(crate) fn serve_if_asked() -> Option<ExitCode> {
    let role = env::var(ROLE).ok()?;
    within_limit(0);
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime needs only memory");
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        println!("{}", listener.local_addr().expect("it is bound"));
        if role == format!("{:?}", Role::Gateway) {
            tokio::spawn(serve_gateway(listener));
        } else {
            tokio::spawn(serve_bare(listener));
        }
        // Its end is all that is awaited.
        let _ = tokio::io::stdin().read(&mut [0]).await;
    });
    runtime.shutdown_background();
    Some(ExitCode::SUCCESS)
}

async fn serve_gateway(listener: TcpListener) {
    let tls = env::var(IDENTITY).ok().map(|identity| Arc::new(server_config(&identity)));
    let config = GatewayConfig { tls, ..subject::config() };
    let gateway =
        Gateway::new(config, vec![subject::api(Answer::Echo)], Nobody).expect("the configuration is good");
    gateway.serve(API_ID, listener, CancellationToken::new()).await.expect("it has this API");
}

fn server_config(identity: &str) -> ServerConfig {
    let key = PrivateKeyDer::from_pem_slice(identity.as_bytes()).expect("it was made for this");
    let certificate = CertificateDer::from_pem_slice(identity.as_bytes()).expect("it was made for this");
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks both")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("key and certificate belong together");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// The least: a task for each socket, which has a buffer only while it is at work.
async fn serve_bare(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("the listener stays");
        stream.set_nodelay(true).expect("a fresh socket takes its options");
        tokio::spawn(async move {
            if !Box::pin(bare::shake_hands(&mut stream)).await {
                return;
            }
            let message = masked(&payload(PAYLOAD_BYTES)).len();
            let mut left = message;
            while stream.readable().await.is_ok() {
                let mut buffer = [0; 1024];
                match stream.try_read(&mut buffer[..left]) {
                    Ok(0) => return,
                    Ok(read) => left -= read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(_) => return,
                }
                if left == 0 {
                    left = message;
                    let _ = stream.try_write(&text_frame(&payload(PAYLOAD_BYTES)));
                }
            }
        });
    }
}
