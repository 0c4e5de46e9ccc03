//! The criterion benchmarks: run, read back, held against their references.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Effort,
    report::{Measure, Promise, Unit},
    say, spinner,
};
use crate::command::{line, report_dir, root};

/// `benches/promises.toml`: which benchmark is held against which, and what is promised of the ratio.
#[derive(Deserialize)]
struct Promises {
    ratio: Vec<Ratio>,
}

#[derive(Deserialize)]
struct Ratio {
    id: String,
    /// Absent where subject and reference are measured in turns, by the program `pairs`.
    reference: Option<String>,
    /// Absent where the ratio is shown and nothing is promised yet.
    at_most: Option<f64>,
}

pub(super) fn run(benches: &[PathBuf], effort: Effort) -> Result<Vec<Measure>> {
    let dir = report_dir()?;
    let (results, log) = (dir.join("criterion"), dir.join("criterion.log"));
    eprintln!("microbenchmarks: criterion's own words are in {}", log.display());
    let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let pairs = dir.join("pairs");
    drop(fs::remove_dir_all(&pairs));
    for bench in benches {
        let mut command = Command::new(bench);
        let name = bench.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("pairs-") {
            command.arg("--bench").arg("--out").arg(&pairs).args(effort.pairs);
        } else {
            command.arg("--bench").args(effort.criterion).env("CRITERION_HOME", &results);
        }
        command.current_dir(root().join("benches")).stdin(Stdio::null());
        command.stdout(out.try_clone()?).stderr(out.try_clone()?);
        let spinner = spinner(line(&command));
        let status = command.status().with_context(|| format!("cannot run {}", bench.display()))?;
        spinner.finish_and_clear();
        if !status.success() {
            bail!("`{}` ended with {status}; {} says why", line(&command), log.display());
        }
    }
    let file = root().join("benches/promises.toml");
    let promises = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let promises: Promises =
        toml::from_str(&promises).with_context(|| format!("{} is not as expected", file.display()))?;
    promises.ratio.into_iter().map(|ratio| measure(&results, &pairs, ratio)).collect()
}

fn measure(results: &Path, pairs: &Path, ratio: Ratio) -> Result<Measure> {
    let mut measure = match ratio.reference {
        Some(reference) => {
            let (value, against) = (median_ns(results, &ratio.id)?, median_ns(results, &reference)?);
            // An id is group/function/size, and the function is all that differs.
            let name = reference.split('/').nth(1).unwrap_or(&reference);
            Measure::new(ratio.id, value, Unit::Nanoseconds).against(name, against, value / against)
        }
        None => pair(pairs, &ratio.id)?,
    };
    measure.promise = ratio.at_most.map(Promise::RatioAtMost);
    say(&measure);
    Ok(measure)
}

/// A pair that was measured in turns, from where the program `pairs` keeps it.
fn pair(pairs: &Path, id: &str) -> Result<Measure> {
    let file = pairs.join(format!("{id}.json"));
    let text = fs::read_to_string(&file).with_context(|| {
        format!(
            "benchmark {id} left no result in {}; is the id in benches/promises.toml right?",
            file.display()
        )
    })?;
    let pair: Value = serde_json::from_str(&text)?;
    let basis = pair["basis"].as_str().unwrap_or_default();
    let figure = |side: &str| pair[side][format!("{basis}_ns")]["median"].as_f64();
    let figures = || {
        let ratio = pair["ratios"][basis]["mean"].as_f64()?;
        Some((figure("subject")?, pair["reference_name"].as_str()?, figure("reference")?, ratio))
    };
    let (value, name, reference, ratio) =
        figures().with_context(|| format!("{} lacks a figure", file.display()))?;
    Ok(Measure::new(id, value, Unit::Nanoseconds).against(name, reference, ratio))
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
