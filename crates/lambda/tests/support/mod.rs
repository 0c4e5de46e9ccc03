//! A Runtime API that hands out what a test tells it to, and reports what it is told.

use std::{
    convert::Infallible,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex, mpsc, watch},
    time::timeout,
};

/// Far longer than any step takes on a busy machine.
pub(crate) const STEP_TIME_MAX: Duration = Duration::from_secs(60);

/// Events that wait for a poll, and calls that wait for the test.
const QUEUE: usize = 64;

/// A call of the function: its path and its body.
pub(crate) type Call = (String, Value);

/// The API, and the test's end of it.
pub(crate) struct RuntimeApi {
    pub(crate) address: String,
    events: mpsc::Sender<(String, Bytes)>,
    calls: mpsc::Receiver<Call>,
    polls: watch::Receiver<usize>,
    shared: Arc<Shared>,
}

struct Shared {
    events: Mutex<mpsc::Receiver<(String, Bytes)>>,
    calls: mpsc::Sender<Call>,
    /// Polls that wait at this moment, and the most that ever did.
    polls: watch::Sender<usize>,
    polls_max: AtomicUsize,
    registers_extensions: bool,
}

impl RuntimeApi {
    pub(crate) async fn start(registers_extensions: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, queued) = mpsc::channel(QUEUE);
        let (calls, called) = mpsc::channel(QUEUE);
        let (polls, polled) = watch::channel(0);
        let shared = Arc::new(Shared {
            events: Mutex::new(queued),
            calls,
            polls,
            polls_max: AtomicUsize::new(0),
            registers_extensions,
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                let shared = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(shared.answer(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
            }
        });
        RuntimeApi { address, events, calls: called, polls: polled, shared }
    }

    /// Hands an event to the next poll.
    pub(crate) async fn send(&self, id: &str, event: impl Into<Bytes>) {
        self.events.send((id.to_owned(), event.into())).await.unwrap();
    }

    /// What the function says next.
    pub(crate) async fn call(&mut self) -> Call {
        timeout(STEP_TIME_MAX, self.calls.recv()).await.expect("the function answers").unwrap()
    }

    /// Waits until this many polls wait at once.
    pub(crate) async fn polls(&mut self, count: usize) {
        let reached = self.polls.wait_for(|polls| *polls == count);
        timeout(STEP_TIME_MAX, reached).await.expect("the function polls").unwrap();
    }

    /// The most polls that ever waited at once.
    pub(crate) fn polls_max(&self) -> usize {
        self.shared.polls_max.load(Ordering::Relaxed)
    }
}

/// A poll that waits, until it is answered or its client is gone.
struct Poll<'a>(&'a Shared);

impl<'a> Poll<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.polls.send_modify(|polls| {
            *polls += 1;
            shared.polls_max.fetch_max(*polls, Ordering::Relaxed);
        });
        Poll(shared)
    }
}

impl Drop for Poll<'_> {
    fn drop(&mut self) {
        self.0.polls.send_modify(|polls| *polls -= 1);
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let response = Response::builder();
        match (parts.method, path.as_str()) {
            (Method::POST, "/2020-01-01/extension/register") if !self.registers_extensions => {
                response.status(StatusCode::NOT_FOUND).body(Full::default())
            }
            (Method::POST, "/2020-01-01/extension/register") => response
                .header("Lambda-Extension-Identifier", "00000000-0000-0000-0000-000000000001")
                .body(r#"{"functionName":"f","functionVersion":"1","handler":"h"}"#.into()),
            (Method::GET, "/2018-06-01/runtime/invocation/next") => {
                let _poll = Poll::new(self);
                let Some((id, event)) = self.events.lock().await.recv().await else {
                    return std::future::pending().await;
                };
                response
                    .header("Lambda-Runtime-Aws-Request-Id", id)
                    .header("Lambda-Runtime-Deadline-Ms", "4102444800000")
                    .body(event.into())
            }
            (Method::GET, _) => std::future::pending().await,
            (_, path) => {
                let body = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).expect("a function speaks JSON");
                self.calls.send((path.to_owned(), body)).await.unwrap();
                response.status(StatusCode::ACCEPTED).body(Full::default())
            }
        }
        .unwrap()
    }
}

/// The probe as the platform starts a function, with these variables besides.
pub(crate) fn function(runtime_api: &str, variables: &[(&str, &str)]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lambda-probe"))
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", runtime_api),
            ("AWS_LAMBDA_FUNCTION_NAME", "probe"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ])
        .envs(variables.iter().copied())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// How the process ended, and what it logged.
pub(crate) async fn exit(child: Child) -> (Option<i32>, String) {
    let output = timeout(STEP_TIME_MAX, child.wait_with_output()).await.expect("the function ends").unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}
