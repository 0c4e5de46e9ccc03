//! From a TCP connection to its kind, and what becomes of clients that there is no room for.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    Backend, Limits,
    api::Api,
    gateway::{Gateway, Listener},
    handshake::{Handshake, is_upgrade},
    head::{Head, HeadError, READ_BYTES},
    http_service::serve_http,
    refusal::Refusal,
    stream::{Rewound, Stream},
};

/// The first byte of a TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// The pause after a failing accept, which is mostly a want of descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Clients without room that are being told so; beyond, their sockets are just closed. Ours: each takes a descriptor, when there
/// are few.
const TURNED_AWAY_MAX: usize = 32;

/// How long that may take for one of them: ours, enough for a client that says at once what it wants and hears the answer.
const TURNED_AWAY_TIME_MAX: Duration = Duration::from_millis(500);

/// Room for sockets.
#[derive(Debug)]
pub(crate) struct Admission {
    open_requests: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        let room = |sockets: usize| Arc::new(Semaphore::new(sockets.min(Semaphore::MAX_PERMITS)));
        Admission { open_requests: room(limits.open_requests_max), turned_away: room(TURNED_AWAY_MAX) }
    }
}

/// Accepts clients for as long as it is polled. A failing accept, and the lack of room, are told once, not for each client.
pub(crate) async fn accept<B: Backend>(
    gateway: &Arc<Gateway<B>>,
    api: &Arc<Api>,
    listener: &TcpListener,
    me: &Arc<Listener>,
) {
    let (mut is_failing, mut is_full) = (false, false);
    loop {
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_failing {
                    tracing::warn!("accept failed, trying again until it does not: {error}");
                }
                is_failing = true;
                sleep(ACCEPT_RETRY_DELAY).await;
                continue;
            }
        };
        is_failing = false;
        let kill = me.kill.clone();
        match gateway.room() {
            Some(permit) => {
                is_full = false;
                let admission =
                    admit(Arc::clone(gateway), Arc::clone(me), Arc::clone(api), tcp, peer, permit);
                me.tracker.spawn(kill.run_until_cancelled_owned(admission));
            }
            None => {
                if !is_full {
                    let Limits { sockets_max, open_requests_max, .. } = gateway.config.limits;
                    tracing::warn!(sockets_max, open_requests_max, "no room for more clients: they get 503");
                }
                is_full = true;
                gateway.counters.refusals.increment();
                if let Ok(permit) = Arc::clone(&gateway.admission.turned_away).try_acquire_owned() {
                    let turned_away = turn_away(Arc::clone(gateway), tcp, permit);
                    me.tracker.spawn(kill.run_until_cancelled_owned(turned_away));
                }
            }
        }
    }
}

impl<B> Gateway<B> {
    /// Room for one more socket. Nobody is kept waiting for it: a client that is told can try again.
    fn room(&self) -> Option<OwnedSemaphorePermit> {
        let limits = &self.config.limits;
        let requests = &self.admission.open_requests;
        let open_requests = limits.open_requests_max.saturating_sub(requests.available_permits());
        let connections = usize::try_from(self.counters.connections_now.get()).unwrap_or(usize::MAX);
        if connections.saturating_add(open_requests) >= limits.sockets_max {
            return None;
        }
        Arc::clone(requests).try_acquire_owned().ok()
    }
}

/// Tells a client that there is no room for it. One that speaks TLS would not understand.
async fn turn_away<B>(gateway: Arc<Gateway<B>>, tcp: TcpStream, _turned_away: OwnedSemaphorePermit) {
    let told = async {
        let _ = tcp.set_nodelay(true);
        let mut first = [0];
        match tcp.peek(&mut first).await {
            Ok(1) if first[0] != TLS_HANDSHAKE => {}
            _ => return,
        }
        let now_ms = gateway.now_ms();
        let refusal = Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the gateway has no room for another socket; close some, or raise the limit of open files",
        );
        refusal.send(&mut Stream::Plain(tcp), &gateway.ids.request(now_ms), now_ms).await;
    };
    let _ = timeout(TURNED_AWAY_TIME_MAX, told).await;
}

/// Takes one TCP connection from its first byte to its kind: a WebSocket handshake, or ordinary HTTP.
pub(crate) async fn admit<B: Backend>(
    gateway: Arc<Gateway<B>>,
    listener: Arc<Listener>,
    api: Arc<Api>,
    tcp: TcpStream,
    peer: SocketAddr,
    // Held until the request has been answered.
    _open: OwnedSemaphorePermit,
) {
    // Without it a short answer may wait for the acknowledgement of the one before.
    if tcp.set_nodelay(true).is_err() {
        return;
    }
    let Some(Some((head, stream))) =
        listener.shutdown.run_until_cancelled(Box::pin(read(&gateway, tcp))).await
    else {
        return;
    };
    if is_upgrade(&head) {
        Box::pin(Handshake { gateway, listener, default_api: api, peer, head }.run(stream)).await;
    } else {
        let stream = Rewound::new(head.into_bytes(), stream);
        Box::pin(serve_http(gateway, listener, api, stream)).await;
    }
}

/// The request's head, within the time for it; a client that sends something else is told so.
async fn read<B>(gateway: &Gateway<B>, tcp: TcpStream) -> Option<(Head, Stream)> {
    let deadline = Instant::now() + gateway.config.limits.head_timeout;
    let (mut stream, bytes) = timeout_at(deadline, open(gateway, tcp)).await.ok()??;
    let (status, problem) = match timeout_at(deadline, Head::read(&mut stream, bytes)).await {
        Ok(Ok(head)) => return Some((head, stream)),
        Ok(Err(HeadError::Closed)) => return None,
        Ok(Err(HeadError::Malformed)) => (StatusCode::BAD_REQUEST, "an HTTP/1.1 request is expected"),
        Ok(Err(HeadError::TooLarge)) => {
            (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the head of the request is too large")
        }
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the request took too long"),
    };
    let request_id = gateway.ids.request(gateway.now_ms());
    gateway.counters.refusals.increment();
    Refusal::new(status, problem).send(&mut stream, &request_id, gateway.time.real_ms()).await;
    None
}

/// Plain or TLS: the first byte tells, and no HTTP method begins with it. Also returns what was read of the request.
async fn open<B>(gateway: &Gateway<B>, mut tcp: TcpStream) -> Option<(Stream, Vec<u8>)> {
    // Who says nothing gets no buffer.
    tcp.readable().await.ok()?;
    let mut bytes = Vec::with_capacity(READ_BYTES);
    if tcp.read_buf(&mut bytes).await.ok()? == 0 {
        return None;
    }
    if bytes[0] != TLS_HANDSHAKE {
        return Some((Stream::Plain(tcp), bytes));
    }
    let Some(tls) = &gateway.config.tls else {
        tracing::debug!("a client speaks TLS, which is not configured");
        return None;
    };
    let accepted = TlsAcceptor::from(Arc::clone(tls)).accept_with(tcp, |connection| {
        let mut read = &bytes[..];
        // Reading nothing would mean the end of the stream.
        while !read.is_empty() && connection.read_tls(&mut read).is_ok_and(|taken| taken > 0) {}
        // What is wrong with them comes up again in the handshake, which tells the client.
        let _ = connection.process_new_packets();
    });
    match accepted.await {
        Ok(stream) => Some((Stream::Tls(Box::new(stream)), Vec::new())),
        Err(error) => {
            tracing::debug!("TLS handshake failed: {error}");
            None
        }
    }
}
