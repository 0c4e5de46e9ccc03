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
    Effort, cpu, median,
    report::{Measure, Promise, Unit},
    say, spinner,
};
use crate::{
    build::{Profile, program_path},
    command::{line, report_dir, root},
};

/// Milliseconds until `dunlin up` accepts, once built.
const READY_MS_MAX: f64 = 300.0;
/// Milliseconds until a function that was not running has answered its first message.
const COLD_MS_MAX: f64 = 50.0;
/// Resident memory of a stack at rest, without functions.
const REST_BYTES_MAX: f64 = 60e6;
/// Memory of one idle connection.
const IDLE_BYTES_MAX: f64 = 8e3;
/// Echo through a function against a bare echo server.
const ECHO_RATIO_MAX: f64 = 4.0;

/// Measures everything and returns the swarm's own report.
pub(super) fn run(effort: Effort, measures: &mut Vec<Measure>) -> Result<Value> {
    let mut add = |measure: Measure| {
        say(&measure);
        measures.push(measure);
    };
    let (notify, echo) = (root().join("infra/template.yaml"), root().join("examples/echo/template.yaml"));

    eprintln!("stack: start and memory at rest");
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
    let median_ms = |values| Ok::<f64, anyhow::Error>(median(values).context("nothing was measured")? * 1e6);
    add(Measure::new("dunlin up until ready", median_ms(ready_ms)?, Unit::Nanoseconds)
        .promised(Promise::ValueAtMost(READY_MS_MAX * 1e6)));
    add(Measure::new("resident at rest", median(rest).context("nothing was measured")?, Unit::Bytes)
        .promised(Promise::ValueAtMost(REST_BYTES_MAX)));
    add(Measure::new("first answer of a cold function", median_ms(cold_ms)?, Unit::Nanoseconds)
        .promised(Promise::ValueAtMost(COLD_MS_MAX * 1e6)));

    eprintln!("stack: echo through a function, beside a bare echo server");
    let (server, generator) = cpu::pair()?;
    for (name, generator, promise) in [
        ("echo through a function, p50", generator, Some(Promise::RatioAtMost(ECHO_RATIO_MAX))),
        ("the same with the client on the server's core", server, None),
    ] {
        let stack = cpu::on(server, || Stack::up(&echo))?;
        let (ws, echoes, cpu) = (stack.api("ws")?, effort.echoes.to_string(), server.to_string());
        let args = ["echo", "--ws", &ws, "--bare", "--bare-cpu", &cpu, "--count", &echoes];
        add(echo_measure(name, promise, &cpu::on(generator, || load(&args))?)?);
        stack.down()?;
    }

    eprintln!("stack: memory of idle connections");
    let stack = Stack::up(&echo)?;
    let ws = stack.api("ws")?;
    let (connections, pid) = (effort.idle_connections.to_string(), stack.child.id().to_string());
    let idle = load(&["idle", "--ws", &ws, "--connections", &connections, "--pid", &pid])?;
    let bytes = idle["bytes_per_connection"].as_f64().context("the idle report holds no figure")?;
    add(Measure::new("memory of an idle connection", bytes, Unit::Bytes)
        .promised(Promise::ValueAtMost(IDLE_BYTES_MAX)));
    stack.down()?;

    eprintln!("stack: updates to their followers");
    let stack = Stack::up(&notify)?;
    let ready_file = stack.ready_file.to_string_lossy().into_owned();
    let (users, rate, seconds) =
        (effort.users.to_string(), effort.updates_per_second.to_string(), effort.seconds.to_string());
    let swarm = load(&[
        "--ready-file",
        &ready_file,
        "--users",
        &users,
        "--updates-per-second",
        &rate,
        "--seconds",
        &seconds,
        "--devices",
        "50",
    ])?;
    stack.down()?;
    swarm_measures(&swarm)?.into_iter().for_each(add);
    Ok(swarm)
}

fn echo_measure(name: &str, promise: Option<Promise>, echo: &Value) -> Result<Measure> {
    let figures = || {
        Some((
            echo["target"]["p50_us"].as_f64()?,
            echo["bare"]["p50_us"].as_f64()?,
            echo["ratio_paired"].as_f64()?,
        ))
    };
    let (target, bare, ratio) = figures().context("the echo report lacks a figure")?;
    let measure = Measure::new(name, target * 1e3, Unit::Nanoseconds).against("bare echo", bare * 1e3, ratio);
    Ok(Measure { promise, ..measure })
}

fn swarm_measures(swarm: &Value) -> Result<Vec<Measure>> {
    let latency = |name: &str, of: &Value| {
        let us = of.as_f64().with_context(|| format!("the swarm's report holds no {name}"))?;
        Ok::<_, anyhow::Error>(Measure::new(name, us * 1e3, Unit::Nanoseconds))
    };
    let reach = &swarm["reach"];
    let (expected, received) = (reach["expected"].as_f64(), reach["received"].as_f64());
    let (expected, received) = expected.zip(received).context("the swarm's report holds no reach")?;
    let count =
        |name: &str, key: &str| Measure::new(name, reach[key].as_f64().unwrap_or_default(), Unit::Count);
    let lag = latency("schedule lag of the generator, p99", &swarm["updates"]["schedule_lag"]["p99_us"])?;
    let (lag_p99, push) = (lag.value, latency("update to follower, p50", &swarm["push"]["p50_us"])?);
    let push_p50 = push.value;
    Ok(vec![
        push,
        latency("update to follower, p99", &swarm["push"]["p99_us"])?,
        latency("connect, p50", &swarm["connections"]["connect"]["p50_us"])?,
        latency("set_notify_list to its reply, p50", &swarm["connections"]["request"]["p50_us"])?,
        Measure::new("reach: deliveries received of those due", received / expected.max(1.0), Unit::Share),
        count("followers that ended behind", "lost"),
        count("duplicate deliveries", "duplicates"),
        lag.against("update to follower, p50", push_p50, lag_p99 / push_p50)
            .promised(Promise::RatioAtMost(0.1)),
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
