//! The resource types that are interpreted, one module per kind; and the names and attributes of all.

mod api;
mod function;
mod identity;
mod permission;
mod rule;
mod table;

use std::path::Path;

use crate::{
    Function, Permission, Table, TopicRule, WebSocketApi,
    arn::{self, PARTITION},
    error::{Fault, Outcome},
    scope::Scope,
    section::Section,
    template::{Resource, Template},
};

/// What a template describes.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) apis: Vec<WebSocketApi>,
    pub(crate) functions: Vec<Function>,
    pub(crate) tables: Vec<Table>,
    pub(crate) rules: Vec<TopicRule>,
    pub(crate) permissions: Vec<Permission>,
}

/// Length of the ids of routes, integrations and so on.
const PART_ID_CHARS: usize = 7;

/// Characters of a function's name: the service's limit.
const FUNCTION_NAME_CHARS_MAX: usize = 64;

/// Characters of a table's or a rule's name: close below the service's limits (255 and 128).
const NAME_CHARS_MAX: usize = 128;

/// What a type is to this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Api,
    Stage,
    Route,
    RouteResponse,
    Integration,
    IntegrationResponse,
    Deployment,
    ServerlessFunction,
    LambdaFunction,
    Permission,
    Table,
    SimpleTable,
    TopicRule,
    /// Known to SAM, and it would add an API: leaving it out silently would leave out the app.
    WebSocketApi,
    Other,
}

fn type_of(name: &str) -> Type {
    match name {
        "AWS::ApiGatewayV2::Api" => Type::Api,
        "AWS::ApiGatewayV2::Stage" => Type::Stage,
        "AWS::ApiGatewayV2::Route" => Type::Route,
        "AWS::ApiGatewayV2::RouteResponse" => Type::RouteResponse,
        "AWS::ApiGatewayV2::Integration" => Type::Integration,
        "AWS::ApiGatewayV2::IntegrationResponse" => Type::IntegrationResponse,
        "AWS::ApiGatewayV2::Deployment" => Type::Deployment,
        "AWS::Serverless::Function" => Type::ServerlessFunction,
        "AWS::Lambda::Function" => Type::LambdaFunction,
        "AWS::Lambda::Permission" => Type::Permission,
        "AWS::DynamoDB::Table" => Type::Table,
        "AWS::Serverless::SimpleTable" => Type::SimpleTable,
        "AWS::IoT::TopicRule" => Type::TopicRule,
        "AWS::Serverless::WebSocketApi" => Type::WebSocketApi,
        _ => Type::Other,
    }
}

/// Whether the type is read at all.
pub(crate) fn is_interpreted(type_name: &str) -> bool {
    type_of(type_name) != Type::Other
}

/// Reads every resource of the template; relative code lies below `base`.
pub(crate) fn build(scope: &Scope<'_>, template: &Template, base: &Path) -> Outcome<Parts> {
    let mut parts = Parts::default();
    let mut events = Vec::new();
    for resource in &template.resources {
        match type_of(&resource.type_name) {
            Type::ServerlessFunction => {
                let (function, own_events) = function::serverless(scope, resource, base)?;
                function::add(&mut parts.functions, function)?;
                events.extend(own_events);
            }
            Type::LambdaFunction => {
                function::add(&mut parts.functions, function::plain(scope, resource, base)?)?;
            }
            Type::Table => table::add(&mut parts.tables, table::plain(scope, resource)?)?,
            Type::SimpleTable => table::add(&mut parts.tables, table::simple(scope, resource)?)?,
            Type::WebSocketApi => {
                let message = format!(
                    "{} is an AWS::Serverless::WebSocketApi, which is not supported yet; write AWS::ApiGatewayV2::Api, \
                     Route and Integration instead",
                    resource.logical_id
                );
                return Err(Fault::at(resource.line, message));
            }
            // Said of none of them: nobody expects an alarm to ring on one machine.
            Type::Other if identity::is_deploy_only(&resource.type_name) => {}
            Type::Other => {
                let text = format!("{} is not part of the local stack", resource.type_name);
                scope.note(resource.line, &text, &resource.logical_id);
            }
            _ => {} // below: they refer to functions
        }
    }
    parts.apis = api::build(scope, template, &parts.functions)?;
    for resource in &template.resources {
        match type_of(&resource.type_name) {
            Type::TopicRule => parts.rules.extend(rule::plain(scope, resource, &parts.functions)?),
            Type::Permission => {
                parts.permissions.extend(permission::plain(scope, resource, &parts.functions)?);
            }
            _ => {}
        }
    }
    for (rule, permission) in events {
        parts.rules.push(rule);
        parts.permissions.push(permission);
    }
    Ok(parts)
}

/// What `Ref` gives: the physical name or id.
pub(crate) fn reference(scope: &Scope<'_>, resource: &Resource) -> Outcome<String> {
    let id = &resource.logical_id;
    let own = |key| properties(scope, resource).text(key).map(|text| text.map(|text| text.value));
    match type_of(&resource.type_name) {
        Type::Api => Ok(arn::api_id(id)),
        Type::Stage => properties(scope, resource).required_text("StageName").map(|text| text.value),
        Type::Route
        | Type::RouteResponse
        | Type::Integration
        | Type::IntegrationResponse
        | Type::Deployment
        | Type::WebSocketApi => Ok(arn::api_id(id)[..PART_ID_CHARS].to_owned()),
        Type::ServerlessFunction | Type::LambdaFunction => {
            Ok(own("FunctionName")?.unwrap_or_else(|| made_up(scope, id, FUNCTION_NAME_CHARS_MAX)))
        }
        Type::Table | Type::SimpleTable => {
            Ok(own("TableName")?.unwrap_or_else(|| made_up(scope, id, NAME_CHARS_MAX)))
        }
        Type::TopicRule => Ok(own("RuleName")?.unwrap_or_else(|| rule::made_up(scope, id))),
        Type::Permission => Ok(made_up(scope, id, NAME_CHARS_MAX)),
        Type::Other => {
            Ok(identity::reference(&resource.type_name, &other_name(scope, resource), account(scope)))
        }
    }
}

/// What `Fn::GetAtt` gives.
pub(crate) fn attribute<'t>(
    scope: &Scope<'t>,
    resource: &'t Resource,
    attribute: &str,
    line: usize,
) -> Outcome<String> {
    let name = scope.name_of(resource)?;
    let kind = type_of(&resource.type_name);
    match (kind, attribute) {
        (Type::Api, "ApiId")
        | (Type::Route, "RouteId")
        | (Type::RouteResponse, "RouteResponseId")
        | (Type::Integration, "IntegrationId")
        | (Type::IntegrationResponse, "IntegrationResponseId")
        | (Type::Deployment, "DeploymentId") => Ok(name),
        (Type::Api, "ApiEndpoint") => {
            let region = &scope.settings().region;
            Ok(format!("wss://{name}.execute-api.{region}.{}", arn::URL_SUFFIX))
        }
        (Type::ServerlessFunction | Type::LambdaFunction, "Arn") => {
            Ok(arn_of(scope, "lambda", &format!("function:{name}")))
        }
        (Type::Table | Type::SimpleTable, "Arn") => Ok(arn_of(scope, "dynamodb", &format!("table/{name}"))),
        (Type::TopicRule, "Arn") => Ok(arn_of(scope, "iot", &format!("rule/{name}"))),
        (Type::Other, attribute) => {
            let name = other_name(scope, resource);
            Ok(identity::attribute(&resource.type_name, &name, attribute, account(scope)))
        }
        _ => {
            let type_name = &resource.type_name;
            let id = &resource.logical_id;
            Err(Fault::at(
                line,
                format!("{id}.{attribute} is not known here; {type_name} has no such attribute yet"),
            ))
        }
    }
}

/// The name of a resource that takes no part in the local stack. One that cannot be evaluated here is made up: nobody
/// needs it.
fn other_name(scope: &Scope<'_>, resource: &Resource) -> String {
    let key = identity::name_property(&resource.type_name);
    let named = key.and_then(|key| properties(scope, resource).text(key).ok().flatten());
    named.map_or_else(|| made_up(scope, &resource.logical_id, NAME_CHARS_MAX), |name| name.value)
}

fn account<'s>(scope: &'s Scope<'_>) -> identity::Account<'s> {
    let settings = scope.settings();
    identity::Account { region: &settings.region, account_id: &settings.account_id }
}

/// The properties of `resource`, to be read key by key.
fn properties<'s, 't>(scope: &'s Scope<'t>, resource: &'s Resource) -> Section<'s, 't> {
    let Resource { logical_id, type_name, line, properties, .. } = resource;
    Section::new(scope, logical_id, type_name, *line, properties.clone())
}

/// `arn:aws:{service}:{region}:{account}:{rest}`.
fn arn_of(scope: &Scope<'_>, service: &str, rest: &str) -> String {
    let settings = scope.settings();
    format!("arn:{PARTITION}:{service}:{}:{}:{rest}", settings.region, settings.account_id)
}

/// The name of something that the template does not name: stack and logical id, cut with a hash if that is too long.
fn made_up(scope: &Scope<'_>, logical_id: &str, chars_max: usize) -> String {
    let name = format!("{}-{logical_id}", scope.settings().stack_name);
    if name.len() <= chars_max {
        return name;
    }
    let hash = format!("{:016x}", arn::fnv1a(name.as_bytes()));
    let kept: String = name.chars().take(chars_max - hash.len() - 1).collect();
    format!("{kept}-{hash}")
}

/// The function that `text` means: a name, an ARN or a partial ARN, each perhaps with a qualifier, which is ignored.
fn function_named<'f>(functions: &'f [Function], text: &str) -> Option<&'f Function> {
    let rest = text.split_once("function:").map_or(text, |(_, rest)| rest);
    let name = rest.split(':').next().unwrap_or_default();
    functions.iter().find(|function| function.name == name)
}

/// For the sentence about a function that is not there.
fn no_function(line: usize, owner: &str, text: &str) -> Fault {
    // Most likely a type that is misspelt, or a resource of another kind.
    let is_other = text.starts_with("arn:") && !text.contains(":lambda:");
    let types =
        if is_other { "; one has the type AWS::Serverless::Function or AWS::Lambda::Function" } else { "" };
    Fault::at(line, format!("{owner} calls {text}, which is not a function of this template{types}"))
}
