//! Python packages in environments of their own: what `xtask/python/*.txt` pins, below the target folder.
//!
//! An environment is made once and kept. It is made under another name and renamed, and that name says what went into
//! it: a half-made one is never used, and a changed requirement or another Python makes a new one.

use std::{
    fmt,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::command::{report_dir, root, wait};

/// How long `python3 -m venv` may take; it takes a few seconds.
const CREATE_TIME_MAX: Duration = Duration::from_secs(120);

/// How long pip may take to download and unpack some 50 MB.
const INSTALL_TIME_MAX: Duration = Duration::from_secs(300);

/// How long pip waits for one answer of the package index, and how often it asks again.
const ANSWER_SECONDS_MAX: &str = "20";
const RETRIES_MAX: &str = "2";

/// What pip says when it cannot reach the package index.
const RETRYING: &[u8] = b"WARNING: Retrying (";

/// What an environment holds.
#[derive(Clone, Copy)]
pub(crate) enum Packages {
    /// cfn-lint and SAM's translator.
    Lint,
    /// moto, with what its server needs for DynamoDB.
    Moto,
    /// Another implementation of HdrHistogram.
    HdrHistogram,
}

impl fmt::Display for Packages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Packages::Lint => "lint",
            Packages::Moto => "moto",
            Packages::HdrHistogram => "hdrhistogram",
        })
    }
}

/// A Python with the packages that it needs, and no others.
pub(crate) struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// The environment with `packages`, made if need be.
    ///
    /// # Errors
    ///
    /// One line that says why there is none: no `python3`, no `venv` module, no answer from the package index.
    pub(crate) fn with(packages: Packages) -> Result<Self> {
        let python = interpreter()?;
        let requirements = root().join(format!("xtask/python/{packages}.txt"));
        let pinned = std::fs::read_to_string(&requirements)
            .with_context(|| format!("cannot read {}", requirements.display()))?;
        let mut made_of = DefaultHasher::new();
        (&python, &pinned).hash(&mut made_of);
        let folder = report_dir()?.join(format!("python-{packages}-{:016x}", made_of.finish()));
        if !folder.is_dir() {
            eprintln!("making {}", folder.display());
            make(&folder, &requirements).with_context(|| format!("no environment with {packages}"))?;
        }
        Ok(Environment { folder })
    }

    /// `python` in this environment, without the user's own packages and settings.
    pub(crate) fn python(&self) -> Command {
        let mut command = Command::new(self.interpreter());
        command.arg("-I").stdin(Stdio::null());
        command
    }

    /// Where its `python` is, for those who start it themselves.
    pub(crate) fn interpreter(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// A program that a package brought. It is run by `python`, since its first line names a folder that the
    /// environment no longer has.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = self.python();
        command.arg(self.folder.join("bin").join(name));
        command
    }
}

/// Which Python this is; asks for the modules that making an environment needs.
///
/// # Errors
///
/// One line: it is not installed, or it lacks them.
pub(crate) fn interpreter() -> Result<String> {
    let script = "import sys, venv, ensurepip; print(sys.executable, sys.version)";
    let output = match Command::new("python3").args(["-I", "-c", script]).stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("python3 is not installed"),
        Err(error) => return Err(error).context("cannot run python3"),
    };
    if !output.status.success() {
        bail!("python3 lacks the venv module: {}", last_line(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn make(folder: &Path, requirements: &Path) -> Result<()> {
    let parent = folder.parent().context("the environment has a parent folder")?;
    let partial = Partial(parent.join(format!("python-partial-{}", std::process::id())));
    let mut create = Command::new("python3");
    create.args(["-I", "-m", "venv", "--clear"]).arg(&partial.0);
    finish(create, CREATE_TIME_MAX, &partial.log())?;
    let mut install = Command::new(partial.0.join("bin/python"));
    install
        .args(["-I", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        // Nothing is compiled and nothing but what is pinned is installed.
        .args(["--only-binary", ":all:", "--no-deps", "--require-hashes"])
        .args(["--timeout", ANSWER_SECONDS_MAX, "--retries", RETRIES_MAX, "--requirement"])
        .arg(requirements);
    finish(install, INSTALL_TIME_MAX, &partial.log())?;
    match std::fs::rename(&partial.0, folder) {
        // Somebody else made the same one meanwhile.
        Err(_) if folder.is_dir() => Ok(()),
        renamed => renamed.with_context(|| format!("cannot create {}", folder.display())),
    }
}

/// An environment that is being made; removed unless it was renamed.
struct Partial(PathBuf);

impl Partial {
    fn log(&self) -> PathBuf {
        self.0.with_extension("log")
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // What is gone already was renamed; what cannot be removed is in nobody's way.
        drop(std::fs::remove_dir_all(&self.0));
        drop(std::fs::remove_file(self.log()));
    }
}

/// Runs `command` for at most `limit`; what it says goes to the file `log`, and is the reason if it fails.
fn finish(mut command: Command, limit: Duration, log: &Path) -> Result<()> {
    let name = if command.get_args().any(|arg| arg == "pip") { "pip" } else { "python3 -m venv" };
    let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    let errors = output.try_clone().context("cannot share a file")?;
    let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
    let mut child = child.with_context(|| format!("cannot run {name}"))?;
    let Some(status) = wait(&mut child, limit)? else {
        bail!("{name} did not end within {} s", limit.as_secs());
    };
    if !status.success() {
        let said = std::fs::read(log).unwrap_or_default();
        // What pip says last is then that there is no such package.
        if said.windows(RETRYING.len()).any(|part| part == RETRYING) {
            bail!("the Python package index does not answer");
        }
        bail!("{name} failed: {}", last_line(&said));
    }
    Ok(())
}

/// What a program said last, which is where both Python and pip put the error.
fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.unwrap_or("it says nothing").trim_start_matches("ERROR: ").to_owned()
}
