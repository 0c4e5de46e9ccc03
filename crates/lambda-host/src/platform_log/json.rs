//! The platform's lines as JSON objects: what stands in `record` (P19).

use serde::Serialize;

use super::Status;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start<'a> {
    pub(super) request_id: &'a str,
    pub(super) version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuntimeDone<'a> {
    pub(super) request_id: &'a str,
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_type: Option<&'a str>,
    pub(super) metrics: RuntimeMetrics,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuntimeMetrics {
    pub(super) duration_ms: f64,
    pub(super) produced_bytes: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReportRecord<'a> {
    pub(super) request_id: &'a str,
    pub(super) metrics: ReportMetrics,
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_type: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct ReportMetrics {
    #[serde(rename = "durationMs")]
    pub(super) duration_ms: f64,
    #[serde(rename = "billedDurationMs")]
    pub(super) billed_duration_ms: u128,
    #[serde(rename = "memorySizeMB")]
    pub(super) memory_size_mb: u32,
    #[serde(rename = "maxMemoryUsedMB", skip_serializing_if = "Option::is_none")]
    pub(super) max_memory_used_mb: Option<u32>,
    #[serde(rename = "initDurationMs", skip_serializing_if = "Option::is_none")]
    pub(super) init_duration_ms: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InitReport<'a> {
    pub(super) initialization_type: &'a str,
    pub(super) phase: &'a str,
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_type: Option<&'a str>,
    pub(super) metrics: InitMetrics,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InitMetrics {
    pub(super) duration_ms: f64,
}
