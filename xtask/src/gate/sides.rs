//! The two sides: the working tree, and a revision in a worktree of its own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::{
    BadInput,
    interrupt::Interrupts,
    program::{Program, finish, wanted},
};
use crate::command::{cargo, line, report_dir, root};

const PACKAGE: &str = "dunlin-paths";

/// Where the package lies, in every revision that has it.
const PACKAGE_MANIFEST: &str = "benches/paths/Cargo.toml";

/// A build from nothing takes minutes on two busy cores.
const BUILD_TIME_MAX: Duration = Duration::from_secs(3_600);

/// A commit, by its whole id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Commit(String);

impl Commit {
    pub(super) fn short(&self) -> &str {
        &self.0[..self.0.len().min(10)]
    }
}

/// What the working tree is compared with.
pub(super) enum Base {
    Revision(Commit),
    /// The history has one commit, or there is none.
    None,
}

impl Base {
    /// `auto`, or what git takes for a revision.
    pub(super) fn find(wanted: &str) -> Result<Self> {
        if wanted != "auto" {
            let commit = commit(wanted);
            let unknown = || {
                BadInput(format!(
                    "{wanted:?} is no revision of this repository; name a commit, branch or tag"
                ))
            };
            return Ok(Base::Revision(commit.ok_or_else(unknown)?));
        }
        let Some(head) = commit("HEAD") else { return Ok(Base::None) };
        let left_main = ["origin/main", "main"].iter().find_map(|main| {
            let base = git(&["merge-base", "HEAD", main])?;
            (base != head.0).then_some(Commit(base))
        });
        Ok(left_main.or_else(|| commit("HEAD^")).map_or(Base::None, Base::Revision))
    }
}

/// Both programs. While it lives, so does the base's worktree.
pub(super) struct Sides {
    pub(super) base: Program,
    pub(super) base_name: String,
    pub(super) head: Program,
    pub(super) head_name: String,
    /// Paths that a commit since the base says may be slower.
    pub(super) accepted: Vec<String>,
    _worktree: Worktree,
}

impl Sides {
    /// Builds both, one after the other. Nothing if the base has no paths, which a named revision must have.
    pub(super) fn build(
        base: &Commit,
        may_lack_paths: bool,
        only: Option<&str>,
        interrupts: &Interrupts,
    ) -> Result<Option<Self>> {
        if git(&["cat-file", "-e", &format!("{}:{PACKAGE_MANIFEST}", base.0)]).is_none() {
            if may_lack_paths {
                return Ok(None);
            }
            bail!(BadInput(format!("{} has no {PACKAGE_MANIFEST}: it is older than the gate", base.short())));
        }
        let (head, head_name) = build_head()?;
        // Before minutes are spent on the base.
        wanted(&head.paths()?, only)?;
        interrupts.check()?;
        let worktree = Worktree::add(base)?;
        let program = build(&worktree.dir, &folder()?.join("base")).map_err(|error| {
            if interrupts.came() {
                error
            } else {
                BadInput(format!("{} does not build: {error:#}", base.short())).into()
            }
        })?;
        Ok(Some(Sides {
            base: program,
            base_name: base.short().to_owned(),
            head,
            head_name,
            accepted: accepted(base),
            _worktree: worktree,
        }))
    }
}

/// What the trailers `Accepts-Slower: PATH` of the commits since the base name: work that is worth its time is said so where
/// it is done.
fn accepted(base: &Commit) -> Vec<String> {
    let format = "--format=%(trailers:key=Accepts-Slower,valueonly)";
    let trailers = git(&["log", format, &format!("{}..HEAD", base.0)]).unwrap_or_default();
    trailers.lines().map(str::trim).filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

/// The working tree's program, and what to call it.
pub(super) fn build_head() -> Result<(Program, String)> {
    let revision = commit("HEAD").map_or_else(|| "no commit".to_owned(), |commit| commit.short().to_owned());
    let is_dirty = git(&["status", "--porcelain"]).is_some_and(|files| !files.is_empty());
    if is_dirty {
        eprintln!("the working tree has changes that are not committed; they are measured too");
    }
    let name = if is_dirty { format!("{revision} with changes") } else { revision };
    Ok((build(root(), &folder()?.join("head"))?, name))
}

/// What the gate keeps between runs.
fn folder() -> Result<PathBuf> {
    Ok(report_dir()?.join("gate"))
}

fn build(source: &Path, target: &Path) -> Result<Program> {
    let mut build = cargo();
    build.current_dir(source).args(["build", "--release", "--locked", "--package", PACKAGE]);
    build.env("CARGO_TARGET_DIR", target).env("CARGO_INCREMENTAL", "0");
    eprintln!("$ {} (in {})", line(&build), source.display());
    let status = finish(&mut build.spawn().context("cannot run cargo")?, BUILD_TIME_MAX)?;
    if !status.success() {
        bail!("cargo ended with {status}; its words are above");
    }
    Ok(Program::new(target.join("release").join(PACKAGE)))
}

/// A checkout that is removed with it.
struct Worktree {
    dir: PathBuf,
}

impl Worktree {
    fn add(commit: &Commit) -> Result<Self> {
        let dir = folder()?.join("base-source");
        let worktree = Worktree { dir };
        // One that a killed run has left.
        worktree.remove();
        let mut add = Command::new("git");
        add.current_dir(root()).args(["worktree", "add", "--quiet", "--detach", "--force"]);
        add.arg(&worktree.dir).arg(&commit.0);
        let output = add.output().context("cannot run git")?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            bail!("git cannot check {} out: {}", commit.short(), words.trim());
        }
        Ok(worktree)
    }

    fn remove(&self) {
        let mut remove = Command::new("git");
        remove.current_dir(root()).args(["worktree", "remove", "--force"]).arg(&self.dir);
        // Mostly there is nothing to remove.
        let _ = remove.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = std::fs::remove_dir_all(&self.dir);
        let _ = git(&["worktree", "prune"]);
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        self.remove();
    }
}

fn commit(revision: &str) -> Option<Commit> {
    // A revision that begins with a dash would be an option.
    git(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")])
        .map(Commit)
}

/// What git prints, if it succeeds.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(root()).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_revision_is_named() {
        let error = Base::find("no-such-branch").err().unwrap();
        assert!(error.is::<BadInput>());
        assert!(error.to_string().starts_with("\"no-such-branch\" is no revision"), "{error}");
        assert!(Base::find("--help").is_err());
    }
}
