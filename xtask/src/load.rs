//! `cargo xtask load`: a scenario against the local stack, or against one that is there.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::{
    build::{self, Profile, program_path},
    command::{self, cargo, line, report_dir, root},
    interrupt::Interrupts,
    local_stack::Stack,
};

/// The exit code for a scenario or a flag that makes no run, as the load test has it.
const EXIT_BAD_INPUT: u8 = 64;

/// Where the scenarios are.
const SCENARIOS: &str = "loadtest/scenarios";

/// What `load` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Everything else goes to `dunlin-load run`: --users N, --seconds S, --set key=value, --threshold TEXT, \
                  --seed N, --out DIR, --baseline RUN, --processes N, --tls; loadtest/README.md documents them, the \
                  scenarios and the exit codes: 0 every threshold met, 3 one missed, 4 the run is invalid, 64 bad input."
)]
pub(crate) struct Args {
    /// A scenario of loadtest/scenarios by its name, or a file.
    scenario: String,
    /// `local` brings the stack of the scenario's target up and down; otherwise the URL of one that is there.
    #[arg(long, value_name = "local|wss://…", default_value = "local")]
    target: String,
    /// Measure programs that are not optimised.
    #[arg(long)]
    debug: bool,
    /// Options of `dunlin-load run`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let scenario = match find(&args.scenario) {
        Ok(scenario) => scenario,
        Err(error) => return Ok(bad_input(&error)),
    };
    let template = match args.target.as_str() {
        "local" => match template_of(&scenario) {
            Ok(template) => Some(template),
            Err(error) => return Ok(bad_input(&error)),
        },
        _ => None,
    };
    let profile = if args.debug { Profile::Debug } else { Profile::Release };
    build(profile, template.is_some())?;
    // From here on there may be a stack to take down.
    let interrupts = Interrupts::listen()?;
    let stack = template.map(|template| Stack::up_apart(profile, &template)).transpose()?;
    interrupts.check()?;

    let mut load = Command::new(program_path(profile, "dunlin-load")?);
    load.arg("run").arg(&scenario);
    match &stack {
        Some(stack) => load.arg("--ready-file").arg(&stack.ready_file),
        None => load.arg("--target").arg(&args.target),
    };
    if !args.options.iter().any(|option| option == "--out" || option.starts_with("--out=")) {
        let name = scenario.file_stem().unwrap_or_default();
        load.arg("--out").arg(report_dir()?.join("load").join(name));
    }
    if let Some(revision) = revision() {
        load.arg("--revision").arg(revision);
    }
    load.args(&args.options);
    eprintln!("$ {}", line(&load));
    // Ctrl-C reaches it by itself: it writes what it has, and its exit code says so.
    let status = load.status().context("cannot start dunlin-load")?;
    if let Some(stack) = stack {
        stack.down()?;
    }
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

fn bad_input(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(EXIT_BAD_INPUT)
}

fn build(profile: Profile, is_local: bool) -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--locked", "--package", "dunlin-loadtest", "--bin", "dunlin-load"]);
    if is_local {
        // In one build, so that each dependency is built once.
        build.args(["--package", "dunlin-local", "--bins"]);
        build.args(build::FUNCTION_PACKAGES.iter().flat_map(|package| ["--package", package]));
    }
    if profile == Profile::Release {
        build.arg("--release");
    }
    command::run(&mut build)?;
    if is_local { build::place_functions(profile) } else { Ok(()) }
}

/// The file of a scenario.
fn find(scenario: &str) -> Result<PathBuf> {
    let given = PathBuf::from(scenario);
    if given.is_file() {
        return Ok(given);
    }
    let folder = root().join(SCENARIOS);
    let shipped = folder.join(format!("{scenario}.toml"));
    if shipped.is_file() {
        return Ok(shipped);
    }
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .collect();
    names.sort();
    bail!("there is no scenario `{scenario}`: give a file, or one of {}", names.join(", "))
}

/// The template that a scenario's target is of: a path from the target's file.
fn template_of(scenario: &Path) -> Result<PathBuf> {
    let read = |path: &Path| {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        text.parse::<toml::Table>()
            .map_err(|error| anyhow::anyhow!("{}: {}", path.display(), error.message().replace('\n', " ")))
    };
    let table = read(scenario)?;
    let (target, of) = match table.get("target") {
        Some(toml::Value::String(path)) => {
            let path = scenario.with_file_name("").join(path);
            (read(&path)?, path)
        }
        Some(toml::Value::Table(target)) => (target.clone(), scenario.to_owned()),
        _ => bail!("{}: it has no `target`", scenario.display()),
    };
    match target.get("template").and_then(toml::Value::as_str) {
        Some(template) => Ok(of.with_file_name("").join(template)),
        None => {
            bail!("{} names no `template` that could be brought up here: give --target wss://…", of.display())
        }
    }
}

/// The commit of the working folder, and whether it was changed since.
fn revision() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").current_dir(root()).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    Some(if changed { format!("{commit} with changes") } else { commit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_found_by_name_and_know_their_template() {
        let smoke = find("smoke").unwrap();
        assert!(template_of(&smoke).unwrap().ends_with("infra/template.yaml"));
        assert!(template_of(&smoke).unwrap().is_file());
        assert!(template_of(&find("echo").unwrap()).unwrap().is_file());
        let error = template_of(&find("chat").unwrap()).unwrap_err();
        assert!(error.to_string().contains("give --target wss://…"), "{error}");
        let error = find("nope").unwrap_err();
        assert!(error.to_string().contains("one of chat, echo, hot-topic"), "{error}");
    }
}
