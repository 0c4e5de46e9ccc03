//! The benchmarks of the crates: run group by group, each in a process of its own, and read back.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::Value;

use super::{
    EXIT_OUTPUT, Unwritable,
    report::{Measure, Reference, Unit},
};
use crate::{
    command::{line, report_dir},
    interrupt::Interrupts,
};

/// What the program ends with when a benchmark is defective; its results say which.
const EXIT_DEFECT: i32 = 1;

/// The program of all groups.
pub(super) struct Program {
    program: PathBuf,
    /// Every benchmark that it knows, in the order of the report.
    ids: Vec<String>,
}

impl Program {
    pub(super) fn new(program: PathBuf) -> Result<Self> {
        let mut list = Command::new(&program);
        list.args(["--bench", "--list"]).stdin(Stdio::null());
        let output = list.output().with_context(|| format!("cannot run {}", program.display()))?;
        if !output.status.success() {
            bail!("`{}` ended with {}", line(&list), output.status);
        }
        let ids = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        Ok(Program { program, ids })
    }

    /// Each group once.
    pub(super) fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = self.ids.iter().filter_map(|id| id.split('/').next()).collect();
        groups.dedup();
        groups
    }

    /// Measures a group.
    pub(super) fn run(&self, group: &str, quick: bool, interrupts: &Interrupts) -> Result<Vec<Measure>> {
        let results = report_dir()?.join("pairs");
        drop(fs::remove_dir_all(results.join(group)));
        let mut command = Command::new(&self.program);
        command.arg("--bench").arg("--out").arg(&results).arg(group);
        if quick {
            command.arg("--quick");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ids: Vec<&String> = self.ids.iter().filter(|id| id.split('/').next() == Some(group)).collect();
        let bar = progress(group, ids.len() as u64);
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.program.display()))?;
        let out = child.stdout.take().context("standard output was piped")?;
        let errors = child.stderr.take().context("standard error was piped")?;
        // Not into a file: the disk may be what is full.
        let said = thread::spawn(move || io::read_to_string(errors).unwrap_or_default());
        // A row for each result.
        for row in BufReader::new(out).lines().map_while(Result::ok) {
            bar.suspend(|| eprintln!("  {row}"));
            bar.inc(1);
        }
        let status = child.wait()?;
        bar.finish_and_clear();
        interrupts.check()?;
        let said = said.join().unwrap_or_default();
        match status.code() {
            Some(0 | EXIT_DEFECT) => {}
            Some(code) if code == i32::from(EXIT_OUTPUT) => bail!(Unwritable(said.trim().to_owned())),
            _ => bail!("`{}` ended with {status}:\n{}", line(&command), said.trim()),
        }
        // What a quick run leaves out has no result.
        let files = ids.iter().map(|id| results.join(format!("{id}.json")));
        files.filter(|file| file.exists()).map(|file| read(&file)).collect()
    }
}

fn progress(group: &str, steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {prefix} {pos} of {len} ({elapsed})")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(steps).with_style(style).with_prefix(group.to_owned());
    bar.enable_steady_tick(super::TICK);
    bar
}

/// What the program writes for each benchmark; the rest is handed on as it is.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Result_ {
    Pair {
        id: String,
        basis: String,
        reference_name: String,
        ratios: Value,
        subject: Value,
        reference: Value,
        defects: Vec<String>,
    },
    Figure {
        id: String,
        unit: Unit,
        value: Value,
        reference_name: Option<String>,
        reference: Value,
        ratio: Option<f64>,
        defects: Vec<String>,
    },
}

fn read(file: &Path) -> Result<Measure> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    measure(&text).with_context(|| format!("{} is no result of a benchmark", file.display()))
}

fn measure(text: &str) -> Result<Measure> {
    let whole: Value = serde_json::from_str(text)?;
    let number = |value: &Value| value.as_f64().context("a figure is missing");
    let measure = match serde_json::from_value(whole.clone())? {
        Result_::Pair { id, basis, reference_name, ratios, subject, reference, defects } => {
            let figure = |side: &Value| number(&side[format!("{basis}_ns")]["median"]);
            let ratio = &ratios[&basis];
            let reference = Reference {
                name: reference_name,
                value: figure(&reference)?,
                ratio: number(&ratio["mean"])?,
                interval: ratio["low"].as_f64().zip(ratio["high"].as_f64()).map(|(low, high)| [low, high]),
            };
            let value = figure(&subject)?;
            Measure { reference: Some(reference), defects, ..Measure::new(id, value, Unit::Nanoseconds) }
        }
        Result_::Figure { id, unit, value, reference_name, reference, ratio, defects } => {
            let measure = Measure::new(id, number(&value["median"])?, unit);
            let measure = match reference_name.zip(ratio) {
                Some((name, ratio)) => measure.against(name, number(&reference["median"])?, ratio),
                None => measure,
            };
            Measure { defects, ..measure }
        }
    };
    Ok(Measure { samples: Some(whole), ..measure })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_read_by_their_basis() {
        let side = |ns: f64| json!({ "cpu_ns": { "median": ns }, "wall_ns": { "median": 9.0 }, "latency_ns": null, "doubling": 2.0 });
        let pair = json!({
            "kind": "pair", "id": "g/a/1", "basis": "cpu", "reference_name": "bare", "reference_kind": "floor",
            "quads": 8, "ratios": { "cpu": { "mean": 2.0, "low": 1.9, "high": 2.1 }, "wall": null, "latency": null },
            "subject": side(4.0), "reference": side(2.0), "defects": ["odd"],
        });
        let measure = measure(&pair.to_string()).unwrap();
        assert_eq!((measure.id.as_str(), measure.value), ("g/a/1", 4.0));
        let reference = measure.reference.unwrap();
        assert_eq!((reference.value, reference.ratio, reference.interval), (2.0, 2.0, Some([1.9, 2.1])));
        assert_eq!(measure.defects, ["odd"]);
        assert_eq!(measure.samples, Some(pair));
    }

    #[test]
    fn figures_have_a_unit_and_perhaps_a_reference() {
        let figure = json!({
            "kind": "figure", "id": "g/memory/1", "unit": "bytes", "value": { "median": 900.0 },
            "reference_name": null, "reference": null, "ratio": null, "defects": [],
        });
        let measure = measure(&figure.to_string()).unwrap();
        assert_eq!((measure.value, measure.unit, measure.reference.is_none()), (900.0, Unit::Bytes, true));
    }

    #[test]
    fn what_is_no_result_is_an_error() {
        assert!(measure("{}").is_err());
        assert!(measure(r#"{"kind":"figure","id":"a","unit":"bytes","value":{},"defects":[]}"#).is_err());
    }
}
