//! The whole stack: real processes, seen from outside.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    Effort, Target, median,
    report::{Measure, Unit},
    spinner,
};
use crate::{
    build::{Profile, program_path},
    command::{line, report_dir, root},
    cpu, local_stack,
};

/// The figures of [`local`].
pub(crate) const LOCAL_IDS: [&str; 7] = [
    "local/ready",
    "local/resident",
    "local/cold_answer",
    "local/echo",
    "local/echo_one_core",
    "local/idle_connection",
    "local/swarm_message",
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
        let stack = up(&notify)?;
        ready_ms.push(stack.ready_ms);
        rest.push(stack.resident_bytes()?);
        stack.down()?;
        let stack = up(&echo)?;
        let first = load(&["echo", "--ws", &stack.api("ws")?, "--count", "1", "--warm-up", "0"])?;
        cold_ms.push(first["first_us"].as_f64().context("the echo report holds no time")? / 1e3);
        stack.down()?;
    }
    let [ready, resident, cold, paired_echo, echo_one_core, idle, swarm_message] = LOCAL_IDS;
    let median_ns = |values| Ok::<f64, anyhow::Error>(median(values).context("nothing was measured")? * 1e6);
    add(Measure::new(ready, median_ns(ready_ms)?, Unit::Nanoseconds))?;
    add(Measure::new(resident, median(rest).context("nothing was measured")?, Unit::Bytes))?;
    add(Measure::new(cold, median_ns(cold_ms)?, Unit::Nanoseconds))?;

    eprintln!("local: echo through a function, beside a bare echo server");
    let (server, generator) = cpu::pair()?;
    for (id, generator) in [(paired_echo, generator), (echo_one_core, server)] {
        let stack = cpu::on(server, || up(&echo))?;
        let (ws, echoes, cpu) = (stack.api("ws")?, effort.echoes.to_string(), server.to_string());
        let args = ["echo", "--ws", &ws, "--bare", "--bare-cpu", &cpu, "--count", &echoes];
        add(echo_measure(id, &cpu::on(generator, || load(&args))?)?)?;
        stack.down()?;
    }

    eprintln!("local: memory of idle connections");
    let stack = up(&echo)?;
    let ws = stack.api("ws")?;
    let (connections, pid) = (effort.idle_connections.to_string(), stack.child.id().to_string());
    let report = load(&["idle", "--ws", &ws, "--connections", &connections, "--pid", &pid])?;
    let bytes = report["bytes_per_connection"].as_f64().context("the idle report holds no figure")?;
    add(Measure::new(idle, bytes, Unit::Bytes))?;
    stack.down()?;

    eprintln!("local: what the load generator costs, beside bare readers");
    let seconds = (effort.seconds / 3).to_string();
    let cost = load(&["cost", "--connections", "200", "--per-second", "20", "--seconds", &seconds])?;
    add(cost_measure(swarm_message, &cost)?)
}

/// A swarm of clients on a stack of this machine, or on one that is there already; returns the load test's own report.
pub(super) fn swarm(
    effort: Effort,
    target: &Target,
    mut add: impl FnMut(Measure) -> Result<()>,
) -> Result<Value> {
    eprintln!("swarm: updates to their followers");
    let stack = match target {
        Target::Local => Some(up(&notify_template())?),
        Target::Elsewhere { .. } => None,
    };
    let place = match (target, &stack) {
        (Target::Elsewhere { ws, mqtt }, _) => {
            vec![format!("--target={ws}"), format!("--set=target.cause.mqtt.broker={mqtt}")]
        }
        (_, Some(stack)) => vec![format!("--ready-file={}", stack.ready_file.display())],
        (Target::Local, None) => bail!("the stack is not up"),
    };
    let swarm = digest(&play(&place, effort)?, effort)?;
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

fn cost_measure(id: &str, cost: &Value) -> Result<Measure> {
    let figures = || {
        Some((
            cost["swarm_us_per_message"].as_f64()?,
            cost["bare_us_per_message"].as_f64()?,
            cost["ratio"].as_f64()?,
        ))
    };
    let (swarm, bare, ratio) = figures().context("the cost report lacks a figure")?;
    Ok(Measure::new(id, swarm * 1e3, Unit::Nanoseconds).against("bare readers", bare * 1e3, ratio))
}

/// Plays the scenario `steady` with the size of the effort, and returns the load test's report of it. A run that it calls
/// invalid is reported, not hidden.
fn play(place: &[String], effort: Effort) -> Result<Value> {
    let out = report_dir()?.join("bench-swarm");
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    let mut command = Command::new(program_path(Profile::Release, "dunlin-load")?);
    command.arg("run").arg(root().join("loadtest/scenarios/steady.toml")).args(place);
    command.args([format!("--users={}", effort.users), format!("--seconds={}", effort.seconds)]);
    command.arg(format!("--set=updates.per_second={}", effort.updates_per_second));
    command.args([
        "--set=users.topics_each=1",
        "--set=updates.topics=50",
        "--set=users.connects_per_second=200",
    ]);
    command.arg("--no-progress").arg("--out").arg(&out);
    let spinner = spinner(line(&command));
    let output = command.stdin(Stdio::null()).output().context("cannot start dunlin-load")?;
    spinner.finish_and_clear();
    let said = String::from_utf8_lossy(&output.stderr);
    let file = out.join("report.json");
    let Ok(text) = fs::read_to_string(&file) else {
        bail!("`{}` ended with {} and no report:\n{said}", line(&command), output.status);
    };
    if !output.status.success() {
        eprintln!("  dunlin-load ended with {}:\n{said}", output.status);
    }
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

/// What the bench page shows of a load test's report.
fn digest(report: &Value, effort: Effort) -> Result<Value> {
    let phases = report["phases"].as_array().context("the load test's report holds no phases")?;
    let hold = phases.iter().find(|phase| phase["measured"] == true).context("no phase was measured")?;
    let times = |phases: &[Value], metric: &str| {
        let series = phases.iter().flat_map(|phase| phase["series"].as_array().into_iter().flatten());
        let mut found = series.filter(|series| series["name"]["metric"] == metric);
        found.next().map(|series| series["times"].clone()).unwrap_or_default()
    };
    let seconds = report["seconds"].as_array().into_iter().flatten().filter_map(|second| {
        let pushes =
            second["intervals"].as_array()?.iter().find(|interval| interval["name"]["metric"] == "push")?;
        Some(json!({ "second": second["second"], "p50_us": pushes["p50_us"], "p99_us": pushes["p99_us"] }))
    });
    let lags = report["generator"]["lag"].as_array().into_iter().flatten();
    let lag = lags.filter(|lag| lag["what"] == "updates").map(|lag| lag["times"].clone()).next();
    let failures =
        report["thresholds"].as_array().into_iter().flatten().filter(|verdict| verdict["met"] == false);
    Ok(json!({
        "config": {
            "users": effort.users,
            "devices": 50,
            "updates_per_second": effort.updates_per_second,
            "seconds": effort.seconds,
        },
        "push": times(std::slice::from_ref(hold), "push"),
        "connections": { "connect": times(phases, "connect"), "request": times(phases, "response") },
        "updates": { "schedule_lag": lag.unwrap_or_default() },
        "reach": hold["reach"],
        "by_second": seconds.collect::<Vec<_>>(),
        "invalid_reasons": report["invalid"],
        "failures": failures
            .map(|verdict| format!("{} is missed: {}", verdict["threshold"], verdict["measured"]))
            .collect::<Vec<_>>(),
    }))
}

/// A release stack on free ports.
fn up(template: &std::path::Path) -> Result<local_stack::Stack> {
    local_stack::Stack::up(Profile::Release, template)
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
        count(lost, "behind"),
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
