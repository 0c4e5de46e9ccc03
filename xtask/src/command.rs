//! Running programs: printed first, checked after.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};
use serde_json::Value;

/// The folder of the workspace: that of the cargo that runs this program, and not the one where it was built, since
/// clones may share a target folder.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let manifest_dir =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        Path::new(&manifest_dir).parent().expect("xtask lies in the workspace's folder").to_owned()
    })
}

/// The cargo that runs this task, without what `cargo run` tells this program about its own package: build scripts look
/// at such variables, and would run again each time that somebody goes from `cargo build` to `cargo xtask` and back.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let ours = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(ours) {
            command.env_remove(name);
        }
    }
    command
}

/// The packages of the workspace and its target folder, as cargo describes them.
pub(crate) fn metadata() -> Result<&'static Value> {
    static METADATA: OnceLock<Value> = OnceLock::new();
    if let Some(metadata) = METADATA.get() {
        return Ok(metadata);
    }
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo metadata failed; if a manifest changed, let `cargo check` bring Cargo.lock up to date");
    }
    let metadata = serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?;
    Ok(METADATA.get_or_init(|| metadata))
}

/// Where cargo builds.
pub(crate) fn target_dir() -> Result<PathBuf> {
    Ok(metadata()?["target_directory"].as_str().context("cargo metadata names no target folder")?.into())
}

/// Where the reports of this project go: `dunlin/` in the target folder.
pub(crate) fn report_dir() -> Result<PathBuf> {
    let dir = target_dir()?.join("dunlin");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

/// Prints `command`, runs it, and fails if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let started = Instant::now();
    let status = command.status().with_context(|| format!("cannot run {line}"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    eprintln!("  done in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Waits for `child`, and kills it and returns nothing if it takes longer than `limit`.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let pid = Pid::from_child(child);
    let ended = pidfd_open(pid, PidfdFlags::empty()).context("cannot watch a process")?;
    let mut fds = [PollFd::new(&ended, PollFlags::IN)];
    let limit = Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: 0 };
    if poll(&mut fds, Some(&limit)).context("cannot wait for a process")? == 0 {
        child.kill().ok();
        child.wait()?;
        return Ok(None);
    }
    Ok(Some(child.wait()?))
}

/// A command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let args = command.get_args().map(|arg| {
        let arg = arg.to_string_lossy();
        if arg.contains([' ', '*']) { format!("'{arg}'") } else { arg.into_owned() }
    });
    std::iter::once(program.into_owned()).chain(args).collect::<Vec<_>>().join(" ")
}
