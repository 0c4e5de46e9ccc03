//! A front to the emulator that does what the emulator does not: throttle, fail, cut connections, lose answers, leave
//! items unprocessed, be late; and that lets a test decide which of several requests is next.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use dunlin_connection_store::testsuite::orders::Turn;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
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
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Pass,
    /// Refused by the table with this status and code, and not forwarded.
    Refuse(u16, &'static str),
    /// Answered with this status and a web page by something between, and not forwarded.
    Page(u16),
    /// The connection is cut instead of forwarding.
    Cut,
    /// Forwarded, but the connection is cut instead of answering.
    LoseAnswer,
    /// Forwarded, but the connection is cut in the middle of the answer.
    CutAnswer,
    /// Never answered, and not forwarded.
    Silence,
    /// Of a batch, the first half is forwarded and the rest is said to be unprocessed.
    Half,
    /// Of a batch, nothing is forwarded and everything is said to be unprocessed.
    None,
    /// Forwarded once the test says so.
    Hold,
    /// Forwarded, and answered once the test says so.
    HoldAnswer,
}

impl Fault {
    /// Refused for its rate.
    pub(crate) const THROTTLE: Self = Self::Refuse(400, "ProvisionedThroughputExceededException");
}

/// The front; it ends with the test's runtime.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

/// Where the requests of one participant come in.
pub(crate) struct Entrance {
    pub(crate) address: SocketAddr,
    turn: Arc<Mutex<Option<Turn>>>,
}

impl Entrance {
    /// The turns that requests take from now on.
    pub(crate) fn take_turns(&self, turn: Turn) {
        *self.turn.lock().unwrap() = Some(turn);
    }
}

struct State {
    emulator: SocketAddr,
    http: Client<HttpConnector, Full<Bytes>>,
    /// Faults of the next requests of each operation (`*` is any); after them, the one of `always`, else none.
    next: Mutex<BTreeMap<String, Vec<Fault>>>,
    always: Mutex<BTreeMap<String, Fault>>,
    counts: Mutex<BTreeMap<String, u32>>,
    held: Semaphore,
    released: Semaphore,
    forwarding: Semaphore,
}

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

impl Front {
    pub(crate) async fn start(emulator: SocketAddr) -> Self {
        Self::with(emulator, Semaphore::MAX_PERMITS).await
    }

    /// A front that forwards one request at a time, to a table whose operations are not atomic by themselves.
    pub(crate) async fn one_at_a_time(emulator: SocketAddr) -> Self {
        Self::with(emulator, 1).await
    }

    async fn with(emulator: SocketAddr, forwarded_at_once: usize) -> Self {
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
            forwarding: Semaphore::new(forwarded_at_once),
        });
        let address = listen(Arc::clone(&state), Arc::default()).await;
        Self { address, state }
    }

    /// An address of its own for a participant whose every request takes a turn.
    pub(crate) async fn entrance(&self) -> Entrance {
        let turn = Arc::default();
        Entrance { address: listen(Arc::clone(&self.state), Arc::clone(&turn)).await, turn }
    }

    /// What happens to the next requests of this operation, in order; `*` is any operation.
    pub(crate) fn next(&self, operation: &str, faults: &[Fault]) {
        let faults = faults.iter().rev().copied().collect();
        self.state.next.lock().unwrap().insert(operation.to_owned(), faults);
    }

    /// What happens to every request of this operation.
    pub(crate) fn always(&self, operation: &str, fault: Fault) {
        self.state.always.lock().unwrap().insert(operation.to_owned(), fault);
    }

    /// Nothing happens to any request from now on, and none has been counted.
    pub(crate) fn reset(&self) {
        self.state.next.lock().unwrap().clear();
        self.state.always.lock().unwrap().clear();
        self.state.counts.lock().unwrap().clear();
    }

    /// Requests of this operation so far.
    pub(crate) fn count(&self, operation: &str) -> u32 {
        self.state.counts.lock().unwrap().get(operation).copied().unwrap_or_default()
    }

    /// Requests so far.
    pub(crate) fn count_all(&self) -> u32 {
        self.state.counts.lock().unwrap().values().sum()
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

/// Serves on a new port until the test's runtime ends.
async fn listen(state: Arc<State>, turn: Arc<Mutex<Option<Turn>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (state, turn) = (Arc::clone(&state), Arc::clone(&turn));
            let service = service_fn(move |request| {
                let turn = turn.lock().unwrap().clone();
                answer(Arc::clone(&state), turn, request)
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

impl State {
    fn fault(&self, operation: &str) -> Fault {
        *self.counts.lock().unwrap().entry(operation.to_owned()).or_default() += 1;
        let mut next = self.next.lock().unwrap();
        let of = |name: &str, next: &mut BTreeMap<String, Vec<Fault>>| next.get_mut(name).and_then(Vec::pop);
        let fault = of(operation, &mut next).or_else(|| of("*", &mut next));
        fault.or_else(|| self.always.lock().unwrap().get(operation).copied()).unwrap_or(Fault::Pass)
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
        let _permit = self.forwarding.acquire().await.unwrap();
        let (mut parts, body) = self.http.request(forwarded).await.unwrap().into_parts();
        parts.headers.remove("transfer-encoding");
        (parts, body.collect().await.unwrap().to_bytes())
    }
}

/// An error cuts the connection.
async fn answer(
    state: Arc<State>,
    turn: Option<Turn>,
    request: Request<Incoming>,
) -> Result<Answer, &'static str> {
    let (request, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| "the client is gone")?.to_bytes();
    let target = request.headers["x-amz-target"].to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    if let Some(turn) = turn {
        turn.take().await;
    }
    match state.fault(&operation) {
        Fault::Pass => {
            let (parts, body) = state.forward(&request, body).await;
            Ok(Response::from_parts(parts, whole(body)))
        }
        Fault::Refuse(status, code) => {
            let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
            Ok(json_answer(status, &json!({"__type": kind, "message": "on purpose"})))
        }
        Fault::Page(status) => {
            let page = Response::builder().status(status).header("content-type", "text/html");
            Ok(page.body(whole("<h1>Something between</h1>".into())).unwrap())
        }
        Fault::Cut => Err("cut before the table"),
        Fault::LoseAnswer => {
            state.forward(&request, body).await;
            Err("the answer is lost")
        }
        Fault::CutAnswer => {
            let (mut parts, body) = state.forward(&request, body).await;
            parts.headers.insert("content-length", body.len().to_string().parse().unwrap());
            let half = body.slice(..body.len() / 2);
            let frames = [Ok(Frame::data(half)), Err(io::ErrorKind::ConnectionReset.into())];
            let cut = StreamBody::new(stream::iter(frames)).boxed_unsync();
            Ok(Response::from_parts(parts, cut))
        }
        Fault::Silence => std::future::pending().await,
        fault @ (Fault::Half | Fault::None) => {
            let mut asked: Value = serde_json::from_slice(&body).unwrap();
            let rest = split(&mut asked, fault);
            let mut answered = json!({});
            if fault == Fault::Half {
                let (_, body) = state.forward(&request, asked.to_string().into()).await;
                answered = serde_json::from_slice(&body).unwrap();
            }
            let left = if operation == "BatchGetItem" { "UnprocessedKeys" } else { "UnprocessedItems" };
            answered[left] = rest;
            Ok(json_answer(200, &answered))
        }
        Fault::Hold => {
            state.hold().await;
            let (parts, body) = state.forward(&request, body).await;
            Ok(Response::from_parts(parts, whole(body)))
        }
        Fault::HoldAnswer => {
            let (parts, body) = state.forward(&request, body).await;
            state.hold().await;
            Ok(Response::from_parts(parts, whole(body)))
        }
    }
}

fn whole(body: Bytes) -> UnsyncBoxBody<Bytes, io::Error> {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

fn json_answer(status: u16, body: &Value) -> Answer {
    let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
    response.body(whole(body.to_string().into())).unwrap()
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
