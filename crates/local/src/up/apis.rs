//! The stack's APIs as the gateway takes them, and functions as its back end.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use dunlin_gateway::{AccountThrottles, Backend, BackendError, Gateway, GatewayConfig, rustls::ServerConfig};
use dunlin_lambda_host::{InvocationType, InvokeError, InvokeOutcome, InvokeRequest, LambdaHost};
use dunlin_stack::{ApiMapping, Domain, Stack, URL_SUFFIX};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    access,
    access_log::AccessLogs,
    api_config::{api_config, place_of},
    credentials::Keyring,
    listen::{Listening, listen as listen_on},
    open_files,
    ready::{ReadyApi, ReadyDomain},
    tables::Tables,
};
use crate::{cli::UpArgs, failure::Failure};

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
        // A custom domain's address stands for a stage's; of two base paths the longer one counts.
        let mut mapped: Vec<_> = stack
            .domains
            .iter()
            .flat_map(|domain| domain.mappings.iter().map(move |mapping| (&domain.name, mapping)))
            .collect();
        mapped.sort_by_key(|(_, mapping)| std::cmp::Reverse(mapping.base_path.len()));
        let of_domain = |(name, mapping): (&String, &ApiMapping)| {
            let api = self.apis.iter().find(|api| api.api_id == mapping.api_id)?;
            let remote = with_path(name, &mapping.base_path);
            let local = with_path(&api.listening.address.to_string(), &mapping.stage);
            Some(schemes.map(|(from, to)| (format!("{from}://{remote}"), format!("{to}://{local}"))))
        };
        let of_domains = mapped.into_iter().filter_map(of_domain).flatten();
        self.apis.iter().flat_map(of_api).chain(of_domains).collect()
    }

    /// Custom domains, each with the addresses that it has here.
    pub(super) fn domains(&self, stack: &Stack) -> Vec<ReadyDomain> {
        let entry = |domain: &Domain, mapping: &ApiMapping| {
            let address = self.apis.iter().find(|api| api.api_id == mapping.api_id)?.listening.address;
            let host = format!("{}:{}", domain.name, address.port());
            let url = |scheme: &str| format!("{scheme}://{}", with_path(&host, &mapping.base_path));
            Some(ReadyDomain {
                name: domain.name.clone(),
                base_path: mapping.base_path.clone(),
                api_id: mapping.api_id.clone(),
                stage: mapping.stage.clone(),
                address: address.to_string(),
                ws: url("ws"),
                wss: url("wss"),
                management: url("http"),
                management_tls: url("https"),
            })
        };
        let domains = stack.domains.iter();
        domains.flat_map(|domain| domain.mappings.iter().filter_map(move |own| entry(domain, own))).collect()
    }

    /// The address that all of them have.
    pub(super) fn host(&self) -> IpAddr {
        self.host
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

/// An address with a path that may be empty.
fn with_path(host: &str, path: &str) -> String {
    if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") }
}

/// The gateway of this stack. A strict one has nothing that the service has not, and the quotas of a new account.
pub(super) fn gateway_config(
    stack: &Stack,
    keyring: &Keyring,
    tls: Arc<ServerConfig>,
    tables: Tables,
    host: IpAddr,
    args: &UpArgs,
) -> GatewayConfig {
    let mut config = GatewayConfig::new(&stack.region, &stack.account_id, keyring.lookup());
    config.dns_suffix = URL_SUFFIX.to_owned();
    config.tls = Some(tls);
    config.any_address = host.is_unspecified();
    config.extra_hosts.push(match host {
        IpAddr::V4(host) => host.to_string(),
        IpAddr::V6(host) => format!("[{host}]"),
    });
    config.limits.sockets_max = open_files::sockets_max();
    access::configure(&mut config, stack, keyring);
    if args.strict || args.account_quotas {
        config.account_throttles = AccountThrottles::of_service();
    }
    if !args.strict {
        config.control_token = Some(keyring.control_token.clone());
        config.on_advance = Some(Arc::new(move |ahead| {
            let tables = tables.clone();
            Box::pin(async move { tables.set_ahead(ahead).await })
        }));
    }
    config
}

/// Starts the gateway on every listener.
pub(super) fn serve(
    stack: &Stack,
    logs: &AccessLogs,
    config: GatewayConfig,
    functions: Arc<LambdaHost>,
    listeners: Listeners,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let apis = stack.apis.iter().map(|api| api_config(stack, api, logs)).collect();
    let gateway = Gateway::new(config, apis, Functions(functions)).map_err(|error| {
        let message = format!("{error}; correct the template");
        Failure::data(match place_of(stack, &error) {
            Some(place) => stack.problem(place, &message).to_string(),
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

/// What a failed function says; an authorizer refuses by it.
fn error_message(payload: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Thrown {
        error_message: String,
    }
    serde_json::from_slice(payload).map_or_else(|_| String::new(), |thrown: Thrown| thrown.error_message)
}

fn answer(outcome: InvokeOutcome) -> Result<Bytes, BackendError> {
    match outcome.function_error {
        Some(_) => Err(BackendError::FunctionError { message: error_message(&outcome.payload) }),
        None => Ok(outcome.payload),
    }
}

/// The function host as the gateway's back end.
struct Functions(Arc<LambdaHost>);

impl Backend for Functions {
    async fn invoke(&self, function: &str, payload: Bytes) -> Result<Bytes, BackendError> {
        self.0
            .invoke(function, payload, InvocationType::RequestResponse)
            .await
            .map_err(refused)
            .and_then(answer)
    }

    async fn invoke_event(&self, function: &str, payload: Bytes) -> Result<(), BackendError> {
        self.0.invoke(function, payload, InvocationType::Event).await.map(drop).map_err(refused)
    }

    async fn crash(&self, function: &str, payload: Bytes) -> Result<Bytes, BackendError> {
        let request = InvokeRequest {
            crash: true,
            ..InvokeRequest::new(function, payload, InvocationType::RequestResponse)
        };
        self.0.invoke_request(request).await.map_err(refused).and_then(answer)
    }

    async fn retire(&self, function: &str) {
        // A function that is not there has nothing warm either.
        drop(self.0.retire_environments(function));
    }
}

fn refused(error: InvokeError) -> BackendError {
    match error {
        InvokeError::NotFound { .. } => BackendError::NotFound,
        InvokeError::TooManyRequests { .. } => BackendError::Throttled,
        InvokeError::PayloadTooLarge { .. } => BackendError::TooLarge,
        _ => BackendError::Unavailable,
    }
}
