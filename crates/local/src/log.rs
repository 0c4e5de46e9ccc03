use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::Command;

/// Logs go to standard error. The clients print data on standard output and stay silent but for faults.
pub(crate) fn start(command: &Command) {
    let default = match command {
        Command::Up(_) => "info,mqtt5=warn,dynoxide=warn",
        Command::Connect(_) | Command::Publish(_) => "error",
    };
    let filter = EnvFilter::try_from_env("DUNLIN_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .init();
}
