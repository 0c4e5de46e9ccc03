use std::time::Duration;

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
}

/// A stage of an API; the routes are the same in all of them.
#[derive(Clone, Debug)]
pub struct StageConfig {
    /// Letters, digits, `-` and `_` (H1).
    pub name: String,
    /// In the order in which events show them.
    pub variables: Vec<(String, String)>,
}

/// One route.
#[derive(Clone, Debug)]
pub struct RouteConfig {
    /// `$connect`, `$disconnect`, `$default`, or a value of the selection expression.
    pub key: String,
    /// Without one, `$connect` accepts everybody (H9) and `$disconnect` does nothing (U18).
    pub integration: Option<Integration>,
    /// Whether the function's body is sent to the client (T1); means nothing on `$connect` and `$disconnect` (U5).
    pub two_way: bool,
}

/// What stands behind a route.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Integration {
    /// `AWS_PROXY`: a function gets the event and returns a proxy result.
    LambdaProxy(LambdaProxy),
}

/// A function behind a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LambdaProxy {
    /// Name or ARN, as the back end knows it.
    pub function: String,
    /// Between 50 ms and 29 s (G1).
    pub timeout: Duration,
    /// Whether the function's policy lets this API invoke it from this route (G9).
    pub permitted: bool,
}
