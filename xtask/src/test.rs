//! `cargo xtask test`: everything that must pass, in the order in which it is cheapest to fail.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    build::{self, Profile},
    command::{cargo, line, run as check},
    moto::Moto,
    templates, tidy,
    tools::{Required, Tools, Wanted},
};

/// What `test` takes.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// Leave out tidy, format, lints and the checks of the templates: only build and test.
    #[arg(long)]
    no_lint: bool,
    /// Run the connection store's suite against moto's DynamoDB as well.
    #[arg(long)]
    moto: bool,
    /// Fail at once if one of these is missing, instead of leaving out what needs it.
    #[arg(long, value_name = "TOOLS", value_delimiter = ',')]
    require: Vec<Required>,
}

/// Paragraphs are wrapped where they are printed; the lines of the table fit into 100 columns.
const AFTER_HELP: &str = "\
Some tests need a program that not every machine has. What is missing is left out, and a line at the end says so:

  python3  cfn-lint and SAM's translator on the templates; a function in Python; with --moto, moto;
           another reader of the load test's interval logs
  node     a function in JavaScript
  browser  a web page that follows a device, in a headless Chromium or Chrome

On Debian: apt-get install python3 python3-venv nodejs chromium. DUNLIN_BROWSER names a browser that is not on PATH. \
The Python packages are pinned in xtask/python/, and kept below the target folder; installing them needs the package \
index once. `cargo xtask tools` says what there is, and `--require all`, or `--require python3,node`, makes sure of it.

The steps, cheapest first: tidy, format, the templates, clippy, build, every test, every example in the \
documentation, moto, the documentation itself. The first one that fails ends it; each is printed, to be repeated by \
hand. The tests that need a tool are a feature of dunlin-tests: `cargo test -p dunlin-tests --features node`.";

pub(crate) fn run(args: &Args) -> Result<()> {
    let tools = Tools::find(&args.require, Wanted { lint: !args.no_lint, moto: args.moto })?;
    if !args.no_lint {
        tidy::run(&tidy::Args::default())?;
        check(cargo().args(["fmt", "--all", "--check"]))?;
        if let Some(environment) = &tools.lint {
            templates::check(environment)?;
        }
        // The targets that only `--moto` runs are not among all targets.
        check(cargo().args([
            "clippy",
            "--locked",
            "--workspace",
            "--test",
            "moto",
            "--",
            "--deny",
            "warnings",
        ]))?;
        // Whoever has no browser can still see that its tests compile.
        check(workspace("clippy", &Tools::everything()).args(["--", "--deny", "warnings"]))?;
    }
    // The end-to-end tests start the real programs, so these are built first.
    check(&mut workspace("build", &tools))?;
    build::place_functions(Profile::Debug)?;
    let mut tally = Tally::default();
    tally.run(&mut workspace("test", &tools))?;
    tally.run(cargo().args(["test", "--locked", "--workspace", "--doc"]))?;
    if let Some(environment) = &tools.moto {
        let moto = Moto::start(environment)?;
        // The targets of this name have `test = false` in their manifests, so that nothing else runs them.
        let mut suite = cargo();
        suite.args(["test", "--locked", "--workspace", "--test", "moto"]).env("DUNLIN_MOTO", &moto.endpoint);
        tally.run(&mut suite)?;
    }
    if !args.no_lint {
        // Links between documents of crates break silently otherwise.
        let mut doc = cargo();
        doc.args(["doc", "--locked", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings");
        check(&mut doc)?;
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    tools.print_left_out();
    Ok(())
}

/// `cargo TASK` for everything: `--all-targets` and the same features each time, since they decide with which features
/// a dependency is built, and two sets would build the world twice.
fn workspace(task: &str, tools: &Tools) -> Command {
    let mut command = cargo();
    command.args([task, "--locked", "--workspace", "--all-targets"]);
    tools.enable(&mut command);
    command
}

/// How many tests ran, over all test programs.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// Runs a `cargo test`, hands on what it prints, and counts.
    fn run(&mut self, command: &mut Command) -> Result<()> {
        let line = line(command);
        eprintln!("$ {line}");
        let mut child =
            command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run {line}"))?;
        let out = child.stdout.take().context("standard output was piped")?;
        for text in BufReader::new(out).lines() {
            let text = text?;
            println!("{text}");
            self.count(&text);
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("`{line}` ended with {status}; {} passed, {} failed", self.passed, self.failed);
        }
        Ok(())
    }

    /// `test result: ok. 7 passed; 0 failed; …`.
    fn count(&mut self, text: &str) {
        let Some(result) = text.strip_prefix("test result: ") else { return };
        let number = |word| {
            let before = result.split(word).next()?;
            before.rsplit([' ', ';']).find(|part| !part.is_empty())?.parse::<u64>().ok()
        };
        self.passed += number(" passed").unwrap_or(0);
        self.failed += number(" failed").unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let mut tally = Tally::default();
        tally.count(
            "test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        tally.count("test result: FAILED. 13 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out");
        tally.count("test a::b ... ok");
        assert_eq!((tally.passed, tally.failed), (20, 2));
    }
}
