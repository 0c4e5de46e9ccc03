//! WebSocket APIs, put together from the resources that belong to them.

use super::{Context, Type, authorizer, integration, route, stage};
use crate::{
    WebSocketApi,
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
    route::add_all(context, &mut apis, &integrations, &authorizers);
    stage::add_all(context, &mut apis);
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
    section.finish(&[
        "ApiKeySelectionExpression",
        "Description",
        "DisableSchemaValidation",
        "IpAddressType",
        "Tags",
        "Version",
    ]);
    Ok(WebSocketApi {
        logical_id: resource.logical_id.clone(),
        api_id: resource.name.clone(),
        name: name.to_owned(),
        route_selection_expression: route_selection_expression.to_owned(),
        stages: Vec::new(),
        routes: Vec::new(),
        at: context.place(resource.at),
    })
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
