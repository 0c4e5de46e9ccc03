//! Stored runs, read into one series for each figure.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use dunlin_report::Unit;
use dunlin_stats::ChangePoint;
use serde::Deserialize;

use crate::bench::VERSION;

/// Files in a folder of runs at most; more is another folder.
const FILES_MAX: usize = 20_000;

/// Runs in the order of their times.
pub(super) struct History {
    pub(super) runs: Vec<Run>,
    /// In the order of their names.
    pub(super) series: Vec<Series>,
    /// A sentence for each file that is no run.
    pub(super) left_out: Vec<String>,
}

/// When, and of what.
pub(super) struct Run {
    started_at: String,
    pub(super) revision: String,
}

/// One figure over the runs that have it.
pub(super) struct Series {
    /// The id, and the machine where the figure is a time of that machine.
    pub(super) name: String,
    pub(super) unit: Unit,
    /// The run's number, and the figure.
    pub(super) values: Vec<(usize, f64)>,
}

#[derive(Deserialize)]
struct Stored {
    version: u32,
    started_at: String,
    machine: Machine,
    measures: Vec<Measure>,
}

#[derive(Deserialize)]
struct Machine {
    summary: String,
    revision: String,
}

#[derive(Deserialize)]
struct Measure {
    id: String,
    value: f64,
    unit: Unit,
    reference: Option<Reference>,
    defects: Vec<String>,
}

#[derive(Deserialize)]
struct Reference {
    ratio: f64,
}

impl Run {
    /// The day.
    pub(super) fn date(&self) -> &str {
        self.started_at.split('T').next().unwrap_or_default()
    }
}

impl Series {
    /// More is worse, but for a share of what should be reached.
    pub(super) fn is_worse(&self, change: &ChangePoint) -> bool {
        (change.after > change.before) != (self.unit == Unit::Share)
    }
}

impl History {
    /// Reads a folder and the folders in it; of more than `runs_max` runs the last ones.
    ///
    /// The error is a sentence.
    pub(super) fn read(dir: &Path, runs_max: usize) -> Result<Self, String> {
        let mut files = Vec::new();
        list(dir, true, &mut files)?;
        let mut left_out = Vec::new();
        let mut stored: Vec<Stored> = Vec::new();
        for file in &files {
            match read(file) {
                Ok(run) => stored.push(run),
                Err(reason) => left_out.push(format!("{} {reason}", file.display())),
            }
        }
        if stored.is_empty() {
            let odd = left_out.first().map(|sentence| format!(" ({sentence})")).unwrap_or_default();
            return Err(format!("{} holds no bench.json of a run{odd}", dir.display()));
        }
        stored.sort_by(|one, other| one.started_at.cmp(&other.started_at));
        stored.drain(..stored.len().saturating_sub(runs_max));
        let mut series = BTreeMap::<String, Series>::new();
        for (number, run) in stored.iter().enumerate() {
            for measure in run.measures.iter().filter(|measure| measure.defects.is_empty()) {
                let (name, unit, value) = figure(measure, &run.machine.summary);
                let one = series.entry(name.clone()).or_insert(Series { name, unit, values: Vec::new() });
                one.values.push((number, value));
            }
        }
        let runs =
            stored.into_iter().map(|run| Run { started_at: run.started_at, revision: run.machine.revision });
        Ok(History { runs: runs.collect(), series: series.into_values().collect(), left_out })
    }
}

/// What of a figure can be compared between runs: its ratio, or what does not depend on the machine, else only on one machine.
fn figure(measure: &Measure, machine: &str) -> (String, Unit, f64) {
    let id = measure.id.clone();
    match (&measure.reference, measure.unit) {
        (Some(reference), _) => (id, Unit::Ratio, reference.ratio),
        (None, Unit::Nanoseconds | Unit::Seconds | Unit::PerSecond) => {
            (format!("{id} on {machine}"), measure.unit, measure.value)
        }
        (None, unit) => (id, unit, measure.value),
    }
}

fn list(dir: &Path, below: bool, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(dir).map_err(|error| format!("cannot read {}: {error}", dir.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("cannot read {}: {error}", dir.display()))?.path();
        if path.is_dir() {
            if below {
                list(&path, false, files)?;
            }
        } else if path.extension().is_some_and(|end| end == "json") {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(format!(
                "{} holds more than {FILES_MAX} files: name a folder of runs",
                dir.display()
            ));
        }
    }
    files.sort();
    Ok(())
}

/// The error goes on after the file's name.
fn read(file: &Path) -> Result<Stored, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("is not JSON: {error}"))?;
    match value["version"].as_u64() {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => {
            return Err(format!("has version {version}, and this program reads version {VERSION}"));
        }
        None => return Err("is no bench.json: it has no version".to_owned()),
    }
    let stored: Stored =
        serde_json::from_value(value).map_err(|error| format!("is no bench.json: {error}"))?;
    debug_assert_eq!(stored.version, VERSION);
    Ok(stored)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    /// The ratio of a figure in each run.
    type Of<'a> = &'a dyn Fn(usize) -> f64;

    /// Twenty-four runs, a day apart, whose ratios are these with some noise.
    pub(crate) fn stored(figures: &[(&str, Of<'_>)]) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let mut random = fastrand::Rng::with_seed(3);
        for run in 0..24 {
            let mut measure = |(id, of): &(&str, Of<'_>)| {
                let ratio = of(run) * (1.0 + 0.01 * (random.f64() - 0.5));
                json!({ "id": id, "value": 1e3, "unit": "nanoseconds", "defects": [],
                        "reference": { "name": "bare", "value": 1e3, "ratio": ratio } })
            };
            let report = json!({
                "version": VERSION, "started_at": format!("2026-01-{:02}T10:00:00Z", run + 1), "quick": false,
                "machine": { "summary": "a machine", "revision": format!("rev{run}"), "cores": 2 },
                "measures": figures.iter().map(&mut measure).collect::<Vec<_>>(), "swarm": null,
            });
            // A folder for each, as artifacts of a job are.
            let folder = dir.path().join(format!("{:02}", 24 - run));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("bench.json"), report.to_string()).unwrap();
        }
        dir
    }

    #[test]
    fn runs_are_in_the_order_of_their_times() {
        let dir = stored(&[("a/b/1", &|_| 1.0)]);
        fs::write(dir.path().join("other.json"), "{}").unwrap();
        fs::write(dir.path().join("old.json"), r#"{"version":1}"#).unwrap();
        let history = History::read(dir.path(), 100).unwrap();
        assert_eq!(
            (history.runs[0].revision.as_str(), history.runs[23].revision.as_str()),
            ("rev0", "rev23")
        );
        assert_eq!(history.series[0].values.len(), 24);
        assert_eq!(history.left_out.len(), 2);
        assert!(
            history
                .left_out
                .iter()
                .any(|sentence| sentence.ends_with("has version 1, and this program reads version 2"))
        );
        let last = History::read(dir.path(), 5).unwrap();
        assert_eq!((last.runs.len(), last.runs[0].revision.as_str()), (5, "rev19"));
    }

    #[test]
    fn times_without_a_reference_are_of_one_machine() {
        let measure = |unit, reference| Measure {
            id: "local/ready".to_owned(),
            value: 2.0,
            unit,
            reference,
            defects: Vec::new(),
        };
        let name = |measure| figure(&measure, "m").0;
        assert_eq!(name(measure(Unit::Nanoseconds, None)), "local/ready on m");
        assert_eq!(name(measure(Unit::Bytes, None)), "local/ready");
        assert_eq!(name(measure(Unit::Nanoseconds, Some(Reference { ratio: 1.5 }))), "local/ready");
    }

    #[test]
    fn a_folder_without_runs_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let sentence = History::read(dir.path(), 5).err().unwrap();
        assert!(sentence.ends_with("holds no bench.json of a run"), "{sentence}");
        let sentence = History::read(&dir.path().join("none"), 5).err().unwrap();
        assert!(sentence.starts_with("cannot read "), "{sentence}");
    }

    #[test]
    fn a_share_that_falls_is_worse() {
        let series = |unit| Series { name: String::new(), unit, values: Vec::new() };
        let more = ChangePoint { index: 3, before: 0.9, after: 1.0, p: 0.0 };
        assert!(series(Unit::Ratio).is_worse(&more));
        assert!(!series(Unit::Share).is_worse(&more));
    }
}
