//! A run as a folder of files.
//!
//! | file | holds |
//! | --- | --- |
//! | `report.html` | the report for people, one page that needs nothing else |
//! | `report.json` | the report for programs, as `loadtest/report.schema.json` describes it |
//! | `intervals.hlog` | the histogram of each series and second: an HdrHistogram log, V2, one tag for each series |
//! | `scenario.toml` | the scenario, as it was read |
//! | `goose.html` | goose's own report |
//!
//! [`prepare`] makes the folder before the run, so that nobody measures for an hour what cannot be written; [`write()`]
//! fills it. [`read`] gives the run back, all of it, to be added to others and compared with them.

mod compare;
mod document;
mod files;
mod intervals;
mod merge;
mod page;
mod parts;
#[cfg(test)]
pub(crate) mod sample;

use std::path::{Path, PathBuf};

use crate::LoadError;
use crate::measured::Measured;

pub use document::SCHEMA_VERSION;
pub use files::prepare;
pub use merge::merge;
pub use parts::parts;

/// The report for programs.
pub const REPORT_JSON: &str = "report.json";
/// The report for people.
pub const REPORT_HTML: &str = "report.html";
/// The histograms of each second.
pub const INTERVALS: &str = "intervals.hlog";
/// The scenario.
pub const SCENARIO: &str = "scenario.toml";
/// Goose's own report, which goose writes by itself.
pub const GOOSE_HTML: &str = "goose.html";

/// Writes the files of a run into its folder, compared with another run if there is one. Each file is there whole or not
/// at all.
///
/// # Errors
///
/// `Output`, naming the file and the reason.
pub fn write(folder: &Path, measured: &Measured, baseline: Option<&Measured>) -> Result<(), LoadError> {
    let text =
        |name: &str, text: &str| files::write(&folder.join(name), |out| out.write_all(text.as_bytes()));
    // The report for people last: who sees it finds the others.
    text(SCENARIO, &measured.run.scenario_text)?;
    files::write(&folder.join(INTERVALS), |out| intervals::write(measured, out))?;
    text(REPORT_JSON, &document::text(measured)?)?;
    text(REPORT_HTML, &page::html(measured, baseline))
}

/// Reads a run from its folder, or from its `report.json`; without the interval logs beside it, seconds have no latencies.
///
/// # Errors
///
/// `Usage` if there is no report, it is of another schema, or a file cannot be understood.
pub fn read(path: &Path) -> Result<Measured, LoadError> {
    let json: PathBuf = if path.is_dir() { path.join(REPORT_JSON) } else { path.to_owned() };
    let mut measured = document::parse(&files::read(&json)?, &json)?;
    let log = json.with_file_name(INTERVALS);
    if log.exists() {
        intervals::parse(&files::read(&log)?, &log, &mut measured.seconds)?;
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_reads_back_as_the_run_it_was_written_from() {
        let folder = tempfile::tempdir().unwrap();
        let measured = sample::measured(7);
        write(folder.path(), &measured, None).unwrap();
        let again = tempfile::tempdir().unwrap();
        write(again.path(), &read(folder.path()).unwrap(), None).unwrap();
        for name in [REPORT_JSON, REPORT_HTML, INTERVALS, SCENARIO] {
            let [first, second] =
                [&folder, &again].map(|folder| std::fs::read(folder.path().join(name)).unwrap());
            assert!(first == second && !first.is_empty(), "{name} differs");
        }
    }

    #[test]
    fn what_is_no_run_is_refused_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(REPORT_JSON);
        for (text, expected) in [
            (None, "cannot read "),
            (Some("nothing"), "this is no report of a run"),
            (Some(r#"{"version":2,"kind":"echo"}"#), "of kind `echo`, not of a run"),
            (
                Some(r#"{"version":1,"kind":"run"}"#),
                "has version 1 of the layout, and this program reads version 2",
            ),
            (Some(r#"{"version":2,"kind":"run"}"#), "cannot be understood: missing field"),
        ] {
            if let Some(text) = text {
                std::fs::write(&file, text).unwrap();
            }
            let error = read(folder.path()).unwrap_err();
            assert!(matches!(error, LoadError::Usage(_)) && error.to_string().contains(expected), "{error}");
        }
    }
}
