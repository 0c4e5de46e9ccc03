//! `AWS::Serverless::WebSocketApi`: an API with a route, an integration and a permission per key, and one stage (S1).

use super::{call, entry, get_att, made, reference, sub, text};
use crate::{
    error::{Fault, Outcome},
    findings::Findings,
    intrinsics,
    node::{Entry, Kind, Node},
    source::Span,
    template::Declared,
};

/// The stage of an API that names none; `$default` would be the one of an HTTP API.
const STAGE_DEFAULT: &str = "default";

const API_PROPERTIES: [&str; 5] = [
    "ApiKeySelectionExpression",
    "Description",
    "DisableExecuteApiEndpoint",
    "DisableSchemaValidation",
    "IpAddressType",
];

const STAGE_PROPERTIES: [&str; 4] =
    ["AccessLogSettings", "DefaultRouteSettings", "RouteSettings", "StageVariables"];

const ROUTE_PROPERTIES: [&str; 6] = [
    "ApiKeyRequired",
    "ModelSelectionExpression",
    "OperationName",
    "RequestModels",
    "RequestParameters",
    "RouteResponseSelectionExpression",
];

/// Properties that are read here, or matter on the service only.
const OTHER_PROPERTIES: [&str; 9] = [
    "Auth",
    "Domain",
    "FailOnWarnings",
    "Name",
    "PropagateTags",
    "RouteSelectionExpression",
    "Routes",
    "StageName",
    "Tags",
];

/// What a route takes besides.
const ROUTE_OTHER_PROPERTIES: [&str; 2] = ["FunctionArn", "IntegrationTimeout"];

pub(super) fn expand(api: &Declared, findings: &Findings) -> Outcome<Vec<Declared>> {
    let Declared { logical_id: id, at, properties, .. } = api;
    let at = *at;
    let known = [&API_PROPERTIES[..], &STAGE_PROPERTIES, &OTHER_PROPERTIES];
    for property in properties.entries() {
        if !known.iter().any(|known| known.contains(&property.key.as_str())) {
            let message = format!("AWS::Serverless::WebSocketApi has no property {}", property.key);
            findings.fault(Fault::at(property.at, message));
        }
    }
    let needs =
        |key: &str| Fault::at(at, format!("{id} has no {key}; AWS::Serverless::WebSocketApi needs one"));
    let expression =
        properties.get("RouteSelectionExpression").ok_or_else(|| needs("RouteSelectionExpression"))?;
    let routes = properties.get("Routes").ok_or_else(|| needs("Routes"))?;
    let is_map = matches!(routes.value.kind, Kind::Map(_)) && intrinsics::of(&routes.value).is_none();
    if !is_map || routes.value.entries().is_empty() {
        let message = format!("Routes of {id} must be a mapping with at least one route key, written out");
        return Err(Fault::at(routes.value.at, message));
    }
    let stage_name = properties.get("StageName").map_or_else(|| text(at, STAGE_DEFAULT), |e| e.value.clone());
    if stage_name.as_text() == Some("$default") {
        let message = format!("StageName of {id} is $default, which is for HTTP APIs; choose another");
        return Err(Fault::at(stage_name.at, message));
    }

    let mut own = vec![
        entry(at, "Name", properties.get("Name").map_or_else(|| text(at, id), |entry| entry.value.clone())),
        entry(at, "ProtocolType", text(at, "WEBSOCKET")),
        expression.clone(),
    ];
    own.extend(passed_on(properties, &API_PROPERTIES));
    let mut resources = vec![made(api, id.clone(), at, "AWS::ApiGatewayV2::Api", own)];
    let authorization = authorization(api)?;
    if let Some(Entry { value: auth, .. }) = properties.get("Auth") {
        resources.extend(findings.keep(authorizer(api, auth)).into_iter().flatten());
    }
    for route in routes.value.entries() {
        let made = self::route(api, route, &stage_name, authorization.as_ref());
        resources.extend(findings.keep(made).into_iter().flatten());
    }
    let stage = stage(api, stage_name);
    if let Some(domain) = properties.get("Domain") {
        let made = domain_name(api, domain, &stage.logical_id);
        resources.extend(findings.keep(made).into_iter().flatten());
    }
    resources.push(stage);
    Ok(resources)
}

fn passed_on<'n>(node: &'n Node, keys: &'n [&str]) -> impl Iterator<Item = Entry> + 'n {
    node.entries().iter().filter(move |entry| keys.contains(&entry.key.as_str())).cloned()
}

/// The `AuthorizationType` of `$connect`; it stands where `AuthType` does.
fn authorization(api: &Declared) -> Outcome<Option<Node>> {
    let Some(auth) = api.properties.get("Auth") else { return Ok(None) };
    let id = &api.logical_id;
    let Some(kind) = auth.value.get("AuthType") else {
        return Err(Fault::at(
            auth.at,
            format!("Auth of {id} has no AuthType; it is NONE, AWS_IAM or CUSTOM"),
        ));
    };
    let has_connect =
        api.properties.get("Routes").is_some_and(|routes| routes.value.get("$connect").is_some());
    if !has_connect {
        let message = format!("Auth of {id} needs a route $connect, which it guards; add one");
        return Err(Fault::at(auth.at, message));
    }
    match kind.value.as_text() {
        Some("NONE" | "AWS_IAM" | "CUSTOM") => Ok(Some(kind.value.clone())),
        _ => {
            let message = format!("AuthType of {id} must be NONE, AWS_IAM or CUSTOM");
            Err(Fault::at(kind.value.at, message))
        }
    }
}

fn authorizer_id(api: &str) -> String {
    format!("{api}ConnectAuthorizer")
}

/// The authorizer of `Auth`, and the permission that it needs unless it has a role.
fn authorizer(api: &Declared, auth: &Node) -> Outcome<Vec<Declared>> {
    let Declared { logical_id: id, .. } = api;
    let at = auth.at;
    let kind = auth.get("AuthType").and_then(|entry| entry.value.as_text());
    if kind != Some("CUSTOM") {
        return match auth.entries().iter().find(|entry| entry.key != "AuthType") {
            None => Ok(Vec::new()),
            Some(other) => {
                let message = format!("{} in Auth of {id} goes with AuthType CUSTOM only", other.key);
                Err(Fault::at(other.at, message))
            }
        };
    }
    let Some(function) = auth.get("AuthArn") else {
        return Err(Fault::at(at, format!("Auth of {id} has no AuthArn; AuthType CUSTOM needs one")));
    };
    let name = auth.get("Name").map_or_else(|| text(at, authorizer_id(id)), |entry| entry.value.clone());
    let mut own = vec![
        entry(at, "ApiId", reference(at, id)),
        entry(at, "AuthorizerType", text(at, "REQUEST")),
        entry(at, "AuthorizerUri", uri(function)),
        entry(at, "Name", name),
    ];
    own.extend(auth.get("IdentitySource").cloned());
    let mut made_of_it = Vec::new();
    match auth.get("InvokeRole") {
        Some(role) => own.push(entry(role.at, "AuthorizerCredentialsArn", role.value.clone())),
        None => {
            let arn = sub(
                at,
                "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Id}/authorizers/*",
                vec![entry(at, "Id", get_att(at, id, "ApiId"))],
            );
            let permission = vec![
                entry(at, "Action", text(at, "lambda:InvokeFunction")),
                entry(at, "FunctionName", function.value.clone()),
                entry(at, "Principal", text(at, "apigateway.amazonaws.com")),
                entry(at, "SourceArn", arn),
            ];
            let id = format!("{id}AuthorizerPermission");
            made_of_it.push(made(api, id, at, "AWS::Lambda::Permission", permission));
        }
    }
    made_of_it.push(made(api, authorizer_id(id), at, "AWS::ApiGatewayV2::Authorizer", own));
    Ok(made_of_it)
}

/// Route, integration and permission of one key.
fn route(
    api: &Declared,
    route: &Entry,
    stage_name: &Node,
    authorization: Option<&Node>,
) -> Outcome<[Declared; 3]> {
    let Declared { logical_id: id, .. } = api;
    let Entry { key, at, value } = route;
    let at = *at;
    let known = [&ROUTE_PROPERTIES[..], &ROUTE_OTHER_PROPERTIES];
    let is_known = |property: &&Entry| known.iter().any(|known| known.contains(&property.key.as_str()));
    if let Some(other) = value.entries().iter().find(|property| !is_known(property)) {
        return Err(Fault::at(other.at, format!("a route of {id} has no property {}", other.key)));
    }
    let Some(function) = value.get("FunctionArn") else {
        return Err(Fault::at(at, format!("route {key} of {id} has no FunctionArn; it needs one")));
    };
    if key != "$connect"
        && let Some(parameters) = value.get("RequestParameters")
    {
        let message = format!("route {key} of {id} has RequestParameters, which only $connect takes");
        return Err(Fault::at(parameters.at, message));
    }
    let base = format!("{id}{}", clean(key).ok_or_else(|| {
        let message = format!(
            "route {key} of {id}: SAM takes keys of letters and digits only, besides $connect, $disconnect and $default; \
             write AWS::ApiGatewayV2::Route for others"
        );
        Fault::at(at, message)
    })?);
    let (route_id, integration_id) = (format!("{base}Route"), format!("{base}Integration"));

    let mut own = vec![
        entry(at, "ApiId", reference(at, id)),
        entry(at, "RouteKey", text(at, key)),
        entry(
            at,
            "Target",
            call(
                at,
                "Fn::Join",
                Node::seq(
                    at,
                    vec![
                        text(at, "/"),
                        Node::seq(at, vec![text(at, "integrations"), reference(at, &integration_id)]),
                    ],
                ),
            ),
        ),
    ];
    own.extend(passed_on(value, &ROUTE_PROPERTIES));
    if key == "$connect"
        && let Some(kind) = authorization
    {
        own.push(entry(kind.at, "AuthorizationType", kind.clone()));
        if kind.as_text() == Some("CUSTOM") {
            own.push(entry(kind.at, "AuthorizerId", reference(kind.at, &authorizer_id(id))));
        }
    }
    let mut integration = vec![
        entry(at, "ApiId", reference(at, id)),
        entry(at, "IntegrationType", text(at, "AWS_PROXY")),
        entry(at, "IntegrationUri", uri(function)),
    ];
    if let Some(timeout) = value.get("IntegrationTimeout") {
        integration.push(entry(timeout.at, "TimeoutInMillis", timeout.value.clone()));
    }
    let permission = vec![
        entry(at, "Action", text(at, "lambda:InvokeFunction")),
        entry(at, "FunctionName", function.value.clone()),
        entry(at, "Principal", text(at, "apigateway.amazonaws.com")),
        entry(at, "SourceArn", source_arn(at, id, key, stage_name)),
    ];
    Ok([
        made(api, route_id, at, "AWS::ApiGatewayV2::Route", own),
        made(api, integration_id, at, "AWS::ApiGatewayV2::Integration", integration),
        made(api, format!("{base}Permission"), at, "AWS::Lambda::Permission", permission),
    ])
}

/// The part of a logical id that stands for a route key.
fn clean(key: &str) -> Option<String> {
    let word = match key {
        "$connect" | "$disconnect" | "$default" => &key[1..],
        key if !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric()) => key,
        _ => return None,
    };
    let (first, rest) = word.split_at(1);
    Some(first.to_ascii_uppercase() + &rest.to_ascii_lowercase())
}

fn uri(function: &Entry) -> Node {
    let at = function.value.at;
    let pattern = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${FunctionArn}/invocations";
    sub(at, pattern, vec![entry(at, "FunctionArn", function.value.clone())])
}

fn source_arn(at: Span, id: &str, key: &str, stage_name: &Node) -> Node {
    let pattern = format!(
        "arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{Id}}/${{Stage}}/{key}"
    );
    sub(at, &pattern, vec![entry(at, "Id", get_att(at, id, "ApiId")), entry(at, "Stage", stage_name.clone())])
}

fn stage(api: &Declared, stage_name: Node) -> Declared {
    let Declared { logical_id: id, at, properties, .. } = api;
    let at = *at;
    // SAM puts a name that is written out into the logical id.
    let name = match stage_name.as_text() {
        Some(STAGE_DEFAULT) => "Default",
        Some(name) => name,
        None => "",
    };
    let stage_id = format!("{id}{name}Stage");
    let mut own = vec![
        entry(at, "ApiId", reference(at, id)),
        entry(at, "StageName", stage_name),
        entry(at, "AutoDeploy", text(at, "true")),
    ];
    own.extend(passed_on(properties, &STAGE_PROPERTIES));
    made(api, stage_id, at, "AWS::ApiGatewayV2::Stage", own)
}

/// Properties of `Domain` that become those of the domain name, or matter on the service only.
const DOMAIN_PROPERTIES: [&str; 9] = [
    "BasePath",
    "CertificateArn",
    "DomainName",
    "EndpointConfiguration",
    "IpAddressType",
    "MutualTlsAuthentication",
    "OwnershipVerificationCertificateArn",
    "Route53",
    "SecurityPolicy",
];

/// The domain name of `Domain`, and a mapping for each base path. Its logical id lacks the hash that SAM adds.
fn domain_name(api: &Declared, domain: &Entry, stage_id: &str) -> Outcome<Vec<Declared>> {
    let id = &api.logical_id;
    let (at, node) = (domain.at, &domain.value);
    if let Some(other) = node.entries().iter().find(|entry| !DOMAIN_PROPERTIES.contains(&entry.key.as_str()))
    {
        return Err(Fault::at(other.at, format!("Domain of {id} has no property {}", other.key)));
    }
    let needs = |key: &str| Fault::at(at, format!("Domain of {id} has no {key}; it needs one"));
    let name = node.get("DomainName").ok_or_else(|| needs("DomainName"))?;
    node.get("CertificateArn").ok_or_else(|| needs("CertificateArn"))?;
    let domain_id = format!("ApiGatewayDomainNameV2{id}");
    let mut own = vec![name.clone()];
    own.extend(passed_on(node, &["MutualTlsAuthentication"]));
    let mut resources = vec![made(api, domain_id.clone(), at, "AWS::ApiGatewayV2::DomainName", own)];
    let mapping = |path: Option<&Node>| {
        let key =
            path.and_then(Node::as_text).map(|path| path.trim_matches('/')).filter(|path| !path.is_empty());
        let mut own = vec![
            entry(at, "ApiId", reference(at, id)),
            entry(at, "DomainName", reference(at, &domain_id)),
            entry(at, "Stage", reference(at, stage_id)),
        ];
        own.extend(key.map(|key| entry(at, "ApiMappingKey", text(at, key))));
        let word: String = key.unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
        made(api, format!("{id}{word}ApiMapping"), at, "AWS::ApiGatewayV2::ApiMapping", own)
    };
    match node.get("BasePath") {
        None => resources.push(mapping(None)),
        Some(paths) => match &paths.value.kind {
            Kind::Seq(items) if items.iter().all(|item| item.as_text().is_some()) => {
                resources.extend(items.iter().map(|item| mapping(Some(item))));
            }
            _ => {
                let message = format!("BasePath of {id} must be a list of paths, written out");
                return Err(Fault::at(paths.value.at, message));
            }
        },
    }
    Ok(resources)
}
