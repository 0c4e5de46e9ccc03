//! The HTTP endpoint that HTTP integrations of the template lead to.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// Bytes of a request: ours, more than a message has.
const REQUEST_BYTES_MAX: usize = 256 * 1024;

/// Requests that are remembered: ours, more than the suite makes.
const REQUESTS_MAX: usize = 256;

/// The pause after an accept that failed: ours.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// A small server. It answers each request with what it was sent, `{"method","target","headers","body"}`, under the
/// status that the query names (`?status=`), and remembers it.
#[derive(Clone)]
pub struct Endpoint(Arc<Serving>);

struct Serving {
    address: SocketAddr,
    seen: Arc<Mutex<VecDeque<Value>>>,
    accepting: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Endpoint {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// There is none.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let seen = Arc::<Mutex<VecDeque<Value>>>::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&seen)));
        Ok(Endpoint(Arc::new(Serving { address, seen, accepting })))
    }

    /// Its URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// The last request whose target contains this.
    pub fn seen(&self, target: &str) -> Option<Value> {
        let seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .rfind(|request| request["target"].as_str().is_some_and(|own| own.contains(target)))
            .cloned()
    }
}

async fn accept(listener: TcpListener, seen: Arc<Mutex<VecDeque<Value>>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            continue;
        };
        // Without it answers are later, and otherwise the same.
        let _ = stream.set_nodelay(true);
        let seen = Arc::clone(&seen);
        let service = service_fn(move |request| {
            let seen = Arc::clone(&seen);
            async move { Ok::<_, Infallible>(answer(request, &seen).await) }
        });
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new());
        tokio::spawn(async move { drop(server.serve_connection(TokioIo::new(stream), service).await) });
    }
}

async fn answer(request: Request<Incoming>, seen: &Mutex<VecDeque<Value>>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await.map(|body| body.to_bytes());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: serde_json::Map<_, _> =
        parts.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()).into())).collect();
    let described = json!({
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": headers,
        "body": text(&body.unwrap_or_default()),
    });
    let status = parts.uri.query().and_then(|query| {
        query.split('&').find_map(|pair| pair.strip_prefix("status="))?.parse::<u16>().ok()
    });
    let mut response = Response::new(Full::from(described.to_string()));
    *response.status_mut() =
        status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() == REQUESTS_MAX {
        seen.pop_front();
    }
    seen.push_back(described);
    response
}
