//! `cargo xtask build`: the programs, and each function where its template looks for it.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::command::{self, cargo, root, target_dir};

/// What `build` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build optimised programs, as `bench` does.
    #[arg(long)]
    release: bool,
}

/// The profile that a program was built with: the name of its folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Profile::Debug => "debug",
            Profile::Release => "release",
        }
    }
}

/// Each function's program and the folder of the template that runs it. The templates say `CodeUri: .build/{program}/`.
const FUNCTIONS: [(&str, &str); 2] = [("notify", "infra"), ("echo", "examples/echo")];

pub(crate) fn run(args: &Args) -> Result<Profile> {
    let mut build = cargo();
    build.args(["build", "--locked", "--package", "dunlin-local"]);
    build.args(["--package", "dunlin-notify", "--package", "dunlin-example-echo"]);
    let profile = if args.release { Profile::Release } else { Profile::Debug };
    if args.release {
        build.arg("--release");
    }
    command::run(&mut build)?;
    place_functions(profile)?;
    Ok(profile)
}

pub(crate) fn debug() -> Result<Profile> {
    run(&Args { release: false })
}

/// Puts each built function beside its template as an executable `bootstrap`.
pub(crate) fn place_functions(profile: Profile) -> Result<()> {
    for (program, folder) in FUNCTIONS {
        let built = program_path(profile, program)?;
        let place = root().join(folder).join(".build").join(program);
        place_bootstrap(&built, &place)
            .with_context(|| format!("cannot put {} into {}", built.display(), place.display()))?;
    }
    Ok(())
}

/// Written under another name and renamed, so that a running stack never starts half a program.
fn place_bootstrap(built: &Path, place: &Path) -> Result<()> {
    fs::create_dir_all(place)?;
    let partial = place.join("bootstrap.partial");
    fs::copy(built, &partial)?;
    fs::rename(partial, place.join("bootstrap"))?;
    Ok(())
}

/// A built program in the target folder.
pub(crate) fn program_path(profile: Profile, program: &str) -> Result<std::path::PathBuf> {
    Ok(target_dir()?.join(profile.folder()).join(program))
}
