//! How far the generator itself may be believed.

use dunlin_report::{Align, Block, Cell, Plot, Section, Table, Tone, Unit};

use super::latency::{quantile, value};
use super::over_time::{line, phases};
use super::{offered, sentence};
use crate::measured::{Measured, Offered};

pub(super) fn section(measured: &Measured) -> Section {
    let generator = &measured.generator;
    let mut section = Section::new("Generator").lead(
        "What measuring cost, and whether it kept its schedule. A generator that is late measures itself.",
    );
    if measured.is_valid() {
        section.push(Block::Note(Tone::Good, "Nothing speaks against the latencies of this run.".to_owned()));
    }
    for reason in &measured.invalid {
        section.push(Block::Note(Tone::Bad, sentence(reason)));
    }
    let count = |count: u64| Unit::Count.text(count as f64);
    let mut facts = vec![
        ("processor time", format!("{:.1} s in {:.1} s", generator.cpu_seconds, generator.wall_seconds)),
        ("processors, peak", format!("{:.2}", generator.cpus_peak)),
        ("messages", count(generator.messages)),
    ];
    if let Some(nanoseconds) = generator.cpu_ns_per_message {
        facts.push(("processor time per message", Unit::Nanoseconds.text(nanoseconds)));
    }
    if let Some(bytes) = generator.bytes_per_user {
        facts.push(("memory per user", Unit::Bytes.text(bytes)));
    }
    facts.push(("samples dropped", count(generator.dropped_samples)));
    facts.push(("missing in goose's report alone", count(generator.goose_dropped_samples)));
    if generator.untimed_pushes > 0 {
        facts.push(("pushes of other hosts, without latency", count(generator.untimed_pushes)));
    }
    section.push(Block::Facts(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()));
    let mut lags = Table::new([
        ("schedule lag of", Align::Left),
        ("count", Align::Right),
        ("p50", Align::Right),
        ("p99", Align::Right),
        ("max", Align::Right),
    ])
    .caption("How much later than intended something left, in the measured phases.");
    for lag in generator.lag.iter().filter(|lag| !lag.times.0.is_empty()) {
        lags.push([
            Cell::new(offered(lag.what)),
            Cell::new(count(lag.times.0.len())),
            Cell::new(quantile(&lag.times, 0.5)),
            Cell::new(quantile(&lag.times, 0.99)),
            Cell::new(quantile(&lag.times, 1.0)),
        ]);
    }
    if !lags.is_empty() {
        section.push(lags);
    }
    let processors: u32 = measured.machines.iter().map(|machine| machine.cpus).sum();
    let plot = Plot::over_time("Processors of the generator")
        .note(format!("Of {processors}, with what runs beside it."))
        .y("in use", Unit::Count)
        .series(line("in use", measured, |second| second.generator_cpus));
    section.with(phases(plot, measured))
}

/// The latest of what was scheduled, by its 99th percentile.
pub(super) fn worst_lag(measured: &Measured) -> Option<(String, Offered)> {
    let lags = measured.generator.lag.iter();
    let lags =
        lags.filter_map(|lag| Some((value(&lag.times, 0.99).or_else(|| value(&lag.times, 1.0))?, lag.what)));
    let worst = lags.max_by(|a, b| a.0.total_cmp(&b.0));
    worst.map(|(nanoseconds, what)| (Unit::Nanoseconds.text(nanoseconds), what))
}
