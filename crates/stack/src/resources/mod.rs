//! The resource types that are interpreted, one module per kind; and the names and attributes of all.

mod api;
mod api_model;
mod authorizer;
mod domain;
mod function;
mod identity;
mod integration;
mod invoke_config;
mod permission;
mod queue;
mod route;
mod rule;
mod stage;
mod table;
mod usage;

use std::{collections::HashMap, rc::Rc};

pub(crate) use identity::name_property;

use crate::{
    ApiKey, Domain, Function, Parameters, Permission, Queue, Table, TopicRule, UsagePlan, WebSocketApi,
    arn::{self, PARTITION},
    error::Fault,
    findings::Findings,
    model::Place,
    node::Node,
    resolve::Resource,
    section::{At, Section},
    source::{Sources, Span},
};

/// What a template describes.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) apis: Vec<WebSocketApi>,
    pub(crate) domains: Vec<Domain>,
    pub(crate) api_keys: Vec<ApiKey>,
    pub(crate) usage_plans: Vec<UsagePlan>,
    pub(crate) functions: Vec<Function>,
    pub(crate) tables: Vec<Table>,
    pub(crate) rules: Vec<TopicRule>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) permissions: Vec<Permission>,
}

/// Length of the ids of routes, integrations and so on.
const PART_ID_CHARS: usize = 7;

/// Characters of a function's name: the service's limit.
const FUNCTION_NAME_CHARS_MAX: usize = dunlin_events::limits::FUNCTION_NAME_CHARS_MAX;

/// Characters of any other name that is made up: close below the service's limits (128 for rules, 255 for tables).
const NAME_CHARS_MAX: usize = 128;

/// Characters of a queue's name: the service's limit.
const QUEUE_NAME_CHARS_MAX: usize = 80;

/// The hosted zone of custom domain names: there is no DNS here that it could matter to.
const HOSTED_ZONE_ID: &str = "Z1D633PJN98FT9";

/// What a type is to this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    Api,
    Stage,
    Route,
    RouteResponse,
    Integration,
    IntegrationResponse,
    Deployment,
    Authorizer,
    Model,
    DomainName,
    ApiMapping,
    ApiKey,
    UsagePlan,
    UsagePlanKey,
    ServerlessFunction,
    LambdaFunction,
    Permission,
    InvokeConfig,
    Table,
    SimpleTable,
    TopicRule,
    Queue,
    /// A template of its own.
    Nested,
    Other,
}

pub(crate) fn type_of(name: &str) -> Type {
    match name {
        "AWS::ApiGatewayV2::Api" => Type::Api,
        "AWS::ApiGatewayV2::Stage" => Type::Stage,
        "AWS::ApiGatewayV2::Route" => Type::Route,
        "AWS::ApiGatewayV2::RouteResponse" => Type::RouteResponse,
        "AWS::ApiGatewayV2::Integration" => Type::Integration,
        "AWS::ApiGatewayV2::IntegrationResponse" => Type::IntegrationResponse,
        "AWS::ApiGatewayV2::Deployment" => Type::Deployment,
        "AWS::ApiGatewayV2::Authorizer" => Type::Authorizer,
        "AWS::ApiGatewayV2::Model" => Type::Model,
        "AWS::ApiGatewayV2::DomainName" => Type::DomainName,
        "AWS::ApiGatewayV2::ApiMapping" => Type::ApiMapping,
        "AWS::ApiGateway::ApiKey" => Type::ApiKey,
        "AWS::ApiGateway::UsagePlan" => Type::UsagePlan,
        "AWS::ApiGateway::UsagePlanKey" => Type::UsagePlanKey,
        "AWS::Serverless::Function" => Type::ServerlessFunction,
        "AWS::Lambda::Function" => Type::LambdaFunction,
        "AWS::Lambda::Permission" => Type::Permission,
        "AWS::Lambda::EventInvokeConfig" => Type::InvokeConfig,
        "AWS::DynamoDB::Table" => Type::Table,
        "AWS::Serverless::SimpleTable" => Type::SimpleTable,
        "AWS::IoT::TopicRule" => Type::TopicRule,
        "AWS::SQS::Queue" => Type::Queue,
        "AWS::CloudFormation::Stack" | "AWS::Serverless::Application" => Type::Nested,
        _ => Type::Other,
    }
}

/// Whether the type is read at all.
pub(crate) fn is_interpreted(type_name: &str) -> bool {
    type_of(type_name) != Type::Other
}

/// What a resource's reader sees of the others.
pub(crate) struct Context<'a> {
    pub(crate) resources: &'a [Rc<Resource>],
    /// The first of each type and name, those at fault included.
    by_name: HashMap<(Type, &'a str), &'a Resource>,
    settings: &'a Parameters,
    sources: &'a Sources,
    findings: &'a Findings,
}

impl<'a> Context<'a> {
    fn of_type(&self, kind: Type) -> impl Iterator<Item = &'a Resource> {
        self.resources
            .iter()
            .map(Rc::as_ref)
            .filter(move |resource| resource.kind == kind && !resource.broken)
    }

    fn section(&self, resource: &'a Resource) -> Section<'a> {
        Section::of(resource, self.findings)
    }

    fn place(&self, at: Span) -> Place {
        self.sources.place(at)
    }

    fn note(&self, at: Span, text: &str, name: &str) {
        self.findings.note(at, text, name);
    }

    /// The name of the function that `text` means: a name, an ARN or a partial ARN, each perhaps with a qualifier, which is
    /// ignored.
    fn function_named(&self, text: &str) -> Option<&'a str> {
        let name = arn::function_name(text);
        let named = |kind| self.by_name.get(&(kind, name));
        let found = named(Type::ServerlessFunction).or_else(|| named(Type::LambdaFunction))?;
        Some(&found.name)
    }

    /// Whether there is a resource of this type and name, perhaps one at fault.
    fn has(&self, kind: Type, name: &str) -> bool {
        self.by_name.contains_key(&(kind, name))
    }

    /// For the sentence about a name that two resources have.
    fn check_name(&self, kinds: &[Type], resource: &Resource) -> crate::error::Outcome<()> {
        let first = kinds.iter().filter_map(|kind| self.by_name.get(&(*kind, resource.name.as_str())));
        match first.into_iter().find(|first| !std::ptr::eq(**first, resource)) {
            None => Ok(()),
            Some(Resource { logical_id: other, .. }) => {
                let Resource { logical_id, name, at, .. } = resource;
                let message = format!("{logical_id} and {other} both have the name {name}; rename one");
                Err(Fault::at(*at, message))
            }
        }
    }
}

/// Reads every resource.
pub(crate) fn build(
    resources: &[Rc<Resource>],
    settings: &Parameters,
    sources: &Sources,
    findings: &Findings,
) -> Parts {
    let mut by_name = HashMap::with_capacity(resources.len());
    for resource in resources.iter().map(Rc::as_ref) {
        by_name.entry((resource.kind, resource.name.as_str())).or_insert(resource);
    }
    let context = Context { resources, by_name, settings, sources, findings };
    let mut parts = Parts::default();
    for resource in resources.iter().map(Rc::as_ref).filter(|resource| !resource.broken) {
        match resource.kind {
            Type::ServerlessFunction | Type::LambdaFunction => {
                parts.functions.extend(findings.keep(function::read(&context, resource)));
            }
            Type::Table => parts.tables.extend(findings.keep(table::plain(&context, resource))),
            Type::SimpleTable => parts.tables.extend(findings.keep(table::simple(&context, resource))),
            Type::Queue => parts.queues.extend(findings.keep(queue::read(&context, resource))),
            Type::TopicRule => parts.rules.extend(findings.keep(rule::read(&context, resource)).flatten()),
            Type::Permission => {
                parts.permissions.extend(findings.keep(permission::read(&context, resource)).flatten());
            }
            // Said of none of them: nobody expects an alarm to ring on one machine.
            Type::Other if !identity::is_deploy_only(&resource.type_name) => {
                let text = format!("{} is not part of the local stack", resource.type_name);
                findings.note(resource.at, &text, &resource.logical_id);
            }
            _ => {} // below: they change others
        }
    }
    invoke_config::apply(&context, &mut parts.functions);
    parts.apis = api::build(&context);
    parts.domains = domain::build(&context, &parts.apis);
    (parts.api_keys, parts.usage_plans) = usage::build(&context, &parts.apis);
    parts
}

/// Who a name is made for.
pub(crate) struct Owner<'a> {
    pub(crate) logical_id: &'a str,
    /// With the keys of the stacks around it.
    pub(crate) full_id: &'a str,
    pub(crate) stack_name: &'a str,
    pub(crate) settings: &'a Parameters,
}

/// The physical name of a resource, and what `Ref` gives for it.
pub(crate) fn identify(
    kind: Type,
    type_name: &str,
    properties: &Node,
    owner: &Owner<'_>,
) -> (String, String) {
    let own = |key: &str| properties.get(key).and_then(|entry| entry.value.as_text()).map(str::to_owned);
    let made_up = |chars_max| arn::made_up(owner.stack_name, owner.logical_id, chars_max);
    let same = |name: String| (name.clone(), name);
    match kind {
        Type::Api | Type::ApiKey => same(arn::api_id(owner.full_id)),
        Type::DomainName => same(own("DomainName").unwrap_or_default().to_ascii_lowercase()),
        Type::Stage => same(own("StageName").unwrap_or_default()),
        Type::Route
        | Type::RouteResponse
        | Type::Integration
        | Type::IntegrationResponse
        | Type::Authorizer
        | Type::Model
        | Type::ApiMapping
        | Type::UsagePlan
        | Type::UsagePlanKey
        | Type::Deployment => same(arn::api_id(owner.full_id)[..PART_ID_CHARS].to_owned()),
        Type::ServerlessFunction | Type::LambdaFunction => {
            same(own("FunctionName").unwrap_or_else(|| made_up(FUNCTION_NAME_CHARS_MAX)))
        }
        Type::Table | Type::SimpleTable => same(own("TableName").unwrap_or_else(|| made_up(NAME_CHARS_MAX))),
        Type::TopicRule => {
            let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
            same(own("RuleName").unwrap_or_else(|| made_up(NAME_CHARS_MAX).chars().map(word).collect()))
        }
        Type::Nested => {
            let name = made_up(NAME_CHARS_MAX);
            let id = arn::stack_id(owner.settings, &name);
            (name, id)
        }
        Type::Permission | Type::InvokeConfig => same(made_up(NAME_CHARS_MAX)),
        Type::Queue | Type::Other => {
            let chars_max = if kind == Type::Queue { QUEUE_NAME_CHARS_MAX } else { NAME_CHARS_MAX };
            let named = name_property(type_name).and_then(own);
            let name = named.unwrap_or_else(|| made_up(chars_max));
            let reference = identity::reference(type_name, &name, account(owner.settings));
            (name, reference)
        }
    }
}

fn account(settings: &Parameters) -> identity::Account<'_> {
    identity::Account { region: &settings.region, account_id: &settings.account_id }
}

/// What `Fn::GetAtt` gives, if the type has the attribute.
pub(crate) fn attribute(resource: &Resource, attribute: &str, settings: &Parameters) -> Option<String> {
    let Resource { kind, name, type_name, .. } = resource;
    Some(match (kind, attribute) {
        (Type::Api, "ApiId")
        | (Type::Route, "RouteId")
        | (Type::RouteResponse, "RouteResponseId")
        | (Type::Integration, "IntegrationId")
        | (Type::IntegrationResponse, "IntegrationResponseId")
        | (Type::Authorizer, "AuthorizerId")
        | (Type::Model, "ModelId")
        | (Type::ApiMapping, "ApiMappingId")
        | (Type::ApiKey, "APIKeyId")
        | (Type::UsagePlan | Type::UsagePlanKey, "Id")
        | (Type::Deployment, "DeploymentId") => name.clone(),
        (Type::Api, "ApiEndpoint") => {
            format!("wss://{name}.execute-api.{}.{}", settings.region, arn::URL_SUFFIX)
        }
        // Where the records of the domain would point to.
        (Type::DomainName, "RegionalDomainName") => {
            format!("d-{}.execute-api.{}.{}", arn::api_id(name), settings.region, arn::URL_SUFFIX)
        }
        (Type::DomainName, "RegionalHostedZoneId") => HOSTED_ZONE_ID.to_owned(),
        (Type::DomainName, "DomainNameArn") => {
            format!("arn:{PARTITION}:apigateway:{}::/domainnames/{name}", settings.region)
        }
        (Type::ServerlessFunction | Type::LambdaFunction, "Arn") => function_arn(settings, name),
        (Type::Table | Type::SimpleTable, "Arn") => arn_of(settings, "dynamodb", &format!("table/{name}")),
        (Type::Table, "StreamArn") => {
            // The label is the time at which the stream was made.
            arn_of(settings, "dynamodb", &format!("table/{name}/stream/2026-01-01T00:00:00.000"))
        }
        (Type::TopicRule, "Arn") => arn_of(settings, "iot", &format!("rule/{name}")),
        (Type::Queue, "Arn" | "QueueName" | "QueueUrl") | (Type::Other, _) => {
            identity::attribute(type_name, name, attribute, account(settings))
        }
        _ => return None,
    })
}

fn function_arn(settings: &Parameters, name: &str) -> String {
    arn_of(settings, "lambda", &format!("function:{name}"))
}

/// `arn:aws:{service}:{region}:{account}:{rest}`.
fn arn_of(settings: &Parameters, service: &str, rest: &str) -> String {
    format!("arn:{PARTITION}:{service}:{}:{}:{rest}", settings.region, settings.account_id)
}

/// For the sentence about a function that is not there.
fn no_function(at: Span, owner: &str, text: &str) -> Fault {
    // Most likely a type that is misspelt, or a resource of another kind.
    let is_other = text.starts_with("arn:") && !text.contains(":lambda:");
    let types =
        if is_other { "; one has the type AWS::Serverless::Function or AWS::Lambda::Function" } else { "" };
    Fault::at(at, format!("{owner} calls {text}, which is not a function of this template{types}"))
}

/// The text and where it stands, for `At` patterns that need an owned one.
fn owned(text: Option<At<&str>>) -> Option<String> {
    text.map(|At { value, .. }| value.to_owned())
}
