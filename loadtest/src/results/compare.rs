//! A run beside another one.

use dunlin_report::{Align, Block, Cell, Section, Table, Tone, Unit};

use super::page::{latency, origin};
use crate::measured::Measured;

/// Quantiles that are compared, and their titles.
const QUANTILES: [(f64, &str); 4] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")];

/// The differences between a run and its baseline.
pub(super) fn section(measured: &Measured, baseline: &Measured) -> Section {
    let mut section = Section::new("Against the baseline").lead(format!(
        "The baseline is the run {} of {}. Two runs differ by chance too, on a machine that others use by a third and more: \
         what this shows is where to look, not what to conclude.",
        baseline.run.id,
        origin::started(baseline.run.started_unix_ms)
    ));
    for difference in incomparable(measured, baseline) {
        section.push(Block::Note(Tone::Warning, difference));
    }
    let mut table = Table::new([
        ("", Align::Left),
        ("baseline", Align::Right),
        ("this run", Align::Right),
        ("difference", Align::Right),
    ]);
    let before = latency::series(baseline);
    for (name, times) in latency::series(measured) {
        let Some((_, before)) = before.iter().find(|(other, _)| *other == name) else { continue };
        for (quantile, title) in QUANTILES {
            let values = latency::value(before, quantile).zip(latency::value(&times, quantile));
            if let Some((before, now)) = values {
                table.push(row(format!("{name} {title}"), Unit::Nanoseconds, before, now));
            }
        }
    }
    let reach = [baseline, measured].map(|run| {
        let reach = run.measured_reach();
        (reach.expected > 0).then(|| reach.received as f64 / reach.expected as f64)
    });
    if let [Some(before), Some(now)] = reach {
        let difference = format!("{:+.4} points", (now - before) * 100.0);
        table.push([
            "reach".into(),
            Unit::Share.text(before).into(),
            Unit::Share.text(now).into(),
            Cell::new(difference),
        ]);
    }
    let errors = |run: &Measured| run.phases.iter().map(|phase| phase.errors).sum::<u64>() as f64;
    table.push(row("errors".to_owned(), Unit::Count, errors(baseline), errors(measured)));
    for (phase, other) in measured
        .phases
        .iter()
        .filter(|phase| phase.measured)
        .filter_map(|phase| Some((phase, baseline.phases.iter().find(|other| other.name == phase.name)?)))
    {
        for rate in &phase.rates {
            let Some(before) = other.rates.iter().find(|before| before.what == rate.what) else { continue };
            let name = format!("{}: {}", phase.name, rate.what);
            table.push(row(name, Unit::PerSecond, before.achieved_per_second, rate.achieved_per_second));
        }
    }
    if let Some((before, now)) =
        baseline.generator.cpu_ns_per_message.zip(measured.generator.cpu_ns_per_message)
    {
        table.push(row("generator's processor time per message".to_owned(), Unit::Nanoseconds, before, now));
    }
    section.with(table)
}

fn row(name: String, unit: Unit, before: f64, now: f64) -> [Cell; 4] {
    let difference = match before {
        0.0 if now == 0.0 => "none".to_owned(),
        0.0 => "–".to_owned(),
        _ => format!("{:+.1} %", (now / before - 1.0) * 100.0),
    };
    [Cell::new(name), Cell::new(unit.text(before)), Cell::new(unit.text(now)), Cell::new(difference)]
}

/// What makes the two runs different experiments.
fn incomparable(measured: &Measured, baseline: &Measured) -> Vec<String> {
    let (now, before) = (&measured.run, &baseline.run);
    let mut differences = Vec::new();
    if now.scenario != before.scenario {
        differences.push(format!("The baseline is of another scenario, {}.", before.scenario));
    } else if now.scenario_text != before.scenario_text {
        differences.push("The scenario has changed since the baseline.".to_owned());
    }
    if now.overrides != before.overrides {
        let overrides = match before.overrides.as_slice() {
            [] => "nothing".to_owned(),
            overrides => overrides.join(", "),
        };
        differences.push(format!("The baseline's command line changed {overrides}."));
    }
    if now.model != before.model {
        differences
            .push("One of the two is of a closed model: their latencies mean different things.".to_owned());
    }
    if measured.machines != baseline.machines {
        let machines: Vec<String> = baseline.machines.iter().map(origin::machine).collect();
        differences.push(format!("The baseline ran elsewhere: {}.", machines.join("; ")));
    }
    if !baseline.is_valid() {
        differences.push("The baseline is an invalid run.".to_owned());
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::Model;
    use crate::results::sample;

    #[test]
    fn differences_of_the_experiment_are_said() {
        let measured = sample::measured(1);
        assert!(incomparable(&measured, &sample::measured(2)).is_empty());
        let mut other = sample::measured(2);
        other.run.scenario = "soak".to_owned();
        other.run.model = Model::Closed;
        other.run.overrides.clear();
        other.machines[0].cpus = 64;
        other.invalid.push("late".to_owned());
        let said = incomparable(&measured, &other).join(" ");
        for expected in
            ["another scenario, soak", "changed nothing", "closed model", "64 cores of", "invalid run"]
        {
            assert!(said.contains(expected), "no `{expected}` in {said}");
        }
    }

    #[test]
    fn rows_say_by_how_much() {
        let text = |before, now| format!("{:?}", row("r".to_owned(), Unit::Count, before, now)[3]);
        assert!(text(100.0, 112.0).contains("+12.0 %"));
        assert!(text(0.0, 0.0).contains("none") && text(0.0, 3.0).contains("–"));
    }
}
