//! Runs `dunlin-load` and reads what it wrote.

use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::process::Command;
use tokio::time::timeout;

/// A run that takes longer hangs.
const RUN_TIMEOUT: Duration = Duration::from_secs(60);

/// What came of a run.
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    report: Option<String>,
}

impl Finished {
    /// The JSON report.
    #[track_caller]
    pub(crate) fn report<T: DeserializeOwned>(&self) -> T {
        let text = self.report.as_deref().unwrap_or_else(|| panic!("no report; {}", self.stderr));
        serde_json::from_str(text).unwrap()
    }

    /// The program failed with a code and one sentence that has `part` in it, and wrote no report.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, part: &str) {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert!(self.stderr.contains(part), "no `{part}` in {}", self.stderr);
        assert_eq!(self.stderr.trim_end().lines().count(), 1, "{}", self.stderr);
        assert!(self.report.is_none());
    }
}

/// Runs the program with these arguments and `--json` with a file.
pub(crate) async fn run(args: &[&str]) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    let program = Command::new(env!("CARGO_BIN_EXE_dunlin-load"))
        .args(args)
        .arg("--json")
        .arg(&json)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(RUN_TIMEOUT, program).await.expect("the run hangs").unwrap();
    Finished {
        code: output.status.code().expect("it was not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        report: std::fs::read_to_string(json).ok(),
    }
}
