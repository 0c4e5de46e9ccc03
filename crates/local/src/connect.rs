use std::{
    io::{BufRead, ErrorKind, Write},
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        self, ClientRequestBuilder, Message,
        client::IntoClientRequest,
        http::{HeaderValue, Uri, header::HOST, uri::Authority},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

use crate::{cli::ConnectArgs, failure::Failure, log::say, up::data::authority_file};

/// How long a handshake may take: the service holds it for at most its integration timeout, 29 s.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(35);
/// How long the other side may take to answer our close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Lines read ahead of the socket.
const LINES_QUEUED_MAX: usize = 64;

/// A TCP stream, with TLS or without.
trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

type Socket = WebSocketStream<Box<dyn Transport>>;
type Sink = SplitSink<Socket, Message>;
type Frames = SplitStream<Socket>;

/// `dunlin connect`: lines out, frames in, until either side ends.
pub(crate) async fn run(args: ConnectArgs) -> Result<(), Failure> {
    let socket = open(&args).await?;
    // From here on, so that none is missed between two looks.
    let mut interrupt = signal(SignalKind::interrupt())
        .map_err(|error| Failure::internal(format!("cannot listen for signals: {error}")))?;
    say(format_args!("connected to {}; each line is a message, Ctrl-D ends", args.url));
    let (mut sink, mut frames) = socket.split();
    let is_open = tokio::select! {
        is_open = exchange(&mut sink, &mut frames, args.linger) => is_open?,
        _ = interrupt.recv() => true,
    };
    if is_open {
        close(&mut sink, &mut frames).await;
    }
    Ok(())
}

/// Sends and receives at the same time, so that a side that sends before it reads is no obstacle; says whether the
/// connection is still open.
async fn exchange(sink: &mut Sink, frames: &mut Frames, linger: Duration) -> Result<bool, Failure> {
    let mut sending = pin!(send_lines(sink));
    let mut sent = None;
    loop {
        tokio::select! {
            result = &mut sending, if sent.is_none() => sent = Some(result),
            frame = frames.next() => if !print(frame)? { return Ok(false) },
            // A connection that takes nothing more may still have said why.
            () = tokio::time::sleep(linger), if sent.is_some() => match sent {
                Some(Err(error)) => return Err(lost(&error)),
                _ => return Ok(true),
            },
        }
    }
}

async fn send_lines(sink: &mut Sink) -> tungstenite::Result<()> {
    let mut lines = read_lines();
    while let Some(line) = lines.recv().await {
        sink.send(Message::text(line)).await?;
    }
    Ok(())
}

async fn open(args: &ConnectArgs) -> Result<Socket, Failure> {
    let url: Uri = args.url.parse().map_err(|error| {
        Failure::usage(format!("{:?} is no URL ({error}): ws://HOST:PORT/STAGE is expected", args.url))
    })?;
    let secure = match url.scheme_str() {
        Some("ws") => false,
        Some("wss") => true,
        _ => {
            return Err(Failure::usage(format!(
                "{}: a URL that starts with ws:// or wss:// is expected",
                args.url
            )));
        }
    };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let mut request = ClientRequestBuilder::new(url);
    // A Host of one's own takes the place of the URL's: that is how a custom domain is reached without a DNS.
    let is_host = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("host");
    let own_host = args.headers.iter().find(is_host).map(|(_, value)| value.clone());
    for (name, value) in args.headers.iter().filter(|header| !is_host(header)) {
        request = request.with_header(name, value);
    }
    for protocol in &args.protocols {
        request = request.with_sub_protocol(protocol);
    }
    let tls = if secure { Some(TlsConnector::from(trust(args.ca.clone())?)) } else { None };
    let mut request = request.into_client_request().map_err(|error| {
        Failure::usage(format!("{}: no handshake can be made of this: {error}", args.url))
    })?;
    let mut server_name = host.clone();
    if let Some(own) = own_host {
        let wrong = || {
            Failure::usage(format!("{own:?} is no host; ws.example.com or ws.example.com:3001 is expected"))
        };
        let authority: Authority = own.parse().map_err(|_| wrong())?;
        server_name = authority.host().trim_matches(['[', ']']).to_owned();
        request.headers_mut().insert(HOST, HeaderValue::try_from(&own).map_err(|_| wrong())?);
    }
    let handshake = async {
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.set_nodelay(true)?;
        let transport: Box<dyn Transport> = match tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from(server_name).map_err(std::io::Error::other)?;
                Box::new(tls.connect(name, stream).await?)
            }
        };
        client_async(request, transport).await
    };
    match timeout(HANDSHAKE_TIMEOUT, handshake).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(response))) => Err(Failure::unavailable(format!(
            "{} refused the handshake with HTTP {}",
            args.url,
            response.status().as_u16()
        ))),
        // What rustls says of a certificate comes as an input/output error of this kind.
        Ok(Err(tungstenite::Error::Io(error))) if error.kind() == ErrorKind::InvalidData => {
            Err(Failure::unavailable(format!(
                "no TLS with {}: {error}; name its certificate authority with --ca",
                args.url
            )))
        }
        Ok(Err(tungstenite::Error::Io(error))) => Err(Failure::unavailable(format!(
            "cannot connect to {}: {error}; is `dunlin up` running?",
            args.url
        ))),
        Ok(Err(error)) => {
            Err(Failure::unavailable(format!("the handshake with {} failed: {error}", args.url)))
        }
        Err(_) => Err(Failure::unavailable(format!(
            "{} did not answer the handshake within {} s",
            args.url,
            HANDSHAKE_TIMEOUT.as_secs()
        ))),
    }
}

/// Trust in one certificate authority: the one given, or the one that `dunlin up` made for this user.
fn trust(ca: Option<PathBuf>) -> Result<Arc<ClientConfig>, Failure> {
    let file = ca.or_else(authority_file).ok_or_else(|| {
        Failure::usage(
            "wss needs a certificate authority, and there is no home folder to look in: name one with --ca",
        )
    })?;
    let unreadable = |why: String| {
        let file = file.display();
        Failure::no_input(format!("{file}: {why}; `dunlin up` writes one, or name another with --ca"))
    };
    let certificate = CertificateDer::from_pem_file(&file).map_err(|error| unreadable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::internal(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Standard input, line by line, from a thread of its own: a read of a terminal cannot be cancelled.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES_QUEUED_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let line = match line {
                Ok(line) => line,
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    say(format_args!("a line that is not UTF-8 was not sent: text messages are UTF-8"));
                    continue;
                }
                Err(error) => {
                    say(format_args!("standard input cannot be read any further: {error}"));
                    return;
                }
            };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn lost(error: &tungstenite::Error) -> Failure {
    Failure::unavailable(format!("the connection is lost: {error}"))
}

/// Prints a frame; `false` once the connection is over.
fn print(frame: Option<tungstenite::Result<Message>>) -> Result<bool, Failure> {
    match frame {
        Some(Ok(Message::Text(text))) => print_line(&text),
        Some(Ok(Message::Binary(bytes))) => print_line(&format!("(binary, {} bytes)", bytes.len())),
        Some(Ok(Message::Close(frame))) => {
            match frame {
                Some(CloseFrame { code, reason }) => {
                    say(format_args!("closed by the other side: {code} {reason}"));
                }
                None => say(format_args!("closed by the other side without a code")),
            }
            Ok(false)
        }
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(true),
        Some(Err(error)) => Err(lost(&error)),
        None => Err(Failure::unavailable("the connection is lost without a close frame")),
    }
}

fn print_line(line: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    // A reader that went away (`| head -1`) has what it wanted.
    Ok(written.is_ok())
}

async fn close(sink: &mut Sink, frames: &mut Frames) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let finish = async {
        sink.send(Message::Close(Some(frame))).await?;
        while let Some(frame) = frames.next().await {
            if let Message::Text(text) = frame?
                && !print_line(&text).unwrap_or(false)
            {
                break;
            }
        }
        Ok::<(), tungstenite::Error>(())
    };
    // Whatever the other side does with our close, the session is over.
    drop(timeout(CLOSE_TIMEOUT, finish).await);
}
