//! The whole stack: real processes, seen from outside.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{
    Effort, Target, cpu, median,
    report::{Measure, Unit},
    spinner,
};
use crate::{
    build::{Profile, program_path},
    command::{line, report_dir, root},
};

/// The figures of [`local`].
pub(crate) const LOCAL_IDS: [&str; 6] = [
    "local/ready",
    "local/resident",
    "local/cold_answer",
    "local/echo",
    "local/echo_one_core",
    "local/idle_connection",
];

/// The figures of [`swarm`].
pub(crate) const SWARM_IDS: [&str; 8] = [
    "swarm/push_p50",
    "swarm/push_p99",
    "swarm/connect_p50",
    "swarm/request_p50",
    "swarm/reach",
    "swarm/lost",
    "swarm/duplicates",
    "swarm/schedule_lag",
];

/// Start, memory and round trips of stacks on this machine.
pub(super) fn local(effort: Effort, mut add: impl FnMut(Measure) -> Result<()>) -> Result<()> {
    let (notify, echo) = (notify_template(), root().join("examples/echo/template.yaml"));
    eprintln!("local: start and memory at rest");
    let (mut ready_ms, mut rest, mut cold_ms) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.starts {
        let stack = Stack::up(&notify)?;
        ready_ms.push(stack.ready_ms);
        rest.push(stack.resident_bytes()?);
        stack.down()?;
        let stack = Stack::up(&echo)?;
        let first = load(&["echo", "--ws", &stack.api("ws")?, "--count", "1", "--warm-up", "0"])?;
        cold_ms.push(first["first_us"].as_f64().context("the echo report holds no time")? / 1e3);
        stack.down()?;
    }
    let [ready, resident, cold, paired_echo, echo_one_core, idle] = LOCAL_IDS;
    let median_ns = |values| Ok::<f64, anyhow::Error>(median(values).context("nothing was measured")? * 1e6);
    add(Measure::new(ready, median_ns(ready_ms)?, Unit::Nanoseconds))?;
    add(Measure::new(resident, median(rest).context("nothing was measured")?, Unit::Bytes))?;
    add(Measure::new(cold, median_ns(cold_ms)?, Unit::Nanoseconds))?;

    eprintln!("local: echo through a function, beside a bare echo server");
    let (server, generator) = cpu::pair()?;
    for (id, generator) in [(paired_echo, generator), (echo_one_core, server)] {
        let stack = cpu::on(server, || Stack::up(&echo))?;
        let (ws, echoes, cpu) = (stack.api("ws")?, effort.echoes.to_string(), server.to_string());
        let args = ["echo", "--ws", &ws, "--bare", "--bare-cpu", &cpu, "--count", &echoes];
        add(echo_measure(id, &cpu::on(generator, || load(&args))?)?)?;
        stack.down()?;
    }

    eprintln!("local: memory of idle connections");
    let stack = Stack::up(&echo)?;
    let ws = stack.api("ws")?;
    let (connections, pid) = (effort.idle_connections.to_string(), stack.child.id().to_string());
    let report = load(&["idle", "--ws", &ws, "--connections", &connections, "--pid", &pid])?;
    let bytes = report["bytes_per_connection"].as_f64().context("the idle report holds no figure")?;
    add(Measure::new(idle, bytes, Unit::Bytes))?;
    stack.down()
}

/// A swarm of clients on a stack of this machine, or on one that is there already; returns the load test's own report.
pub(super) fn swarm(
    effort: Effort,
    target: &Target,
    mut add: impl FnMut(Measure) -> Result<()>,
) -> Result<Value> {
    eprintln!("swarm: updates to their followers");
    let stack = match target {
        Target::Local => Some(Stack::up(&notify_template())?),
        Target::Elsewhere { .. } => None,
    };
    let place = match (target, &stack) {
        (Target::Elsewhere { ws, mqtt }, _) => vec!["--ws", ws, "--mqtt", mqtt],
        (_, Some(stack)) => vec!["--ready-file", stack.ready_file.to_str().context("the path is no text")?],
        (Target::Local, None) => bail!("the stack is not up"),
    };
    let (users, rate, seconds) =
        (effort.users.to_string(), effort.updates_per_second.to_string(), effort.seconds.to_string());
    let load_args =
        ["--users", &users, "--updates-per-second", &rate, "--seconds", &seconds, "--devices", "50"];
    let swarm = load(&[place.as_slice(), &load_args].concat())?;
    if let Some(stack) = stack {
        stack.down()?;
    }
    for measure in swarm_measures(&swarm)? {
        add(measure)?;
    }
    Ok(swarm)
}

fn notify_template() -> PathBuf {
    root().join("infra/template.yaml")
}

fn echo_measure(id: &str, echo: &Value) -> Result<Measure> {
    let figures = || {
        Some((
            echo["target"]["p50_us"].as_f64()?,
            echo["bare"]["p50_us"].as_f64()?,
            echo["ratio_paired"].as_f64()?,
        ))
    };
    let (target, bare, ratio) = figures().context("the echo report lacks a figure")?;
    Ok(Measure::new(id, target * 1e3, Unit::Nanoseconds).against("bare echo", bare * 1e3, ratio))
}

fn swarm_measures(swarm: &Value) -> Result<Vec<Measure>> {
    let [push_p50, push_p99, connect, request, reach, lost, duplicates, schedule_lag] = SWARM_IDS;
    let latency = |id: &str, of: &Value| {
        let us = of.as_f64().with_context(|| format!("the swarm's report holds no {id}"))?;
        Ok::<_, anyhow::Error>(Measure::new(id, us * 1e3, Unit::Nanoseconds))
    };
    let counts = &swarm["reach"];
    let (expected, received) = (counts["expected"].as_f64(), counts["received"].as_f64());
    let (expected, received) = expected.zip(received).context("the swarm's report holds no reach")?;
    let count = |id: &str, key: &str| Measure::new(id, counts[key].as_f64().unwrap_or_default(), Unit::Count);
    let lag = latency(schedule_lag, &swarm["updates"]["schedule_lag"]["p99_us"])?;
    let push = latency(push_p50, &swarm["push"]["p50_us"])?;
    let (lag_p99, push_median) = (lag.value, push.value);
    Ok(vec![
        push,
        latency(push_p99, &swarm["push"]["p99_us"])?,
        latency(connect, &swarm["connections"]["connect"]["p50_us"])?,
        latency(request, &swarm["connections"]["request"]["p50_us"])?,
        // Deliveries received of those due.
        Measure::new(reach, received / expected.max(1.0), Unit::Share),
        // Followers that ended behind.
        count(lost, "lost"),
        count(duplicates, "duplicates"),
        lag.against("the median push", push_median, lag_p99 / push_median),
    ])
}

/// Runs the load generator and returns what it wrote. A run that it calls invalid is reported, not hidden.
fn load(args: &[&str]) -> Result<Value> {
    let json = report_dir()?.join("load.json");
    let mut command = Command::new(program_path(Profile::Release, "dunlin-load")?);
    command.args(args).arg("--json").arg(&json);
    let spinner = spinner(line(&command));
    drop(fs::remove_file(&json));
    let output = command.stdin(Stdio::null()).output().context("cannot start dunlin-load")?;
    spinner.finish_and_clear();
    let Ok(text) = fs::read_to_string(&json) else {
        bail!(
            "`{}` ended with {} and no report:\n{}",
            line(&command),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    };
    if !output.status.success() {
        eprintln!("  dunlin-load ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", json.display()))
}

/// One `dunlin up` on free ports; ended when it goes out of scope.
struct Stack {
    child: Child,
    ready: Value,
    ready_file: PathBuf,
    ready_ms: f64,
}

impl Stack {
    fn up(template: &Path) -> Result<Self> {
        let dir = report_dir()?;
        let (ready_file, log) = (dir.join("ready.json"), dir.join("dunlin-up.log"));
        let mut command = Command::new(program_path(Profile::Release, "dunlin")?);
        command.arg("up").arg("--template").arg(template).arg("--ready-file").arg(&ready_file);
        command.args(["--port", "0", "--lambda-port", "0", "--dynamodb-port", "0", "--mqtt-port", "0"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let started = Instant::now();
        let mut child = command.spawn().context("cannot start dunlin")?;
        let out = child.stdout.take().context("standard output was piped")?;
        let ready = BufReader::new(out).lines().map_while(Result::ok).any(|line| line.starts_with("ready "));
        let ready_ms = started.elapsed().as_secs_f64() * 1e3;
        if !ready {
            let status = child.wait()?;
            bail!("dunlin ended with {status} before it was ready:\n{}", fs::read_to_string(&log)?);
        }
        let ready = serde_json::from_str(&fs::read_to_string(&ready_file)?)?;
        Ok(Stack { child, ready, ready_file, ready_ms })
    }

    fn api(&self, key: &str) -> Result<String> {
        Ok(self.ready["apis"][0][key].as_str().context("the ready file lists no API")?.to_owned())
    }

    fn resident_bytes(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse::<f64>().ok());
        Ok(kilobytes.context("the kernel tells no resident size")? * 1024.0)
    }

    fn down(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("dunlin ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}
