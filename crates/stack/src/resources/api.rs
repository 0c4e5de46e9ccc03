//! WebSocket APIs, put together from the resources that belong to them.

use std::{collections::HashMap, time::Duration};

use dunlin_events::limits;

use super::{Type, function_named, no_function, properties, type_of};
use crate::{
    Function, Integration, IntegrationKind, Route, Stage, WebSocketApi,
    error::{Fault, Outcome},
    scope::Scope,
    section::{At, Section},
    template::{Resource, Template},
};

/// The sole value that the service supports for route responses (T1).
const ROUTE_RESPONSE_KEY: &str = "$default";

/// The service's own route keys (R5).
const OWN_ROUTE_KEYS: [&str; 3] = ["$connect", "$disconnect", "$default"];

/// Reads the APIs of `template` with everything that belongs to them.
pub(super) fn build(
    scope: &Scope<'_>,
    template: &Template,
    functions: &[Function],
) -> Outcome<Vec<WebSocketApi>> {
    let of_type =
        |kind| template.resources.iter().filter(move |resource| type_of(&resource.type_name) == kind);
    let mut apis: Vec<_> = of_type(Type::Api).map(|resource| api(scope, resource)).collect::<Outcome<_>>()?;

    let mut integrations = HashMap::new();
    for resource in of_type(Type::Integration) {
        let (api_id, integration) = integration(scope, resource, &mut apis, functions)?;
        integrations.insert((api_id, super::reference(scope, resource)?), integration);
    }
    let mut answered = Vec::new();
    for resource in of_type(Type::RouteResponse) {
        answered.push(route_response(scope, resource, &mut apis)?);
    }
    for resource in of_type(Type::Route) {
        route(scope, resource, &mut apis, &integrations, &answered)?;
    }
    let mut deployed = Vec::new();
    for resource in of_type(Type::Deployment) {
        deployed.extend(deployment(scope, resource, &mut apis)?);
    }
    for resource in of_type(Type::Stage) {
        stage(scope, resource, &mut apis, &deployed)?;
    }
    for resource in of_type(Type::IntegrationResponse) {
        scope.note(
            resource.line,
            "an integration response has no effect on a function's answer",
            &resource.logical_id,
        );
    }
    match apis.iter().find(|api| api.stages.is_empty()) {
        None => Ok(apis),
        Some(WebSocketApi { logical_id, line, .. }) => {
            let message =
                format!("{logical_id} has no stage, so nobody can connect; add an AWS::ApiGatewayV2::Stage");
            Err(Fault::at(*line, message))
        }
    }
}

fn api(scope: &Scope<'_>, resource: &Resource) -> Outcome<WebSocketApi> {
    let section = properties(scope, resource);
    let name = section.required_text("Name")?.value;
    let protocol = section.required_text("ProtocolType")?;
    if protocol.value != "WEBSOCKET" {
        let what = format!("is {}, which is not supported yet; only WEBSOCKET is", protocol.value);
        return Err(section.wrong(protocol.line, "ProtocolType", &what));
    }
    let route_selection_expression = section.required_text("RouteSelectionExpression")?.value;
    section.finish(&[
        "ApiKeySelectionExpression",
        "Description",
        "DisableSchemaValidation",
        "Tags",
        "Version",
    ]);
    Ok(WebSocketApi {
        logical_id: resource.logical_id.clone(),
        api_id: super::reference(scope, resource)?,
        name,
        route_selection_expression,
        stages: Vec::new(),
        routes: Vec::new(),
        line: resource.line,
    })
}

/// The API that `ApiId` names.
fn owner<'a>(section: &Section<'_, '_>, apis: &'a mut [WebSocketApi]) -> Outcome<&'a mut WebSocketApi> {
    let At { value, line } = section.required_text("ApiId")?;
    let known = apis.iter_mut().find(|api| api.api_id == value);
    known.ok_or_else(|| {
        section.wrong(line, "ApiId", &format!("is {value}, which is not an API of this template"))
    })
}

fn integration(
    scope: &Scope<'_>,
    resource: &Resource,
    apis: &mut [WebSocketApi],
    functions: &[Function],
) -> Outcome<(String, Integration)> {
    let section = properties(scope, resource);
    let api_id = owner(&section, apis)?.api_id.clone();
    let kind = section.required_text("IntegrationType")?;
    if kind.value != "AWS_PROXY" {
        let what = format!("is {}, which is not supported yet; only AWS_PROXY is", kind.value);
        return Err(section.wrong(kind.line, "IntegrationType", &what));
    }
    section.refuse("ContentHandlingStrategy", "is not supported yet; remove it")?;
    if let Some(At { value, line }) = section.text("ConnectionType")?
        && value != "INTERNET"
    {
        return Err(section.wrong(
            line,
            "ConnectionType",
            &format!("is {value}; only INTERNET is supported"),
        ));
    }
    let At { value: uri, line } = section.required_text("IntegrationUri")?;
    let function = function_of_uri(&section, line, &uri, functions)?;
    let (low, high) = (millis(limits::INTEGRATION_TIMEOUT_MIN), millis(limits::INTEGRATION_TIMEOUT_MAX));
    let timeout = section.number("TimeoutInMillis", low..=high)?;
    let credentials_arn = section.text("CredentialsArn")?.map(|arn| arn.value);
    section.finish(&["Description", "IntegrationMethod", "PassthroughBehavior", "PayloadFormatVersion"]);
    let integration = Integration {
        logical_id: resource.logical_id.clone(),
        kind: IntegrationKind::LambdaProxy { function },
        timeout: timeout.map_or(limits::INTEGRATION_TIMEOUT_MAX, Duration::from_millis),
        credentials_arn,
    };
    Ok((api_id, integration))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The function in `arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function ARN}/invocations` (G10).
fn function_of_uri(
    section: &Section<'_, '_>,
    line: usize,
    uri: &str,
    functions: &[Function],
) -> Outcome<String> {
    let function_arn = uri
        .strip_prefix("arn:")
        .and_then(|rest| rest.split_once(":lambda:path/2015-03-31/functions/"))
        .filter(|(front, _)| front.split(':').nth(1) == Some("apigateway"))
        .and_then(|(_, rest)| rest.strip_suffix("/invocations"));
    let Some(function_arn) = function_arn else {
        let what = format!(
            "is {uri}; for AWS_PROXY it must be arn:aws:apigateway:{{region}}:lambda:path/2015-03-31/functions/{{function \
             ARN}}/invocations"
        );
        return Err(section.wrong(line, "IntegrationUri", &what));
    };
    if function_arn.contains("${stageVariables.") {
        let what = "takes its function from a stage variable, which is not supported yet; name the function";
        return Err(section.wrong(line, "IntegrationUri", what));
    }
    match function_named(functions, function_arn) {
        Some(function) => Ok(function.name.clone()),
        None => Err(no_function(line, section.owner, function_arn)),
    }
}

/// The API and the id of the route that answers over the socket.
fn route_response(
    scope: &Scope<'_>,
    resource: &Resource,
    apis: &mut [WebSocketApi],
) -> Outcome<(String, String)> {
    let section = properties(scope, resource);
    let api_id = owner(&section, apis)?.api_id.clone();
    let route_id = section.required_text("RouteId")?.value;
    let key = section.required_text("RouteResponseKey")?;
    if key.value != ROUTE_RESPONSE_KEY {
        let what = format!("is {}; the service supports {ROUTE_RESPONSE_KEY} only", key.value);
        return Err(section.wrong(key.line, "RouteResponseKey", &what));
    }
    section.finish(&["ModelSelectionExpression"]);
    Ok((api_id, route_id))
}

fn route(
    scope: &Scope<'_>,
    resource: &Resource,
    apis: &mut [WebSocketApi],
    integrations: &HashMap<(String, String), Integration>,
    answered: &[(String, String)],
) -> Outcome<()> {
    let section = properties(scope, resource);
    let api = owner(&section, apis)?;
    let At { value: key, line } = section.required_text("RouteKey")?;
    if key.is_empty() || (key.starts_with('$') && !OWN_ROUTE_KEYS.contains(&key.as_str())) {
        let what =
            format!("is {key:?}; a key that starts with $ must be one of {}", OWN_ROUTE_KEYS.join(", "));
        return Err(section.wrong(line, "RouteKey", &what));
    }
    if api.routes.iter().any(|route| route.key == key) {
        let what = format!("is {key}, and {} has that route already; remove one", api.logical_id);
        return Err(section.wrong(line, "RouteKey", &what));
    }
    if api.routes.len() >= limits::ROUTES_MAX {
        let message = format!(
            "{} has more than {} routes; the service stops there",
            api.logical_id,
            limits::ROUTES_MAX
        );
        return Err(Fault::at(resource.line, message));
    }
    refuse_guards(&section)?;
    let integration = target(&section, &api.api_id, integrations)?;
    let two_way = two_way(scope, resource, &section, &api.api_id, answered)?;
    section.finish(&["AuthorizationScopes", "OperationName"]);
    api.routes.push(Route { key, integration, two_way, line: resource.line });
    Ok(())
}

/// What would keep a message away from the function, and is not built yet: without it the stack would be too open.
fn refuse_guards(section: &Section<'_, '_>) -> Outcome<()> {
    if let Some(At { value, line }) = section.text("AuthorizationType")?
        && value != "NONE"
    {
        let what = match value.as_str() {
            "JWT" => {
                "is JWT, which is for HTTP APIs; a WebSocket API takes NONE, AWS_IAM or CUSTOM".to_owned()
            }
            _ => format!("is {value}, which is not supported yet; only NONE is"),
        };
        return Err(section.wrong(line, "AuthorizationType", &what));
    }
    if let Some(true) = section.flag("ApiKeyRequired")? {
        return section.refuse("ApiKeyRequired", "is true, which is not supported yet");
    }
    for key in ["ModelSelectionExpression", "RequestModels", "RequestParameters"] {
        section.refuse(key, "is not supported yet; remove it")?;
    }
    Ok(())
}

/// The integration in `integrations/{id}` (G2).
fn target(
    section: &Section<'_, '_>,
    api_id: &str,
    integrations: &HashMap<(String, String), Integration>,
) -> Outcome<Option<Integration>> {
    let Some(At { value, line }) = section.text("Target")? else { return Ok(None) };
    let found = value
        .strip_prefix("integrations/")
        .and_then(|id| integrations.get(&(api_id.to_owned(), id.to_owned())));
    match found {
        Some(integration) => Ok(Some(integration.clone())),
        None => {
            let what = format!(
                "is {value}, which is not an integration of its API; write integrations/${{Name}} with Fn::Sub"
            );
            Err(section.wrong(line, "Target", &what))
        }
    }
}

/// A route answers over the socket only with both the expression and the route response (T1).
fn two_way(
    scope: &Scope<'_>,
    resource: &Resource,
    section: &Section<'_, '_>,
    api_id: &str,
    answered: &[(String, String)],
) -> Outcome<bool> {
    let expression = section.text("RouteResponseSelectionExpression")?;
    if let Some(At { value, line }) = &expression
        && value != ROUTE_RESPONSE_KEY
    {
        let what = format!("is {value}; the service supports {ROUTE_RESPONSE_KEY} only");
        return Err(section.wrong(*line, "RouteResponseSelectionExpression", &what));
    }
    let route_id = super::reference(scope, resource)?;
    let response = answered.iter().any(|(api, route)| api == api_id && *route == route_id);
    if expression.is_some() != response {
        let text = "a route is one-way: it needs both RouteResponseSelectionExpression and a RouteResponse to answer";
        scope.note(resource.line, text, &resource.logical_id);
    }
    Ok(expression.is_some() && response)
}

/// The API and the id of a deployment, and the stage that it names itself.
fn deployment(
    scope: &Scope<'_>,
    resource: &Resource,
    apis: &mut [WebSocketApi],
) -> Outcome<[(String, String); 2]> {
    let section = properties(scope, resource);
    let api_id = owner(&section, apis)?.api_id.clone();
    let stage = section.text("StageName")?.map(|stage| stage.value).unwrap_or_default();
    section.finish(&["Description"]);
    let id = super::reference(scope, resource)?;
    Ok([(api_id.clone(), format!("deployment {id}")), (api_id, format!("stage {stage}"))])
}

fn stage(
    scope: &Scope<'_>,
    resource: &Resource,
    apis: &mut [WebSocketApi],
    deployed: &[(String, String)],
) -> Outcome<()> {
    let section = properties(scope, resource);
    let api = owner(&section, apis)?;
    let At { value: name, line } = section.required_text("StageName")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > limits::STAGE_NAME_CHARS_MAX || !name.chars().all(allowed) {
        let max = limits::STAGE_NAME_CHARS_MAX;
        let what = format!("is {name:?}; a stage name has 1 to {max} letters, digits, - and _");
        return Err(section.wrong(line, "StageName", &what));
    }
    if api.stages.iter().any(|stage| stage.name == name) {
        let what = format!("is {name}, and {} has that stage already; remove one", api.logical_id);
        return Err(section.wrong(line, "StageName", &what));
    }
    let has = |what: String| deployed.iter().any(|(id, entry)| *id == api.api_id && *entry == what);
    let auto = section.flag("AutoDeploy")?.unwrap_or(false);
    let by_id = section.text("DeploymentId")?.is_some_and(|id| has(format!("deployment {}", id.value)));
    let deployed = auto || by_id || has(format!("stage {name}"));
    if !deployed {
        scope.note(
            resource.line,
            "a stage has no deployment and refuses every connection",
            &resource.logical_id,
        );
    }
    let variables = section.texts("StageVariables")?;
    section.finish(&["Description", "Tags"]);
    api.stages.push(Stage { name, variables, deployed });
    Ok(())
}
