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
    /// Where the resource begins.
    pub at: Place,
}

/// One stage of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// `StageName`: the first part of the path.
    pub name: String,
    /// `StageVariables`.
    pub variables: BTreeMap<String, String>,
    /// Whether the stage has a deployment, or deploys by itself; one that has neither refuses every handshake (H7).
    pub deployed: bool,
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
    /// Where the resource begins.
    pub at: Place,
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
}

/// The kinds of back end that the local stack can call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntegrationKind {
    /// `AWS_PROXY`: a function of the same template.
    LambdaProxy {
        /// [`crate::Function::name`].
        function: String,
    },
}
