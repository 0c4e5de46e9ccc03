//! Logs as Lambda asks for them.

use std::{env, io};

use tracing_subscriber::EnvFilter;

/// Sends logs to standard error, from where the platform collects them: one line each, or one JSON object each if
/// `AWS_LAMBDA_LOG_FORMAT` is `JSON`. `RUST_LOG` chooses what is logged, else `AWS_LAMBDA_LOG_LEVEL`, else `info`.
///
/// A second call does nothing.
pub fn init_tracing() {
    let lookup = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let filter = EnvFilter::builder().parse_lossy(filter(lookup));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    // Someone else's subscriber is as good.
    let _ = if lookup("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("JSON")) {
        builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        // The platform adds the time.
        builder.without_time().with_target(false).try_init()
    };
}

fn filter(lookup: impl Fn(&str) -> Option<String>) -> String {
    lookup("RUST_LOG").unwrap_or_else(|| {
        let level =
            lookup("AWS_LAMBDA_LOG_LEVEL").map_or_else(|| "info".to_owned(), |level| level.to_lowercase());
        match level.as_str() {
            "fatal" => "error".to_owned(),
            // At this level the runtime logs whole events, and payloads are never logged.
            "trace" => "trace,lambda_runtime=debug".to_owned(),
            _ => level,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rust_log: Option<&str>, lambda: Option<&str>, expected: &str) {
        let found = filter(|name| if name == "RUST_LOG" { rust_log } else { lambda }.map(str::to_owned));
        assert_eq!(found, expected);
    }

    #[test]
    fn levels_come_from_the_platform_unless_overruled() {
        check(None, None, "info");
        check(None, Some("WARN"), "warn");
        check(None, Some("FATAL"), "error");
        check(None, Some("TRACE"), "trace,lambda_runtime=debug");
        check(Some("dunlin_handler=debug"), Some("WARN"), "dunlin_handler=debug");
    }
}
