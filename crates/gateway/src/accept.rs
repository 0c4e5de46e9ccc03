use std::{net::SocketAddr, sync::Arc};

use http::StatusCode;
use tokio::{
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    Backend,
    api::Api,
    gateway::{Gateway, Listener},
    handshake::{Handshake, is_upgrade},
    head::{Head, HeadError},
    http_service::serve_http,
    refusal::Refusal,
    stream::{Rewound, Stream},
};

/// The first byte of a TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

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
    let mut stream = timeout_at(deadline, open(gateway, tcp)).await.ok()??;
    let (status, problem) = match timeout_at(deadline, Head::read(&mut stream)).await {
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

/// Plain or TLS: the first byte tells, and no HTTP method begins with it.
async fn open<B>(gateway: &Gateway<B>, tcp: TcpStream) -> Option<Stream> {
    let mut first = [0];
    if tcp.peek(&mut first).await.ok()? == 0 {
        return None;
    }
    if first[0] != TLS_HANDSHAKE {
        return Some(Stream::Plain(tcp));
    }
    let Some(tls) = &gateway.config.tls else {
        tracing::debug!("a client speaks TLS, which is not configured");
        return None;
    };
    match TlsAcceptor::from(Arc::clone(tls)).accept(tcp).await {
        Ok(stream) => Some(Stream::Tls(Box::new(stream))),
        Err(error) => {
            tracing::debug!("TLS handshake failed: {error}");
            None
        }
    }
}
