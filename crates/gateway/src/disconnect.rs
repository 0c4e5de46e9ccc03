use std::sync::Arc;

use dunlin_events::EventType;

use crate::{
    Backend,
    api::Api,
    calling::{Site, call},
    closing::Ending,
    connection::Connection,
    event::{EventSource, Occasion},
    faults::Disconnect,
    gateway::Gateway,
    invoke::Failure,
    report::Report,
};

/// Runs `$disconnect`, once the connection is gone; its result changes nothing (X1).
pub(crate) async fn tell<B: Backend>(
    gateway: &Arc<Gateway<B>>,
    api: &Api,
    connection: &Connection,
    ending: &Ending,
) {
    let Some(route) = &api.disconnect else { return };
    let Some(integration) = &route.integration else { return };
    let Disconnect { delay, times } = gateway.faults.on_disconnect(connection);
    if !delay.is_zero() {
        gateway.time.sleep(delay).await;
    }
    for _ in 0..times {
        let now_ms = gateway.now_ms();
        let request_id = gateway.ids.request(now_ms);
        let occasion = Occasion { route_key: &route.key, request_id: &request_id, now_ms };
        let source = EventSource { api, connection };
        let prepared = source.prepare_disconnect(integration, &occasion, ending.code(), ending.reason());
        let site = Site { route_key: &route.key, connection };
        let (result, step) = call(gateway, integration, prepared, &site).await;
        let failure = result.as_ref().err();
        if let Some(failure) = failure {
            let connection_id = connection.id();
            tracing::warn!(
                request_id,
                connection_id,
                route_key = &*route.key,
                "disconnect failed: {failure}"
            );
        }
        let report = Report {
            event_type: EventType::Disconnect,
            api,
            route: Some(route),
            connection,
            request_id: &request_id,
            message_id: None,
            now_ms,
            status: failure.map_or(200, Failure::handshake_status),
            error: failure.map(|failure| failure.message().as_str()),
            validation_error: None,
            integration: Some(&step),
            gates: None,
        };
        report.tell(&gateway.counters);
    }
}
