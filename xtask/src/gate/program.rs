//! `dunlin-paths` of one side: what it has, counts and takes.

use std::{
    collections::BTreeMap,
    path::{Path as FilePath, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::BadInput;
use crate::command::{line, wait};

/// Longer than any run of a path takes, under valgrind too.
const RUN_TIME_MAX: Duration = Duration::from_secs(180);

/// The first version of the program's words that has blocks.
const BLOCKS_VERSION: u32 = 2;

/// One side's program.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) file: PathBuf,
    /// A path that does so much more than it says, in per cent: only the self-check asks for it.
    pub(super) extra: Option<(String, u32)>,
}

/// One path, as the program lists it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Path {
    #[serde(rename = "path")]
    pub(super) name: String,
    /// Operations that make counts exact.
    pub(super) count_operations: u64,
    /// The same under valgrind.
    pub(super) trace_operations: u64,
}

#[derive(Deserialize)]
struct List {
    version: u32,
    paths: Vec<Path>,
}

/// What some operations took.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Times {
    pub(super) cpu_ns: u64,
    pub(super) wall_ns: u64,
}

impl Program {
    pub(super) fn new(file: PathBuf) -> Self {
        Program { file, extra: None }
    }

    /// The same program, doing so much more in one path.
    pub(super) fn with_extra(&self, path: &str, percent: u32) -> Self {
        Program { file: self.file.clone(), extra: Some((path.to_owned(), percent)) }
    }

    pub(super) fn paths(&self) -> Result<Vec<Path>> {
        Ok(self.list()?.paths)
    }

    /// Whether it can do blocks of work, for which a [`Worker`](super::worker::Worker) asks.
    pub(super) fn has_blocks(&self) -> Result<bool> {
        Ok(self.list()?.version >= BLOCKS_VERSION)
    }

    fn list(&self) -> Result<List> {
        let mut command = Command::new(&self.file);
        command.arg("list");
        serde_json::from_str(&output(&mut command)?).context("no list of paths")
    }

    /// Figures of one operation, by name.
    pub(super) fn count(&self, path: &str, operations: u64) -> Result<BTreeMap<String, f64>> {
        #[derive(Deserialize)]
        struct Counts {
            per_operation: BTreeMap<String, f64>,
        }
        let counts = output(&mut self.command("count", path, operations))?;
        let Counts { per_operation } = serde_json::from_str(&counts).context("no counts")?;
        Ok(per_operation)
    }

    /// The program doing this task so often, as one may repeat it.
    pub(super) fn command(&self, task: &str, path: &str, operations: u64) -> Command {
        let mut command = self.work(task, path);
        command.args(["--operations", &operations.to_string()]);
        command
    }

    /// The program doing this task.
    pub(super) fn work(&self, task: &str, path: &str) -> Command {
        let mut command = Command::new(&self.file);
        command.args([task, path]);
        if let Some((_, percent)) = self.extra.as_ref().filter(|(slowed, _)| slowed == path) {
            command.args(["--extra-percent", &percent.to_string()]);
        }
        command
    }
}

/// The paths that both have and whose name contains `only`, and a line for each that only one has.
pub(super) fn common(base: &Program, head: &Program, only: Option<&str>) -> Result<(Vec<Path>, Vec<String>)> {
    let (base, head) = (base.paths()?, head.paths()?);
    let has = |paths: &[Path], name: &str| paths.iter().any(|path| path.name == name);
    let new = head.iter().filter(|path| !has(&base, &path.name)).map(|path| format!("{} is new", path.name));
    let gone =
        base.iter().filter(|path| !has(&head, &path.name)).map(|path| format!("{} is gone", path.name));
    let notes = new.chain(gone).collect();
    let both: Vec<Path> = head.iter().filter(|path| has(&base, &path.name)).cloned().collect();
    Ok((wanted(&both, only)?, notes))
}

/// Those whose name contains `only`, of which there must be one.
pub(super) fn wanted(paths: &[Path], only: Option<&str>) -> Result<Vec<Path>> {
    let is_wanted = |path: &&Path| only.is_none_or(|only| path.name.contains(only));
    let wanted: Vec<Path> = paths.iter().filter(is_wanted).cloned().collect();
    if wanted.is_empty() {
        let names: Vec<&str> = paths.iter().map(|path| path.name.as_str()).collect();
        bail!(BadInput(match only {
            Some(only) => format!("no path has {only:?} in its name; there are {}", names.join(", ")),
            None => "the two revisions have no path in common".to_owned(),
        }));
    }
    Ok(wanted)
}

/// What a command prints. It must succeed, and in time.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let what = line(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {what}"))?;
    // Both pipes hold what is printed: a line or two of JSON, and less than a page of a tool's own words.
    let status = finish(&mut child, RUN_TIME_MAX).with_context(|| format!("`{what}` was not waited for"))?;
    let output = child.wait_with_output()?;
    if !status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let last: Vec<&str> = words.lines().rev().take(3).collect();
        bail!("`{what}` ended with {status}: {}", last.into_iter().rev().collect::<Vec<_>>().join(" "));
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{what}` printed something else than text"))
}

/// Waits for a program, and kills it if it takes longer than `limit` or a signal comes meanwhile.
pub(super) fn finish(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    match wait(child, limit) {
        Ok(Some(status)) => Ok(status),
        Ok(None) => bail!("it took longer than {} s", limit.as_secs()),
        Err(error) => {
            // It may have ended by the same signal.
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// Whether a program of this name can run.
pub(super) fn is_there(tool: &str) -> bool {
    let mut command = Command::new(tool);
    command.arg("--version");
    output(&mut command).is_ok()
}

/// A file in the folder of this side's program, for what a tool writes.
pub(super) fn scratch(program: &Program, name: &str) -> PathBuf {
    program.file.parent().unwrap_or_else(|| FilePath::new(".")).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_path_has_is_bad_input() {
        let path = |name: &str| Path { name: name.to_owned(), count_operations: 1, trace_operations: 1 };
        let paths = [path("gateway/echo"), path("handler/message")];
        assert_eq!(wanted(&paths, Some("echo")).unwrap(), [path("gateway/echo")]);
        assert_eq!(wanted(&paths, None).unwrap(), paths);
        let error = wanted(&paths, Some("nonsense")).unwrap_err();
        assert!(error.is::<BadInput>());
        assert_eq!(
            error.to_string(),
            "no path has \"nonsense\" in its name; there are gateway/echo, handler/message"
        );
        assert!(wanted(&[], None).unwrap_err().is::<BadInput>());
    }
}
