//! What came of an event: told once, when it is over, to the metrics and logs of its stage (L1, L3, L4).

use std::{borrow::Cow, time::Duration};

use dunlin_events::{EventType, ProxyResult, limits};

use crate::{
    BackendError,
    access_log::AccessLog,
    api::{Api, Route},
    connection::Connection,
    counters::LiveCounters,
    invoke::Failure,
    metrics::RouteMetrics,
};

/// The `tracing` target of execution logs (L4).
const EXECUTION: &str = "dunlin_gateway::execution";

/// An event that is over.
pub(crate) struct Report<'a> {
    pub(crate) event_type: EventType,
    pub(crate) api: &'a Api,
    /// None that a message found, or none of that name.
    pub(crate) route: Option<&'a Route>,
    pub(crate) connection: &'a Connection,
    pub(crate) request_id: &'a str,
    pub(crate) message_id: Option<&'a str>,
    /// When it began, in milliseconds since 1970.
    pub(crate) now_ms: u64,
    /// What the client was told, or would have been over HTTP.
    pub(crate) status: u16,
    /// The words for it, if it failed.
    pub(crate) error: Option<&'a str>,
    /// Why a body did not fit its model (M3).
    pub(crate) validation_error: Option<&'a str>,
    /// The integration, if it was called.
    pub(crate) integration: Option<&'a Step>,
    /// Of a handshake.
    pub(crate) gates: Option<&'a Gates>,
}

/// What a handshake had to pass before its integration.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    /// The signature (A9).
    pub(crate) authenticate: Option<Step>,
    /// The function of a REQUEST authorizer (A1).
    pub(crate) authorizer: Option<Step>,
    /// The id of its event.
    pub(crate) authorizer_request_id: Option<String>,
    /// What its policy says (A4).
    pub(crate) authorize: Option<Step>,
}

/// One thing that was asked, and how it went.
#[derive(Debug)]
pub(crate) struct Step {
    /// What came back.
    pub(crate) status: Option<u16>,
    /// What the service behind it, such as Lambda itself, said.
    pub(crate) service_status: Option<u16>,
    pub(crate) latency: Duration,
    pub(crate) error: Option<String>,
    pub(crate) fault: Option<Fault>,
    /// Whether anybody was waited for: a mock has no latency (C13).
    pub(crate) is_remote: bool,
}

/// Whose fault an integration's failure is (L3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The back end answered with an error.
    Integration,
    /// The gateway could not call it, or not use what it said.
    Execution,
}

impl Step {
    /// A gate that was passed, or not.
    pub(crate) fn gate(status: u16, latency: Duration, error: Option<String>) -> Self {
        Step { status: Some(status), service_status: None, latency, error, fault: None, is_remote: true }
    }

    /// A call to an integration.
    pub(crate) fn call(result: &Result<ProxyResult, Failure>, latency: Duration, is_remote: bool) -> Self {
        let (status, service_status, fault) = match result {
            Ok(result) => {
                let is_error = result.status_code >= 400;
                (Some(result.status_code), Some(200), is_error.then_some(Fault::Integration))
            }
            Err(Failure::Backend(BackendError::FunctionError { .. })) => {
                (None, Some(200), Some(Fault::Integration))
            }
            Err(Failure::Endpoint(_)) => (None, None, Some(Fault::Integration)),
            Err(Failure::Malformed(_)) => (None, Some(200), Some(Fault::Execution)),
            Err(Failure::Backend(BackendError::Throttled)) => (None, Some(429), Some(Fault::Execution)),
            Err(Failure::Backend(BackendError::NotPermitted) | Failure::NotPermitted) => {
                (None, Some(403), Some(Fault::Execution))
            }
            Err(_) => (None, None, Some(Fault::Execution)),
        };
        let error = result.as_ref().err().map(ToString::to_string);
        Step { status, service_status, latency, error, fault, is_remote }
    }
}

/// How much of a route's events its stage logs (L4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LoggingLevel {
    /// `OFF`
    #[default]
    Off,
    /// `ERROR`: those that fail.
    Error,
    /// `INFO`: all of them.
    Info,
}

/// What a stage tells of a route's events besides (L3, L4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RouteObservation {
    /// `DetailedMetricsEnabled`: whether the route has metrics of its own.
    pub detailed_metrics: bool,
    /// `LoggingLevel`
    pub logging_level: LoggingLevel,
    /// `DataTraceEnabled`: whether messages stand in the log.
    pub data_trace: bool,
}

/// A route of a stage, observed.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) settings: RouteObservation,
    pub(crate) metrics: RouteMetrics,
}

/// All routes of a stage, observed.
#[derive(Debug, Default)]
pub(crate) struct StageWatch {
    /// By [`Route::index`].
    pub(crate) routes: Box<[Watch]>,
    /// What belongs to no route: posts, messages that find none.
    pub(crate) unrouted: Watch,
    pub(crate) access_log: Option<AccessLog>,
}

impl StageWatch {
    pub(crate) fn of(&self, route: Option<&Route>) -> &Watch {
        route.and_then(|route| self.routes.get(route.index)).unwrap_or(&self.unrouted)
    }

    /// Shows a message in the execution log, if it is to stand there.
    pub(crate) fn trace(&self, route: Option<&Route>, request_id: &str, what: &str, text: &str) {
        let RouteObservation { data_trace, logging_level, .. } = self.of(route).settings;
        if data_trace && logging_level == LoggingLevel::Info {
            let line = format!("({request_id}) {what}: {text}");
            tracing::info!(target: EXECUTION, "{}", truncated(&line));
        }
    }
}

impl Report<'_> {
    /// Tells everybody.
    pub(crate) fn tell(&self, counters: &LiveCounters) {
        let watch = &self.connection.stage.watch;
        let own = watch.of(self.route);
        own.metrics.count(self);
        if own.settings.logging_level != LoggingLevel::Off {
            self.log(own.settings.logging_level);
        }
        if let Some(log) = &watch.access_log
            && !log.write(self)
        {
            counters.access_lines_dropped.increment();
        }
    }

    /// Whose fault it is, if it failed: the client's where nobody was called.
    pub(crate) fn failed_by(&self) -> Option<FailedBy> {
        match (self.integration, self.status) {
            (Some(step), _) => step.fault.map(|fault| match fault {
                Fault::Integration => FailedBy::Integration,
                Fault::Execution => FailedBy::Execution,
            }),
            (None, 400..=499) => Some(FailedBy::Client),
            (None, 500..) => Some(FailedBy::Execution),
            (None, _) => None,
        }
    }

    pub(crate) fn route_key(&self) -> Option<&str> {
        self.route.map(|route| &*route.key)
    }

    fn log(&self, level: LoggingLevel) {
        let failed = self.error.is_some() || self.failed_by().is_some();
        if !failed && level == LoggingLevel::Error {
            return;
        }
        let integration: Cow<'_, str> = match self.integration {
            Some(Step { latency, error: Some(error), .. }) => {
                format!(", integration after {} ms: {error}", latency.as_millis()).into()
            }
            Some(Step { latency, status, .. }) => {
                let status = status.unwrap_or_default();
                format!(", integration {status} after {} ms", latency.as_millis()).into()
            }
            None => "".into(),
        };
        let line = format!(
            "({}) {} {} of {}: {}{}{integration}",
            self.request_id,
            event_name(self.event_type),
            self.route_key().unwrap_or("without a route"),
            self.connection.id(),
            self.status,
            self.error.map(|error| format!(" {error}")).unwrap_or_default(),
        );
        if failed {
            tracing::error!(target: EXECUTION, "{}", truncated(&line));
        } else {
            tracing::info!(target: EXECUTION, "{}", truncated(&line));
        }
    }
}

/// As `eventType` has it.
pub(crate) fn event_name(event_type: EventType) -> &'static str {
    match event_type {
        EventType::Connect => "CONNECT",
        EventType::Message => "MESSAGE",
        EventType::Disconnect => "DISCONNECT",
    }
}

/// Whose fault a failure is, as metrics tell (L3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FailedBy {
    Client,
    Integration,
    Execution,
}

/// At most as much as the service logs of an event.
fn truncated(line: &str) -> &str {
    &line[..line.floor_char_boundary(limits::EXECUTION_LOG_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_between_characters() {
        let line = format!("x{}", "ä".repeat(1_000));
        assert_eq!(truncated(&line).len(), 1_023);
        assert_eq!(truncated("short"), "short");
    }

    #[test]
    fn faults_of_calls() {
        let of = |result: Result<ProxyResult, Failure>| Step::call(&result, Duration::ZERO, true).fault;
        assert_eq!(of(Ok(ProxyResult::status(200))), None);
        assert_eq!(of(Ok(ProxyResult::status(500))), Some(Fault::Integration));
        let thrown = BackendError::FunctionError { message: String::new() };
        assert_eq!(of(Err(thrown.into())), Some(Fault::Integration));
        assert_eq!(of(Err(Failure::TimedOut)), Some(Fault::Execution));
        assert_eq!(of(Err(Failure::NotPermitted)), Some(Fault::Execution));
    }
}
