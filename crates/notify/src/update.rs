//! `notify_parameter`.

use std::sync::Arc;

use dunlin_connection_store::{ConnectionStore, Topic};
use dunlin_fanout::{FanoutError, Report, Update};
use dunlin_handler::{Deadline, HandlerError, Json, Payload, State};
use dunlin_management::ManagementClient;

use crate::{App, app, wire};

/// Commits a device's update and pushes it to everyone who follows the device; answers with the report.
///
/// An update that can never be pushed is refused for good. One that fails for now fails the invocation, which the service
/// then repeats (fact N5); repeating an update is safe.
pub(crate) async fn notify_parameter<S: ConnectionStore, M: ManagementClient>(
    State(app): State<Arc<App<S, M>>>,
    deadline: Deadline,
    Payload(event): Payload<wire::UpdateEvent>,
) -> Result<Json<Report>, HandlerError> {
    let device: Topic = event.device_id.parse().map_err(|invalid| {
        HandlerError::new("invalid_device_id", format!("the event's device_id is no device id: {invalid}"))
    })?;
    let version = event.version.or(event.received_at).ok_or_else(|| {
        HandlerError::new(
            "no_version",
            "the event has neither version nor received_at; have the rule select timestamp() AS received_at",
        )
    })?;
    let push = wire::Parameters { device_id: &device, version, value: &event.payload.value };
    let payload = serde_json::to_vec(&push)?.into();
    let (now, deadline, seed) = (app.now(), app::deadline(deadline), app.seed());
    let update = Update { topic: device.clone(), version, payload, now, deadline, seed };
    let report = app.fanout().publish(update).await.map_err(refusal)?;
    log(&device, version, &report);
    if let Some(metrics) = app.metrics() {
        metrics.print(&device, version, now, &report);
    }
    Ok(Json(report))
}

fn refusal(error: FanoutError) -> HandlerError {
    match error {
        FanoutError::PayloadTooLarge { .. } => HandlerError::new("payload_too_large", error.to_string()),
        error => error.into(),
    }
}

/// What was not reached is worth a warning: those clients wait for the next update. The numbers of an update that went
/// well are in its metrics.
fn log(device: &Topic, version: u64, report: &Report) {
    let Report { commit, delivered, gone, failed, skipped, enumerated, posts, throttled, elapsed_us, .. } =
        report;
    if report.is_complete() {
        tracing::debug!(%device, version, ?commit, delivered, gone, posts, throttled, elapsed_us, "update pushed");
    } else {
        let (max_us, posts_per_s_max) = (report.post_latency.max_us, report.posts_per_s_max);
        tracing::warn!(
            %device, version, ?commit, delivered, gone, failed, skipped, enumerated, posts, throttled, posts_per_s_max, max_us,
            elapsed_us, "update not pushed to everyone"
        );
    }
}
