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
    tidy,
};

/// What `test` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out tidy, format and lints: only build and test.
    #[arg(long)]
    no_lint: bool,
    /// Run the connection store's suite against moto's DynamoDB as well (python3, and the package index once).
    #[arg(long)]
    moto: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if !args.no_lint {
        tidy::run()?;
        check(cargo().args(["fmt", "--all", "--check"]))?;
        check(cargo().args([
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]))?;
    }
    // The end-to-end tests start the real programs, so these are built first; `--all-targets` here and below, since
    // it decides with which features a dependency is built, and two sets would build the world twice.
    check(cargo().args(["build", "--locked", "--workspace", "--all-targets"]))?;
    build::place_functions(Profile::Debug)?;
    let mut tally = Tally::default();
    tally.run(cargo().args(["test", "--locked", "--workspace", "--all-targets"]))?;
    tally.run(cargo().args(["test", "--locked", "--workspace", "--doc"]))?;
    if args.moto {
        let moto = Moto::start().context("--moto")?;
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
    Ok(())
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
