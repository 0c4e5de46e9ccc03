//! Runs `dunlin-load` and reads what it wrote.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use dunlin_loadtest::measured::Measured;
use dunlin_loadtest::results;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A run that takes longer hangs.
const RUN_TIMEOUT: Duration = Duration::from_secs(120);

/// What came of a run.
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    folder: TempDir,
}

impl Finished {
    /// The folder of the report of a scenario.
    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// The report of a scenario.
    #[track_caller]
    pub(crate) fn measured(&self) -> Measured {
        results::read(&self.folder.path().join("out"))
            .unwrap_or_else(|error| panic!("{error}; {}", self.stderr))
    }

    /// The JSON document of another measurement.
    #[track_caller]
    pub(crate) fn report<T: DeserializeOwned>(&self) -> T {
        let text = std::fs::read_to_string(self.folder.path().join("report.json"));
        let text = text.unwrap_or_else(|_| panic!("no report; {}", self.stderr));
        serde_json::from_str(&text).unwrap()
    }

    /// The program failed with a code and one sentence that has `part` in it, and wrote no report.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, part: &str) {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert!(self.stderr.contains(part), "no `{part}` in {}", self.stderr);
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "{}", self.stderr);
        assert!(!self.folder.path().join("report.json").exists());
        assert!(!self.folder.path().join("out/report.json").exists());
    }
}

/// Runs the program with these arguments and `--json` with a file.
pub(crate) async fn run(args: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(args).arg("--json").arg(folder.path().join("report.json"));
    let output = timeout(RUN_TIMEOUT, command.output()).await.expect("the run hangs").unwrap();
    finished(output, folder)
}

/// Runs the program with these arguments, and keeps the folder as long as what came of it.
pub(crate) async fn finished_by(args: &[&str], folder: TempDir) -> Finished {
    let output =
        timeout(RUN_TIMEOUT, program().args(args).output()).await.expect("the program hangs").unwrap();
    finished(output, folder)
}

/// A scenario that is being played.
pub(crate) struct Playing {
    pub(crate) child: Child,
    folder: TempDir,
}

impl Playing {
    pub(crate) async fn end(self) -> Finished {
        let output =
            timeout(RUN_TIMEOUT, self.child.wait_with_output()).await.expect("the run hangs").unwrap();
        finished(output, self.folder)
    }
}

/// Starts a scenario, its report going to a folder, with further arguments.
pub(crate) fn start(scenario: &str, args: &[&str]) -> Playing {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.toml");
    std::fs::write(&file, scenario).unwrap();
    let mut command = program();
    command.arg("run").arg(&file).arg("--out").arg(folder.path().join("out")).arg("--no-progress").args(args);
    Playing { child: command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(), folder }
}

/// Plays a scenario to its end.
pub(crate) async fn play(scenario: &str, args: &[&str]) -> Finished {
    start(scenario, args).end().await
}

/// A shipped scenario, or target of one.
pub(crate) fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    path.to_str().unwrap().to_owned()
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dunlin-load"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

fn finished(output: Output, folder: TempDir) -> Finished {
    Finished {
        code: output.status.code().expect("it was not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        folder,
    }
}
