//! `cargo xtask bench`: the main job. Microbenchmarks beside their references, then the real stack under a swarm.

mod cpu;
mod machine;
mod micro;
mod page;
mod report;
mod stack;
mod table;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use self::report::{Measure, Report};
use crate::{
    build::{self, Profile},
    command::{cargo, line, report_dir},
};

/// What `bench` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Results: a table, and bench.json and bench.html in the folder dunlin/ of cargo's target folder.\n\
                        Figures are ratios to a reference in the same run; times of day and machines differ, ratios hold."
)]
pub(crate) struct Args {
    /// Measure one part only.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Fewer repetitions: at most three minutes once built.
    #[arg(long)]
    quick: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The crates by themselves.
    Micro,
    /// The whole stack: start, memory, echo through a function, updates to followers.
    Stack,
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
    criterion: &'static [&'static str],
    pairs: &'static [&'static str],
    /// Starts of the stack of which the median counts.
    starts: usize,
    /// Round trips on each side of the echo comparison.
    echoes: u32,
    /// Idle connections whose memory is measured.
    idle_connections: u32,
    users: u32,
    updates_per_second: u32,
    seconds: u32,
}

const FULL: Effort = Effort {
    criterion: &["--warm-up-time", "1", "--measurement-time", "3"],
    pairs: &[],
    starts: 9,
    echoes: 20_000,
    idle_connections: 5_000,
    users: 1_000,
    updates_per_second: 20,
    seconds: 30,
};

const QUICK: Effort = Effort {
    criterion: &["--warm-up-time", "0.3", "--measurement-time", "0.7", "--sample-size", "20"],
    pairs: &["--quick"],
    starts: 3,
    echoes: 4_000,
    idle_connections: 2_000,
    users: 300,
    updates_per_second: 20,
    seconds: 10,
};

pub(crate) fn run(args: &Args) -> Result<()> {
    let effort = if args.quick { QUICK } else { FULL };
    let wanted = |part| args.only.is_none_or(|only| only == part);
    let benches = build_all()?;
    build::place_functions(Profile::Release)?;

    let mut report = Report::new(args.quick)?;
    if wanted(Part::Micro) {
        report.measures.extend(micro::run(&benches, effort)?);
    }
    if wanted(Part::Stack) {
        let swarm = stack::run(effort, &mut report.measures)?;
        report.swarm = Some(swarm);
    }
    let dir = report_dir()?;
    let (json, html) = (dir.join("bench.json"), dir.join("bench.html"));
    let write = |file: &std::path::Path, text: String| {
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    };
    write(&json, serde_json::to_string_pretty(&report)? + "\n")?;
    write(&html, page::render(&report))?;
    println!("{}", table::render(&report));
    println!("bench.json  {}\nbench.html  {}", json.display(), html.display());
    Ok(())
}

/// One build for everything that is measured, so that each dependency is built once; returns the benches' programs.
fn build_all() -> Result<Vec<std::path::PathBuf>> {
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--workspace", "--bins", "--bench", "*"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    eprintln!("$ {}", line(&build));
    eprintln!("  (a first build takes several minutes)");
    let output = build.stderr(std::process::Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the build failed; the lines above say why");
    }
    let messages = String::from_utf8(output.stdout).context("cargo printed something else than text")?;
    let program = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_bench = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "bench");
        is_bench.then(|| message["executable"].as_str().map(Into::into)).flatten()
    };
    Ok(messages.lines().filter_map(program).collect())
}

/// A line that turns while something takes long; nothing where standard error is no terminal.
fn spinner(what: impl Into<String>) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style).with_message(what.into());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// The median of some values.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Says on standard error what was measured, as soon as it is known.
fn say(measure: &Measure) {
    eprintln!("  {}: {}", measure.name, measure.summary());
}
