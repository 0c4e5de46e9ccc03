//! `cargo xtask up`: the notify app on this machine.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{
    build,
    command::{line, root},
};

/// What `up` takes.
#[derive(clap::Args)]
#[command(
    after_help = "Everything after `up` goes to `dunlin up`; see `cargo run -p dunlin-local -- up --help`."
)]
pub(crate) struct Args {
    /// Options of `dunlin up`, such as `--port 4001` or `--data DIR`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let profile = build::debug()?;
    let mut dunlin = Command::new(build::program_path(profile, "dunlin")?);
    dunlin.arg("up").arg("--template").arg(root().join("infra/template.yaml")).args(&args.options);
    eprintln!("$ {}", line(&dunlin));
    // Ctrl-C reaches the whole process group: dunlin ends by itself, and this process hands on how it ended.
    let status = dunlin.status().context("cannot start dunlin")?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
