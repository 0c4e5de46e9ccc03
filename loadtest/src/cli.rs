//! The command line.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};

use crate::LoadError;
use crate::echo::EchoConfig;
use crate::idle::IdleConfig;
use crate::plan::{Arrivals, Load};
use crate::run::RunConfig;
use crate::target::{self, Target, WsTarget};

/// Measures a real-time WebSocket app: how fast device updates reach the clients that follow them, and whether they do.
///
/// Without a command, a swarm of clients connects and follows devices, the devices publish over MQTT on a fixed
/// schedule, and each push is timed from the moment its update was meant to go out.
#[derive(Debug, Parser)]
#[command(name = "dunlin-load", version, args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to measure instead of a swarm.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The swarm's arguments.
    #[command(flatten)]
    pub run: RunArgs,
}

const EXIT_CODES: &str = "Exit codes: 0 measured and well; 1 measured, and a connection failed or a push was lost or \
doubled; 64 wrong command line or ready file; 69 nothing answers, or every client is refused; 70 a defect of this \
program; 73 the report cannot be written; 75 measured, but this machine was too slow for the latencies to be believed; \
130 interrupted.";

/// What `examples/echo` takes, and what it answers.
const ECHO_MESSAGE: &str = r#"{"action":"echo","text":"{n}"}"#;
const ECHO_REPLY: &str = r#"{"type":"echo","text":"{n}"}"#;

/// Other measurements.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Times closed-loop round trips over one connection, beside a bare WebSocket echo if wanted
    Echo(EchoArgs),
    /// Serves the bare echo: prints its URL, ends with its standard input
    EchoServer,
    /// Measures the memory that a process needs for an idle connection
    Idle(IdleArgs),
}

/// Arguments of a swarm.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Take the addresses from the ready file of a stack
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ws", "mqtt"])]
    pub ready_file: Option<PathBuf>,
    /// The API of the ready file, by its logical id, if there are several
    #[arg(long, value_name = "ID", conflicts_with_all = ["ws", "mqtt"])]
    pub api: Option<String>,
    /// The WebSocket URL, stage included
    #[arg(long, value_name = "URL", requires = "mqtt")]
    pub ws: Option<String>,
    /// The MQTT broker
    #[arg(long, value_name = "HOST:PORT", requires = "ws")]
    pub mqtt: Option<String>,
    /// Clients, one connection each
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub users: usize,
    /// Updates a second over all devices
    #[arg(long, value_name = "R", default_value_t = 10.0)]
    pub updates_per_second: f64,
    /// Measured part of the schedule
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub seconds: f64,
    /// Part of the schedule before it, reported apart: cold functions
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    pub warm_up_seconds: f64,
    /// Devices that publish, in turn
    #[arg(long, value_name = "D", default_value_t = 10)]
    pub devices: usize,
    /// Devices that each client follows
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub devices_per_user: usize,
    /// Gaps between updates
    #[arg(long, value_enum, default_value_t)]
    pub arrivals: Arrivals,
    /// New connections a second
    #[arg(long, value_name = "R", default_value_t = 200.0)]
    pub ramp_per_second: f64,
    /// Wait for the last pushes at most so long; a fan-out may retry until its function's deadline
    #[arg(long, value_name = "S", default_value_t = 15.0)]
    pub straggler_seconds: f64,
    /// Decides everything random in the schedule
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write the report here
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write goose's own report here; the ending (html, md, json) decides its format
    #[arg(long, value_name = "FILE")]
    pub goose_report: Option<PathBuf>,
    /// Do not draw progress
    #[arg(long)]
    pub no_progress: bool,
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
    /// `Usage` for arguments that make no run, `Unavailable` if the addresses lead nowhere.
    pub async fn resolve(&self) -> Result<RunConfig, LoadError> {
        let target = match (&self.ready_file, &self.ws, &self.mqtt) {
            (Some(path), ..) => target::from_ready_file(path, self.api.as_deref()).await?,
            (None, Some(ws), Some(mqtt)) => Target { ws: WsTarget::resolve(ws).await?, mqtt: mqtt.clone() },
            _ => {
                return Err(LoadError::Usage(
                    "no target: give --ready-file FILE, or both --ws URL and --mqtt HOST:PORT".to_owned(),
                ));
            }
        };
        let run_id = getrandom::u32()
            .map_err(|error| LoadError::Internal(format!("the system has no randomness: {error}")))?;
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(RunConfig {
            target,
            load: Load {
                users: self.users,
                devices: self.devices,
                devices_per_user: self.devices_per_user,
                updates_per_second: self.updates_per_second,
                measured: seconds("--seconds", self.seconds)?,
                warm_up: seconds("--warm-up-seconds", self.warm_up_seconds)?,
                arrivals: self.arrivals,
                ramp_per_second: self.ramp_per_second,
                seed: self.seed,
            },
            straggler_wait: seconds("--straggler-seconds", self.straggler_seconds)?,
            run_id: format!("{run_id:08x}"),
            started_unix_ms: u64::try_from(started.as_millis()).unwrap_or(0),
            goose_report: self.goose_report.clone(),
            progress: !self.no_progress,
        })
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

fn seconds(flag: &str, value: f64) -> Result<Duration, LoadError> {
    Duration::try_from_secs_f64(value)
        .map_err(|error| LoadError::Usage(format!("{flag} is {value}: {error}")))
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
    fn a_swarm_needs_one_kind_of_target() {
        for args in [
            &["--ready-file", "f", "--ws", "ws://h"][..],
            &["--ws", "ws://h"],
            &["--mqtt", "h:1"],
            &["--api", "Api", "--ws", "ws://h", "--mqtt", "h:1"],
        ] {
            assert!(Cli::try_parse_from([&["dunlin-load"], args].concat()).is_err(), "{args:?}");
        }
    }

    #[tokio::test]
    async fn what_clap_lets_through_is_said_in_a_sentence() {
        for (args, expected) in [
            (&[][..], "no target: give --ready-file"),
            (&["--ws", "ws://127.0.0.1:1", "--mqtt", "127.0.0.1:2", "--seconds=-1"], "--seconds is -1"),
            (
                &["--ws", "ws://127.0.0.1:1", "--mqtt", "127.0.0.1:2", "--warm-up-seconds", "1e30"],
                "--warm-up-seconds",
            ),
        ] {
            let cli = Cli::try_parse_from([&["dunlin-load"], args].concat()).unwrap();
            let error = cli.run.resolve().await.unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
