use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use dunlin_events::ConnectionId;
use dunlin_gateway::{
    ApiConfig, Backend, BackendError, Credential, Gateway, GatewayConfig, Integration, IntegrationResponse,
    LambdaFunction, Mapping, RouteConfig, StageConfig, Templates,
};
use dunlin_management::{ManagementClient, PostOutcome};
use dunlin_management_aws::LeanManagementClient;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::management::client;
use crate::{
    path::Workload,
    runtime::{BareSocket, listen, runtime, text_frame},
};

const API_ID: &str = "a1b2c3d4e5";
const KEY_ID: &str = "AKIDPATHS";
const SECRET: &str = "secret of the paths";

/// A message that a template answers, on one open connection: the gateway without a function.
pub(super) fn echo() -> Box<dyn Workload> {
    let message = r#"{"action":"echo","text":"0123456789"}"#;
    Box::new(RoundTrip::new(message, r#"{"text":"0123456789"}"#))
}

/// A message that a function answers at once, on one open connection: with the event that it gets, without a process.
pub(super) fn event() -> Box<dyn Workload> {
    let message = r#"{"action":"event","text":"0123456789"}"#;
    Box::new(RoundTrip::new(message, "answered"))
}

/// A signed post of the lean client until its frame arrives on the socket.
pub(super) fn post_to_frame() -> Box<dyn Workload> {
    let (runtime, address) = start();
    let mut socket = runtime.block_on(BareSocket::open(address, "/dev"));
    let id = runtime.block_on(async {
        socket.send(&text_frame(r#"{"action":"id"}"#)).await;
        String::from_utf8(socket.receive().await.to_vec()).expect("an id is text")
    });
    let client = client(&format!("http://{address}/dev"), KEY_ID, SECRET);
    let id = id.parse().expect("the gateway's own id");
    Box::new(PostToFrame { runtime, socket, client, id, received: 0 })
}

struct RoundTrip {
    runtime: Runtime,
    socket: BareSocket,
    frame: Vec<u8>,
    expected: &'static str,
    received: u64,
}

impl RoundTrip {
    fn new(message: &str, expected: &'static str) -> Self {
        let (runtime, address) = start();
        let socket = runtime.block_on(BareSocket::open(address, "/dev"));
        RoundTrip { runtime, socket, frame: text_frame(message), expected, received: 0 }
    }
}

impl Workload for RoundTrip {
    fn operate(&mut self) {
        let (socket, frame) = (&mut self.socket, &self.frame);
        let answer = self.runtime.block_on(async {
            socket.send(frame).await;
            socket.receive().await
        });
        assert_eq!(answer, self.expected.as_bytes());
        self.received += answer.len() as u64;
    }

    fn tallies(&self) -> Vec<(&'static str, u64)> {
        vec![("wire_bytes", self.received)]
    }
}

struct PostToFrame {
    runtime: Runtime,
    socket: BareSocket,
    client: LeanManagementClient,
    id: ConnectionId,
    received: u64,
}

impl Workload for PostToFrame {
    fn operate(&mut self) {
        let PostToFrame { socket, client, id, .. } = self;
        let frame = self.runtime.block_on(async {
            let outcome = client.post(id, Bytes::from_static(b"an update")).await.expect("it is served");
            assert_eq!(outcome, PostOutcome::Delivered);
            socket.receive().await
        });
        assert_eq!(frame, b"an update");
        self.received += frame.len() as u64;
    }

    fn tallies(&self) -> Vec<(&'static str, u64)> {
        vec![("wire_bytes", self.received)]
    }
}

/// A gateway with the routes `echo`, `event` and `id`, on the thread of the returned runtime.
fn start() -> (Runtime, SocketAddr) {
    let runtime = runtime();
    let (listener, address) = runtime.block_on(listen());
    let credential = Credential { secret_access_key: SECRET.to_owned(), session_token: None };
    let credentials = Arc::new(HashMap::from([(KEY_ID.to_owned(), credential)]));
    let mut config = GatewayConfig::new("eu-west-1", "123456789012", credentials);
    // The same ids in every run.
    config.id_seed = 1;
    let api = ApiConfig {
        stages: vec![StageConfig::new("dev")],
        routes: vec![
            // What a request template puts into the context is still there for the response's.
            route(
                "echo",
                mock(
                    r#"#set($context.text = $input.json('$.text')){"statusCode":200}"#,
                    r#"{"text":$context.text}"#,
                ),
            ),
            route("event", Integration::LambdaProxy(LambdaFunction::new("f"))),
            route("id", mock(r#"{"statusCode":200}"#, "$context.connectionId")),
        ],
        ..ApiConfig::new(API_ID, "$request.body.action")
    };
    let gateway = Gateway::new(config, vec![api], AtOnce).expect("the configuration is right");
    runtime.spawn(async move { gateway.serve(API_ID, listener, CancellationToken::new()).await });
    (runtime, address)
}

fn route(key: &str, integration: Integration) -> RouteConfig {
    RouteConfig { integration: Some(integration), two_way: true, ..RouteConfig::new(key) }
}

/// `request` makes what the mock answers to itself, and `response` what becomes of it.
fn mock(request: &str, response: &str) -> Integration {
    let templates =
        |text: &str| Templates { selection: None, by_key: vec![("$default".to_owned(), text.to_owned())] };
    let response =
        IntegrationResponse { templates: templates(response), ..IntegrationResponse::new("$default") };
    Integration::Mock(Mapping {
        request: templates(request),
        responses: vec![response],
        ..Mapping::default()
    })
}

/// Functions that answer at once.
struct AtOnce;

impl Backend for AtOnce {
    async fn invoke(&self, _: &str, event: Bytes) -> Result<Bytes, BackendError> {
        assert!(event.starts_with(b"{"));
        Ok(Bytes::from_static(br#"{"statusCode":200,"body":"answered"}"#))
    }
}
