//! The stack as plain data. Names are physical names, as the service would show them; `logical_id` is the key in the
//! template, below nested stacks after their keys and dots (`Chat.Api`).

mod api;
mod domain;
mod function;
mod rule;
mod usage;

pub use api::{
    AccessLog, ApiKeySource, Authorization, Authorizer, ContentHandling, HttpEndpoint, Integration,
    IntegrationKind, IntegrationResponse, Mapping, Model, Observation, Passthrough, RequestModels, Route,
    RouteLogLevel, Stage, Templates, Throttle, WebSocketApi,
};
pub use domain::{ApiMapping, Domain};
pub use function::{Function, LogFormat, LogLevel, Logging};
pub use rule::{RepublishHeaders, RuleAction, Sql, TopicRule};
pub use usage::{ApiKey, Quota, QuotaPeriod, UsagePlan};

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    error::{Fault, Problem},
    source::Sources,
};

/// What one template describes, nested stacks included, every intrinsic evaluated.
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
    /// Custom domain names in template order.
    pub domains: Vec<Domain>,
    /// API keys in template order.
    pub api_keys: Vec<ApiKey>,
    /// Usage plans in template order.
    pub usage_plans: Vec<UsagePlan>,
    /// Functions in template order.
    pub functions: Vec<Function>,
    /// Tables in template order.
    pub tables: Vec<Table>,
    /// Topic rules in template order, those of SAM's `IoTRule` events included.
    pub rules: Vec<TopicRule>,
    /// Queues in template order.
    pub queues: Vec<Queue>,
    /// Who may call which function, those that SAM adds included.
    pub permissions: Vec<Permission>,
    /// `Outputs` by name.
    pub outputs: BTreeMap<String, String>,
    /// What the template holds and this stack leaves out: one entry per resource type, property or event type.
    pub notes: Vec<Note>,
    /// The files, for problems that are found later.
    pub(crate) sources: Sources,
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
    /// Where the resource begins.
    pub at: Place,
}

/// One SQS queue: a place for dead letters, destinations and rule actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Key in the template.
    pub logical_id: String,
    /// `QueueName`, else `{stack name}-{logical id}`.
    pub name: String,
    /// ARN of the queue.
    pub arn: String,
    /// URL of the queue.
    pub url: String,
    /// Where the resource begins.
    pub at: Place,
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

/// A place in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was given.
    pub file: Arc<Path>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Something in the template that the stack leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The first occurrence.
    pub at: Place,
    /// One sentence.
    pub message: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

/// The name of a queue: the last part of its URL or ARN.
#[must_use]
pub fn queue_name(url_or_arn: &str) -> &str {
    url_or_arn.rsplit(['/', ':']).next().unwrap_or(url_or_arn)
}

impl Stack {
    /// The function with this physical name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// The function that `pattern` means at a stage: its name or ARN, with stage variables in it put in.
    #[must_use]
    pub fn function_at(&self, stage: &Stage, pattern: &str) -> Option<&Function> {
        let named = crate::arn::expand(pattern, &stage.variables).ok()?;
        self.function(crate::arn::function_name(&named))
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

    /// The names of queues to which nothing goes but what failed: dead letters and error actions.
    #[must_use]
    pub fn dead_letter_queues(&self) -> BTreeSet<&str> {
        let given_up =
            self.functions.iter().flat_map(|function| [&function.dead_letters, &function.on_failure]);
        let failed = self.rules.iter().filter_map(|rule| match &rule.error_action {
            Some(RuleAction::Sqs { queue_url, .. }) => Some(queue_url),
            _ => None,
        });
        given_up
            .flatten()
            .filter(|arn| arn.contains(":sqs:"))
            .chain(failed)
            .map(|text| queue_name(text))
            .collect()
    }

    /// The ARN that a permission for the gateway names: `route_key` of `api_id` at `stage` (G9).
    #[must_use]
    pub fn route_arn(&self, api_id: &str, stage: &str, route_key: &str) -> String {
        let Self { region, account_id, .. } = self;
        format!("arn:{}:execute-api:{region}:{account_id}:{api_id}/{stage}/{route_key}", crate::PARTITION)
    }

    /// The ARN that a permission for the gateway names when it calls an authorizer of `api_id`.
    #[must_use]
    pub fn authorizer_arn(&self, api_id: &str, authorizer_id: &str) -> String {
        let Self { region, account_id, .. } = self;
        let partition = crate::PARTITION;
        format!("arn:{partition}:execute-api:{region}:{account_id}:{api_id}/authorizers/{authorizer_id}")
    }

    /// A problem with the resource at `place` that whoever reads the stack has found.
    #[must_use]
    pub fn problem(&self, place: &Place, message: &str) -> Problem {
        Fault::at(self.sources.span(place), message).tell(&self.sources)
    }

    /// A problem that whoever parses a statement has found at the bytes `span` of [`Sql::text`], or with the whole of it:
    /// told with its place in the template, as far as the statement is written there as it is.
    #[must_use]
    pub fn sql_problem(&self, sql: &Sql, span: Option<Range<usize>>, message: &str) -> Problem {
        let at = span.map_or(sql.span, |span| self.sources.within(sql.span, &sql.written(), span));
        Fault::at(at, message).tell(&self.sources)
    }
}
