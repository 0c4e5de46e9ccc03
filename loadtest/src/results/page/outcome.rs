//! What came of it: thresholds, reach, errors, and the load that was kept up.

use dunlin_report::{Align, Block, Cell, Plot, Section, Series, Table, Tone, Unit};

use super::{latency, main_series, offered, rate, sentence};
use crate::measured::{Measured, Phase, Reach, Steps, WarmUp};

pub(super) fn thresholds(measured: &Measured) -> Section {
    let mut section = Section::new("Thresholds");
    match &measured.steps {
        None => section = section.lead("Over the measured phases."),
        Some(steps) => {
            section = section.lead("Of the last good step: the load grows until a step breaks one.");
            section.push(Block::Text(how_far(steps)));
            section.push(by_step(measured, steps));
        }
    }
    let mut table =
        Table::new([("threshold", Align::Left), ("measured", Align::Right), ("verdict", Align::Left)]);
    for verdict in &measured.thresholds {
        let badge = match verdict.met {
            true => Cell::badge(Tone::Good, "met"),
            false => Cell::badge(Tone::Bad, "missed"),
        };
        table.push([Cell::new(&verdict.threshold), Cell::new(&verdict.measured), badge]);
    }
    if !table.is_empty() {
        section.push(table);
    }
    let phases: Vec<&Phase> = measured.phases.iter().filter(|phase| !phase.thresholds.is_empty()).collect();
    if let [first, _, ..] = phases.as_slice() {
        let titles = first.thresholds.iter().map(|verdict| (verdict.threshold.as_str(), Align::Left));
        let mut table = Table::new([("phase", Align::Left)].into_iter().chain(titles));
        for phase in phases {
            let verdicts = phase.thresholds.iter().map(|verdict| {
                let tone = if verdict.met { Tone::Good } else { Tone::Bad };
                Cell::badge(tone, &verdict.measured).detail(if verdict.met { "" } else { "missed" })
            });
            table.push([Cell::new(&phase.name)].into_iter().chain(verdicts));
        }
        section.push(table);
    }
    section
}

fn how_far(steps: &Steps) -> String {
    let load = |(phase, load): &(String, f64)| {
        let load = Unit::Count.text(load.round());
        match steps.grows.as_str() {
            "users" => format!("{phase} with {load} users"),
            grows => format!("{phase} with {load} {grows} a second"),
        }
    };
    match (&steps.last_good, &steps.first_bad) {
        (Some(good), Some(bad)) => {
            format!("The last good step is {}; {} broke a threshold.", load(good), load(bad))
        }
        (Some(good), None) => format!("Every step was good, up to {}: the limit is beyond.", load(good)),
        (None, Some(bad)) => format!("Not even the first step was good: {} broke a threshold.", load(bad)),
        (None, None) => "No step was finished.".to_owned(),
    }
}

/// The main latency at each load.
fn by_step(measured: &Measured, steps: &Steps) -> Plot {
    let phases: Vec<&Phase> = measured.phases.iter().filter(|phase| phase.measured).collect();
    let load = |phase: &Phase| {
        let grown = phase.rates.iter().find(|rate| rate.what.to_string() == steps.grows);
        let offered = grown.and_then(|rate| rate.offered_per_second);
        offered.map_or_else(|| phase.name.clone(), |offered| format!("{} ({})", phase.name, rate(offered)))
    };
    let name = main_series(measured).map(|(name, _)| name);
    let curve = |quantile: f64| {
        let points = phases.iter().enumerate().map(|(number, phase)| {
            let series = phase.series.iter().find(|series| Some(&series.name) == name.as_ref());
            let value = series.and_then(|series| latency::value(&series.times, quantile));
            (number as f64, value.unwrap_or(f64::NAN))
        });
        points.collect::<Vec<_>>()
    };
    let title =
        name.as_ref().map_or_else(|| "Latency by step".to_owned(), |name| format!("Latency by step, {name}"));
    Plot::trend(title, phases.iter().map(|phase| load(phase)), Unit::Nanoseconds)
        .series(Series::line("p50", curve(0.5)))
        .series(Series::line("p99", curve(0.99)))
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
            WarmUp::Cut { seconds } => {
                format!("its first {seconds} s are warm-up (MSER-5) and not in the latencies")
            }
            WarmUp::NeverSettled => {
                "the latencies keep drifting past the middle: there is no steady state, and nothing was cut"
                    .to_owned()
            }
        };
        let tone = if phase.warm_up == WarmUp::NeverSettled { Tone::Warning } else { Tone::Plain };
        section.push(Block::Note(tone, sentence(&format!("{}: {said}", phase.name))));
    }
    section
}
