//! `cargo xtask test`: everything that must pass, in the order in which it is cheapest to fail.

use anyhow::Result;

use crate::{
    build::{self, Profile},
    command::{cargo, run as check},
    tidy,
};

/// What `test` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave out tidy, format and lints: only build and test.
    #[arg(long)]
    no_lint: bool,
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
    check(cargo().args(["test", "--locked", "--workspace", "--all-targets"]))?;
    check(cargo().args(["test", "--locked", "--workspace", "--doc"]))?;
    if args.no_lint {
        return Ok(());
    }
    // Links between documents of crates break silently otherwise.
    let mut doc = cargo();
    doc.args(["doc", "--locked", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings");
    check(&mut doc)
}
