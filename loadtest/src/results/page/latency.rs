//! Latencies: by percentile, in all and by phase.

use dunlin_report::{Align, Block, Cell, Plot, Section, Series, Table, Unit};

use crate::measured::{Measured, Metric, SeriesName, Times};
use crate::thresholds::{self, Threshold};

/// Points of a curve for each nine: enough that a step of the histogram shows.
const POINTS_PER_NINE: i32 = 24;

/// A curve is drawn over ratios if its end is so many times its middle: over differences the middle would lie flat.
const LOG_FROM: f64 = 20.0;

/// The steps of a connect, which are parts of each other and have a plot of their own.
const STEPS: [Metric; 5] = [Metric::Connect, Metric::Tcp, Metric::Tls, Metric::FirstByte, Metric::Upgrade];

/// Quantiles of the tables, and their titles.
const QUANTILES: [(f64, &str); 6] =
    [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99"), (1.0, "max")];

pub(super) fn section(measured: &Measured, baseline: Option<&Measured>) -> Section {
    let series = series(measured);
    let before = baseline.map(self::series).unwrap_or_default();
    let (steps, messages): (Vec<_>, Vec<_>) =
        series.iter().partition(|(name, _)| STEPS.contains(&name.metric));
    let mut plots: Vec<Block> = Vec::new();
    for (title, series) in [("Latency by percentile", messages), ("Connecting by percentile", steps)] {
        // One of the two is enough to say that there is nothing.
        if !series.is_empty() || plots.is_empty() {
            let names: Vec<&SeriesName> = series.iter().map(|(name, _)| name).collect();
            plots.push(limits(plot(title, &series, &before), measured, &names).into());
        }
    }
    if plots.len() > 1 && self::series(measured).iter().all(|(name, _)| STEPS.contains(&name.metric)) {
        plots.remove(0);
    }
    let section = Section::new("Latency")
        .lead(
            "Over the measured phases without their warm-up, from the moment at which something was meant to happen: a stall \
             shows in everything that it delayed. What has no values there, such as connects, is over all phases.",
        )
        .with(Block::Beside(plots));
    let section = if series.is_empty() { section } else { section.with(table(&series)) };
    let by_phase = by_phase(measured, &series);
    if by_phase.is_empty() { section } else { section.with(by_phase) }
}

/// All series of a run with their latencies: over the measured phases, or over all if the measured ones have none.
pub(in crate::results) fn series(measured: &Measured) -> Vec<(SeriesName, Times)> {
    let mut names: Vec<&SeriesName> =
        measured.phases.iter().flat_map(|phase| &phase.series).map(|series| &series.name).collect();
    // What people feel stands first.
    names.sort_by(|a, b| b.metric.cmp(&a.metric).then_with(|| a.message.cmp(&b.message)));
    names.dedup();
    let mut series: Vec<_> = names
        .into_iter()
        .map(|name| {
            let times = measured.measured_times(name);
            (name.clone(), if times.0.is_empty() { measured.all_times(name) } else { times })
        })
        .filter(|(_, times)| !times.0.is_empty())
        .collect();
    series.sort_by_key(|(name, _)| STEPS.iter().position(|step| *step == name.metric));
    series
}

/// A quantile for people.
pub(in crate::results) fn quantile(times: &Times, quantile: f64) -> String {
    value(times, quantile).map_or_else(|| "–".to_owned(), |value| Unit::Nanoseconds.text(value))
}

/// A quantile, in nanoseconds. Above the quantile of the largest value there is nothing to say.
pub(in crate::results) fn value(Times(times): &Times, quantile: f64) -> Option<f64> {
    let known = quantile >= 1.0 || times.len() as f64 * (1.0 - quantile) >= 1.0 - 1e-9;
    (!times.is_empty() && known).then(|| times.value_at_quantile(quantile).min(times.max()) as f64)
}

fn plot(title: &str, series: &[&(SeriesName, Times)], before: &[(SeriesName, Times)]) -> Plot {
    let mut plot = Plot::by_percentile(title).note("Each further nine takes the same room.");
    let mut is_wide = false;
    for (number, (name, times)) in series.iter().enumerate() {
        plot = plot.series(Series::line(name.to_string(), curve(times)).hue(number));
        is_wide |= times.0.max() as f64 > LOG_FROM * times.0.value_at_quantile(0.5) as f64;
        if let Some((_, times)) = before.iter().find(|(other, _)| other == name) {
            plot = plot.series(Series::dashed(format!("{name}, baseline"), curve(times)).hue(number));
        }
    }
    if is_wide { plot.log_y() } else { plot }
}

/// The plot with the thresholds that the run has for any of these series.
pub(super) fn limits(plot: Plot, measured: &Measured, names: &[&SeriesName]) -> Plot {
    measured.thresholds.iter().fold(plot, |plot, verdict| {
        let threshold = thresholds::parse(&verdict.threshold).ok();
        match threshold.as_ref().and_then(Threshold::latency) {
            Some((metric, message, limit))
                if names.iter().any(|name| {
                    name.metric == metric && message.is_none_or(|message| message == name.message)
                }) =>
            {
                plot.limit(limit.as_nanos() as f64, &verdict.threshold)
            }
            _ => plot,
        }
    })
}

/// A histogram as points, up to the quantile of its second-largest value.
fn curve(times: &Times) -> impl Iterator<Item = (f64, f64)> + '_ {
    let quantiles = (0..).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / f64::from(POINTS_PER_NINE)));
    quantiles.map_while(|quantile| Some((quantile, value(times, quantile)?)))
}

fn head(first: &'static str) -> Table {
    let columns = [(first, Align::Left), ("count", Align::Right)];
    Table::new(columns.into_iter().chain(QUANTILES.map(|(_, title)| (title, Align::Right))))
}

fn row(name: Cell, times: &Times) -> Vec<Cell> {
    let mut row = vec![name, Unit::Count.text(times.0.len() as f64).into()];
    row.extend(QUANTILES.map(|(at, _)| Cell::new(quantile(times, at))));
    row
}

fn table(series: &[(SeriesName, Times)]) -> Table {
    let mut table = head("series").caption("– : too few values for this percentile.");
    for (name, times) in series {
        table.push(row(Cell::new(name.to_string()).detail(meaning(name.metric)), times));
    }
    table
}

/// The phases apart, where a series is in several; those of one series under each other.
fn by_phase(measured: &Measured, series: &[(SeriesName, Times)]) -> Table {
    let mut table = head("series and phase");
    let rows =
        measured.phases.iter().flat_map(|phase| phase.series.iter().map(move |series| (phase, series)));
    let mut rows: Vec<_> = rows.collect();
    if series.len() < rows.len() {
        rows.sort_by_key(|(_, row)| series.iter().position(|(name, _)| *name == row.name));
        for (phase, series) in rows {
            let name = Cell::new(format!("{}, {}", series.name, phase.name));
            table.push(row(if phase.measured { name } else { name.detail("not measured") }, &series.times));
        }
    }
    table
}

/// From when to when.
pub(super) fn meaning(metric: Metric) -> &'static str {
    match metric {
        Metric::Connect => "intended arrival of a session to its open WebSocket",
        Metric::Tcp => "TCP handshake",
        Metric::Tls => "TLS handshake",
        Metric::FirstByte => "upgrade request to the first byte of its answer",
        Metric::Upgrade => "upgrade request to the end of its answer",
        Metric::Response => "intended time of a message to its route response",
        Metric::Post => "intended time of a message to the answer that its function posted",
        Metric::Push => "intended time of an update to its push on a client's socket",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::sample;

    #[test]
    fn a_curve_ends_where_the_histogram_knows_nothing_more() {
        let mut times = Times::default();
        for us in 1..=1_000_u64 {
            times.0.record(us * 1_000).unwrap();
        }
        let points: Vec<_> = curve(&times).collect();
        let (last, value) = points[points.len() - 1];
        assert!((last - 0.999).abs() < 1e-9 && (value - 999e3).abs() < 1_000.0, "{last} {value}");
        assert_eq!(quantile(&times, 0.9999), "–");
        assert_eq!(quantile(&times, 0.5), "500 µs");
        assert_eq!(quantile(&Times::default(), 0.5), "–");
    }

    #[test]
    fn thresholds_are_drawn_where_their_series_is() {
        let measured = sample::measured(1);
        let name = |metric, message: &str| SeriesName { metric, message: message.to_owned() };
        let of = |name| format!("{:?}", limits(Plot::by_percentile(""), &measured, &[&name]));
        assert!(of(name(Metric::Push, "")).contains("p99(push) < 50ms"));
        assert!(!of(name(Metric::Response, "say")).contains("p99(push)"));
    }

    #[test]
    fn the_ramp_shows_only_what_was_not_measured() {
        let measured = sample::measured(3);
        let series = series(&measured);
        let names: Vec<String> = series.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, ["push", "response.say", "connect"]);
        // Connects are in the ramp, and pushes of the warm-up are cut.
        assert_eq!(series[2].1.0.len(), 500);
        assert_eq!(series[0].1.0.len(), 57_000);
    }
}
