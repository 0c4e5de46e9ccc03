//! The task runner: `cargo xtask TASK`. One module per task; each prints the commands that it runs.
//!
//! It depends on nothing heavy: it must build in seconds on a fresh machine. Of the workspace it knows only what numbers
//! mean and how reports look.

mod bench;
mod build;
mod command;
mod conformance;
mod cpu;
mod gate;
mod interrupt;
mod load;
mod local_stack;
mod moto;
mod python;
mod report;
mod templates;
mod test;
mod tidy;
mod tools;
mod trend;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 64;

/// Everything that is done with this repository.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 a step failed, 64 wrong command line.\n\n\
                  A fresh machine needs a Rust toolchain, a C compiler and the package registry; nothing else. What \
                  some tests need besides, `cargo xtask test --help` lists."
)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the programs, then runs the notify app on this machine until Ctrl-C.
    Up(up::Args),
    /// Builds `dunlin` and the functions, and puts each function where its template looks for it.
    Build(build::Args),
    /// Runs everything that must pass: tidy, format, lints, every test, every example in the documentation.
    Test(test::Args),
    /// Checks what a gateway does against what API Gateway does, one case per fact; the local one, or any other.
    Conformance(conformance::Args),
    /// Says which programs that some tests need are there, and makes the Python environments.
    Tools(tools::Args),
    /// Checks what the compiler cannot: the arrows between crates, the template against the code, the documents.
    Tidy(tidy::Args),
    /// Decides whether the working tree is slower than a revision: exit code 1 if so.
    Gate(gate::Args),
    /// Plays a scenario of loadtest/scenarios with a swarm of clients, and reports latency, reach and errors.
    Load(load::Args),
    /// Adds up the parts of a load run.
    Report(report::Args),
    /// Measures: microbenchmarks beside their references, then the whole stack under a swarm of clients.
    Bench(bench::Args),
    /// Reports where the figures of stored runs change.
    Trend(trend::Args),
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            // The text of `--help` and of a usage error is clap's; a closed pipe is no reason to fail.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    let done = match args.task {
        Task::Bench(args) => return bench::run(&args).unwrap_or_else(failed),
        Task::Gate(args) => return gate::run(&args).unwrap_or_else(failed),
        Task::Trend(args) => return trend::run(&args).unwrap_or_else(failed),
        Task::Load(args) => return load::run(&args).unwrap_or_else(failed),
        Task::Report(args) => return report::run(&args).unwrap_or_else(failed),
        Task::Up(args) => return up::run(&args).unwrap_or_else(failed),
        Task::Conformance(args) => return conformance::run(&args).unwrap_or_else(failed),
        Task::Build(args) => build::run(&args).map(drop),
        Task::Test(args) => test::run(&args),
        Task::Tools(args) => tools::run(&args),
        Task::Tidy(args) => tidy::run(&args),
    };
    done.map_or_else(failed, |()| ExitCode::SUCCESS)
}

fn failed(error: anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(EXIT_FAILED)
}
