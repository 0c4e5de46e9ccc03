use std::{
    fmt,
    io::{IsTerminal, Write as _},
};

use dunlin_lambda_host::{LOG_TARGET, PLATFORM_LOG_TARGET};
use tracing::{Event, Subscriber, field::Field};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Writer},
    },
    registry::LookupSpan,
};

use crate::{cli::Command, up::rules::LOG_GROUP_TARGET};

/// Logs go to standard error. The clients print data on standard output and stay silent but for faults, which they
/// tell in a sentence of their own.
pub(crate) fn start(command: &Command) {
    let default = match command {
        Command::Up(_) => "info,mqtt5=warn,mqtt5::broker::client_handler=error,dynoxide=error",
        Command::Connect(_)
        | Command::Publish(_)
        | Command::Clock(_)
        | Command::Fault(_)
        | Command::Metrics(_) => "off",
    };
    let filter = EnvFilter::try_from_env("DUNLIN_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Its complaint would go to standard error too, and panic where that is closed.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .event_format(Lines { own: Format::default().with_target(false), other: Format::default() })
        .init();
}

/// Prints a line to standard error, or to nobody: unlike `eprintln!` it does not panic where nobody reads any more.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Lines that functions print have a date and a level of their own: before them stand the function's name and the id of
/// the invocation, which is the one in the function's context.
struct Lines {
    own: Format<Full>,
    /// Other projects' crates do not say what they speak of, but their name does.
    other: Format<Full>,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let target = event.metadata().target();
        if ![LOG_TARGET, PLATFORM_LOG_TARGET, LOG_GROUP_TARGET].contains(&target) {
            let format = if target.starts_with("dunlin") { &self.own } else { &self.other };
            return format.format_event(context, out, event);
        }
        let mut line = Line::default();
        event.record(&mut |field: &Field, value: &dyn fmt::Debug| match field.name() {
            "function" | "group" => line.function = format!("{value:?}").trim_matches('"').to_owned(),
            "request_id" => line.request_id = format!(" {}", format!("{value:?}").trim_matches('"')),
            "message" => line.text = format!("{value:?}"),
            _ => {}
        });
        writeln!(out, "{}{} | {}", line.function, line.request_id, line.text)
    }
}

#[derive(Default)]
struct Line {
    function: String,
    /// With a space before it; empty before the first invocation.
    request_id: String,
    text: String,
}
