//! The criterion benchmarks: run, read back, held against their references.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Effort,
    report::{Measure, Promise, Unit},
    say,
};
use crate::command::{line, report_dir, root, run as run_command};

/// `benches/promises.toml`: which benchmark is held against which, and what is promised of the ratio.
#[derive(Deserialize)]
struct Promises {
    ratio: Vec<Ratio>,
}

#[derive(Deserialize)]
struct Ratio {
    id: String,
    reference: String,
    /// Absent where the ratio is shown and nothing is promised yet.
    at_most: Option<f64>,
}

pub(super) fn run(benches: &[PathBuf], effort: Effort) -> Result<Vec<Measure>> {
    let results = report_dir()?.join("criterion");
    for bench in benches {
        let mut command = Command::new(bench);
        command
            .arg("--bench")
            .args(effort.criterion)
            .env("CRITERION_HOME", &results)
            .current_dir(root().join("benches"));
        eprintln!("microbenchmarks: {}", line(&command));
        run_command(&mut command)?;
    }
    let file = root().join("benches/promises.toml");
    let promises = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let promises: Promises =
        toml::from_str(&promises).with_context(|| format!("{} is not as expected", file.display()))?;
    promises.ratio.into_iter().map(|ratio| measure(&results, ratio)).collect()
}

fn measure(results: &Path, ratio: Ratio) -> Result<Measure> {
    let (value, reference) = (median_ns(results, &ratio.id)?, median_ns(results, &ratio.reference)?);
    // An id is group/function/size, and the function is all that differs.
    let name = ratio.reference.split('/').nth(1).unwrap_or(&ratio.reference).to_owned();
    let mut measure =
        Measure::new(ratio.id, value, Unit::Nanoseconds).against(name, reference, value / reference);
    measure.promise = ratio.at_most.map(Promise::RatioAtMost);
    say(&measure);
    Ok(measure)
}

/// The median of a benchmark, from where criterion keeps its latest estimates.
fn median_ns(results: &Path, id: &str) -> Result<f64> {
    let file = results.join(id).join("new/estimates.json");
    let text = fs::read_to_string(&file).with_context(|| {
        format!(
            "benchmark {id} left no result in {}; is the id in benches/promises.toml right?",
            file.display()
        )
    })?;
    let estimates: Value = serde_json::from_str(&text)?;
    estimates["median"]["point_estimate"]
        .as_f64()
        .with_context(|| format!("{} holds no median", file.display()))
}
