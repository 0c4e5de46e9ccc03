//! WebSocket APIs, put together from the resources that belong to them.

use super::{Context, Type, api_model, authorizer, integration, no_function, route, stage};
use crate::{
    ApiKeySource, Authorization, IntegrationKind, WebSocketApi, arn,
    error::{Fault, Outcome},
    resolve::Resource,
    section::{At, Section},
};

/// Reads the APIs with everything that belongs to them.
pub(super) fn build(context: &Context<'_>) -> Vec<WebSocketApi> {
    let mut apis: Vec<_> = context
        .of_type(Type::Api)
        .filter_map(|resource| context.findings.keep(api(context, resource)))
        .collect();
    let integrations = integration::read_all(context);
    let authorizers = authorizer::read_all(context);
    api_model::add_all(context, &mut apis);
    route::add_all(context, &mut apis, &integrations, &authorizers);
    stage::add_all(context, &mut apis);
    apis.iter().for_each(|api| check_functions(context, api));
    // Where something else is at fault, that may be the stage.
    if context.findings.is_clean() {
        let without = |resource: &&Resource| {
            apis.iter().any(|api| api.logical_id == resource.logical_id && api.stages.is_empty())
        };
        for Resource { logical_id: id, at, .. } in context.of_type(Type::Api).filter(without) {
            let message =
                format!("{id} has no stage, so nobody can connect; add an AWS::ApiGatewayV2::Stage");
            context.findings.fault(Fault::at(*at, message));
        }
    }
    apis
}

fn api(context: &Context<'_>, resource: &Resource) -> Outcome<WebSocketApi> {
    let section = context.section(resource);
    let name = section.required_text("Name")?.value;
    let protocol = section.required_text("ProtocolType")?;
    if protocol.value != "WEBSOCKET" {
        let what = format!("is {}, which is not supported yet; only WEBSOCKET is", protocol.value);
        return Err(section.wrong(protocol.at, "ProtocolType", &what));
    }
    let route_selection_expression = section.required_text("RouteSelectionExpression")?.value;
    let api_key_source = api_key_source(&section)?;
    let models_unchecked = section.flag("DisableSchemaValidation")?.unwrap_or(false);
    let default_host_disabled = section.flag("DisableExecuteApiEndpoint")?.unwrap_or(false);
    section.finish(&["Description", "IpAddressType", "Tags", "Version"]);
    Ok(WebSocketApi {
        logical_id: resource.logical_id.clone(),
        api_id: resource.name.clone(),
        name: name.to_owned(),
        route_selection_expression: route_selection_expression.to_owned(),
        stages: Vec::new(),
        routes: Vec::new(),
        models: Vec::new(),
        models_unchecked,
        api_key_source,
        default_host_disabled,
        at: context.place(resource.at),
    })
}

/// Where API keys stand (A10).
fn api_key_source(section: &Section<'_>) -> Outcome<ApiKeySource> {
    let Some(At { value, at }) = section.text("ApiKeySelectionExpression")? else {
        return Ok(ApiKeySource::default());
    };
    match value.strip_prefix("${").and_then(|inner| inner.strip_suffix('}')).or(value.strip_prefix('$')) {
        Some("request.header.x-api-key") => Ok(ApiKeySource::Header),
        Some("context.authorizer.usageIdentifierKey") => Ok(ApiKeySource::Authorizer),
        _ => {
            let what = format!(
                "is {value}; it must be $request.header.x-api-key or $context.authorizer.usageIdentifierKey"
            );
            Err(section.wrong(at, "ApiKeySelectionExpression", &what))
        }
    }
}

/// Functions whose names hold stage variables are there at every stage.
fn check_functions(context: &Context<'_>, api: &WebSocketApi) {
    for route in &api.routes {
        let called = route.integration.iter().filter_map(|integration| match &integration.kind {
            IntegrationKind::LambdaProxy { function } | IntegrationKind::Lambda { function, .. } => {
                Some((integration.logical_id.as_str(), function.as_str()))
            }
            _ => None,
        });
        let asked = match &route.authorization {
            Authorization::Custom(own) => Some((own.logical_id.as_str(), own.function.as_str())),
            _ => None,
        };
        for (owner, pattern) in called.chain(asked).filter(|(_, name)| name.contains(arn::STAGE_VARIABLE)) {
            let at = context.sources.span(&route.at);
            for stage in &api.stages {
                let fault = match arn::expand(pattern, &stage.variables) {
                    Ok(name) if context.function_named(&name).is_some() => continue,
                    Ok(name) => no_function(at, &format!("at stage {} {owner}", stage.name), &name),
                    Err(variable) => {
                        let message = format!(
                            "{owner} takes its function from the stage variable {variable}, which stage {} does not have",
                            stage.name
                        );
                        Fault::at(at, message)
                    }
                };
                context.findings.fault(fault);
            }
        }
    }
}

/// The id of the API that `ApiId` names.
pub(super) fn owner<'r>(context: &Context<'_>, section: &Section<'r>) -> Outcome<&'r str> {
    let At { value, at } = section.required_text("ApiId")?;
    if !context.has(Type::Api, value) {
        let what = format!("is {value}, which is not an API of this template");
        return Err(section.wrong(at, "ApiId", &what));
    }
    Ok(value)
}
