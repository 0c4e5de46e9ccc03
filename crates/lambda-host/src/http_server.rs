use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{limits::DRAIN_BYTES_MAX, patient_socket::PatientSocket};

pub(crate) type Reply = Response<Full<Bytes>>;

/// Wait after an error of `accept`, such as too many open files: trying at once would spin.
const ACCEPT_ERROR_DELAY: Duration = Duration::from_millis(50);

/// The connections of one listener: a bounded number of tasks that end together.
#[derive(Clone)]
pub(crate) struct Connections {
    /// What they lead to, for the log.
    name: Arc<str>,
    surplus: Surplus,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What becomes of connections beyond the bound.
#[derive(Clone, Copy)]
pub(crate) enum Surplus {
    Waits,
    /// At once, so that nobody waits for what does not come.
    IsClosed,
}

impl Connections {
    /// `stop` closes the listener and every connection at once.
    pub(crate) fn new(
        name: impl Into<Arc<str>>,
        connections_max: usize,
        surplus: Surplus,
        stop: CancellationToken,
    ) -> Self {
        let tasks = TaskTracker::new();
        tasks.close();
        Self { name: name.into(), surplus, slots: Arc::new(Semaphore::new(connections_max)), tasks, stop }
    }

    /// Completes once no connection is open.
    pub(crate) async fn all_closed(&self) {
        self.tasks.wait().await;
    }

    /// Accepts connections until `stop`; `handle` answers each request of each.
    pub(crate) async fn serve<H, F>(&self, listener: TcpListener, head_timeout: Option<Duration>, handle: H)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.accept(listener, head_timeout, handle) => {}
        }
    }

    async fn accept<H, F>(&self, listener: TcpListener, head_timeout: Option<Duration>, handle: H)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Reply> + Send + 'static,
    {
        let mut builder = http1::Builder::new();
        if let Some(head_timeout) = head_timeout {
            builder.timer(TokioTimer::new()).header_read_timeout(head_timeout);
        }
        let mut said = false;
        loop {
            // Whoever may wait for a slot waits unaccepted. The semaphore is never closed.
            let waited = match self.surplus {
                Surplus::Waits => Arc::clone(&self.slots).acquire_owned().await.ok(),
                Surplus::IsClosed => None,
            };
            let socket = match listener.accept().await {
                Ok((socket, _)) => socket,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_ERROR_DELAY).await;
                    continue;
                }
            };
            let Some(slot) = waited.or_else(|| Arc::clone(&self.slots).try_acquire_owned().ok()) else {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(
                        "{} takes no more connections; further ones are closed (said once)",
                        self.name
                    );
                }
                continue;
            };
            let (builder, handle, stop) = (builder.clone(), handle.clone(), self.stop.clone());
            self.tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = exchange(socket, &builder, handle) => {}
                }
                drop(slot);
            });
        }
    }
}

async fn exchange<H, F>(socket: TcpStream, builder: &http1::Builder, handle: H)
where
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Reply>,
{
    // Without it a reply waits for the peer's delayed acknowledgement: 40 ms.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY is refused");
    }
    let service = service_fn(|request| {
        let reply = handle(request);
        async { Ok::<_, Infallible>(reply.await) }
    });
    if let Err(error) = builder.serve_connection(TokioIo::new(PatientSocket::new(socket)), service).await {
        tracing::debug!(%error, "connection ended");
    }
}

/// A body that was not read to its end.
#[derive(Debug, PartialEq)]
pub(crate) enum BodyError {
    /// It is larger than allowed; this many bytes at least.
    TooLarge { bytes: usize },
    /// The connection broke off in the middle.
    CutOff,
}

/// Reads a body of at most `bytes_max`, and its trailers. Of a larger one the rest is read and dropped, so
/// that the sender gets to read the reply.
pub(crate) async fn read_body<B>(
    mut body: B,
    bytes_max: usize,
) -> Result<(Bytes, Option<HeaderMap>), BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    let mut trailers = None;
    let mut read: usize = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::CutOff)?;
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                trailers = frame.into_trailers().ok();
                continue;
            }
        };
        read = read.saturating_add(data.len());
        if read > bytes_max {
            joined.clear();
            if read > DRAIN_BYTES_MAX {
                break;
            }
        } else if read == data.len() {
            // Nearly every body is one piece, which is then not copied.
            whole = data;
        } else {
            if joined.is_empty() {
                joined.reserve(announced.clamp(read, bytes_max));
                joined.extend_from_slice(&whole);
            }
            joined.extend_from_slice(&data);
        }
    }
    if read > bytes_max {
        return Err(BodyError::TooLarge { bytes: read });
    }
    Ok((if joined.is_empty() { whole } else { joined.freeze() }, trailers))
}

/// A reply with a JSON body.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    reply
}

/// Whether a web page sent the request. A page in the developer's browser can reach loopback; no runtime and no SDK
/// outside a browser sends these headers.
pub(crate) fn is_from_a_web_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
        || headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() != b"none")
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    async fn read(pieces: &[&'static [u8]], bytes_max: usize) -> Result<Bytes, BodyError> {
        let frames = pieces.iter().map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from_static(piece))));
        let body = StreamBody::new(stream::iter(frames.collect::<Vec<_>>()));
        read_body(body, bytes_max).await.map(|(bytes, _)| bytes)
    }

    #[tokio::test]
    async fn bodies_are_joined_and_bounded() {
        assert_eq!(read(&[], 4).await.unwrap(), "");
        assert_eq!(read(&[b"abcd"], 4).await.unwrap(), "abcd");
        assert_eq!(read(&[b"", b"a", b"", b"bc", b"d"], 4).await.unwrap(), "abcd");
        assert_eq!(read(&[b"abc", b"de", b"f"], 4).await, Err(BodyError::TooLarge { bytes: 6 }));
    }
}
