//! The gateway as the benchmarks have it: one API, nothing behind it.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use dunlin_gateway::{
    ApiConfig, Backend, BackendError, Credential, Gateway, GatewayConfig, Integration, IntegrationResponse,
    Mapping, RouteConfig, StageConfig, Templates,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::server::Server;

pub(super) const API_ID: &str = "a1b2c3d4e5";
pub(super) const REGION: &str = "eu-west-1";
pub(super) const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub(super) const SECRET_ACCESS_KEY: &str = "secret";
pub(super) const CONTROL_TOKEN: &str = "token";

/// No route here has a function.
pub(super) struct Nobody;

impl Backend for Nobody {
    async fn invoke(&self, _: &str, _: Bytes) -> Result<Bytes, BackendError> {
        Err(BackendError::NotFound)
    }
}

/// What a MOCK answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// The message.
    Echo,
    /// These words.
    Constant(&'static str),
    /// The id of the connection.
    ConnectionId,
}

/// A gateway whose only route answers like this.
pub(super) fn gateway(answer: Answer) -> Arc<Gateway<Nobody>> {
    let config = config();
    Gateway::new(config, vec![api(answer)], Nobody).expect("the configuration is good")
}

pub(super) fn config() -> GatewayConfig {
    let credential = Credential { secret_access_key: SECRET_ACCESS_KEY.to_owned(), session_token: None };
    let credentials = HashMap::from([(ACCESS_KEY_ID.to_owned(), credential)]);
    GatewayConfig {
        control_token: Some(CONTROL_TOKEN.to_owned()),
        ..GatewayConfig::new(REGION, "123456789012", Arc::new(credentials))
    }
}

pub(super) fn api(answer: Answer) -> ApiConfig {
    // What a request template puts into `$context` is there for the response's: the only way for a MOCK to echo.
    let (request, response) = match answer {
        Answer::Echo => ("#set($context.message = $input.body){\"statusCode\": 200}", "$context.message"),
        Answer::Constant(text) => ("{\"statusCode\": 200}", text),
        Answer::ConnectionId => ("{\"statusCode\": 200}", "$context.connectionId"),
    };
    let templates = |text: &str| Templates {
        by_key: vec![("$default".to_owned(), text.to_owned())],
        ..Templates::default()
    };
    let mapping = Mapping {
        request: templates(request),
        responses: vec![IntegrationResponse {
            templates: templates(response),
            ..IntegrationResponse::new("$default")
        }],
        ..Mapping::default()
    };
    let route = RouteConfig {
        integration: Some(Integration::Mock(mapping)),
        two_way: true,
        ..RouteConfig::new("$default")
    };
    ApiConfig {
        stages: vec![StageConfig::new("dev")],
        routes: vec![route],
        ..ApiConfig::new(API_ID, "$request.body.action")
    }
}

/// Serves it.
pub(super) fn serve(gateway: &Arc<Gateway<Nobody>>) -> Server {
    let gateway = Arc::clone(gateway);
    Server::start(async move |listener: TcpListener| {
        gateway.serve(API_ID, listener, CancellationToken::new()).await.expect("it has this API");
    })
}
