//! The report for people: a table of times, then what was counted, then the verdict.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, Table, presets};

use crate::cost::CostReport;
use crate::histogram::summarize;
use crate::measured::{Measured, Model, Reach, SeriesName, WarmUp};
use crate::report::{EchoReport, IdleReport, Latency};

/// A run, as text. The first line says if it had no schedule.
pub fn run(measured: &Measured) -> String {
    let mut lines = vec![format!("{}: {}", measured.run.scenario, measured.run.description)];
    if measured.run.model == Model::Closed {
        lines.insert(
            0,
            "closed model: a slow target was asked less, and its slowness is under-reported".to_owned(),
        );
    }
    if let Some(reason) = &measured.ended_early {
        lines.push(format!("ended early: {reason}"));
    }
    let names: BTreeSet<&SeriesName> =
        measured.phases.iter().flat_map(|phase| &phase.series).map(|series| &series.name).collect();
    let rows: Vec<(String, Latency)> = names
        .into_iter()
        .map(|name| {
            let times = measured.measured_times(name);
            // Clients connect in the ramp, which is not measured, and yet one wants to know.
            if times.0.is_empty() {
                (format!("{name}, not measured"), summarize(&measured.all_times(name).0))
            } else {
                (name.to_string(), summarize(&times.0))
            }
        })
        .chain(
            measured
                .generator
                .lag
                .iter()
                .map(|lag| (format!("lag of {}", lag.what), summarize(&lag.times.0))),
        )
        .collect();
    let rows: Vec<(&str, &Latency)> = rows.iter().map(|(name, latency)| (name.as_str(), latency)).collect();
    lines.push(table(&rows));
    for phase in measured.phases.iter().filter(|phase| phase.measured) {
        let rates = phase.rates.iter().map(|rate| {
            let offered =
                rate.offered_per_second.map_or(String::new(), |offered| format!(" of {offered:.1} offered"));
            format!("{} {:.1} a second{offered}", rate.what, rate.achieved_per_second)
        });
        let warm_up = match phase.warm_up {
            WarmUp::Cut { seconds: 0 } | WarmUp::None => String::new(),
            WarmUp::Cut { seconds } => format!("; its first {seconds} s are cut as warm-up"),
            WarmUp::TooShort => "; too short to tell its warm-up".to_owned(),
            WarmUp::NeverSettled => "; it never settled".to_owned(),
        };
        lines.push(format!("{}: {}{warm_up}", phase.name, rates.collect::<Vec<_>>().join(", ")));
    }
    let mut reach = Reach::default();
    measured.phases.iter().for_each(|phase| reach += phase.reach);
    if reach.expected > 0 {
        lines.push(format!(
            "{} of {} pushes arrived ({}); {} late, {} duplicates, {} out of order, {} lost, {} of them with nothing newer",
            reach.received,
            reach.expected,
            percent(reach.received, reach.expected),
            reach.late,
            reach.duplicates,
            reach.out_of_order,
            reach.lost,
            reach.behind
        ));
    }
    for error in &measured.errors {
        lines.push(format!("{} × {} ({}): {}", error.count, error.kind, error.during, error.first));
    }
    let generator = &measured.generator;
    let per = |value: Option<f64>, scale: f64, unit: &str| {
        value.map_or(String::new(), |value| format!(", {:.1} {unit}", value / scale))
    };
    lines.push(format!(
        "generator: {:.1} s of processor in {:.1} s{}{}",
        generator.cpu_seconds,
        generator.wall_seconds,
        per(generator.cpu_ns_per_message, 1e3, "µs a message"),
        per(generator.bytes_per_user, 1e3, "kB a user")
    ));
    if let Some(steps) = &measured.steps {
        let step = |step: &Option<(String, f64)>| {
            step.as_ref().map_or("none".to_owned(), |(name, load)| {
                format!("{name}, {load:.1} {} a second", steps.grows)
            })
        };
        lines.push(format!(
            "last good step: {}; first bad one: {}",
            step(&steps.last_good),
            step(&steps.first_bad)
        ));
    }
    lines.extend(measured.notes.iter().map(|note| format!("note: {note}")));
    for verdict in &measured.thresholds {
        let word = if verdict.met { "met" } else { "MISSED" };
        lines.push(format!("{word}: {} ({})", verdict.threshold, verdict.measured));
    }
    lines.extend(measured.invalid.iter().map(|reason| format!("INVALID: {reason}")));
    lines.join("\n")
}

/// An echo measurement, as text.
pub fn echo(report: &EchoReport) -> String {
    let mut rows = vec![("target", &report.target)];
    rows.extend(report.bare.as_ref().map(|bare| ("bare", bare)));
    let mut lines = vec![table(&rows), format!("the very first took {:.3} ms", report.first_us / 1_000.0)];
    if let (Some(p50), Some(paired)) = (report.ratio_p50, report.ratio_paired) {
        lines.push(format!("target / bare: {p50:.2} of the medians, {paired:.2} by neighbouring blocks"));
    }
    lines.join("\n")
}

/// A comparison of costs, as text.
pub fn cost(report: &CostReport) -> String {
    format!(
        "{:.2} times a bare reader: {:.2} µs of processor for each of {} messages over {} connections, and {:.2} µs there",
        report.ratio,
        report.swarm_us_per_message,
        report.messages,
        report.connections,
        report.bare_us_per_message
    )
}

/// A memory measurement, as text.
pub fn idle(report: &IdleReport) -> String {
    format!(
        "{:.0} bytes per idle connection: {} connections took RssAnon of process {} from {} to {} KiB",
        report.bytes_per_connection,
        report.connections,
        report.pid,
        report.rss_anon_before_bytes / 1024,
        report.rss_anon_after_bytes / 1024
    )
}

fn table(rows: &[(&str, &Latency)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    table.set_header(["ms", "n", "p50", "p90", "p99", "p99.9", "max"]);
    for (name, latency) in rows {
        let times = [latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us];
        let mut cells = vec![(*name).to_owned(), latency.count.to_string()];
        cells.extend(times.map(|time| time.map_or("-".to_owned(), |us| format!("{:.3}", us / 1_000.0))));
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.3} %", part as f64 * 100.0 / whole as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::sample;

    #[test]
    fn the_summary_of_a_run_says_everything_that_counts() {
        let mut measured = sample::measured(7);
        measured.invalid = vec!["the machine was busy".to_owned()];
        let text = run(&measured);
        for expected in ["p99.9", "push", "pushes arrived (", "generator: ", "INVALID: the machine was busy"]
        {
            assert!(text.contains(expected), "no `{expected}` in\n{text}");
        }
        for verdict in &measured.thresholds {
            assert!(text.contains(&verdict.threshold), "{text}");
        }
        measured.run.model = Model::Closed;
        assert!(run(&measured).starts_with("closed model: "), "{}", run(&measured));
    }
}
