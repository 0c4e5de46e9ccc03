//! The stack as plain data. Names are physical names, as the service would show them; `logical_id` is the key in the
//! template.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// What one template describes, every intrinsic evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// The template, absolute.
    pub template: PathBuf,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::AccountId`.
    pub account_id: String,
    /// `AWS::StackName`.
    pub stack_name: String,
    /// WebSocket APIs in template order.
    pub apis: Vec<WebSocketApi>,
    /// Functions in template order.
    pub functions: Vec<Function>,
    /// Tables in template order.
    pub tables: Vec<Table>,
    /// Topic rules in template order, those of SAM's `IoTRule` events included.
    pub rules: Vec<TopicRule>,
    /// Who may call which function, those that SAM adds for its events included.
    pub permissions: Vec<Permission>,
    /// What the template holds and this stack leaves out: one entry per resource type, property or event type.
    pub notes: Vec<Note>,
}

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
    /// Line of the resource in the template, from 1.
    pub line: usize,
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
    /// Line of the resource in the template, from 1.
    pub line: usize,
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
        /// [`Function::name`].
        function: String,
    },
}

/// One function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Key in the template.
    pub logical_id: String,
    /// `FunctionName`, else `{stack name}-{logical id}`. Unique in the stack; everything else refers to it.
    pub name: String,
    /// Unqualified ARN.
    pub arn: String,
    /// Folder or .zip with the code, absolute. Whether it is there is for the reader to find out.
    pub code: PathBuf,
    /// `Handler`; empty if the template gives none.
    pub handler: String,
    /// `Runtime`, one of the `provided` family.
    pub runtime: String,
    /// `Timeout`.
    pub timeout: Duration,
    /// `MemorySize`, in MB.
    pub memory_mb: u32,
    /// `Environment.Variables`.
    pub environment: BTreeMap<String, String>,
    /// Line of the resource in the template, from 1.
    pub line: usize,
}

/// One DynamoDB table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Key in the template.
    pub logical_id: String,
    /// `TableName`, else `{stack name}-{logical id}`.
    pub name: String,
    /// ARN of the table.
    pub arn: String,
    /// The body of `CreateTable`, ready to send.
    pub create_table: serde_json::Value,
    /// Attribute that holds the expiry time in epoch seconds, if time to live is on; to be set with `UpdateTimeToLive`.
    pub ttl_attribute: Option<String>,
    /// Line of the resource in the template, from 1.
    pub line: usize,
}

/// One IoT topic rule. A disabled rule is left out of [`Stack::rules`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRule {
    /// Key in the template.
    pub logical_id: String,
    /// `RuleName`, else derived from stack name and logical id; letters, digits and `_`.
    pub name: String,
    /// ARN of the rule: the source that a permission on the function names (S9).
    pub arn: String,
    /// `Sql`, not parsed.
    pub sql: String,
    /// `AwsIotSqlVersion`, `2015-10-08` if the template gives none (S8).
    pub sql_version: String,
    /// [`Function::name`] of each Lambda action.
    pub functions: Vec<String>,
    /// Line of the resource in the template, from 1.
    pub line: usize,
}

/// One statement of a function's resource policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// [`Function::name`].
    pub function: String,
    /// Who may call, such as `apigateway.amazonaws.com`.
    pub principal: String,
    /// Where from: an ARN, in which `*` and `?` are wildcards. Without one, from anywhere.
    pub source_arn: Option<String>,
}

/// Something in the template that the stack leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Line of the first occurrence, from 1.
    pub line: usize,
    /// One sentence.
    pub message: String,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl Stack {
    /// The function with this physical name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// Whether `principal` may call `function` (its name) from `source_arn`: whether one permission covers it (G9, S9).
    #[must_use]
    pub fn may_invoke(&self, principal: &str, source_arn: &str, function: &str) -> bool {
        self.permissions.iter().any(|permission| {
            permission.function == function
                && permission.principal == principal
                && permission
                    .source_arn
                    .as_deref()
                    .is_none_or(|pattern| crate::arn::matches(pattern, source_arn))
        })
    }

    /// The ARN that a permission for the gateway names: `route_key` of `api_id` at `stage` (G9).
    #[must_use]
    pub fn route_arn(&self, api_id: &str, stage: &str, route_key: &str) -> String {
        let Self { region, account_id, .. } = self;
        format!("arn:{}:execute-api:{region}:{account_id}:{api_id}/{stage}/{route_key}", crate::PARTITION)
    }
}
