mod json;

use std::{
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use dunlin_events::limits::LOG_TAIL_BYTES_MAX;
use serde::Serialize;
use time::{OffsetDateTime, format_description::FormatItem, macros::format_description};
use tokio::time::Instant;

use self::json::{InitMetrics, InitReport, ReportMetrics, ReportRecord, RuntimeDone, RuntimeMetrics, Start};
use crate::{
    FunctionConfig, LogFormat, PlatformLines, RequestId, SystemLogLevel, WallClock,
    limits::REPORT_INTERVAL_MIN, output::Output,
};

/// `2026-03-09T12:00:00.123Z`.
pub(crate) const LOG_TIME: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// The lines with which the service accompanies a function's own, as text or as JSON (P19).
pub(crate) struct PlatformLog {
    lines: PlatformLines,
    format: LogFormat,
    system_level: SystemLogLevel,
    memory_mb: u32,
    wall_clock: WallClock,
    reported: Mutex<Option<Instant>>,
}

/// How an invocation, or an initialisation, ended.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) status: Status,
    /// Of a failure that the function did not report itself.
    pub(crate) error_type: Option<&'static str>,
    pub(crate) duration: Duration,
    /// Set for the first invocation of an environment.
    pub(crate) init_duration: Option<Duration>,
    /// Bytes of the answer.
    pub(crate) produced: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Success,
    /// The function said so, or ended.
    Error,
    Timeout,
}

impl PlatformLog {
    pub(crate) fn new(function: &FunctionConfig, lines: PlatformLines, wall_clock: WallClock) -> Self {
        Self {
            lines,
            format: function.logging.format,
            system_level: function.logging.system_level,
            memory_mb: function.memory_mb,
            wall_clock,
            reported: Mutex::new(None),
        }
    }

    /// Before an invocation's first line.
    pub(crate) fn started(&self, output: &Output, request_id: &RequestId) {
        if self.lines == PlatformLines::All {
            for line in self.start_lines(request_id) {
                output.platform(line, Some(request_id));
            }
        }
    }

    /// After an invocation's last line. `peak_mb` is asked only if somebody is to be told.
    pub(crate) fn ended(
        &self,
        output: &Output,
        request_id: &RequestId,
        report: &Report,
        peak_mb: impl FnOnce() -> Option<u32>,
    ) {
        let lines = match self.lines {
            PlatformLines::Off => return,
            PlatformLines::Reports => {
                if !self.is_due(report) {
                    return;
                }
                self.report_line(request_id, report, peak_mb()).into_iter().collect()
            }
            PlatformLines::All => self.end_lines(request_id, report, peak_mb()),
        };
        // What the function printed stands before it.
        output.catch_up();
        for line in lines {
            output.platform(line, Some(request_id));
        }
    }

    /// After an initialisation; the service tells in text only of those that failed.
    pub(crate) fn initialised(&self, output: &Output, report: &Report) {
        let failed = report.status != Status::Success;
        if self.lines == PlatformLines::Off || (self.lines == PlatformLines::Reports && !failed) {
            return;
        }
        let line = match self.format {
            LogFormat::Text if failed => {
                let mut line = format!("INIT_REPORT Init Duration: {}\tPhase: init", ms(report.duration));
                self.write_status(&mut line, report);
                Some(line)
            }
            LogFormat::Text => None,
            LogFormat::Json => self.json(
                if failed { SystemLogLevel::Warn } else { SystemLogLevel::Debug },
                "platform.initReport",
                &InitReport {
                    initialization_type: "on-demand",
                    phase: "init",
                    status: report.status,
                    error_type: report.error_type,
                    metrics: InitMetrics { duration_ms: rounded(report.duration) },
                },
            ),
        };
        output.catch_up();
        if let Some(line) = line {
            output.platform(line, None);
        }
    }

    /// What `X-Amz-Log-Type: Tail` returns: the last 4 KB of an invocation's log, whatever is logged otherwise (N2).
    pub(crate) fn tail(
        &self,
        own: &[u8],
        request_id: &RequestId,
        report: &Report,
        peak_mb: Option<u32>,
    ) -> String {
        let mut text: Vec<u8> = Vec::with_capacity(own.len() + 512);
        for line in self.start_lines(request_id) {
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        text.extend_from_slice(own);
        for line in self.end_lines(request_id, report, peak_mb) {
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_TAIL_BYTES_MAX)..]).into_owned()
    }

    /// A cold start and a failure always; of the others one now and then.
    fn is_due(&self, report: &Report) -> bool {
        let now = Instant::now();
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let due = report.status != Status::Success
            || report.init_duration.is_some()
            || reported.is_none_or(|reported| now.duration_since(reported) >= REPORT_INTERVAL_MIN);
        if due {
            *reported = Some(now);
        }
        due
    }

    fn start_lines(&self, request_id: &RequestId) -> Vec<String> {
        match self.format {
            LogFormat::Text => vec![format!("START RequestId: {request_id} Version: $LATEST")],
            LogFormat::Json => {
                let record = Start { request_id: request_id.as_str(), version: "$LATEST" };
                self.json(SystemLogLevel::Info, "platform.start", &record).into_iter().collect()
            }
        }
    }

    fn end_lines(&self, request_id: &RequestId, report: &Report, peak_mb: Option<u32>) -> Vec<String> {
        let mut lines = Vec::with_capacity(3);
        match self.format {
            LogFormat::Text => {
                if report.status == Status::Timeout {
                    lines.push(format!(
                        "{} {request_id} Task timed out after {:.2} seconds",
                        self.now(),
                        report.duration.as_secs_f64()
                    ));
                }
                lines.push(format!("END RequestId: {request_id}"));
            }
            LogFormat::Json => {
                let success = report.status == Status::Success;
                let record = RuntimeDone {
                    request_id: request_id.as_str(),
                    status: report.status,
                    error_type: report.error_type,
                    metrics: RuntimeMetrics {
                        duration_ms: rounded(report.duration),
                        produced_bytes: report.produced,
                    },
                };
                let level = if success { SystemLogLevel::Debug } else { SystemLogLevel::Warn };
                lines.extend(self.json(level, "platform.runtimeDone", &record));
            }
        }
        lines.extend(self.report_line(request_id, report, peak_mb));
        lines
    }

    fn report_line(&self, request_id: &RequestId, report: &Report, peak_mb: Option<u32>) -> Option<String> {
        let billed = billed(report.duration, report.init_duration);
        match self.format {
            LogFormat::Text => {
                let mut line = format!(
                    "REPORT RequestId: {request_id}\tDuration: {}\tBilled Duration: {} ms\tMemory Size: {} MB\t",
                    ms(report.duration),
                    billed.as_millis(),
                    self.memory_mb,
                );
                if let Some(peak_mb) = peak_mb {
                    // Writing to a string cannot fail, here and below.
                    let _ = write!(line, "Max Memory Used: {peak_mb} MB\t");
                }
                if let Some(init) = report.init_duration {
                    let _ = write!(line, "Init Duration: {}\t", ms(init));
                }
                self.write_status(&mut line, report);
                Some(line)
            }
            LogFormat::Json => {
                let record = ReportRecord {
                    request_id: request_id.as_str(),
                    metrics: ReportMetrics {
                        duration_ms: rounded(report.duration),
                        billed_duration_ms: billed.as_millis(),
                        memory_size_mb: self.memory_mb,
                        max_memory_used_mb: peak_mb,
                        init_duration_ms: report.init_duration.map(rounded),
                    },
                    status: report.status,
                    error_type: report.error_type,
                };
                let success = report.status == Status::Success;
                let level = if success { SystemLogLevel::Info } else { SystemLogLevel::Warn };
                self.json(level, "platform.report", &record)
            }
        }
    }

    /// In text an error that the function reported itself has no status.
    fn write_status(&self, line: &mut String, report: &Report) {
        let separator = if line.ends_with('\t') { "" } else { "\t" };
        let _ = match (report.status, report.error_type) {
            (Status::Timeout, _) => write!(line, "{separator}Status: timeout"),
            (Status::Error, Some(error_type)) => {
                write!(line, "{separator}Status: error\tError Type: {error_type}")
            }
            _ => Ok(()),
        };
    }

    /// `None` if the function's configuration does not let it pass.
    fn json(&self, level: SystemLogLevel, r#type: &str, record: &impl Serialize) -> Option<String> {
        #[derive(Serialize)]
        struct Line<'a, R> {
            time: &'a str,
            r#type: &'a str,
            record: &'a R,
        }
        if level < self.system_level {
            return None;
        }
        let line = Line { time: &self.now(), r#type, record };
        Some(serde_json::to_string(&line).expect("names, texts and finite numbers are always JSON"))
    }

    fn now(&self) -> String {
        log_time((self.wall_clock)())
    }
}

pub(crate) fn log_time(now: SystemTime) -> String {
    OffsetDateTime::from(now).format(LOG_TIME).unwrap_or_default()
}

/// What the service bills a function of an OS-only runtime for: initialisation included, in whole milliseconds, rounded up.
pub(crate) fn billed(duration: Duration, init: Option<Duration>) -> Duration {
    let micros = duration.saturating_add(init.unwrap_or_default()).as_micros();
    Duration::from_millis(u64::try_from(micros.div_ceil(1_000)).unwrap_or(u64::MAX))
}

fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}

/// Milliseconds with two or three digits after the point, as the service writes numbers.
fn rounded(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn log(format: LogFormat, system_level: SystemLogLevel) -> PlatformLog {
        let mut function = FunctionConfig::new("notify", "code");
        function.logging.format = format;
        function.logging.system_level = system_level;
        let clock = SystemTime::UNIX_EPOCH + Duration::from_millis(1_721_807_234_120);
        PlatformLog::new(&function, PlatformLines::All, Arc::new(move || clock))
    }

    fn report(status: Status, error_type: Option<&'static str>, init_ms: Option<u64>) -> Report {
        Report {
            status,
            error_type,
            duration: Duration::from_micros(2_341),
            init_duration: init_ms.map(Duration::from_millis),
            produced: 12,
        }
    }

    fn tail(log: &PlatformLog, report: &Report) -> String {
        let zeros: crate::RandomBytes = Arc::new(|_| {});
        log.tail(b"own\n", &RequestId::random(&zeros), report, Some(9))
    }

    #[test]
    fn text_is_the_services() {
        let log = log(LogFormat::Text, SystemLogLevel::Info);
        assert_eq!(
            tail(&log, &report(Status::Success, None, Some(15))),
            "START RequestId: 00000000-0000-4000-8000-000000000000 Version: $LATEST\n\
             own\n\
             END RequestId: 00000000-0000-4000-8000-000000000000\n\
             REPORT RequestId: 00000000-0000-4000-8000-000000000000\tDuration: 2.34 ms\tBilled Duration: 18 ms\t\
             Memory Size: 128 MB\tMax Memory Used: 9 MB\tInit Duration: 15.00 ms\t\n"
        );
        assert!(
            tail(&log, &report(Status::Error, Some("Runtime.ExitError"), None))
                .ends_with("Max Memory Used: 9 MB\tStatus: error\tError Type: Runtime.ExitError\n")
        );
        assert!(tail(&log, &report(Status::Error, None, None)).ends_with("Max Memory Used: 9 MB\t\n"));
        assert!(tail(&log, &report(Status::Timeout, None, None)).ends_with("\tStatus: timeout\n"));
    }

    #[test]
    fn json_is_the_services_and_obeys_the_level() {
        let debug = log(LogFormat::Json, SystemLogLevel::Debug);
        assert_eq!(
            tail(&debug, &report(Status::Success, None, Some(15))),
            "{\"time\":\"2024-07-24T07:47:14.120Z\",\"type\":\"platform.start\",\"record\":\
             {\"requestId\":\"00000000-0000-4000-8000-000000000000\",\"version\":\"$LATEST\"}}\n\
             own\n\
             {\"time\":\"2024-07-24T07:47:14.120Z\",\"type\":\"platform.runtimeDone\",\"record\":\
             {\"requestId\":\"00000000-0000-4000-8000-000000000000\",\"status\":\"success\",\
             \"metrics\":{\"durationMs\":2.341,\"producedBytes\":12}}}\n\
             {\"time\":\"2024-07-24T07:47:14.120Z\",\"type\":\"platform.report\",\"record\":\
             {\"requestId\":\"00000000-0000-4000-8000-000000000000\",\"metrics\":{\"durationMs\":2.341,\
             \"billedDurationMs\":18,\"memorySizeMB\":128,\"maxMemoryUsedMB\":9,\"initDurationMs\":15.0},\
             \"status\":\"success\"}}\n"
        );
        let info = log(LogFormat::Json, SystemLogLevel::Info);
        assert_eq!(tail(&info, &report(Status::Success, None, None)).lines().count(), 3);
        let warn = log(LogFormat::Json, SystemLogLevel::Warn);
        assert_eq!(tail(&warn, &report(Status::Success, None, None)), "own\n");
        let failed = tail(&warn, &report(Status::Error, Some("Runtime.ExitError"), None));
        assert_eq!(failed.matches(r#""errorType":"Runtime.ExitError""#).count(), 2, "{failed}");
    }

    #[tokio::test(start_paused = true)]
    async fn reports_that_nobody_asked_for_are_samples() {
        let log = log(LogFormat::Text, SystemLogLevel::Info);
        assert!(log.is_due(&report(Status::Success, None, None)));
        assert!(!log.is_due(&report(Status::Success, None, None)));
        assert!(log.is_due(&report(Status::Success, None, Some(3))));
        assert!(log.is_due(&report(Status::Error, None, None)));
        tokio::time::advance(REPORT_INTERVAL_MIN).await;
        assert!(log.is_due(&report(Status::Success, None, None)));
    }
}
