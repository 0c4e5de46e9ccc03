//! Calls to integrations and authorizers, with the faults that somebody asked for on the way.

use std::sync::Arc;

use bytes::Bytes;
use dunlin_events::ProxyResult;

use crate::{
    Backend, BackendError,
    connection::Connection,
    faults::Faulty,
    gateway::Gateway,
    integration::{Compiled, Means, Prepared},
    invoke::Failure,
    report::Step,
};

/// Whom a call is for.
pub(crate) struct Site<'a> {
    pub(crate) route_key: &'a str,
    pub(crate) connection: &'a Connection,
}

/// Calls what stands behind a route, and says how that went.
pub(crate) async fn call<B: Backend>(
    gateway: &Arc<Gateway<B>>,
    integration: &Compiled,
    prepared: Prepared,
    site: &Site<'_>,
) -> (Result<ProxyResult, Failure>, Step) {
    let started = gateway.time.ticks();
    let result = call_disturbed(gateway, integration, prepared, site).await;
    let latency = gateway.time.ticks().saturating_sub(started);
    let step = Step::call(&result, latency, integration.is_remote());
    (result, step)
}

async fn call_disturbed<B: Backend>(
    gateway: &Arc<Gateway<B>>,
    integration: &Compiled,
    prepared: Prepared,
    site: &Site<'_>,
) -> Result<ProxyResult, Failure> {
    let Gateway { backend, http, time, faults, .. } = &**gateway;
    let stage = &site.connection.stage;
    if faults.is_armed()
        && let Some(function) = integration.function(stage)
        && let Some(plan) = faults.on_call(site.route_key, site.connection, &function)
    {
        let backend = &Faulty { gateway: Arc::clone(gateway), plan };
        // Apart, so that the usual way does not keep room for this one.
        return Box::pin(integration.call(&Means { backend, http, time, stage }, prepared)).await;
    }
    integration.call(&Means { backend, http, time, stage }, prepared).await
}

/// Calls an authorizer's function.
pub(crate) async fn ask<B: Backend>(
    gateway: &Arc<Gateway<B>>,
    function: &str,
    event: Bytes,
    site: &Site<'_>,
) -> Result<Bytes, BackendError> {
    match gateway.faults.on_call(site.route_key, site.connection, function) {
        Some(plan) => {
            let backend = Faulty { gateway: Arc::clone(gateway), plan };
            Box::pin(backend.invoke(function, event)).await
        }
        None => gateway.backend.invoke(function, event).await,
    }
}
