//! The load test's program: arguments in, a summary on standard error, a report in a folder, an exit code.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use dunlin_loadtest::cli::{Cli, Command, CostArgs, EchoArgs, IdleArgs, MergeArgs, RunArgs};
use dunlin_loadtest::measured::Measured;
use dunlin_loadtest::{LoadError, cost, echo, echo_server, exit, idle, processes, results, run, summary};
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wanted = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // Nothing can be said if even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(if wanted { exit::OK } else { exit::USAGE });
        }
    };
    init_log();
    // goose brings a second provider, and the MQTT client asks for a default, which two of them do not make. Once is always.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let result = match &cli.command {
        Command::Run(args) => swarm(args),
        Command::Merge(args) => merge(args),
        Command::Echo(args) => measure_echo(args),
        Command::EchoServer => serve_echo(),
        Command::Idle(args) => measure_idle(args),
        Command::Cost(args) => measure_cost(args),
        Command::CostServer => {
            many_threads().and_then(|runtime| runtime.block_on(cost::serve())).map(|()| exit::OK)
        }
        Command::CostReader { ws, connections } => many_threads()
            .and_then(|runtime| runtime.block_on(cost::read_bare(ws, *connections)))
            .map(|()| exit::OK),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&format!("dunlin-load: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Nothing by default: what the libraries log, the summary or the error says better.
fn init_log() {
    let filter = EnvFilter::try_from_env("DUNLIN_LOG").unwrap_or_else(|_| EnvFilter::new("off"));
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(io::stderr).init();
}

fn swarm(args: &RunArgs) -> Result<u8, LoadError> {
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(no_runtime)?;
    if let Some(out) = &args.out {
        results::prepare(out)?;
    }
    let baseline = args.baseline.as_deref().map(results::read).transpose()?;
    let config = args.resolve()?;
    let measured = match args.processes {
        1 => runtime.block_on(run::run(config))?,
        _ => runtime.block_on(processes::run(args, &config))?,
    };
    finish(&measured, args.out.as_deref(), baseline.as_ref())
}

fn merge(args: &MergeArgs) -> Result<u8, LoadError> {
    let baseline = args.baseline.as_deref().map(results::read).transpose()?;
    let measured = args.measured()?;
    results::prepare(&args.out)?;
    finish(&measured, Some(&args.out), baseline.as_ref())
}

/// Says what was measured, and what it comes to.
fn finish(measured: &Measured, out: Option<&Path>, baseline: Option<&Measured>) -> Result<u8, LoadError> {
    say(&summary::run(measured));
    if let Some(out) = out {
        results::write(out, measured, baseline)?;
        say(&format!("report  {}", out.join(results::REPORT_HTML).display()));
    }
    Ok(match (&measured.ended_early, measured.is_valid(), measured.is_met()) {
        (Some(reason), ..) if reason == run::INTERRUPTED => exit::INTERRUPTED,
        (_, false, _) => exit::INVALID,
        (_, true, false) => exit::MISSED,
        (_, true, true) => exit::OK,
    })
}

/// A line for people. A standard error that takes none, such as a file on a full disk, is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn serve_echo() -> Result<u8, LoadError> {
    // The runtime that a server has by default, as the target: what the two differ in should be what they do.
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(no_runtime)?;
    runtime.block_on(echo_server::serve())?;
    Ok(exit::OK)
}

fn measure_echo(args: &EchoArgs) -> Result<u8, LoadError> {
    // One thread: a second one would add the wake-ups between them to each round trip.
    let report = one_thread()?.block_on(async { echo::run(&args.resolve().await?).await })?;
    say(&summary::echo(&report));
    write(args.json.as_deref(), &report)?;
    Ok(exit::OK)
}

fn measure_idle(args: &IdleArgs) -> Result<u8, LoadError> {
    let report = one_thread()?.block_on(async { idle::run(&args.resolve().await?).await })?;
    say(&summary::idle(&report));
    write(args.json.as_deref(), &report)?;
    Ok(exit::OK)
}

fn measure_cost(args: &CostArgs) -> Result<u8, LoadError> {
    let program = std::env::current_exe()
        .map_err(|error| LoadError::Internal(format!("this program cannot find its own file: {error}")))?;
    let report =
        one_thread()?.block_on(cost::run(&program, args.connections, args.per_second, args.seconds))?;
    eprintln!("{}", summary::cost(&report));
    write(args.json.as_deref(), &report)?;
    Ok(exit::OK)
}

fn many_threads() -> Result<Runtime, LoadError> {
    Builder::new_multi_thread().enable_all().build().map_err(no_runtime)
}

fn one_thread() -> Result<Runtime, LoadError> {
    Builder::new_current_thread().enable_all().build().map_err(no_runtime)
}

fn no_runtime(error: io::Error) -> LoadError {
    LoadError::Internal(format!("cannot start the runtime: {error}"))
}

fn write(path: Option<&Path>, report: &impl Serialize) -> Result<(), LoadError> {
    let Some(path) = path else { return Ok(()) };
    let failed = |reason: String| LoadError::Output(format!("cannot write {}: {reason}", path.display()));
    let mut text = serde_json::to_string_pretty(report).map_err(|error| failed(error.to_string()))?;
    text.push('\n');
    std::fs::write(path, text).map_err(|error| failed(error.to_string()))
}
