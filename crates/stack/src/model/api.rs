use std::{collections::BTreeMap, time::Duration};

use super::Place;

/// One WebSocket API.
#[derive(Debug, Clone, PartialEq)]
pub struct WebSocketApi {
    /// Key in the template.
    pub logical_id: String,
    /// Ten lowercase letters and digits, derived from the logical id ([`crate::api_id`]).
    pub api_id: String,
    /// `Name`.
    pub name: String,
    /// `RouteSelectionExpression`, not parsed.
    pub route_selection_expression: String,
    /// Stages in template order; at least one.
    pub stages: Vec<Stage>,
    /// Routes in template order.
    pub routes: Vec<Route>,
    /// Models in template order.
    pub models: Vec<Model>,
    /// `DisableSchemaValidation`: models are not checked when they are deployed (M2).
    pub models_unchecked: bool,
    /// `ApiKeySelectionExpression`: where the caller's API key stands (A10).
    pub api_key_source: ApiKeySource,
    /// `DisableExecuteApiEndpoint`: the API has no host name but its custom ones (H6).
    pub default_host_disabled: bool,
    /// Where the resource begins.
    pub at: Place,
}

/// A JSON Schema that bodies are checked with (section 9).
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Key in the template.
    pub logical_id: String,
    /// `Name`, by which routes know it.
    pub name: String,
    /// `Schema`, not checked.
    pub schema: serde_json::Value,
    /// Where the schema begins.
    pub at: Place,
}

/// Where a caller's API key stands (A10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiKeySource {
    /// `$request.header.x-api-key`
    #[default]
    Header,
    /// `$context.authorizer.usageIdentifierKey`
    Authorizer,
}

/// One stage of an API.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// `StageName`: the first part of the path.
    pub name: String,
    /// `StageVariables`.
    pub variables: BTreeMap<String, String>,
    /// Whether the stage has a deployment, or deploys by itself; one that has neither refuses every handshake (H7).
    pub deployed: bool,
    /// `DefaultRouteSettings`: what each route takes that has no setting of its own.
    pub default_throttle: Option<Throttle>,
    /// `RouteSettings` by route key.
    pub route_throttles: BTreeMap<String, Throttle>,
    /// `AccessLogSettings`.
    pub access_log: Option<AccessLog>,
    /// `DefaultRouteSettings`: what the stage tells of each route that has no settings of its own.
    pub default_observation: Observation,
    /// `RouteSettings` by route key.
    pub route_observations: BTreeMap<String, Observation>,
}

/// Where a stage writes what comes in, and how (L1).
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLog {
    /// `Format`, not parsed.
    pub format: String,
    /// Where the format stands.
    pub at: Place,
}

/// What a stage tells of the events of a route (L3, L4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Observation {
    /// `DetailedMetricsEnabled`
    pub detailed_metrics: bool,
    /// `LoggingLevel`
    pub logging_level: RouteLogLevel,
    /// `DataTraceEnabled`
    pub data_trace: bool,
}

/// `LoggingLevel` of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RouteLogLevel {
    /// `OFF`
    #[default]
    Off,
    /// `ERROR`
    Error,
    /// `INFO`
    Info,
}

/// How much a route of a stage takes (Q1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throttle {
    /// `ThrottlingRateLimit`, a second.
    pub rate_per_second: f64,
    /// `ThrottlingBurstLimit`.
    pub burst: u32,
}

/// One route of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `RouteKey`: `$connect`, `$disconnect`, `$default` or a custom key.
    pub key: String,
    /// What the route calls. A route without one succeeds and does nothing (H9, U18).
    pub integration: Option<Integration>,
    /// Whether the function's body returns as a frame: the route has the expression *and* a route response (T1).
    pub two_way: bool,
    /// `AuthorizationType`: who may connect. Only `$connect` has one (A1).
    pub authorization: Authorization,
    /// `ApiKeyRequired`: whether who connects needs an API key (A10).
    pub api_key_required: bool,
    /// `ModelSelectionExpression` and `RequestModels`: what bodies are checked with (M1).
    pub request_models: Option<RequestModels>,
    /// The `RequestParameters` that must be there, not parsed (M4).
    pub required_parameters: Vec<String>,
    /// Where the resource begins.
    pub at: Place,
}

/// Which model a body is checked with (M1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestModels {
    /// `ModelSelectionExpression`, not parsed.
    pub selection: String,
    /// Keys, and names of models of the API.
    pub by_key: BTreeMap<String, String>,
}

/// Who may connect.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Authorization {
    /// `NONE`: everybody.
    #[default]
    None,
    /// `AWS_IAM`: who signs (A9).
    Iam,
    /// `CUSTOM`: whom a function lets in (A1).
    Custom(Authorizer),
}

/// A REQUEST authorizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// Key in the template.
    pub logical_id: String,
    /// Seven letters and digits, derived from the logical id.
    pub authorizer_id: String,
    /// `Name`.
    pub name: String,
    /// As [`IntegrationKind::LambdaProxy`] has it.
    pub function: String,
    /// `IdentitySource`: what must be there before the function is asked (A6), not parsed.
    pub identity_sources: Vec<String>,
    /// `AuthorizerCredentialsArn`: the gateway then calls with that role, and needs no permission on the function.
    pub credentials_arn: Option<String>,
}

/// What a route calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// Key in the template.
    pub logical_id: String,
    /// The back end.
    pub kind: IntegrationKind,
    /// `TimeoutInMillis`; 50 ms to 29 s, by default 29 s (G1).
    pub timeout: Duration,
    /// `CredentialsArn`: the gateway then calls with that role, and needs no permission on the function.
    pub credentials_arn: Option<String>,
    /// `ContentHandlingStrategy` (R11).
    pub content: Option<ContentHandling>,
}

/// What becomes of a payload (R11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentHandling {
    /// `CONVERT_TO_BINARY`
    ToBinary,
    /// `CONVERT_TO_TEXT`
    ToText,
}

/// The kinds of back end that the local stack can call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntegrationKind {
    /// `AWS_PROXY`: a function of the same template.
    LambdaProxy {
        /// [`crate::Function::name`], or a text with `${stageVariables.…}` that becomes one at each stage
        /// ([`crate::Stack::function_at`]).
        function: String,
    },
    /// `AWS`: a function of the same template, behind mappings.
    Lambda {
        /// As above.
        function: String,
        /// What it gets, and what the client gets.
        mapping: Mapping,
        /// Whether it is only handed the event: `X-Amz-Invocation-Type: 'Event'` (G8).
        asynchronous: bool,
    },
    /// `HTTP_PROXY`: an endpoint that gets the message.
    HttpProxy(HttpEndpoint),
    /// `HTTP`: an endpoint behind mappings.
    Http {
        /// The endpoint.
        endpoint: HttpEndpoint,
        /// What it gets, and what the client gets.
        mapping: Mapping,
    },
    /// `MOCK`: templates make the answer.
    Mock(Mapping),
}

/// An HTTP endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpEndpoint {
    /// `IntegrationMethod`, in capitals.
    pub method: String,
    /// `IntegrationUri`, which may hold `${stageVariables.…}`.
    pub uri: String,
    /// `RequestParameters`, not parsed (G6).
    pub parameters: BTreeMap<String, String>,
}

/// Templates on the way to a back end and back, not parsed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// `RequestTemplates`, with their selection.
    pub request: Templates,
    /// `PassthroughBehavior` (G3).
    pub passthrough: Passthrough,
    /// The integration responses, in template order.
    pub responses: Vec<IntegrationResponse>,
}

/// Templates by key, and the expression that yields the key (G4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Templates {
    /// `TemplateSelectionExpression`.
    pub selection: Option<String>,
    /// Keys and templates.
    pub by_key: BTreeMap<String, String>,
}

/// What becomes of a message that no template is for (G3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Passthrough {
    /// `WHEN_NO_MATCH`
    #[default]
    WhenNoMatch,
    /// `WHEN_NO_TEMPLATES`
    WhenNoTemplates,
    /// `NEVER`
    Never,
}

/// One way to answer (G5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationResponse {
    /// `IntegrationResponseKey`: `$default` or `/a pattern/`.
    pub key: String,
    /// `ResponseTemplates`, with their selection.
    pub templates: Templates,
    /// `ContentHandlingStrategy` (R11).
    pub content: Option<ContentHandling>,
}
