//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::LoadError;
use crate::assess::judge;
use crate::echo::EchoConfig;
use crate::idle::IdleConfig;
use crate::measured::Measured;
use crate::plan::Share;
use crate::processes::PROCESSES_MAX;
use crate::results;
use crate::run::RunConfig;
use crate::scenario::{Overrides, Scenario};
use crate::target::{self, WsTarget};

/// Measures a real-time WebSocket app: how fast updates reach the clients that follow them, and whether they do.
#[derive(Debug, Parser)]
#[command(name = "dunlin-load", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to measure.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 measured, and every threshold met; 1 `echo`: a wrong reply; 3 measured, and a \
threshold missed; 4 measured, but this machine was too slow for the figures to be believed; 64 wrong command line, \
scenario or ready file; 69 nothing answers, or every client is refused; 70 a defect of this program; 73 the report cannot \
be written; 130 interrupted, and what was measured until then is reported.";

/// What `examples/echo` takes, and what it answers.
const ECHO_MESSAGE: &str = r#"{"action":"echo","text":"{n}"}"#;
const ECHO_REPLY: &str = r#"{"type":"echo","text":"{n}"}"#;

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Plays a scenario: clients come, follow, say things and leave on a schedule, and every push is timed
    Run(Box<RunArgs>),
    /// Adds up the parts of a run that several processes or machines measured, and judges the sum
    Merge(MergeArgs),
    /// Times closed-loop round trips over one connection, beside a bare WebSocket echo if wanted
    Echo(EchoArgs),
    /// Serves the bare echo: prints its URL, ends with its standard input
    EchoServer,
    /// Measures what the swarm itself costs for a message, beside as many bare readers of the same messages
    Cost(CostArgs),
    /// Serves the comparison of `cost`
    #[command(hide = true)]
    CostServer,
    /// The bare readers of `cost`
    #[command(hide = true)]
    CostReader {
        /// The server's URL
        #[arg(long)]
        ws: String,
        /// Connections
        #[arg(long)]
        connections: usize,
    },
    /// Measures the memory that a process needs for an idle connection
    Idle(IdleArgs),
}

/// Arguments of a run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The scenario's file
    pub scenario: PathBuf,
    /// Take the addresses from the ready file of a stack
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    pub ready_file: Option<PathBuf>,
    /// The API of the ready file, by its logical id, if there are several
    #[arg(long, value_name = "ID", requires = "ready_file")]
    pub api: Option<String>,
    /// Use the ready file's wss:// address
    #[arg(long, requires = "ready_file")]
    pub tls: bool,
    /// The WebSocket URL, stage included
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Instead of the scenario's users.count
    #[arg(long, value_name = "N")]
    pub users: Option<usize>,
    /// Instead of the scenario's phases.hold
    #[arg(long, value_name = "S")]
    pub seconds: Option<f64>,
    /// Instead of the scenario's seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Change any other key of the scenario, such as updates.per_second=50
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// One more threshold, such as 'p99(push) < 50ms'
    #[arg(long, value_name = "TEXT")]
    pub threshold: Vec<String>,
    /// Write the report into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Compare with the run of this folder
    #[arg(long, value_name = "RUN", requires = "out")]
    pub baseline: Option<PathBuf>,
    /// Measure with so many processes on this machine, and add up what they measured
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "share")]
    pub processes: u32,
    /// Do one part of a run whose parts are added up later: part I of N, from 0, with the run's id and its start
    #[arg(long, value_name = "I/N", requires_all = ["run_id", "start_at"])]
    pub share: Option<String>,
    /// The id of a run in parts, eight hexadecimal digits
    #[arg(long, value_name = "HEX")]
    pub run_id: Option<String>,
    /// When a run in parts starts, in milliseconds of the Unix epoch
    #[arg(long, value_name = "MS")]
    pub start_at: Option<u64>,
    /// The commit of the program, for the report
    #[arg(long, value_name = "REVISION")]
    pub revision: Option<String>,
    /// Do not show progress
    #[arg(long)]
    pub no_progress: bool,
}

/// Arguments of a merge.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Folders of the parts, or folders that hold such folders
    #[arg(required = true, value_name = "DIR")]
    pub parts: Vec<PathBuf>,
    /// Write the report into this folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Compare with the run of this folder
    #[arg(long, value_name = "RUN")]
    pub baseline: Option<PathBuf>,
}

/// Arguments of an echo measurement.
#[derive(Debug, Args)]
pub struct EchoArgs {
    /// The WebSocket URL, stage included
    #[arg(long, value_name = "URL")]
    pub ws: String,
    /// Round trips on each side
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub count: u64,
    /// Round trips on each side before that, which are not counted; the very first is reported by itself
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub warm_up: u64,
    /// Round trips of one block; with --bare the sides alternate A B B A
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub block: u64,
    /// The message, `{n}` becoming the number of the round trip; if not given, that of the echo example
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// The right reply, `{n}` as in the message; if not given, the message itself, or that of the echo example
    #[arg(long, value_name = "TEXT")]
    pub reply: Option<String>,
    /// Measure a bare tokio-tungstenite echo server as well, in turns
    #[arg(long)]
    pub bare: bool,
    /// Run the bare server on this processor, where the target runs too; only then are the sides alike
    #[arg(long, value_name = "N", requires = "bare")]
    pub bare_cpu: Option<usize>,
    /// Write the report here
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Arguments of a comparison of costs.
#[derive(Debug, Args)]
pub struct CostArgs {
    /// Connections on each side
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub connections: usize,
    /// Messages a second, each to every connection
    #[arg(long, value_name = "R", default_value_t = 50.0)]
    pub per_second: f64,
    /// How long
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub seconds: f64,
    /// Write the report here
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Arguments of a memory measurement.
#[derive(Debug, Args)]
pub struct IdleArgs {
    /// The WebSocket URL, stage included
    #[arg(long, value_name = "URL")]
    pub ws: String,
    /// Connections to hold
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub connections: usize,
    /// The process that holds the other ends
    #[arg(long)]
    pub pid: u32,
    /// Sent once on each connection; any text is a reply
    #[arg(long, value_name = "TEXT", default_value = r#"{"action":"set_notify_list","device_ids":[]}"#)]
    pub message: String,
    /// Write the report here
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl RunArgs {
    /// The run that these arguments ask for.
    ///
    /// # Errors
    ///
    /// `Usage` for arguments or a scenario that make no run, `Unavailable` without the ready file.
    pub fn resolve(&self) -> Result<RunConfig, LoadError> {
        let scenario = Scenario::read(&self.scenario, &self.overrides())?;
        let addresses = self
            .ready_file
            .as_ref()
            .map(|path| target::from_ready_file(path, self.api.as_deref()))
            .transpose()?;
        let run = match &self.run_id {
            None => getrandom::u32()
                .map_err(|error| LoadError::Internal(format!("the system has no randomness: {error}")))?,
            Some(id) => u32::from_str_radix(id, 16)
                .map_err(|_| LoadError::Usage(format!("--run-id {id}: give eight hexadecimal digits")))?,
        };
        Ok(RunConfig {
            scenario,
            addresses,
            tls: self.tls,
            run,
            share: self.share.as_deref().map_or(Ok(Share::WHOLE), share)?,
            start_at_unix_ms: self.start_at,
            goose_report: self.out.as_ref().map(|out| out.join(results::GOOSE_HTML)),
            commit: self.revision.clone(),
            progress: !self.no_progress,
        })
    }

    fn overrides(&self) -> Overrides {
        let mut set: Vec<String> = self.target.iter().map(|url| format!("target.url={url}")).collect();
        set.extend(self.users.map(|users| format!("users.count={users}")));
        set.extend(self.seconds.map(|seconds| format!("phases.hold={seconds}s")));
        set.extend(self.seed.map(|seed| format!("seed={seed}")));
        set.extend(self.set.iter().cloned());
        Overrides { set, thresholds: self.threshold.clone() }
    }
}

impl MergeArgs {
    /// The sum of the parts.
    ///
    /// # Errors
    ///
    /// `Usage` if there are no parts, one cannot be read, or they are not of one run.
    pub fn measured(&self) -> Result<Measured, LoadError> {
        let parts = results::parts(&self.parts, &self.out)?;
        // One after the other: each is as large as the sum.
        let read = |part: PathBuf| Ok((part.display().to_string(), results::read(&part)?));
        results::merge(parts.into_iter().map(read), |measured| {
            judge(measured);
            Ok(())
        })
    }
}

fn share(text: &str) -> Result<Share, LoadError> {
    let parts = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
    match parts {
        Some((index, of)) if index < of && of <= PROCESSES_MAX => Ok(Share { index, of }),
        _ => Err(LoadError::Usage(format!(
            "--share {text}: give the part's number and how many there are, such as 0/3; at most {PROCESSES_MAX}"
        ))),
    }
}

impl EchoArgs {
    /// The measurement that these arguments ask for.
    ///
    /// # Errors
    ///
    /// As [`WsTarget::resolve`]; `Internal` if this program cannot find itself.
    pub async fn resolve(&self) -> Result<EchoConfig, LoadError> {
        let program = || {
            std::env::current_exe().map_err(|error| {
                LoadError::Internal(format!("this program cannot find its own file: {error}"))
            })
        };
        let default_reply = self.message.as_deref().unwrap_or(ECHO_REPLY);
        Ok(EchoConfig {
            target: WsTarget::resolve(&self.ws).await?,
            count: self.count,
            block: self.block,
            warm_up: self.warm_up,
            message: self.message.as_deref().unwrap_or(ECHO_MESSAGE).to_owned(),
            reply: self.reply.as_deref().unwrap_or(default_reply).to_owned(),
            bare: self.bare.then(program).transpose()?,
            bare_cpu: self.bare_cpu,
        })
    }
}

impl IdleArgs {
    /// The measurement that these arguments ask for.
    ///
    /// # Errors
    ///
    /// As [`WsTarget::resolve`].
    pub async fn resolve(&self) -> Result<IdleConfig, LoadError> {
        Ok(IdleConfig {
            target: WsTarget::resolve(&self.ws).await?,
            connections: self.connections,
            pid: self.pid,
            message: self.message.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_are_changes_of_the_scenario() {
        let args = [
            "dunlin-load",
            "run",
            "x.toml",
            "--target",
            "ws://h",
            "--users",
            "5",
            "--seconds",
            "2.5",
            "--seed",
            "9",
        ];
        let Command::Run(args) = Cli::try_parse_from(args).unwrap().command else { panic!("it is a run") };
        assert_eq!(
            args.overrides().set,
            ["target.url=ws://h", "users.count=5", "phases.hold=2.5s", "seed=9"]
        );
    }

    #[test]
    fn shares_are_parts_of_a_whole() {
        assert_eq!(share("2/3").unwrap(), Share { index: 2, of: 3 });
        for wrong in ["3/3", "1", "a/b", "0/0", "-1/2", "0/1000000"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
