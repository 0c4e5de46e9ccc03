//! Routes, and which of them answer over the socket.

use std::collections::{HashMap, HashSet};

use dunlin_events::limits;

use super::{Context, Type, api, authorizer::Authorizers, integration::Integrations};
use crate::{
    Authorization, Integration, RequestModels, Route, WebSocketApi,
    error::{Fault, Outcome},
    resolve::Resource,
    section::{At, Section},
};

/// The sole value that the service supports for route responses (T1).
const ROUTE_RESPONSE_KEY: &str = "$default";

/// The service's own route keys (R5).
const OWN_ROUTE_KEYS: [&str; 3] = ["$connect", "$disconnect", "$default"];

/// What a route may ask for, in a request that has it (M4).
const REQUEST_PARAMETERS: [&str; 2] = ["route.request.header.", "route.request.querystring."];

/// Route ids that have a response, each with the id of its API.
type Answered<'r> = HashSet<(&'r str, &'r str)>;

pub(super) fn add_all(
    context: &Context<'_>,
    apis: &mut [WebSocketApi],
    integrations: &Integrations,
    authorizers: &Authorizers,
) {
    let responses = context.of_type(Type::RouteResponse);
    let answered: Answered<'_> =
        responses.filter_map(|resource| context.findings.keep(response(context, resource))).collect();
    let mut by_api: HashMap<&str, Vec<Route>> = HashMap::new();
    let mut keys = HashSet::new();
    for resource in context.of_type(Type::Route) {
        let read = route(context, resource, integrations, authorizers, apis, &answered, &mut keys);
        if let Some((api_id, route)) = context.findings.keep(read) {
            let routes = by_api.entry(api_id).or_default();
            routes.push(route);
            if routes.len() == limits::ROUTES_MAX + 1 {
                let api =
                    apis.iter().find(|api| api.api_id == api_id).map_or("an API", |api| &api.logical_id);
                let max = limits::ROUTES_MAX;
                let message = format!("{api} has more than {max} routes; the service stops there");
                context.findings.fault(Fault::at(resource.at, message));
            }
        }
    }
    for api in apis {
        api.routes = by_api.remove(api.api_id.as_str()).unwrap_or_default();
    }
}

/// The API and the id of the route that answers over the socket.
fn response<'r>(context: &Context<'r>, resource: &'r Resource) -> Outcome<(&'r str, &'r str)> {
    let section = context.section(resource);
    let api_id = api::owner(context, &section)?;
    let route_id = section.required_text("RouteId")?;
    if !context.has(Type::Route, route_id.value) {
        let what = format!("is {}, which is not a route of this template", route_id.value);
        return Err(section.wrong(route_id.at, "RouteId", &what));
    }
    let key = section.required_text("RouteResponseKey")?;
    if key.value != ROUTE_RESPONSE_KEY {
        let what = format!("is {}; the service supports {ROUTE_RESPONSE_KEY} only", key.value);
        return Err(section.wrong(key.at, "RouteResponseKey", &what));
    }
    section.finish(&["ModelSelectionExpression"]);
    Ok((api_id, route_id.value))
}

fn route<'r>(
    context: &Context<'r>,
    resource: &'r Resource,
    integrations: &Integrations,
    authorizers: &Authorizers,
    apis: &[WebSocketApi],
    answered: &Answered<'_>,
    keys: &mut HashSet<(&'r str, &'r str)>,
) -> Outcome<(&'r str, Route)> {
    let section = context.section(resource);
    let api_id = api::owner(context, &section)?;
    let At { value: key, at } = section.required_text("RouteKey")?;
    if key.is_empty() || (key.starts_with('$') && !OWN_ROUTE_KEYS.contains(&key)) {
        let what =
            format!("is {key:?}; a key that starts with $ must be one of {}", OWN_ROUTE_KEYS.join(", "));
        return Err(section.wrong(at, "RouteKey", &what));
    }
    if !keys.insert((api_id, key)) {
        let what = format!("is {key}, and its API has that route already; remove one");
        return Err(section.wrong(at, "RouteKey", &what));
    }
    let guards = guards(&section, key, apis.iter().find(|api| api.api_id == api_id))?;
    let authorization = authorization(&section, api_id, key, authorizers)?;
    let integration = target(&section, api_id, integrations)?;
    let two_way = two_way(context, resource, &section, answered.contains(&(api_id, resource.name.as_str())))?;
    section.finish(&["AuthorizationScopes", "OperationName"]);
    let Guards { api_key_required, request_models, required_parameters } = guards;
    let route = Route {
        key: key.to_owned(),
        integration,
        two_way,
        authorization,
        api_key_required,
        request_models,
        required_parameters,
        at: context.place(resource.at),
    };
    Ok((api_id, route))
}

/// What keeps a request away from the function.
struct Guards {
    api_key_required: bool,
    request_models: Option<RequestModels>,
    required_parameters: Vec<String>,
}

fn guards(section: &Section<'_>, route_key: &str, api: Option<&WebSocketApi>) -> Outcome<Guards> {
    let is_connect = route_key == "$connect";
    let api_key_required = section.flag("ApiKeyRequired")?.unwrap_or(false);
    if api_key_required && !is_connect {
        section.refuse("ApiKeyRequired", "is true; only the route $connect may ask for an API key")?;
    }
    let required_parameters = required_parameters(section)?;
    if !required_parameters.is_empty() && !is_connect {
        let why = "ask for parameters, which only the route $connect has";
        section.refuse("RequestParameters", why)?;
    }
    let request_models = request_models(section, route_key, api)?;
    Ok(Guards { api_key_required, request_models, required_parameters })
}

/// The parameters that must be there (M4); those that only may are of no consequence.
fn required_parameters(section: &Section<'_>) -> Outcome<Vec<String>> {
    let Some(parameters) = section.section("RequestParameters")? else { return Ok(Vec::new()) };
    let mut required = Vec::new();
    for (name, constraints) in parameters.sections()? {
        let is_known = REQUEST_PARAMETERS
            .iter()
            .any(|prefix| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()));
        if !is_known {
            let what =
                format!("names {name}; a name is route.request.header.… or route.request.querystring.…");
            return Err(section.wrong(constraints.at, "RequestParameters", &what));
        }
        if constraints.flag("Required")?.unwrap_or(false) {
            required.push(name.to_owned());
        }
        constraints.finish(&[]);
    }
    Ok(required)
}

/// What bodies are checked with (M1). Without an expression nothing is (M2).
fn request_models(
    section: &Section<'_>,
    route_key: &str,
    api: Option<&WebSocketApi>,
) -> Outcome<Option<RequestModels>> {
    let selection = section.text("ModelSelectionExpression")?;
    let at = section.value("RequestModels")?.map_or(section.at, |models| models.at);
    let by_key = section.texts("RequestModels")?;
    let Some(At { value: selection, .. }) = selection else {
        if !by_key.is_empty() {
            section.note(at, "request models have no effect without a ModelSelectionExpression");
        }
        return Ok(None);
    };
    if ["$connect", "$disconnect"].contains(&route_key) {
        section.note(
            section.at,
            "request models have no effect on $connect and $disconnect, which have no body",
        );
        return Ok(None);
    }
    for name in by_key.values() {
        if api.is_some_and(|api| api.models.iter().all(|model| model.name != *name)) {
            let what = format!("names {name}, which is not the Name of a model of its API");
            return Err(section.wrong(at, "RequestModels", &what));
        }
    }
    Ok(Some(RequestModels { selection: selection.to_owned(), by_key }))
}

/// Who may connect (A1, A9).
fn authorization(
    section: &Section<'_>,
    api_id: &str,
    route_key: &str,
    authorizers: &Authorizers,
) -> Outcome<Authorization> {
    let authorizer = section.text("AuthorizerId")?;
    let Some(At { value: kind, at }) = section.text("AuthorizationType")? else {
        return Ok(Authorization::None);
    };
    let wrong = |what: &str| Err(section.wrong(at, "AuthorizationType", what));
    match kind {
        "NONE" => return Ok(Authorization::None),
        "AWS_IAM" | "CUSTOM" => {}
        "JWT" => {
            return wrong("is JWT, which is for HTTP APIs; a WebSocket API takes NONE, AWS_IAM or CUSTOM");
        }
        other => return wrong(&format!("is {other}; it must be NONE, AWS_IAM or CUSTOM")),
    }
    if route_key != "$connect" {
        return wrong(&format!("is {kind}; only the route $connect may have one"));
    }
    if kind == "AWS_IAM" {
        return Ok(Authorization::Iam);
    }
    let Some(At { value: id, at }) = authorizer else { return Err(section.missing("AuthorizerId")) };
    match authorizers.get(id) {
        Some(Some((api, authorizer))) if api == api_id => Ok(Authorization::Custom(authorizer.clone())),
        // At fault, and told.
        Some(None) => Ok(Authorization::None),
        Some(_) | None => {
            let what = format!("is {id}, which is not an authorizer of its API; name one with Ref");
            Err(section.wrong(at, "AuthorizerId", &what))
        }
    }
}

/// The integration in `integrations/{id}` (G2).
fn target(section: &Section<'_>, api_id: &str, integrations: &Integrations) -> Outcome<Option<Integration>> {
    let Some(At { value, at }) = section.text("Target")? else { return Ok(None) };
    match value.strip_prefix("integrations/").and_then(|id| integrations.get(id)) {
        Some(Some((api, integration))) if api == api_id => Ok(Some(integration.clone())),
        // At fault, and told.
        Some(None) => Ok(None),
        Some(_) | None => {
            let what = format!(
                "is {value}, which is not an integration of its API; write integrations/${{Name}} with Fn::Sub"
            );
            Err(section.wrong(at, "Target", &what))
        }
    }
}

/// A route answers over the socket only with both the expression and the route response (T1).
fn two_way(
    context: &Context<'_>,
    resource: &Resource,
    section: &Section<'_>,
    response: bool,
) -> Outcome<bool> {
    let expression = section.text("RouteResponseSelectionExpression")?;
    if let Some(At { value, at }) = expression
        && value != ROUTE_RESPONSE_KEY
    {
        let what = format!("is {value}; the service supports {ROUTE_RESPONSE_KEY} only");
        return Err(section.wrong(at, "RouteResponseSelectionExpression", &what));
    }
    if expression.is_some() != response {
        let text = "a route is one-way: it needs both RouteResponseSelectionExpression and a RouteResponse to answer";
        context.note(resource.at, text, &resource.logical_id);
    }
    Ok(expression.is_some() && response)
}
