//! `cargo xtask report`: what is done with reports that were written elsewhere.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::{
    EXIT_USAGE,
    build::{self, Profile},
    command::{cargo, line, run as check},
};

/// What `report` takes.
#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(clap::Subcommand)]
enum Task {
    /// Adds up the parts of a load run, from several processes or machines, into one report.
    #[command(
        after_help = "Everything after `merge` goes to `dunlin-load merge`: folders, `--out DIR`, `--baseline RUN`."
    )]
    Merge {
        /// Folders of the parts, and options of `dunlin-load merge`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "DIR")]
        options: Vec<String>,
    },
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let Task::Merge { options } = &args.task;
    // What is no part at all is said before anything is built; `dunlin-load` says the rest.
    if !options.iter().any(|option| Path::new(option).is_dir()) && !asks_for_help(options) {
        eprintln!("error: none of `{}` is a folder; name the folders of the parts", options.join(" "));
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    check(cargo().args(["build", "--locked", "--package", "dunlin-loadtest", "--bin", "dunlin-load"]))?;
    let mut merge = Command::new(build::program_path(Profile::Debug, "dunlin-load")?);
    merge.arg("merge").args(options);
    eprintln!("$ {}", line(&merge));
    let status = merge.status().context("cannot start dunlin-load")?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

fn asks_for_help(options: &[String]) -> bool {
    options.iter().any(|option| ["-h", "--help"].contains(&option.as_str()))
}
