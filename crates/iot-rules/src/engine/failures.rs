//! What an error action is told (S10).

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;

use super::Published;

/// One action that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failure {
    /// The action, as the service calls it: `LambdaAction`.
    pub(super) failed_action: &'static str,
    /// What it was to reach.
    pub(super) failed_resource: String,
    pub(super) error_message: String,
}

impl Failure {
    pub(super) fn warn(&self, rule: &str) {
        let Self { failed_action, failed_resource, error_message } = self;
        tracing::warn!("rule {rule}: {failed_action} to {failed_resource} failed: {error_message}");
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    rule_name: &'a str,
    topic: &'a str,
    cloudwatch_trace_id: &'a str,
    client_id: &'a str,
    base64_original_payload: String,
    failures: &'a [Failure],
}

/// One message per rule and message, with every failure.
pub(super) fn report(rule: &str, message: &Published, trace_id: &str, failures: &[Failure]) -> Bytes {
    let report = Report {
        rule_name: rule,
        topic: &message.topic,
        cloudwatch_trace_id: trace_id,
        client_id: &message.client_id,
        base64_original_payload: STANDARD.encode(&message.payload),
        failures,
    };
    // Texts and a list of texts always print.
    serde_json::to_vec(&report).unwrap_or_default().into()
}
