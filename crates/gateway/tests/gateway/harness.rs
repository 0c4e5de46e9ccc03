//! A gateway on a free port, a scripted back end, and clients. Every wait is for the event itself and bounded by [`PATIENCE`].

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use dunlin_gateway::{
    ApiConfig, Backend, BackendError, Credential, Gateway, GatewayConfig, Integration, LambdaFunction,
    RouteConfig, StageConfig,
};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine; a wait that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("what the test waits for did not happen")
}

/// What a scripted function does.
#[derive(Clone)]
pub(crate) enum Act {
    /// Answers with these bytes.
    Answer(String),
    /// Answers 200 with the event's body as its own.
    Echo,
    Fail(BackendError),
    /// Never answers.
    Hang,
    /// Waits for a permit, then echoes.
    Gate(Arc<Semaphore>),
}

impl Act {
    pub(crate) fn status(status: i64) -> Self {
        Act::Answer(serde_json::json!({ "statusCode": status }).to_string())
    }

    /// Throws an error with this message.
    pub(crate) fn thrown(message: &str) -> Self {
        Act::Fail(BackendError::FunctionError { message: message.to_owned() })
    }
}

/// Functions by name; one without a script answers 200. Records every call.
#[derive(Default)]
pub(crate) struct Script {
    acts: Mutex<HashMap<String, Act>>,
    calls: Mutex<Vec<(String, Bytes)>>,
    called: Notify,
    running: AtomicUsize,
    running_peak: AtomicUsize,
}

impl Script {
    pub(crate) fn on(&self, function: &str, act: Act) {
        self.acts.lock().unwrap().insert(function.to_owned(), act);
    }

    /// The event of the next call of this function that no one has asked for yet.
    pub(crate) async fn event(&self, function: &str) -> Bytes {
        soon(async {
            loop {
                let called = self.called.notified();
                let mut called = std::pin::pin!(called);
                called.as_mut().enable();
                {
                    let mut calls = self.calls.lock().unwrap();
                    if let Some(index) = calls.iter().position(|(name, _)| name == function) {
                        return calls.remove(index).1;
                    }
                }
                called.await;
            }
        })
        .await
    }

    pub(crate) async fn json(&self, function: &str) -> Value {
        serde_json::from_slice(&self.event(function).await).unwrap()
    }

    /// How many calls no one has asked for yet.
    pub(crate) fn unseen(&self, function: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|(name, _)| name == function).count()
    }

    /// The most calls that ran at one time.
    pub(crate) fn peak(&self) -> usize {
        self.running_peak.load(SeqCst)
    }
}

impl Backend for Script {
    async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, BackendError> {
        let act = self.acts.lock().unwrap().get(function).cloned().unwrap_or_else(|| Act::status(200));
        let running = self.running.fetch_add(1, SeqCst) + 1;
        self.running_peak.fetch_max(running, SeqCst);
        self.calls.lock().unwrap().push((function.to_owned(), payload.clone()));
        self.called.notify_waiters();
        let echo = || {
            let event: Value = serde_json::from_slice(&payload).unwrap();
            Bytes::from(serde_json::json!({ "statusCode": 200, "body": event["body"] }).to_string())
        };
        let answer = match act {
            Act::Answer(text) => Ok(Bytes::from(text)),
            Act::Echo => Ok(echo()),
            Act::Fail(error) => Err(error),
            Act::Hang => std::future::pending().await,
            Act::Gate(gate) => {
                gate.acquire().await.unwrap().forget();
                Ok(echo())
            }
        };
        self.running.fetch_sub(1, SeqCst);
        answer
    }
}

/// A route to the function that bears the key's name without its dollar sign.
pub(crate) fn route(key: &str) -> RouteConfig {
    let proxy = LambdaFunction::new(key.trim_start_matches('$'));
    RouteConfig { integration: Some(Integration::LambdaProxy(proxy)), ..RouteConfig::new(key) }
}

pub(crate) fn two_way(key: &str) -> RouteConfig {
    RouteConfig { two_way: true, ..route(key) }
}

pub(crate) fn with_timeout(mut route: RouteConfig, limit: Duration) -> RouteConfig {
    if let Some(Integration::LambdaProxy(proxy)) = &mut route.integration {
        proxy.timeout = limit;
    }
    route
}

pub(crate) fn api(id: &str, routes: Vec<RouteConfig>) -> ApiConfig {
    ApiConfig {
        stages: vec![StageConfig::new("dev"), StageConfig::new("prod")],
        routes,
        ..ApiConfig::new(id, "$request.body.action")
    }
}

pub(crate) const REGION: &str = "eu-west-1";

/// The operator's key has no token, the function's has one.
pub(crate) fn config() -> GatewayConfig {
    let credential = |secret: &str, token: Option<&str>| Credential {
        secret_access_key: secret.to_owned(),
        session_token: token.map(str::to_owned),
    };
    let credentials = HashMap::from([
        ("AKIDOPERATOR".to_owned(), credential("operator-secret", None)),
        ("ASIAFUNCTION".to_owned(), credential("function-secret", Some("function-token"))),
    ]);
    GatewayConfig::new(REGION, "123456789012", Arc::new(credentials))
}

/// A gateway that serves its first API on a free port of 127.0.0.1.
pub(crate) struct Stack {
    pub(crate) gateway: Arc<Gateway<Arc<Script>>>,
    pub(crate) script: Arc<Script>,
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<()>,
}

impl Stack {
    pub(crate) async fn start(routes: Vec<RouteConfig>) -> Self {
        Stack::start_with(config(), vec![api("a1b2c3d4e5", routes)]).await
    }

    pub(crate) async fn start_with(config: GatewayConfig, apis: Vec<ApiConfig>) -> Self {
        let script = Arc::new(Script::default());
        let first = apis[0].api_id.clone();
        let gateway = Gateway::new(config, apis, Arc::clone(&script)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn({
            let (gateway, shutdown) = (Arc::clone(&gateway), shutdown.clone());
            async move { gateway.serve(&first, listener, shutdown).await.unwrap() }
        });
        Stack { gateway, script, address, shutdown, served }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.address.port())
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A client on stage `dev`.
    pub(crate) async fn connect(&self) -> Client {
        self.connect_to("/dev", &[]).await
    }

    pub(crate) async fn connect_to(&self, target: &str, headers: &[(&'static str, &str)]) -> Client {
        let mut request = format!("ws://{}{target}", self.host()).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let (socket, _) = soon(client_async(request, self.tcp().await)).await.unwrap();
        Client { socket }
    }

    /// A client with its connection id, learnt from the CONNECT event; needs a `$connect` route.
    pub(crate) async fn connect_with_id(&self) -> (Client, String) {
        let client = self.connect().await;
        let event = self.script.json("connect").await;
        (client, event["requestContext"]["connectionId"].as_str().unwrap().to_owned())
    }

    /// Sends these bytes on a connection of their own and returns all that comes back.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.tcp().await;
        stream.write_all(bytes).await.unwrap();
        read_all(&mut stream).await
    }

    /// Sends a handshake with these header lines, each ending in CRLF, and returns the status of the answer.
    pub(crate) async fn handshake(&self, target: &str, lines: &str) -> u16 {
        let mut stream = self.tcp().await;
        stream.write_all(format!("GET {target} HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
        status_of(&read_head(&mut stream).await)
    }
}

/// What a correct handshake says after its request line.
pub(crate) fn upgrade_lines(host: &str) -> String {
    format!(
        "Host: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
}

pub(crate) async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A reset after the last byte is an end too.
    let _ = soon(stream.read_to_end(&mut bytes)).await;
    String::from_utf8(bytes).unwrap()
}

/// Up to and with the empty line.
pub(crate) async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match soon(stream.read_u8()).await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(bytes).unwrap()
}

pub(crate) fn status_of(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status: {answer:?}"))
}

/// A WebSocket client.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) socket: WebSocketStream<S>,
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn send(&mut self, text: &str) {
        soon(self.socket.send(Message::text(text))).await.unwrap();
    }

    /// The next message other than a pong.
    pub(crate) async fn next(&mut self) -> Message {
        loop {
            match soon(self.socket.next()).await {
                Some(Ok(Message::Pong(_))) => {}
                Some(Ok(message)) => return message,
                other => panic!("a message was expected: {other:?}"),
            }
        }
    }

    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Message::Text(text) => text.to_string(),
            other => panic!("a text was expected: {other:?}"),
        }
    }

    /// The code and reason with which the gateway closes; texts before are skipped.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Message::Close(Some(CloseFrame { code, reason })) => {
                    return (code.into(), reason.to_string());
                }
                Message::Close(None) => panic!("closed without a code"),
                _ => {}
            }
        }
    }
}
