//! A gateway in this process, whose one function tells each client its connection's id.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use dunlin_events::ConnectionId;
use dunlin_gateway::{
    ApiConfig, Backend, BackendError, Credential, Gateway, GatewayConfig, Integration, LambdaFunction,
    RouteConfig, StageConfig, rustls,
};
use dunlin_management::ConnectionInfo;
use dunlin_management_aws::Credentials;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::{Peer, USER_AGENT, soon};

pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Clock,
    gateway: Arc<Gateway<WhoAmI>>,
    valid: Arc<Mutex<Credentials>>,
    disconnected: watch::Receiver<Vec<String>>,
    _shutdown: DropGuard,
}

/// The wall clock of a service and its clients, which only tests move. It starts now: the SDK corrects its own by the answers'
/// `Date`, which the server takes from the system.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicU64>);

/// Answers `$default` with the connection's id, and remembers who left.
struct WhoAmI {
    disconnected: watch::Sender<Vec<String>>,
}

pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    id: ConnectionId,
    connected_at: SystemTime,
    disconnected: watch::Receiver<Vec<String>>,
}

impl Clock {
    pub(crate) fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0.load(SeqCst))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), SeqCst);
    }
}

impl Backend for WhoAmI {
    async fn invoke(&self, _function: &str, event: Bytes) -> Result<Bytes, BackendError> {
        let event: Value = serde_json::from_slice(&event).unwrap();
        let context = &event["requestContext"];
        let id = context["connectionId"].as_str().unwrap();
        if context["eventType"] == "DISCONNECT" {
            self.disconnected.send_modify(|left| left.push(id.to_owned()));
        }
        Ok(json!({ "statusCode": 200, "body": id }).to_string().into())
    }
}

impl Service {
    /// A service with one API and the stage `dev`, which takes the credentials of [`credentials`].
    pub(crate) async fn start(tls: Option<Arc<rustls::ServerConfig>>) -> Service {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let clock = Clock(Arc::new(AtomicU64::new(now.as_secs())));
        let valid = Arc::new(Mutex::new(credentials()));
        let (known, now) = (Arc::clone(&valid), clock.clone());
        let lookup = move |access_key_id: &str| {
            let known: MutexGuard<'_, Credentials> = known.lock().unwrap();
            let has_expired = known.expiry().is_some_and(|expiry| expiry <= now.now());
            (known.access_key_id() == access_key_id && !has_expired).then(|| Credential {
                secret_access_key: known.secret_access_key().to_owned(),
                session_token: known.session_token().map(str::to_owned),
            })
        };
        let mut config = GatewayConfig::new(REGION, "123456789012", Arc::new(lookup));
        let now = clock.clone();
        config.clock = Arc::new(move || now.now());
        config.tls = tls;
        let (sender, disconnected) = watch::channel(Vec::new());
        let gateway = Gateway::new(config, vec![api()], WhoAmI { disconnected: sender }).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (serving, token) = (Arc::clone(&gateway), shutdown.clone());
        tokio::spawn(async move { serving.serve("a1b2c3d4e5", listener, token).await.unwrap() });
        Service { address, clock, gateway, valid, disconnected, _shutdown: shutdown.drop_guard() }
    }

    /// What makes credentials the only ones that are valid, until they expire.
    pub(crate) fn taker(&self) -> impl Fn(Credentials) + Send + Sync + 'static {
        let valid = Arc::clone(&self.valid);
        move |credentials| *valid.lock().unwrap() = credentials
    }

    pub(crate) fn calls(&self) -> u64 {
        self.gateway.counters().management_calls_total
    }

    pub(crate) async fn connect(&self) -> Client {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut request = format!("ws://{}/dev", self.address).into_client_request().unwrap();
        request.headers_mut().insert("user-agent", USER_AGENT.parse().unwrap());
        let (mut socket, _) = soon(Box::pin(client_async(request, tcp))).await.unwrap();
        socket.send("who am I?".into()).await.unwrap();
        let id = match soon(socket.next()).await {
            Some(Ok(Message::Text(id))) => id.parse().unwrap(),
            other => panic!("no id: {other:?}"),
        };
        let connected_at = self.clock.now();
        Client { socket, id, connected_at, disconnected: self.disconnected.clone() }
    }
}

/// Those that every service takes.
pub(crate) fn credentials() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, SECRET, None, None, "test")
}

fn api() -> ApiConfig {
    let route = |key: &str| RouteConfig {
        integration: Some(Integration::LambdaProxy(LambdaFunction::new("who_am_i"))),
        two_way: key == "$default",
        ..RouteConfig::new(key)
    };
    ApiConfig {
        stages: vec![StageConfig::new("dev")],
        routes: vec![route("$disconnect"), route("$default")],
        ..ApiConfig::new("a1b2c3d4e5", "$request.body.action")
    }
}

impl Peer for Client {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    async fn message(&mut self) -> String {
        match soon(self.socket.next()).await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("no message: {other:?}"),
        }
    }

    async fn hang_up(mut self) {
        self.socket.close(None).await.unwrap();
        while let Some(Ok(_)) = soon(self.socket.next()).await {}
        let left = |left: &Vec<String>| left.iter().any(|id| id == self.id.as_str());
        soon(self.disconnected.wait_for(left)).await.unwrap();
    }

    async fn closed(mut self) {
        match soon(self.socket.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => {
                assert_eq!(
                    (u16::from(frame.code), frame.reason.as_str()),
                    (1000, "Connection Closed Normally")
                );
            }
            other => panic!("no close frame: {other:?}"),
        }
    }

    fn check(&self, info: &ConnectionInfo) {
        assert!(info.source_ip.unwrap().is_loopback());
        assert_eq!(info.user_agent.as_deref(), Some(USER_AGENT));
        assert_eq!(info.connected_at, self.connected_at);
    }
}
