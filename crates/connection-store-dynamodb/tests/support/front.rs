//! A front to the emulator that does what the emulator does not: throttle, lose answers, leave items unprocessed, be slow.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::support::TABLE;

/// Longest wait for something that a test waits for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is done to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Pass,
    /// Refused for its rate, and not forwarded.
    Throttle,
    /// Forwarded, but the connection is closed instead of answering.
    LoseAnswer,
    /// Of a batch, the first half is forwarded and the rest is said to be unprocessed.
    Half,
    /// Of a batch, nothing is forwarded and everything is said to be unprocessed.
    None,
    /// Forwarded once the test says so.
    Hold,
    /// Forwarded, and answered once the test says so.
    HoldAnswer,
}

/// The front; it ends with the test's runtime.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    emulator: SocketAddr,
    http: Client<HttpConnector, Full<Bytes>>,
    /// Faults of the next requests of each operation; after them, the last one of `always`, else none.
    next: Mutex<BTreeMap<String, Vec<Fault>>>,
    always: Mutex<BTreeMap<String, Fault>>,
    counts: Mutex<BTreeMap<String, u32>>,
    held: Semaphore,
    released: Semaphore,
}

impl Front {
    pub(crate) async fn start(emulator: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let state = Arc::new(State {
            emulator,
            http: Client::builder(TokioExecutor::new()).build(connector),
            next: Mutex::default(),
            always: Mutex::default(),
            counts: Mutex::default(),
            held: Semaphore::new(0),
            released: Semaphore::new(0),
        });
        let front = Self { address, state: Arc::clone(&state) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let state = Arc::clone(&state);
                let service = service_fn(move |request| answer(Arc::clone(&state), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        front
    }

    /// What happens to the next requests of this operation, in order.
    pub(crate) fn next(&self, operation: &str, faults: &[Fault]) {
        let faults = faults.iter().rev().copied().collect();
        self.state.next.lock().unwrap().insert(operation.to_owned(), faults);
    }

    /// What happens to every request of this operation.
    pub(crate) fn always(&self, operation: &str, fault: Fault) {
        self.state.always.lock().unwrap().insert(operation.to_owned(), fault);
    }

    /// Requests of this operation so far.
    pub(crate) fn count(&self, operation: &str) -> u32 {
        self.state.counts.lock().unwrap().get(operation).copied().unwrap_or_default()
    }

    /// Waits until a request is held.
    pub(crate) async fn holds_one(&self) {
        let held = tokio::time::timeout(PATIENCE, self.state.held.acquire()).await;
        held.expect("a request should be held by now").unwrap().forget();
    }

    /// Lets one held request go on.
    pub(crate) fn release_one(&self) {
        self.state.released.add_permits(1);
    }
}

impl State {
    fn fault(&self, operation: &str) -> Fault {
        *self.counts.lock().unwrap().entry(operation.to_owned()).or_default() += 1;
        let next = self.next.lock().unwrap().get_mut(operation).and_then(Vec::pop);
        next.or_else(|| self.always.lock().unwrap().get(operation).copied()).unwrap_or(Fault::Pass)
    }

    async fn hold(&self) {
        self.held.add_permits(1);
        let released = tokio::time::timeout(PATIENCE, self.released.acquire()).await;
        released.expect("a held request should be released").unwrap().forget();
    }

    async fn forward(&self, request: &http::request::Parts, body: Bytes) -> (http::response::Parts, Bytes) {
        let mut forwarded = Request::new(Full::new(body));
        *forwarded.method_mut() = request.method.clone();
        *forwarded.uri_mut() = format!("http://{}/", self.emulator).parse().unwrap();
        *forwarded.headers_mut() = request.headers.clone();
        forwarded.headers_mut().remove("content-length");
        let (parts, body) = self.http.request(forwarded).await.unwrap().into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    }
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let (request, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let target = request.headers["x-amz-target"].to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    let fault = state.fault(&operation);
    match fault {
        Fault::Throttle => {
            let kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
            return Ok(json_response(400, &json!({"__type": kind, "message": "slow down"})));
        }
        Fault::Hold => state.hold().await,
        Fault::Half | Fault::None => {
            let mut asked: Value = serde_json::from_slice(&body).unwrap();
            let rest = split(&mut asked, fault);
            let mut answered = json!({});
            if fault == Fault::Half {
                let (_, body) = state.forward(&request, asked.to_string().into()).await;
                answered = serde_json::from_slice(&body).unwrap();
            }
            let left = if operation == "BatchGetItem" { "UnprocessedKeys" } else { "UnprocessedItems" };
            answered[left] = rest;
            return Ok(json_response(200, &answered));
        }
        Fault::Pass | Fault::LoseAnswer | Fault::HoldAnswer => {}
    }
    let (answered, body) = state.forward(&request, body).await;
    match fault {
        Fault::LoseAnswer => return Err("the answer is lost"),
        Fault::HoldAnswer => state.hold().await,
        _ => {}
    }
    let mut response = Response::from_parts(answered, Full::new(body));
    response.headers_mut().remove("transfer-encoding");
    Ok(response)
}

fn json_response(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
    response.body(Full::new(body.to_string().into())).unwrap()
}

/// Leaves the first half of a batch in the request, at least one item, and returns the request items of the rest.
fn split(request: &mut Value, fault: Fault) -> Value {
    let table = &mut request["RequestItems"][TABLE];
    let mut rest = table.clone();
    let (kept, left) =
        if table.is_array() { (table, &mut rest) } else { (&mut table["Keys"], &mut rest["Keys"]) };
    let (kept, left) = (kept.as_array_mut().unwrap(), left.as_array_mut().unwrap());
    let half = if fault == Fault::None { 0 } else { kept.len().div_ceil(2) };
    kept.truncate(half);
    left.drain(..half);
    if left.is_empty() { json!({}) } else { json!({ TABLE: rest }) }
}
