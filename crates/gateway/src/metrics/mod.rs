//! The service's metrics (L3), counted where they happen and printed for Prometheus.

mod histogram;
mod page;

use dunlin_events::EventType;

pub(crate) use page::page;

use crate::{
    counters::Counter,
    report::{FailedBy, Report},
};
use histogram::Histogram;

/// What is counted of one route of a stage. Relaxed atomics: nobody orders anything by them.
#[derive(Debug, Default)]
pub(crate) struct RouteMetrics {
    connects: Counter,
    /// In both directions.
    pub(crate) messages: Counter,
    client_errors: Counter,
    integration_errors: Counter,
    execution_errors: Counter,
    integration_latency: Histogram,
}

impl RouteMetrics {
    /// Counts an event that is over. Messages are counted by themselves, as they pass.
    pub(crate) fn count(&self, report: &Report<'_>) {
        if let Some(step) = report.integration {
            // Calls of its integration, not connections.
            if report.event_type == EventType::Connect {
                self.connects.increment();
            }
            if step.is_remote {
                self.integration_latency.add(step.latency);
            }
        }
        match report.failed_by() {
            None => {}
            Some(FailedBy::Client) => self.client_errors.increment(),
            Some(FailedBy::Integration) => self.integration_errors.increment(),
            Some(FailedBy::Execution) => self.execution_errors.increment(),
        }
    }
}
