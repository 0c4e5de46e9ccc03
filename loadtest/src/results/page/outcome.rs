//! What came of it: thresholds, reach, errors, and the load that was kept up.

use dunlin_report::{Align, Block, Cell, Section, Table, Tone, Unit};

use super::{offered, rate, sentence};
use crate::measured::{Measured, Reach, Verdict, WarmUp};

pub(super) fn thresholds(measured: &Measured) -> Section {
    let mut section = Section::new("Thresholds").lead("Over the measured phases.");
    if let Some(steps) = &measured.steps {
        let load = |(phase, load): &(String, f64)| {
            let load = if steps.grows == "users" { Unit::Count.text(*load) } else { rate(*load) };
            format!("{phase}, {load} {}", steps.grows)
        };
        section.push(Block::Text(match (&steps.last_good, &steps.first_bad) {
            (Some(good), Some(bad)) => {
                format!("The last good step is {}; {} broke a threshold.", load(good), load(bad))
            }
            (Some(good), None) => format!("Every step was good, up to {}: the limit is beyond.", load(good)),
            (None, Some(bad)) => {
                format!("Not even the first step was good: {} broke a threshold.", load(bad))
            }
            (None, None) => "No step was finished.".to_owned(),
        }));
    }
    let mut table =
        Table::new([("threshold", Align::Left), ("measured", Align::Right), ("verdict", Align::Left)]);
    for verdict in &measured.thresholds {
        table.push(row(verdict.threshold.clone(), verdict));
    }
    let phases = || measured.phases.iter().filter(|phase| !phase.thresholds.is_empty());
    if phases().count() > 1 {
        for phase in phases() {
            for verdict in &phase.thresholds {
                table.push(row(format!("{}: {}", phase.name, verdict.threshold), verdict));
            }
        }
    }
    if table.is_empty() { section } else { section.with(table) }
}

fn row(name: String, verdict: &Verdict) -> [Cell; 3] {
    let badge = match verdict.met {
        true => Cell::badge(Tone::Good, "met"),
        false => Cell::badge(Tone::Bad, "missed"),
    };
    [Cell::new(name), Cell::new(&verdict.measured), badge]
}

pub(super) fn reach(measured: &Measured) -> Section {
    let titles = ["expected", "received", "share", "lost", "behind", "late", "duplicates", "out of order"];
    let mut table =
        Table::new([("phase", Align::Left)].into_iter().chain(titles.map(|title| (title, Align::Right))))
            .caption(
                "Of the lost, those behind have nothing newer after them: their client ended with old news. Late ones came \
                 after the scenario's limit, out of order ones after a newer version.",
            );
    let counts = |name: Cell, reach: Reach| {
        let share = reach.received as f64 / reach.expected as f64;
        let count = |count: u64| Cell::new(Unit::Count.text(count as f64));
        let Reach { expected, received, late, out_of_order, duplicates, lost, behind } = reach;
        let share = Cell::new(Unit::Share.text(share));
        [name, count(expected), count(received), share]
            .into_iter()
            .chain([lost, behind, late, duplicates, out_of_order].map(count))
    };
    let mut phases = 0;
    for phase in measured.phases.iter().filter(|phase| phase.reach.expected > 0) {
        let name = Cell::new(&phase.name);
        table.push(counts(if phase.measured { name } else { name.detail("not measured") }, phase.reach));
        phases += 1;
    }
    if phases > 1 {
        table.push(counts(Cell::new("measured phases"), measured.measured_reach()));
    }
    Section::new("Reach")
        .lead("Each update is due once at each connection that followed its topic when it was published.")
        .with(table)
}

pub(super) fn errors(measured: &Measured) -> Section {
    let section = Section::new("Errors");
    if measured.errors.is_empty() {
        return section.with(Block::Text("None.".to_owned()));
    }
    let mut table = Table::new([
        ("kind", Align::Left),
        ("during", Align::Left),
        ("count", Align::Right),
        ("the first", Align::Left),
    ]);
    for row in &measured.errors {
        table.push([
            Cell::new(&row.kind),
            Cell::new(&row.during),
            Cell::new(Unit::Count.text(row.count as f64)),
            Cell::soft(&row.first),
        ]);
    }
    section.with(table)
}

pub(super) fn load(measured: &Measured) -> Section {
    let mut table = Table::new([
        ("phase", Align::Left),
        ("what", Align::Left),
        ("planned", Align::Right),
        ("done", Align::Right),
        ("offered", Align::Right),
        ("achieved", Align::Right),
    ]);
    for phase in &measured.phases {
        for of in &phase.rates {
            table.push([
                Cell::new(&phase.name),
                Cell::new(offered(of.what)),
                Cell::new(Unit::Count.text(of.planned as f64)),
                Cell::new(Unit::Count.text(of.done as f64)),
                Cell::new(of.offered_per_second.map_or_else(|| "–".to_owned(), rate)),
                Cell::new(rate(of.achieved_per_second)),
            ]);
        }
    }
    let mut section = Section::new("Load").lead("What was to leave, and what left.");
    if !table.is_empty() {
        section.push(table);
    }
    for phase in &measured.phases {
        let said = match phase.warm_up {
            WarmUp::None => continue,
            WarmUp::TooShort => "too short to tell its warm-up; nothing was cut".to_owned(),
            WarmUp::Cut { seconds: 0 } => "settled from the start; nothing was cut as warm-up".to_owned(),
            WarmUp::Cut { seconds } => format!("the first {seconds} s are not in the latencies (MSER-5)"),
            WarmUp::NeverSettled => {
                "the latencies keep drifting past the middle: there is no steady state, and nothing was cut"
                    .to_owned()
            }
        };
        let tone = if phase.warm_up == WarmUp::NeverSettled { Tone::Warning } else { Tone::Plain };
        section.push(Block::Note(
            tone,
            sentence(&format!("{}. Warm-up: {said}", sentence(&phase.name).trim_end_matches('.'))),
        ));
    }
    section
}
