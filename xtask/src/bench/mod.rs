//! `cargo xtask bench`: the main job. Each crate beside its references, then the whole stack, then a swarm of clients on it.

mod documents;
pub(crate) mod machine;
mod page;
mod pairs;
mod promises;
mod report;
mod stack;
mod table;

use std::{
    fs,
    io::{Error, ErrorKind},
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use self::{
    pairs::Program,
    promises::Promises,
    report::{Measure, Report},
};
use crate::{
    build::{self, Profile},
    command::{cargo, line, report_dir, root},
    interrupt::Interrupts,
};

pub(crate) use documents::{faults, render};
pub(crate) use report::VERSION;

/// What `bench` takes.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Measure these groups only, such as handler, local or swarm.
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    only: Vec<String>,
    /// Fewer repetitions: at most three minutes once built.
    #[arg(long)]
    quick: bool,
    /// Where the swarm's stack is: `local` starts one, a ws:// or wss:// URL is one that is there already, with the notify app.
    #[arg(long, value_name = "local|URL", default_value = "local")]
    target: String,
    /// The MQTT broker of a target that is a URL; of ws:// if not given, port 1883 of its host.
    #[arg(long, value_name = "HOST:PORT")]
    target_mqtt: Option<String>,
    /// Write what was measured of the promises into docs/performance.md.
    #[arg(long)]
    write_docs: bool,
    /// With --write-docs: measure nothing, and take the figures of an earlier run.
    #[arg(long, value_name = "BENCH.JSON", requires = "write_docs", conflicts_with_all = ["only", "quick"])]
    from: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Groups are those of the crates (`cargo bench -p dunlin-benches --bench pairs -- --list`), `local` (start, memory and round \
trips of the whole stack) and `swarm` (updates to a thousand clients).\n\n\
Results: a table, and bench.json and bench.html in the folder dunlin/ of cargo's target folder; docs/bench.md describes \
them. Figures are ratios to a reference in the same run: times of day and machines differ, ratios hold. A promise that is \
missed is shown, and no error; `cargo xtask gate` decides.\n\n\
Exit codes: 0 measured, 1 a step failed or a benchmark is defective, 64 wrong command line, 74 a result cannot be \
written, 130 interrupted.";

const EXIT_INPUT: u8 = 64;
const EXIT_OUTPUT: u8 = 74;
const EXIT_INTERRUPTED: u8 = 130;

/// The groups that are not those of the program `pairs`.
const LOCAL: &str = "local";
const SWARM: &str = "swarm";

/// Where each of the other groups is a module.
const GROUPS: &str = "benches/src/groups";

/// Between two pictures of a progress line.
const TICK: Duration = Duration::from_millis(120);

/// Port of a broker without TLS.
const MQTT_PORT: u16 = 1883;

/// The command line is wrong: what it says, and what would do.
#[derive(Debug)]
struct WrongInput(String);

/// A result cannot be written: where, and why.
#[derive(Debug)]
struct Unwritable(String);

/// The stack under the swarm.
enum Target {
    /// One that is started for it.
    Local,
    /// One that is there.
    Elsewhere { ws: String, mqtt: String },
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Effort {
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
    starts: 9,
    echoes: 20_000,
    idle_connections: 5_000,
    users: 1_000,
    updates_per_second: 20,
    seconds: 30,
};

const QUICK: Effort = Effort {
    starts: 3,
    echoes: 4_000,
    idle_connections: 2_000,
    users: 300,
    updates_per_second: 20,
    seconds: 10,
};

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let interrupts = Interrupts::listen()?;
    let done = match &args.from {
        Some(file) => documents::write(file).map(|()| ExitCode::SUCCESS),
        None => measure(args, &interrupts),
    };
    let error = match done {
        Ok(code) => return Ok(code),
        Err(error) => error,
    };
    if interrupts.came() {
        eprintln!("interrupted; nothing was written");
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    }
    let code = if error.is::<WrongInput>() {
        EXIT_INPUT
    } else if error.is::<Unwritable>() {
        EXIT_OUTPUT
    } else {
        return Err(error);
    };
    eprintln!("error: {error:#}");
    Ok(ExitCode::from(code))
}

fn measure(args: &Args, interrupts: &Interrupts) -> Result<ExitCode> {
    let (target, promises) = (Target::of(args)?, Promises::read()?);
    check_names(&args.only)?;
    let effort = if args.quick { QUICK } else { FULL };
    let program = Program::new(build_all()?)?;
    let groups = wanted(&program, &args.only);
    let needs_functions = groups.iter().any(|group| [LOCAL, SWARM].contains(group));
    if needs_functions {
        build::place_functions(Profile::Release)?;
    }

    let mut report = Report::new(args.quick)?;
    eprintln!("measuring on {}", report.machine.with_revision());
    for group in groups {
        interrupts.check()?;
        let say = |measure: &Measure| eprintln!("  {}: {}", measure.id, measure.summary());
        let mut measures = Vec::new();
        let add = |measure: Measure| {
            say(&measure);
            measures.push(measure);
            interrupts.check()
        };
        match group {
            LOCAL => stack::local(effort, add)?,
            SWARM => report.swarm = Some(stack::swarm(effort, &target, add)?),
            group => {
                eprintln!("{group}");
                measures = program.run(group, args.quick, interrupts)?;
            }
        }
        for measure in &mut measures {
            measure.promise = promises.of(&measure.id);
        }
        report.measures.append(&mut measures);
    }
    finish(&report, args.write_docs)
}

/// Writes and prints the report.
fn finish(report: &Report, write_docs: bool) -> Result<ExitCode> {
    let dir = report_dir()?;
    let (json, html) = (dir.join("bench.json"), dir.join("bench.html"));
    write(&json, serde_json::to_string_pretty(report)? + "\n")?;
    write(&html, page::render(report))?;
    println!("{}", table::render(report));
    println!("bench.json  {}\nbench.html  {}", json.display(), html.display());
    for measure in report.defective() {
        for defect in &measure.defects {
            eprintln!("defective benchmark {}: {defect}", measure.id);
        }
    }
    if report.defective().next().is_some() {
        return Ok(ExitCode::FAILURE);
    }
    if write_docs {
        documents::write(&json)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a file as a whole or not at all: a disk that is full leaves the one before.
fn write(file: &Path, text: String) -> Result<()> {
    let temporary = file.with_extension("new");
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, file));
    written.map_err(|error| {
        drop(fs::remove_file(&temporary));
        Unwritable::new(file, &error).into()
    })
}

/// Refuses a name that no group has, before minutes are spent on a build.
fn check_names(only: &[String]) -> Result<()> {
    let entries = fs::read_dir(root().join(GROUPS)).with_context(|| format!("cannot list {GROUPS}"))?;
    let mut all = vec![LOCAL.to_owned(), SWARM.to_owned()];
    for entry in entries {
        let module = entry?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if module != "mod" {
            all.push(module);
        }
    }
    all.sort();
    match only.iter().find(|only| !all.contains(only)) {
        Some(unknown) => {
            bail!(WrongInput(format!("there is no group `{unknown}`; there are {}", all.join(", "))))
        }
        None => Ok(()),
    }
}

/// The groups to measure, in the order of the report.
fn wanted<'a>(program: &'a Program, only: &[String]) -> Vec<&'a str> {
    let all = program.groups().into_iter().chain([LOCAL, SWARM]);
    all.filter(|group| only.is_empty() || only.iter().any(|only| only == group)).collect()
}

impl Target {
    fn of(args: &Args) -> Result<Self> {
        if args.target == "local" {
            return Ok(Target::Local);
        }
        let ws = args.target.clone();
        let plain = ws.strip_prefix("ws://");
        let Some(rest) = plain.or_else(|| ws.strip_prefix("wss://")) else {
            bail!(WrongInput(format!(
                "--target is `{ws}`: give local, or the ws:// or wss:// URL of an API, stage included"
            )));
        };
        let mqtt = match (&args.target_mqtt, plain) {
            (Some(mqtt), _) => mqtt.clone(),
            (None, Some(_)) => {
                let host = rest.split('/').next().unwrap_or_default();
                // What stands after the last colon is a port, but for an IPv6 address without one.
                let name = if host.ends_with(']') {
                    host
                } else {
                    host.rsplit_once(':').map_or(host, |(name, _)| name)
                };
                format!("{name}:{MQTT_PORT}")
            }
            (None, None) => {
                bail!(WrongInput(format!(
                    "--target is `{ws}`: give its MQTT broker too, --target-mqtt HOST:PORT"
                )));
            }
        };
        Ok(Target::Elsewhere { ws, mqtt })
    }
}

/// One build for everything that is measured, so that each dependency is built once; returns the program of the pairs.
fn build_all() -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--workspace", "--bins", "--bench", "pairs"]);
    build.args(["--features", "dunlin-benches/aws-lambda-events"]);
    build.args(["--message-format", "json-render-diagnostics"]);
    eprintln!("$ {}", line(&build));
    eprintln!("  (a first build takes several minutes)");
    let output = build.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the build failed; the lines above say why");
    }
    let messages = String::from_utf8(output.stdout).context("cargo printed something else than text")?;
    let program = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_bench = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "bench");
        is_bench.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    };
    messages.lines().find_map(program).context("cargo built no program of benchmarks")
}

/// A line that turns while something takes long; nothing where standard error is no terminal.
fn spinner(what: impl Into<String>) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::new_spinner().with_style(style).with_message(what.into());
    bar.enable_steady_tick(TICK);
    bar
}

/// The median of some values.
fn median(values: Vec<f64>) -> Option<f64> {
    dunlin_stats::median(&values)
}

impl Unwritable {
    fn new(file: &Path, error: &Error) -> Self {
        let advice = match error.kind() {
            ErrorKind::StorageFull => "; free some space and run it again",
            _ => "",
        };
        Unwritable(format!("cannot write {}: {error}{advice}", file.display()))
    }
}

impl std::fmt::Display for WrongInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for Unwritable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WrongInput {}
impl std::error::Error for Unwritable {}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str, mqtt: Option<&str>) -> Result<Target> {
        Target::of(&Args {
            only: Vec::new(),
            quick: false,
            target: text.to_owned(),
            target_mqtt: mqtt.map(str::to_owned),
            write_docs: false,
            from: None,
        })
    }

    #[test]
    fn a_target_is_local_or_a_url() {
        assert!(matches!(target("local", None), Ok(Target::Local)));
        for (url, given, expected) in [
            ("ws://127.0.0.1:3001/dev", None, "127.0.0.1:1883"),
            ("ws://[::1]:3001/dev", None, "[::1]:1883"),
            ("ws://[::1]/dev", None, "[::1]:1883"),
            ("wss://example.com/dev", Some("example.com:1883"), "example.com:1883"),
            ("ws://localhost/dev", Some("localhost:4000"), "localhost:4000"),
        ] {
            let Ok(Target::Elsewhere { ws, mqtt }) = target(url, given) else { panic!("{url}") };
            assert_eq!((ws.as_str(), mqtt.as_str()), (url, expected));
        }
        for odd in ["http://localhost", "wss://example.com/dev", "remote"] {
            let error = target(odd, None).err().unwrap();
            assert!(error.is::<WrongInput>(), "{error:#}");
        }
    }

    #[test]
    fn an_unknown_group_is_named_beside_those_there_are() {
        let names =
            |names: &[&str]| check_names(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        names(&["handler", "gateway", "local", "swarm"]).unwrap();
        for unknown in ["nonsense", "mod", ""] {
            let error = names(&["handler", unknown]).unwrap_err();
            assert!(error.is::<WrongInput>(), "{error:#}");
            let said = error.to_string();
            assert!(
                said.starts_with(&format!("there is no group `{unknown}`; there are connection_store, ")),
                "{said}"
            );
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bench.json");
        write(&file, "one".to_owned()).unwrap();
        // The place of the temporary file is taken by a folder.
        fs::create_dir(file.with_extension("new")).unwrap();
        let error = write(&file, "two".to_owned()).err().unwrap();
        assert!(error.is::<Unwritable>(), "{error:#}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        let full = Unwritable::new(&file, &Error::from(ErrorKind::StorageFull)).to_string();
        assert!(full.ends_with("; free some space and run it again"), "{full}");
    }
}
