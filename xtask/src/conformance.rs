//! `cargo xtask conformance`: builds the suite and what a local target needs, and runs it.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{
    build,
    command::{line, root},
};

/// What `conformance` takes: everything is the suite's own, its help included.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Options of the suite.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let profile = build::debug()?;
    let mut suite = Command::new(build::program_path(profile, "dunlin-conformance")?);
    suite.args(&args.options).arg("--workspace").arg(root());
    suite.arg("--dunlin").arg(build::program_path(profile, "dunlin")?);
    eprintln!("$ {}", line(&suite));
    let status = suite.status().context("cannot start the conformance suite")?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
