//! An API of the template as the gateway takes it.

use std::time::Duration;

use dunlin_gateway::{
    ApiConfig, Authorization, AuthorizerConfig, HttpEndpoint, Integration, IntegrationResponse,
    LambdaFunction, Mapping, Passthrough, Permitted, RouteConfig, StageConfig, StageThrottles, Templates,
    Throttle,
};
use dunlin_stack::{IntegrationKind, Stack, WebSocketApi};

/// Who the gateway is in a function's resource policy (G9).
const GATEWAY_PRINCIPAL: &str = "apigateway.amazonaws.com";

pub(super) fn api_config(stack: &Stack, api: &WebSocketApi) -> ApiConfig {
    // H7: one without a deployment refuses every handshake, as one that does not exist.
    let stages = api.stages.iter().filter(|stage| stage.deployed).map(|stage| StageConfig {
        name: stage.name.clone(),
        variables: stage.variables.clone().into_iter().collect(),
        throttles: StageThrottles {
            default: stage.default_throttle.map(throttle),
            routes: stage.route_throttles.iter().map(|(key, own)| (key.clone(), throttle(*own))).collect(),
        },
        ..StageConfig::default()
    });
    let routes = api.routes.iter().map(|route| RouteConfig {
        integration: route.integration.as_ref().and_then(|own| integration(stack, api, &route.key, own)),
        two_way: route.two_way,
        authorization: authorization(stack, api, &route.authorization),
        ..RouteConfig::new(&route.key)
    });
    ApiConfig {
        stages: stages.collect(),
        routes: routes.collect(),
        ..ApiConfig::new(&api.api_id, &api.route_selection_expression)
    }
}

fn integration(
    stack: &Stack,
    api: &WebSocketApi,
    route_key: &str,
    integration: &dunlin_stack::Integration,
) -> Option<Integration> {
    let timeout = integration.timeout;
    let lambda = |function: &String| LambdaFunction {
        function: function.clone(),
        timeout,
        permitted: match integration.credentials_arn {
            Some(_) => Permitted::Everywhere,
            None => permitted(stack, api, route_key, function),
        },
    };
    Some(match &integration.kind {
        IntegrationKind::LambdaProxy { function } => Integration::LambdaProxy(lambda(function)),
        IntegrationKind::Lambda { function, mapping: own, asynchronous } => Integration::Lambda {
            function: lambda(function),
            mapping: mapping(own),
            asynchronous: *asynchronous,
        },
        IntegrationKind::HttpProxy(own) => Integration::HttpProxy(endpoint(own, timeout)),
        IntegrationKind::Http { endpoint: own, mapping: maps } => {
            Integration::Http { endpoint: endpoint(own, timeout), mapping: mapping(maps) }
        }
        IntegrationKind::Mock(own) => Integration::Mock(mapping(own)),
        // None that the template's reader knows.
        _ => return None,
    })
}

fn endpoint(endpoint: &dunlin_stack::HttpEndpoint, timeout: Duration) -> HttpEndpoint {
    let dunlin_stack::HttpEndpoint { method, uri, parameters } = endpoint;
    HttpEndpoint {
        method: method.clone(),
        uri: uri.clone(),
        timeout,
        parameters: parameters.clone().into_iter().collect(),
    }
}

fn mapping(mapping: &dunlin_stack::Mapping) -> Mapping {
    let templates = |dunlin_stack::Templates { selection, by_key }: &dunlin_stack::Templates| Templates {
        selection: selection.clone(),
        by_key: by_key.clone().into_iter().collect(),
    };
    let response = |response: &dunlin_stack::IntegrationResponse| IntegrationResponse {
        templates: templates(&response.templates),
        ..IntegrationResponse::new(&response.key)
    };
    Mapping {
        request: templates(&mapping.request),
        passthrough: match mapping.passthrough {
            dunlin_stack::Passthrough::WhenNoMatch => Passthrough::WhenNoMatch,
            dunlin_stack::Passthrough::WhenNoTemplates => Passthrough::WhenNoTemplates,
            dunlin_stack::Passthrough::Never => Passthrough::Never,
        },
        responses: mapping.responses.iter().map(response).collect(),
    }
}

fn throttle(throttle: dunlin_stack::Throttle) -> Throttle {
    let dunlin_stack::Throttle { rate_per_second, burst } = throttle;
    Throttle { rate_per_second, burst }
}

fn authorization(
    stack: &Stack,
    api: &WebSocketApi,
    authorization: &dunlin_stack::Authorization,
) -> Authorization {
    match authorization {
        dunlin_stack::Authorization::None => Authorization::None,
        dunlin_stack::Authorization::Iam => Authorization::Iam,
        dunlin_stack::Authorization::Custom(authorizer) => {
            let dunlin_stack::Authorizer { name, function, authorizer_id, .. } = authorizer;
            let source = stack.authorizer_arn(&api.api_id, authorizer_id);
            let permitted = authorizer.credentials_arn.is_some()
                || stack.may_invoke(GATEWAY_PRINCIPAL, &source, function);
            if !permitted {
                tracing::warn!(
                    "authorizer {name} will fail: {GATEWAY_PRINCIPAL} may not invoke {function} from {source}; add an \
                     AWS::Lambda::Permission"
                );
            }
            Authorization::Custom(AuthorizerConfig {
                name: name.clone(),
                function: function.clone(),
                permitted: if permitted { Permitted::Everywhere } else { Permitted::From(Vec::new()) },
                identity_sources: authorizer.identity_sources.clone(),
            })
        }
        // None that the template's reader knows; nobody gets in by mistake.
        _ => Authorization::Iam,
    }
}

/// The stages from which the function's policy lets the API call it by this route; said once where it does not.
fn permitted(stack: &Stack, api: &WebSocketApi, route_key: &str, function: &str) -> Permitted {
    let (mut allowed, mut is_told) = (Vec::new(), false);
    for stage in &api.stages {
        let source = stack.route_arn(&api.api_id, &stage.name, route_key);
        if stack.may_invoke(GATEWAY_PRINCIPAL, &source, function) {
            allowed.push(stage.name.clone());
        } else if !std::mem::replace(&mut is_told, true) {
            tracing::warn!(
                "route {route_key} will fail: {GATEWAY_PRINCIPAL} may not invoke {function} from {source}; add an \
                 AWS::Lambda::Permission"
            );
        }
    }
    Permitted::From(allowed)
}
