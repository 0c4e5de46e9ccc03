use std::collections::HashMap;

use crate::{
    access_log::AccessLogConfig, authorize::Authorization, content::ContentHandling,
    integration::Integration, report::RouteObservation, throttle::StageThrottles,
};

/// One WebSocket API: how messages are routed, and where to.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The first label of the API's host name.
    pub api_id: String,
    /// Such as `$request.body.action` (R1).
    pub route_selection_expression: String,
    /// At least one, since the stage is a mandatory part of the URL (H1).
    pub stages: Vec<StageConfig>,
    /// In any order.
    pub routes: Vec<RouteConfig>,
    /// What routes may check bodies with (M1).
    pub models: Vec<ModelConfig>,
    /// `DisableSchemaValidation`: whether a model that is no JSON Schema is found out only by the messages that meet it (M2).
    pub models_unchecked: bool,
    /// `ApiKeySelectionExpression`: where the caller's API key stands (A10).
    pub api_key_source: ApiKeySource,
    /// `DisableExecuteApiEndpoint`: whether the API's own host name is off (H6). The gateway's local names stay on: the service
    /// has none.
    pub default_host_disabled: bool,
}

impl ApiConfig {
    /// An API without stages and routes yet.
    pub fn new(api_id: impl Into<String>, route_selection_expression: impl Into<String>) -> Self {
        ApiConfig {
            api_id: api_id.into(),
            route_selection_expression: route_selection_expression.into(),
            stages: Vec::new(),
            routes: Vec::new(),
            models: Vec::new(),
            models_unchecked: false,
            api_key_source: ApiKeySource::default(),
            default_host_disabled: false,
        }
    }
}

/// A stage of an API; the routes are the same in all of them.
#[derive(Clone, Debug, Default)]
pub struct StageConfig {
    /// Letters, digits, `-` and `_` (H1).
    pub name: String,
    /// In the order in which events show them.
    pub variables: Vec<(String, String)>,
    /// How many connects and messages a second its routes take (Q1).
    pub throttles: StageThrottles,
    /// `AccessLogSettings` (L1).
    pub access_log: Option<AccessLogConfig>,
    /// What it tells of the events of its routes.
    pub observation: StageObservation,
}

/// What a stage tells of the events of its routes besides its access log (L3, L4).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StageObservation {
    /// Of each route that has no settings of its own.
    pub default: RouteObservation,
    /// By route key.
    pub routes: HashMap<String, RouteObservation>,
}

impl StageConfig {
    /// A stage without variables and throttles.
    pub fn new(name: impl Into<String>) -> Self {
        StageConfig { name: name.into(), ..StageConfig::default() }
    }
}

/// One route.
#[derive(Clone, Debug, Default)]
pub struct RouteConfig {
    /// `$connect`, `$disconnect`, `$default`, or a value of the selection expression.
    pub key: String,
    /// Without one, `$connect` accepts everybody (H9) and `$disconnect` does nothing (U18).
    pub integration: Option<Integration>,
    /// `ContentHandlingStrategy` of the integration: what its payload is turned into (R11).
    pub content: Option<ContentHandling>,
    /// Whether the function's body is sent to the client (T1); means nothing on `$connect` and `$disconnect` (U5).
    pub two_way: bool,
    /// Who may connect; possible on `$connect` only (A1).
    pub authorization: Authorization,
    /// Whether who connects must name an API key of a usage plan of the stage; possible on `$connect` only (A10).
    pub api_key_required: bool,
    /// What bodies are checked with (M1); without it they are not.
    pub request_models: Option<RequestModels>,
    /// `RequestParameters` that must be there, such as `route.request.querystring.token`; possible on `$connect` only (M4).
    pub required_parameters: Vec<String>,
}

impl RouteConfig {
    /// A one-way route for everybody, without an integration.
    pub fn new(key: impl Into<String>) -> Self {
        RouteConfig { key: key.into(), ..RouteConfig::default() }
    }
}

/// A JSON Schema that bodies are checked with.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelConfig {
    /// Unique in its API.
    pub name: String,
    /// JSON Schema, by default draft 4.
    pub schema: serde_json::Value,
}

/// Which model a body is checked with (M1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestModels {
    /// `ModelSelectionExpression`, which yields a key.
    pub selection: String,
    /// Keys, and names of models; `$default` is what others fall back to.
    pub by_key: Vec<(String, String)>,
}

/// Where a caller's API key stands (A10).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ApiKeySource {
    /// `$request.header.x-api-key`
    #[default]
    Header,
    /// `$context.authorizer.usageIdentifierKey`: the authorizer's answer.
    Authorizer,
}
