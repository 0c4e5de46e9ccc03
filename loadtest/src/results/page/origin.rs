//! Where a run comes from: target, machine, revision, scenario.

use dunlin_report::{Block, Section, Unit};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::measured::{Machine, Measured, Model};
use crate::results::SCENARIO;

pub(super) fn section(measured: &Measured) -> Section {
    let run = &measured.run;
    let mut facts = vec![
        ("target", run.target.clone()),
        ("cause", run.cause.clone().unwrap_or_else(|| "none: the scenario has no updates".to_owned())),
        ("model", model(run.model).to_owned()),
        ("started", started(run.started_unix_ms)),
        ("run", run.id.clone()),
        ("seed", run.seed.to_string()),
        ("users at once", Unit::Count.text(run.users as f64)),
        ("processes", run.processes.to_string()),
        ("revision", revision(measured)),
    ];
    facts.extend(measured.machines.iter().map(|machine| ("machine", self::machine(machine))));
    if !run.overrides.is_empty() {
        facts.push(("changed by the command line", run.overrides.join(", ")));
    }
    let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Section::new("Where and how")
        .with(Block::Facts(facts))
        .with(Block::File { title: SCENARIO.to_owned(), text: run.scenario_text.clone() })
}

/// The run in one line.
pub(super) fn line(measured: &Measured) -> String {
    let run = &measured.run;
    let cause = run.cause.as_ref().map(|cause| format!(", caused by {cause}")).unwrap_or_default();
    format!(
        "{} · {} clients of {}{cause} · {}",
        started(run.started_unix_ms),
        Unit::Count.text(run.users as f64),
        run.target,
        revision(measured)
    )
}

fn model(model: Model) -> &'static str {
    match model {
        Model::Open => "open: a schedule that was decided before",
        Model::Closed => "closed: each message waits for the answer to the one before",
    }
}

fn revision(measured: &Measured) -> String {
    let revision = &measured.revision;
    match &revision.commit {
        Some(commit) => format!("revision {commit}"),
        None => format!("version {}", revision.version),
    }
}

pub(in crate::results) fn machine(machine: &Machine) -> String {
    let Machine { os, cpu, cpus, memory_bytes, descriptors_max } = machine;
    format!(
        "{cpus} cores of {cpu}, {}, {os}, {} descriptors",
        Unit::Bytes.text(*memory_bytes as f64),
        Unit::Count.text(*descriptors_max as f64)
    )
}

/// A moment of the wall clock, in UTC.
pub(in crate::results) fn started(unix_ms: u64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000);
    let text = moment.ok().and_then(|moment| moment.format(format).ok());
    text.unwrap_or_else(|| format!("{unix_ms} ms after 1970"))
}
