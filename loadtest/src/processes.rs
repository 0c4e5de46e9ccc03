//! One run in several processes of this machine: each does its part of the same plan, and what they measured is added up.

use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::LoadError;
use crate::assess::judge;
use crate::cli::RunArgs;
use crate::measured::Measured;
use crate::results;
use crate::run::RunConfig;

/// Parts of one run.
pub const PROCESSES_MAX: u32 = 1_000;

/// Processes that one machine is asked to run.
const PROCESSES_HERE_MAX: u32 = 64;

/// From the start of the processes to the start of the schedule: all of them must have looked around by then.
const START_DELAY: Duration = Duration::from_secs(3);

/// Plays a scenario in [`RunArgs::processes`] processes, of which this one only adds up.
///
/// # Errors
///
/// As [`crate::run::run`]; that of the first process that could not measure.
pub async fn run(args: &RunArgs, config: &RunConfig) -> Result<Measured, LoadError> {
    if args.processes == 0 || args.processes > PROCESSES_HERE_MAX {
        return Err(LoadError::Usage(format!(
            "--processes {}: give 1 to {PROCESSES_HERE_MAX}",
            args.processes
        )));
    }
    let internal = |what: &str, error: std::io::Error| LoadError::Internal(format!("{what}: {error}"));
    let program =
        std::env::current_exe().map_err(|error| internal("this program cannot find its own file", error))?;
    let folder =
        tempfile::tempdir().map_err(|error| internal("cannot make a folder for the parts", error))?;
    let start_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + START_DELAY;
    let mut children = Vec::new();
    for index in 0..args.processes {
        let mut command = Command::new(&program);
        command.arg("run").arg(&args.scenario);
        let flags =
            [("--ready-file", &args.ready_file), ("--out", &Some(folder.path().join(index.to_string())))];
        for (flag, path) in flags {
            if let Some(path) = path {
                command.arg(flag).arg(path);
            }
        }
        let texts = [
            ("--api", args.api.clone()),
            ("--target", args.target.clone()),
            ("--users", args.users.map(|users| users.to_string())),
            ("--seconds", args.seconds.map(|seconds| seconds.to_string())),
            ("--seed", args.seed.map(|seed| seed.to_string())),
            ("--revision", args.revision.clone()),
            ("--share", Some(format!("{index}/{}", args.processes))),
            ("--run-id", Some(format!("{:08x}", config.run))),
            ("--start-at", Some(start_at.as_millis().to_string())),
        ];
        for (flag, text) in texts {
            if let Some(text) = text {
                command.arg(format!("{flag}={text}"));
            }
        }
        command.args(args.set.iter().map(|set| format!("--set={set}")));
        command.args(args.threshold.iter().map(|threshold| format!("--threshold={threshold}")));
        if args.tls {
            command.arg("--tls");
        }
        command.arg("--no-progress");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        // An interrupt of the terminal is handed on by this process, once.
        command.process_group(0);
        let child = command.spawn().map_err(|error| internal("cannot start a process of the run", error))?;
        children.push(child);
    }
    let ends = wait(children).await?;
    let mut parts = Vec::new();
    for (index, (code, said)) in ends.into_iter().enumerate() {
        let part = folder.path().join(index.to_string());
        if !part.join(results::REPORT_JSON).exists() {
            let reason = said
                .lines()
                .last()
                .unwrap_or("it said nothing")
                .trim_start_matches("dunlin-load: ")
                .to_owned();
            let sentence = format!("part {index} of the run measured nothing: {reason}");
            return Err(match code {
                Some(64) => LoadError::Usage(sentence),
                Some(69) => LoadError::Unavailable(sentence),
                Some(73) => LoadError::Output(sentence),
                _ => LoadError::Internal(sentence),
            });
        }
        parts.push(Ok((format!("part {index}"), results::read(&part)?)));
    }
    results::merge(parts, |measured| {
        judge(measured);
        Ok(())
    })
}

/// Waits for all, handing interrupts on. Every process ends by itself: all its waits are bounded.
async fn wait(children: Vec<Child>) -> Result<Vec<(Option<i32>, String)>, LoadError> {
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| LoadError::Internal(format!("cannot watch for interrupts: {error}")))?;
    let pids: Vec<Pid> =
        children.iter().filter_map(|child| Pid::from_raw(child.id()?.try_into().ok()?)).collect();
    let all = futures_util::future::join_all(children.into_iter().map(Child::wait_with_output));
    tokio::pin!(all);
    loop {
        tokio::select! {
            ends = &mut all => {
                let end = |end: std::io::Result<std::process::Output>| {
                    let output = end.map_err(|error| LoadError::Internal(format!("cannot wait for a process: {error}")))?;
                    Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
                };
                return ends.into_iter().map(end).collect();
            }
            _ = interrupts.recv() => {
                for pid in &pids {
                    // One that has ended needs none.
                    let _ = kill_process(*pid, Signal::INT);
                }
            }
        }
    }
}
