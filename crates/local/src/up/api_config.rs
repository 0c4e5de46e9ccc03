//! An API of the template as the gateway takes it.

use std::time::Duration;

use dunlin_gateway::{
    ApiConfig, ApiKeySource, Authorization, AuthorizerConfig, ConfigError, ContentHandling, HttpEndpoint,
    Integration, IntegrationResponse, LambdaFunction, LoggingLevel, Mapping, ModelConfig, Passthrough,
    Permitted, RequestModels, RouteConfig, RouteObservation, StageConfig, StageObservation, StageThrottles,
    Templates, Throttle,
};
use dunlin_stack::{IntegrationKind, Place, RouteLogLevel, Stack, WebSocketApi};

use super::access_log::AccessLogs;

/// Who the gateway is in a function's resource policy (G9).
const GATEWAY_PRINCIPAL: &str = "apigateway.amazonaws.com";

pub(super) fn api_config(stack: &Stack, api: &WebSocketApi, logs: &AccessLogs) -> ApiConfig {
    // H7: one without a deployment refuses every handshake, as one that does not exist.
    let stages = api.stages.iter().filter(|stage| stage.deployed).map(|stage| StageConfig {
        name: stage.name.clone(),
        variables: stage.variables.clone().into_iter().collect(),
        throttles: StageThrottles {
            default: stage.default_throttle.map(throttle),
            routes: stage.route_throttles.iter().map(|(key, own)| (key.clone(), throttle(*own))).collect(),
        },
        access_log: logs.of(api, stage),
        observation: StageObservation {
            default: observation(stage.default_observation),
            routes: (stage.route_observations.iter())
                .map(|(key, own)| (key.clone(), observation(*own)))
                .collect(),
        },
    });
    let routes = api.routes.iter().map(|route| RouteConfig {
        integration: route.integration.as_ref().and_then(|own| integration(stack, api, &route.key, own)),
        content: route.integration.as_ref().and_then(|own| content(own.content)),
        two_way: route.two_way,
        authorization: authorization(stack, api, &route.authorization),
        api_key_required: route.api_key_required,
        request_models: route.request_models.as_ref().map(|own| RequestModels {
            selection: own.selection.clone(),
            by_key: own.by_key.clone().into_iter().collect(),
        }),
        required_parameters: route.required_parameters.clone(),
        ..RouteConfig::new(&route.key)
    });
    let models =
        api.models.iter().map(|model| ModelConfig { name: model.name.clone(), schema: model.schema.clone() });
    ApiConfig {
        stages: stages.collect(),
        routes: routes.collect(),
        models: models.collect(),
        models_unchecked: api.models_unchecked,
        api_key_source: match api.api_key_source {
            dunlin_stack::ApiKeySource::Header => ApiKeySource::Header,
            dunlin_stack::ApiKeySource::Authorizer => ApiKeySource::Authorizer,
        },
        default_host_disabled: api.default_host_disabled,
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

/// Where in the template a mistake is that only the gateway finds.
pub(super) fn place_of<'s>(stack: &'s Stack, error: &ConfigError) -> Option<&'s Place> {
    if let ConfigError::Domain { domain: name, .. } = error {
        return stack.domains.iter().find(|domain| domain.name == *name).map(|domain| &domain.at);
    }
    let api = stack.apis.iter().find(|api| Some(api.api_id.as_str()) == error.api_id())?;
    let within = match error {
        ConfigError::Route { route_key, .. } => {
            api.routes.iter().find(|route| route.key == *route_key).map(|route| &route.at)
        }
        ConfigError::Model { model, .. } => {
            api.models.iter().find(|own| own.name == *model).map(|own| &own.at)
        }
        _ => None,
    };
    Some(within.unwrap_or(&api.at))
}

fn content(content: Option<dunlin_stack::ContentHandling>) -> Option<ContentHandling> {
    content.map(|content| match content {
        dunlin_stack::ContentHandling::ToBinary => ContentHandling::ToBinary,
        dunlin_stack::ContentHandling::ToText => ContentHandling::ToText,
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
        content: content(response.content),
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

fn observation(observation: dunlin_stack::Observation) -> RouteObservation {
    let dunlin_stack::Observation { detailed_metrics, logging_level, data_trace } = observation;
    let logging_level = match logging_level {
        RouteLogLevel::Off => LoggingLevel::Off,
        RouteLogLevel::Error => LoggingLevel::Error,
        RouteLogLevel::Info => LoggingLevel::Info,
    };
    RouteObservation { detailed_metrics, logging_level, data_trace }
}

pub(super) fn throttle(throttle: dunlin_stack::Throttle) -> Throttle {
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
            let may_ask = |stage: &&dunlin_stack::Stage| {
                let found = stack.function_at(stage, function);
                found.is_some_and(|own| stack.may_invoke(GATEWAY_PRINCIPAL, &source, &own.name))
            };
            let allowed: Vec<String> =
                api.stages.iter().filter(may_ask).map(|stage| stage.name.clone()).collect();
            let has_role = authorizer.credentials_arn.is_some();
            if !has_role && allowed.len() < api.stages.len() {
                tracing::warn!(
                    "authorizer {name} will fail: {GATEWAY_PRINCIPAL} may not invoke {function} from {source}; add an \
                     AWS::Lambda::Permission"
                );
            }
            Authorization::Custom(AuthorizerConfig {
                name: name.clone(),
                function: function.clone(),
                permitted: if has_role { Permitted::Everywhere } else { Permitted::From(allowed) },
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
        // Where it is none of the template's, that is refused.
        let Some(dunlin_stack::Function { name: function, .. }) = stack.function_at(stage, function) else {
            continue;
        };
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
