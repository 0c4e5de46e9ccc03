//! The stack's APIs as the gateway takes them, and functions as its back end.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use dunlin_gateway::{
    ApiConfig, Authorization, AuthorizerConfig, Backend, BackendError, Gateway, GatewayConfig, Integration,
    LambdaFunction, RouteConfig, StageConfig, StageThrottles, Throttle, rustls::ServerConfig,
};
use dunlin_lambda_host::{InvocationType, InvokeError, LambdaHost};
use dunlin_stack::{IntegrationKind, Stack, URL_SUFFIX, WebSocketApi};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    credentials::Keyring,
    listen::{Listening, listen as listen_on},
    ready::ReadyApi,
};
use crate::failure::Failure;

/// Who the gateway is in a function's resource policy (G9).
const GATEWAY_PRINCIPAL: &str = "apigateway.amazonaws.com";

/// The APIs of the stack and where each listens.
pub(super) struct Listeners {
    host: IpAddr,
    apis: Vec<ListeningApi>,
}

struct ListeningApi {
    logical_id: String,
    api_id: String,
    stages: Vec<String>,
    listening: Listening,
}

/// The first API takes `port`, the others the next ones; with 0 each takes any free one.
pub(super) fn listen(stack: &Stack, host: IpAddr, port: u16) -> Result<Listeners, Failure> {
    let apis = stack.apis.iter().zip(0_u16..).map(|(api, offset)| {
        let port = match port {
            0 => 0,
            first => first.checked_add(offset).ok_or_else(|| {
                Failure::usage(format!(
                    "--port {first} leaves too few ports above it for {} APIs",
                    stack.apis.len()
                ))
            })?,
        };
        Ok(ListeningApi {
            logical_id: api.logical_id.clone(),
            api_id: api.api_id.clone(),
            stages: api.stages.iter().map(|stage| stage.name.clone()).collect(),
            listening: listen_on(host, port, "--port")?,
        })
    });
    Ok(Listeners { host, apis: apis.collect::<Result<_, Failure>>()? })
}

impl Listeners {
    /// The addresses that templates build for each API, and the local ones to put in their place.
    pub(super) fn rewrites(&self, stack: &Stack) -> Vec<(String, String)> {
        let schemes = [("https", "http"), ("wss", "ws")];
        let of_api = |api: &ListeningApi| {
            let remote = format!("{}.execute-api.{}.{URL_SUFFIX}", api.api_id, stack.region);
            let local = api.listening.address;
            schemes.map(|(from, to)| (format!("{from}://{remote}"), format!("{to}://{local}")))
        };
        self.apis.iter().flat_map(of_api).collect()
    }

    /// What the ready file says of them.
    pub(super) fn ready(&self) -> Vec<ReadyApi> {
        let entry = |api: &ListeningApi, stage: &String| {
            let url = |scheme: &str| format!("{scheme}://{}/{stage}", api.listening.address);
            ReadyApi {
                logical_id: api.logical_id.clone(),
                api_id: api.api_id.clone(),
                stage: stage.clone(),
                ws: url("ws"),
                wss: url("wss"),
                management: url("http"),
                management_tls: url("https"),
            }
        };
        self.apis.iter().flat_map(|api| api.stages.iter().map(move |stage| entry(api, stage))).collect()
    }
}

/// Starts the gateway on every listener.
pub(super) fn serve(
    stack: &Stack,
    keyring: &Keyring,
    tls: Arc<ServerConfig>,
    functions: Arc<LambdaHost>,
    listeners: Listeners,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let mut config = GatewayConfig::new(&stack.region, &stack.account_id, keyring.lookup());
    config.dns_suffix = URL_SUFFIX.to_owned();
    config.control_token = Some(keyring.control_token.clone());
    config.tls = Some(tls);
    config.any_address = listeners.host.is_unspecified();
    config.extra_hosts.push(match listeners.host {
        IpAddr::V4(host) => host.to_string(),
        IpAddr::V6(host) => format!("[{host}]"),
    });
    let apis = stack.apis.iter().map(|api| api_config(stack, api)).collect();
    let gateway = Gateway::new(config, apis, Functions(functions)).map_err(|error| {
        let message = format!("{error}; correct the template");
        Failure::data(match stack.apis.iter().find(|api| api.api_id == error.api_id()) {
            Some(api) => stack.problem(&api.at, &message).to_string(),
            None => format!("{}: {message}", stack.template.display()),
        })
    })?;
    for ListeningApi { api_id, listening, .. } in listeners.apis {
        for listener in listening.listeners {
            let (gateway, api_id, stop) = (gateway.clone(), api_id.clone(), stop.clone());
            tasks.spawn(async move {
                if let Err(error) = gateway.serve(&api_id, listener, stop).await {
                    tracing::error!("an API stopped: {error}");
                }
            });
        }
    }
    Ok(())
}

fn api_config(stack: &Stack, api: &WebSocketApi) -> ApiConfig {
    // H7: one without a deployment refuses every handshake, as one that does not exist.
    let stages = api.stages.iter().filter(|stage| stage.deployed).map(|stage| StageConfig {
        name: stage.name.clone(),
        variables: stage.variables.clone().into_iter().collect(),
        throttles: StageThrottles {
            default: stage.default_throttle.map(throttle),
            routes: stage.route_throttles.iter().map(|(key, own)| (key.clone(), throttle(*own))).collect(),
        },
    });
    let routes = api.routes.iter().map(|route| RouteConfig {
        key: route.key.clone(),
        integration: route.integration.as_ref().and_then(|integration| match &integration.kind {
            IntegrationKind::LambdaProxy { function } => Some(Integration::LambdaProxy(LambdaFunction {
                function: function.clone(),
                timeout: integration.timeout,
                permitted: integration.credentials_arn.is_some()
                    || may_invoke(stack, api, &route.key, function),
            })),
            // The template reader refuses what the gateway cannot call.
            _ => None,
        }),
        two_way: route.two_way,
        authorization: authorization(stack, api, &route.authorization),
    });
    ApiConfig {
        api_id: api.api_id.clone(),
        route_selection_expression: api.route_selection_expression.clone(),
        stages: stages.collect(),
        routes: routes.collect(),
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
                permitted,
                identity_sources: authorizer.identity_sources.clone(),
            })
        }
        // None that the template's reader knows; nobody gets in by mistake.
        _ => Authorization::Iam,
    }
}

/// Whether the function's policy lets every stage of the API call it from this route; said once where it does not.
fn may_invoke(stack: &Stack, api: &WebSocketApi, route_key: &str, function: &str) -> bool {
    let refused = api.stages.iter().find_map(|stage| {
        let source = stack.route_arn(&api.api_id, &stage.name, route_key);
        (!stack.may_invoke(GATEWAY_PRINCIPAL, &source, function)).then_some(source)
    });
    if let Some(source) = &refused {
        tracing::warn!(
            "route {route_key} will fail: {GATEWAY_PRINCIPAL} may not invoke {function} from {source}; add an \
             AWS::Lambda::Permission"
        );
    }
    refused.is_none()
}

/// What a failed function says; an authorizer refuses by it.
fn error_message(payload: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Thrown {
        error_message: String,
    }
    serde_json::from_slice(payload).map_or_else(|_| String::new(), |thrown: Thrown| thrown.error_message)
}

/// The function host as the gateway's back end.
struct Functions(Arc<LambdaHost>);

impl Backend for Functions {
    async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, BackendError> {
        let outcome = self.0.invoke(function, payload, InvocationType::RequestResponse).await;
        match outcome {
            Ok(outcome) if outcome.function_error.is_some() => {
                Err(BackendError::FunctionError { message: error_message(&outcome.payload) })
            }
            Ok(outcome) => Ok(outcome.payload),
            Err(InvokeError::NotFound { .. }) => Err(BackendError::NotFound),
            Err(InvokeError::TooManyRequests { .. }) => Err(BackendError::Throttled),
            Err(InvokeError::PayloadTooLarge { .. }) => Err(BackendError::TooLarge),
            Err(_) => Err(BackendError::Unavailable),
        }
    }
}
