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
    /// Build the functions alone, for a machine of this kind, and without symbols. A target that ends with a version of
    /// glibc, such as aarch64-unknown-linux-gnu.2.34, is built by cargo-zigbuild.
    #[arg(long)]
    target: Option<String>,
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
const FUNCTIONS: [(&str, &str); 4] = [
    ("notify", "infra"),
    ("echo", "examples/echo"),
    ("rooms", "examples/rooms"),
    ("conformance-probe", "conformance"),
];

/// The packages of those programs: whoever places functions builds all of them.
pub(crate) const FUNCTION_PACKAGES: [&str; 4] =
    ["dunlin-notify", "dunlin-example-echo", "dunlin-example-rooms", "dunlin-conformance"];

pub(crate) fn run(args: &Args) -> Result<Profile> {
    let profile = if args.release { Profile::Release } else { Profile::Debug };
    let mut build = cargo();
    let triple = args.target.as_deref().map(|target| {
        // `x86_64-unknown-linux-gnu.2.34`: cargo knows the part before the version.
        let (triple, glibc) =
            target.split_once('.').map_or((target, None), |(triple, glibc)| (triple, Some(glibc)));
        build.arg(if glibc.is_some() { "zigbuild" } else { "build" }).args(["--target", target]);
        // They are most of a program, and each cold start loads what was deployed.
        build.args(["--config", "profile.dev.strip=true", "--config", "profile.release.strip=true"]);
        triple
    });
    if triple.is_none() {
        build.args(["build", "--package", "dunlin-local"]);
    }
    build.arg("--locked");
    build.args(FUNCTION_PACKAGES.iter().flat_map(|package| ["--package", package]));
    if args.release {
        build.arg("--release");
    }
    command::run(&mut build)?;
    let built = target_dir()?.join(triple.unwrap_or_default()).join(profile.folder());
    place_from(&built)?;
    Ok(profile)
}

pub(crate) fn debug() -> Result<Profile> {
    run(&Args { release: false, target: None })
}

/// Puts each built function beside its template as an executable `bootstrap`.
pub(crate) fn place_functions(profile: Profile) -> Result<()> {
    place_from(&target_dir()?.join(profile.folder()))
}

fn place_from(built: &Path) -> Result<()> {
    for (program, folder) in FUNCTIONS {
        let built = built.join(program);
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
