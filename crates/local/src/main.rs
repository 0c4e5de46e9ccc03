//! `dunlin`: the WebSocket API of a template, with its functions, tables and topic rules, in one process on this
//! machine; the two small clients that a first walk through it needs; and the hands on its clock and faults.
//!
//! This program joins the parts and owns what they share: addresses, credentials, certificates, the data folder. It is
//! the only one that knows them all; none of them knows another.

mod cli;
mod connect;
mod control;
mod failure;
mod log;
mod publish;
mod up;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    cli::{Cli, Command},
    failure::Failure,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { failure::USAGE } else { 0 };
            // The text of `--help` and of a usage error is clap's; a closed pipe is no reason to fail.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    log::start(&cli.command);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::internal(format!("cannot start the runtime: {error}"))),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Up(args) => up::run(args).await,
            Command::Connect(args) => connect::run(args).await,
            Command::Publish(args) => publish::run(args).await,
            Command::Clock(args) => control::clock(args).await,
            Command::Fault(args) => control::fault(args).await,
            Command::Metrics(args) => control::metrics(args).await,
        }
    });
    // A blocking read of standard input may still be waiting; it must not hold the process.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    log::say(format_args!("error: {}", failure.message));
    ExitCode::from(failure.code)
}
