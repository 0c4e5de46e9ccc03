//! `docs/performance.md`: every promise with its figure. It is rendered from three files, so that it cannot drift:
//! `benches/promises.toml`, the figures in `docs/performance.json`, and the records of the gate's self-checks in `docs/gate/`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use dunlin_report::Unit;
use serde::{Deserialize, Serialize};

use super::{
    LOCAL, SWARM, VERSION,
    promises::{self, Entry, Gate, Promise, Promises},
    stack::{LOCAL_IDS, SWARM_IDS},
    write as write_file,
};
use crate::command::root;

const PAGE: &str = "docs/performance.md";
const FIGURES: &str = "docs/performance.json";
const GATE_RECORDS: &str = "docs/gate";

/// The figures of promises, each of the last run that measured it.
#[derive(Default, Serialize, Deserialize)]
struct Figures {
    version: u32,
    figures: BTreeMap<String, Figure>,
}

/// One of them.
#[derive(Clone, Serialize, Deserialize)]
struct Figure {
    value: f64,
    unit: Unit,
    reference: Option<Reference>,
    /// The day.
    date: String,
    revision: String,
    machine: String,
    quick: bool,
}

#[derive(Clone, Serialize, Deserialize)]
struct Reference {
    name: String,
    ratio: f64,
    interval: Option<[f64; 2]>,
}

/// What is read of a `bench.json`.
#[derive(Deserialize)]
struct Run {
    version: u32,
    started_at: String,
    quick: bool,
    machine: RunMachine,
    measures: Vec<RunMeasure>,
}

#[derive(Deserialize)]
struct RunMachine {
    summary: String,
    revision: String,
}

#[derive(Deserialize)]
struct RunMeasure {
    id: String,
    value: f64,
    unit: Unit,
    reference: Option<Reference>,
    defects: Vec<String>,
}

/// What is read of a record of `cargo xtask gate --self-check --record`.
#[derive(Deserialize)]
struct GateRecord {
    revision: String,
    machine: String,
    counted: Option<Rounds>,
    time: Option<Rounds>,
}

#[derive(Deserialize)]
struct Rounds {
    same: u32,
    false_alarms: u32,
    slower: u32,
    caught: u32,
    pairs: Option<u32>,
    #[serde(default)]
    spread_percent: BTreeMap<String, f64>,
}

/// Takes the figures of a run over, and writes the page anew.
pub(super) fn write(bench_json: &Path) -> Result<()> {
    let shown = bench_json.display();
    let text = fs::read_to_string(bench_json).with_context(|| format!("cannot read {shown}"))?;
    let run: Run = serde_json::from_str(&text).with_context(|| format!("{shown} is no bench.json"))?;
    if run.version != VERSION {
        bail!("{shown} has version {}, and this program reads version {VERSION}: measure again", run.version);
    }
    let promises = Promises::read()?;
    let mut figures = read_figures()?;
    take_over(&mut figures, run, &promises);
    write_file(&root().join(FIGURES), serde_json::to_string_pretty(&figures)? + "\n")?;
    println!("{FIGURES} is written");
    render()
}

/// Writes the page anew from what is there.
pub(crate) fn render() -> Result<()> {
    let rendered = page(&Promises::read()?, &read_figures()?, &gate_records()?)?;
    write_file(&root().join(PAGE), rendered)?;
    println!("{PAGE} is written");
    Ok(())
}

/// What `tidy` finds wrong with the promises and the page.
pub(crate) fn faults() -> Result<Vec<String>> {
    let promises = Promises::read()?;
    let mut faults = Vec::new();
    let ours = |group: &str| [LOCAL, SWARM].contains(&group);
    for entry in promises.entries().iter().filter(|entry| entry.not_measured.is_none()) {
        let group = entry.id.split('/').next().unwrap_or_default();
        if ours(group) && !LOCAL_IDS.iter().chain(&SWARM_IDS).any(|id| *id == entry.id) {
            faults.push(format!("{} promises {}, which nothing measures", promises::FILE, entry.id));
        }
    }
    let figures = read_figures()?;
    let known = |id: &str| promises.entries().iter().any(|entry| entry.id == id);
    for id in figures.figures.keys().filter(|id| !known(id)) {
        faults.push(format!("{FIGURES} has {id}, of which {} promises nothing", promises::FILE));
    }
    let expected = page(&promises, &figures, &gate_records()?)?;
    let found = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    if found != expected {
        faults.push(format!(
            "{PAGE} is not what {} and {FIGURES} make of it; `cargo xtask tidy --write` writes it",
            promises::FILE
        ));
    }
    Ok(faults)
}

fn read_figures() -> Result<Figures> {
    let Ok(text) = fs::read_to_string(root().join(FIGURES)) else {
        return Ok(Figures { version: 1, ..Figures::default() });
    };
    serde_json::from_str(&text).with_context(|| format!("{FIGURES} is not as expected"))
}

/// By the names of their files.
fn gate_records() -> Result<Vec<(String, GateRecord)>> {
    let Ok(entries) = fs::read_dir(root().join(GATE_RECORDS)) else { return Ok(Vec::new()) };
    let mut files: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>().context("cannot list docs/gate")?;
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file)?;
        Ok((
            file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            serde_json::from_str(&text)?,
        ))
    };
    let record = |file: &PathBuf| {
        read(file).map_err(|error: anyhow::Error| error.context(format!("{} is no record", file.display())))
    };
    files.iter().map(record).collect()
}

/// Keeps what is promised; what this run did not measure stays as it was.
fn take_over(figures: &mut Figures, run: Run, promises: &Promises) {
    for measure in run.measures {
        if promises.of(&measure.id).is_none() || !measure.defects.is_empty() {
            continue;
        }
        let figure = Figure {
            value: measure.value,
            unit: measure.unit,
            reference: measure.reference,
            date: run.started_at.chars().take_while(|char| *char != 'T').collect(),
            revision: run.machine.revision.clone(),
            machine: run.machine.summary.clone(),
            quick: run.quick,
        };
        figures.figures.insert(measure.id, figure);
    }
    figures.figures.retain(|id, _| promises.of(id).is_some());
}

const HEAD: &str = "\
<!-- Written by `cargo xtask bench --write-docs` from benches/promises.toml, docs/performance.json and docs/gate/;
     `cargo xtask tidy` checks it. Edit those. -->

# Performance

What is promised, what was measured, and what holds it. A ratio is the figure over its reference, both measured in the same
run, in turns: machines and their neighbours differ, ratios hold. The interval is where the ratio lies with 95 % confidence.
How it is measured is in [bench.md](bench.md); `cargo xtask bench` measures it again, here or anywhere.

No stored figure decides anything. The layer of `cargo xtask gate` in the table refuses a change that makes the same work
slower than it was before the change; \"not enforced\" means that nothing does.

";

fn page(promises: &Promises, figures: &Figures, records: &[(String, GateRecord)]) -> Result<String> {
    let mut page = HEAD.to_owned();
    let machines = machines(figures, records);
    page.push_str("| promise | bound | figure | against | | benchmark | gate layer | measured |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for entry in promises.entries() {
        row(&mut page, entry, figures.figures.get(&entry.id), &machines)?;
    }
    gate(&mut page, records, &machines)?;
    if !machines.is_empty() {
        page.push_str("\n## Machines\n\n");
        for (number, machine) in machines.iter().enumerate() {
            writeln!(page, "- [{}] {machine}", number + 1)?;
        }
    }
    Ok(page)
}

/// Each machine once, in the order in which the page first names it.
fn machines<'a>(figures: &'a Figures, records: &'a [(String, GateRecord)]) -> Vec<&'a str> {
    let mut machines: Vec<&str> = Vec::new();
    let all = figures.figures.values().map(|figure| figure.machine.as_str());
    for machine in all.chain(records.iter().map(|(_, record)| record.machine.as_str())) {
        if !machines.contains(&machine) {
            machines.push(machine);
        }
    }
    machines
}

fn row(page: &mut String, entry: &Entry, figure: Option<&Figure>, machines: &[&str]) -> Result<()> {
    let (promise, unit) = entry.bound();
    let held = match (entry.gate, &entry.held_by) {
        (Gate::Counted, _) => "counted".to_owned(),
        (Gate::Cpu, _) => "processor time".to_owned(),
        (Gate::None, Some(by)) => format!("not enforced; held by {by}"),
        (Gate::None, None) => "not enforced".to_owned(),
    };
    let (what, bound) = (&entry.what, promise.text(unit));
    let Some(figure) = figure else {
        let why = entry.not_measured.as_deref().unwrap_or("not measured yet");
        writeln!(page, "| {what} | {bound} | | | {why} | `{}` | {held} | |", entry.id)?;
        return Ok(());
    };
    let against = figure.reference.as_ref().map(|reference| reference.name.as_str()).unwrap_or_default();
    let (shown, decides) = match (&figure.reference, promise) {
        (Some(reference), Promise::RatioAtMost(_)) => (ratio(reference), reference.ratio),
        _ => (figure.unit.text(figure.value), figure.value),
    };
    let (Promise::RatioAtMost(at_most) | Promise::ValueAtMost(at_most)) = promise;
    let verdict = if decides <= at_most {
        "met".to_owned()
    } else {
        format!("missed by {:.0} %", (decides / at_most - 1.0) * 100.0)
    };
    let machine = machines.iter().position(|machine| *machine == figure.machine).map_or(0, |at| at + 1);
    let quick = if figure.quick { ", quick" } else { "" };
    let (date, revision) = (&figure.date, &figure.revision);
    writeln!(
        page,
        "| {what} | {bound} | {shown} | {against} | {verdict} | `{}` | {held} | {date}, `{revision}` [{machine}]{quick} |",
        entry.id
    )?;
    Ok(())
}

fn ratio(reference: &Reference) -> String {
    match reference.interval {
        Some([low, high]) => format!("{:.2} × ({low:.2} to {high:.2})", reference.ratio),
        None => format!("{:.2} ×", reference.ratio),
    }
}

fn gate(page: &mut String, records: &[(String, GateRecord)], machines: &[&str]) -> Result<()> {
    page.push_str(
        "\n## The gate itself\n\nPromised: no false alarm in twenty comparisons of a program with itself, and a path that does \
         a tenth more is caught and named\ntwenty times of twenty. `cargo xtask gate --self-check --record FILE` tries it.\n\n",
    );
    if records.is_empty() {
        page.push_str("Not recorded yet.\n");
        return Ok(());
    }
    page.push_str("| record | layer | with itself | false alarms | slower copies | caught and named | how | measured |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (name, record) in records {
        let machine = machines.iter().position(|machine| *machine == record.machine).map_or(0, |at| at + 1);
        for (layer, rounds) in [("counted", &record.counted), ("processor time", &record.time)] {
            let Some(Rounds { same, false_alarms, slower, caught, pairs, .. }) = rounds else { continue };
            let how = match pairs {
                Some(pairs) => format!("drawn from {pairs} recorded pairs of each kind"),
                None => "full runs".to_owned(),
            };
            let revision = &record.revision;
            writeln!(
                page,
                "| {name} | {layer} | {same} | {false_alarms} | {slower} | {caught} | {how} | `{revision}` [{machine}] |"
            )?;
        }
    }
    let spreads = records.iter().filter_map(|(_, record)| Some(&record.time.as_ref()?.spread_percent));
    for spread in spreads.filter(|spread| !spread.is_empty()) {
        let each: Vec<String> =
            spread.iter().map(|(path, percent)| format!("`{path}` {percent} %")).collect();
        writeln!(
            page,
            "\nBy so much a single pair of a program with itself is off in processor time (one standard deviation; a verdict has \
             forty pairs\nor more): {}.",
            each.join(", ")
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = r#"{
        "version": 2, "started_at": "2026-11-22T10:00:00Z", "quick": true,
        "machine": { "summary": "2 cores of something", "revision": "abc1234+", "cores": 2 },
        "measures": [
            { "id": "handler/message_slim/typical", "value": 1e3, "unit": "nanoseconds", "defects": [],
              "reference": { "name": "slim parse", "value": 600.0, "ratio": 1.62, "interval": [1.6, 1.64] } },
            { "id": "local/ready", "value": 330e6, "unit": "nanoseconds", "defects": [] },
            { "id": "local/resident", "value": 1.0, "unit": "bytes", "defects": ["measures nothing"] },
            { "id": "nobody/promised/this", "value": 1.0, "unit": "count", "defects": [] }
        ]
    }"#;

    #[test]
    fn the_page_has_every_promise_with_what_was_measured_of_it() {
        let promises = Promises::read().unwrap();
        let mut figures = Figures::default();
        take_over(&mut figures, serde_json::from_str(RUN).unwrap(), &promises);
        assert_eq!(
            figures.figures.keys().collect::<Vec<_>>(),
            ["handler/message_slim/typical", "local/ready"]
        );
        let record: GateRecord = serde_json::from_str(
            r#"{"version":1,"revision":"abc1234","machine":"another","counted":
                {"same":20,"false_alarms":0,"slower":20,"caught":20,"wrong":[]}}"#,
        )
        .unwrap();
        let page = super::page(&promises, &figures, &[("counted".to_owned(), record)]).unwrap();
        for expected in [
            "| ≤ 2 × | 1.62 × (1.60 to 1.64) | slim parse | met | `handler/message_slim/typical` | counted | 2026-11-22, `abc1234+` [1], quick |",
            "| ≤ 300 ms | 330 ms |  | missed by 10 % | `local/ready` | not enforced |",
            "| not measured yet | `local/resident` |",
            "| counted | counted | 20 | 0 | 20 | 20 | full runs | `abc1234` [2] |",
            "- [2] another",
        ] {
            assert!(page.contains(expected), "no `{expected}` in\n{page}");
        }
        for entry in promises.entries() {
            assert!(page.contains(&format!("`{}`", entry.id)), "{}", entry.id);
        }
    }

    #[test]
    fn what_a_run_did_not_measure_stays() {
        let promises = Promises::read().unwrap();
        let mut figures = Figures::default();
        take_over(&mut figures, serde_json::from_str(RUN).unwrap(), &promises);
        let empty = Run { measures: Vec::new(), ..serde_json::from_str(RUN).unwrap() };
        take_over(&mut figures, empty, &promises);
        assert_eq!(figures.figures.len(), 2);
    }
}
