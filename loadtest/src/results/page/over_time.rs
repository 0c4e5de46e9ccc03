//! The run second by second, its phases marked.

use dunlin_report::{Block, Plot, Section, Series, Unit};

use super::latency::limits;
use super::{main_series, offered, seconds};
use crate::measured::{Interval, Measured, Offered, Phase, Second, SeriesName, WarmUp};

/// Latencies are drawn over ratios if the slowest is so many times the middle one.
const LOG_FROM: f64 = 50.0;

pub(super) fn section(measured: &Measured) -> Section {
    let mut plots: Vec<Block> = Vec::new();
    if let Some((name, times)) = main_series(measured) {
        let median = times.0.value_at_quantile(0.5) as f64;
        plots.push(latency(measured, &name, median).into());
    }
    plots.push(throughput(measured).into());
    if measured.seconds.iter().any(|second| second.pushes > 0) {
        let note = "Copies included; each second has what arrived in it.";
        let pushes = phases(Plot::over_time("Pushes").note(note).y("per second", Unit::PerSecond), measured);
        plots.push(pushes.series(line("pushes", measured, |second| second.pushes as f64)).into());
    }
    let sockets = phases(
        Plot::over_time("Sockets").note("Open at the end of each second.").y("open", Unit::Count),
        measured,
    );
    plots.push(sockets.series(line("open", measured, |second| second.open_sockets as f64)).into());
    if measured.seconds.iter().any(|second| !second.errors.is_empty()) {
        plots.push(errors(measured).into());
    }
    Section::new("Over time").with(Block::Beside(plots))
}

fn latency(measured: &Measured, name: &SeriesName, median: f64) -> Plot {
    let mut note = format!("{name}, by the second in which it was recorded.");
    if measured.phases.iter().any(|phase| warm_up(phase).is_some()) {
        note.push_str(" What is before the dotted line of a phase is its warm-up.");
    }
    let mut plot = phases(Plot::over_time("Latency over time").note(note), measured);
    let mut slowest: f64 = 0.0;
    type Figure = fn(&Interval) -> f64;
    let figures: [(&str, Figure); 3] = [
        ("p50", |interval| interval.p50_us),
        ("p99", |interval| interval.p99_us),
        ("max", |interval| interval.max_us),
    ];
    for (title, us) in figures {
        let points = measured.seconds.iter().map(|second| {
            let interval = second.intervals.iter().find(|interval| interval.name == *name);
            (f64::from(second.second), interval.map_or(f64::NAN, |interval| us(interval) * 1e3))
        });
        let points: Vec<_> = points.collect();
        slowest = points.iter().map(|(_, value)| *value).fold(slowest, f64::max);
        plot = plot.series(Series::line(title, points));
    }
    let plot = limits(plot, measured, &[name]);
    if slowest > LOG_FROM * median { plot.log_y() } else { plot }
}

/// What left, and for updates what was to leave.
fn throughput(measured: &Measured) -> Plot {
    let plot =
        Plot::over_time("Throughput").note("What left in each second.").y("per second", Unit::PerSecond);
    let mut plot = phases(plot, measured);
    type Count = fn(&Second) -> u64;
    let counts: [(Offered, Count); 3] = [
        (Offered::Updates, |second| second.updates),
        (Offered::Messages, |second| second.messages),
        (Offered::Connects, |second| second.connects),
    ];
    if measured.seconds.iter().any(|second| second.updates_offered > 0) {
        let offered = line("updates offered", measured, |second| second.updates_offered as f64);
        plot = plot.series(Series { stroke: dunlin_report::Stroke::Dashed, ..offered }.hue(0));
    }
    for (number, (what, count)) in counts.into_iter().enumerate() {
        if measured.seconds.iter().any(|second| count(second) > 0) {
            plot = plot.series(line(&offered(what), measured, |second| count(second) as f64).hue(number));
        }
    }
    plot
}

fn errors(measured: &Measured) -> Plot {
    let plot =
        Plot::over_time("Errors").note("The kinds are in the table of errors.").y("per second", Unit::Count);
    phases(plot, measured).series(
        line("errors", measured, |second| second.errors.iter().map(|(_, count)| *count).sum::<u64>() as f64)
            .hue(1),
    )
}

pub(super) fn line(name: &str, measured: &Measured, value: impl Fn(&Second) -> f64) -> Series {
    Series::line(name, measured.seconds.iter().map(|second| (f64::from(second.second), value(second))))
}

/// The phases as bands, and where the warm-up of each ends.
pub(super) fn phases(plot: Plot, measured: &Measured) -> Plot {
    measured.phases.iter().fold(plot, |plot, phase| {
        let start = seconds(phase.start_ns);
        let plot = plot.band(start, seconds(phase.end_ns), &phase.name);
        match warm_up(phase) {
            Some(cut) => plot.mark(start + cut, ""),
            None => plot,
        }
    })
}

/// The seconds of a phase that are not in its latencies.
fn warm_up(phase: &Phase) -> Option<f64> {
    match phase.warm_up {
        WarmUp::Cut { seconds } if seconds > 0 => Some(f64::from(seconds)),
        _ => None,
    }
}
