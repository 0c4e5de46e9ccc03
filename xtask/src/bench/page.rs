//! `bench.html`: the report as one page that needs nothing besides itself.

use dunlin_report::{Align, Bar, Bars, Block, Cell, Page, Plot, Section, Series, Table, Tone, Verdict};
use serde_json::Value;

use super::{
    promises::Promise,
    report::{Measure, Reference, Report, Unit},
};

pub(super) fn render(report: &Report) -> String {
    let mut page =
        Page::new("Dunlin bench").subtitle(&report.started_at).subtitle(report.machine.with_revision());
    if report.quick {
        page = page.subtitle("quick: few repetitions, wide errors");
    }
    page = page.verdict(verdict(&report.measures));
    let bars = bars(&report.measures);
    if !bars.is_empty() {
        page = page.section(Section::new("Promises").with(bars));
    }
    for group in report.measures.chunk_by(|one, next| one.group() == next.group()) {
        page = page.section(measures(group));
    }
    if let Some(swarm) = &report.swarm {
        page = page.section(push(swarm));
    }
    page.html()
}

fn verdict(measures: &[Measure]) -> Verdict {
    let promised: Vec<_> =
        measures.iter().filter_map(|measure| Some((measure, measure.verdict()?))).collect();
    let met = promised.iter().filter(|(_, (met, _))| *met).count();
    let sentence = format!("{met} of {} promises met in this run.", promised.len());
    let (tone, word) = match (promised.is_empty(), met == promised.len()) {
        (true, _) => (Tone::Plain, "measured"),
        (false, true) => (Tone::Good, "met"),
        (false, false) => (Tone::Bad, "missed"),
    };
    let mut verdict = Verdict::new(tone, word, sentence);
    for (measure, (_, by)) in promised.iter().filter(|(_, (met, _))| !met) {
        verdict = verdict.reason(format!("{}: missed by {:.0} %", measure.id, by * 100.0));
    }
    for measure in measures {
        for defect in &measure.defects {
            verdict = verdict.reason(format!("{}: {defect}", measure.id));
        }
    }
    verdict
}

fn bars(measures: &[Measure]) -> Bars {
    let bars = Bars::new("Share of the promise", Unit::Ratio)
        .note("Each figure over what is promised of it: the line is the promise, shorter is better.")
        .limit(1.0, "promise");
    measures.iter().filter_map(bar).fold(bars, Bars::bar)
}

/// One group.
fn measures(measures: &[Measure]) -> Section {
    let mut table = Table::new([
        ("benchmark", Align::Left),
        ("figure", Align::Right),
        ("reference", Align::Left),
        ("ratio", Align::Right),
        ("promise", Align::Right),
        ("", Align::Left),
    ]);
    for measure in measures {
        let reference = measure.reference.as_ref();
        let against = |reference: &Reference| {
            Cell::soft(format!("{} {}", reference.name, measure.unit.text(reference.value)))
        };
        let verdict = match measure.verdict() {
            _ if !measure.defects.is_empty() => Cell::badge(Tone::Bad, "defective"),
            Some((true, _)) => Cell::badge(Tone::Good, "met"),
            Some((false, by)) => Cell::badge(Tone::Bad, format!("missed by {:.0} %", by * 100.0)),
            None => Cell::default(),
        };
        table.push([
            Cell::new(measure.id.split_once('/').map_or(measure.id.as_str(), |(_, rest)| rest)),
            Cell::new(measure.unit.text(measure.value)),
            reference.map(against).unwrap_or_default(),
            Cell::new(reference.map(Reference::text).unwrap_or_default()),
            Cell::new(measure.promise.map(|promise| promise.text(measure.unit)).unwrap_or_default()),
            verdict,
        ]);
    }
    let group = measures.first().map(Measure::group).unwrap_or_default();
    Section::new(group.replace('_', " ")).with(table)
}

/// A figure as a part of what is promised of it.
fn bar(measure: &Measure) -> Option<Bar> {
    let (met, _) = measure.verdict()?;
    let promise = measure.promise?;
    let (figure, bound, text) = match promise {
        Promise::RatioAtMost(bound) => {
            let ratio = measure.reference.as_ref()?.ratio;
            (ratio, bound, Unit::Ratio.text(ratio))
        }
        Promise::ValueAtMost(bound) => (measure.value, bound, measure.unit.text(measure.value)),
    };
    Some(Bar {
        name: measure.id.clone(),
        value: figure / bound,
        text: format!("{text}, {}", promise.text(measure.unit)),
        tone: if met { Tone::Good } else { Tone::Bad },
    })
}

/// How fast updates reached their followers.
fn push(swarm: &Value) -> Section {
    let config = &swarm["config"];
    let mut section = Section::new("From a device's update to its followers").lead(format!(
        "{} clients, {} devices, {} updates a second for {} s; each latency counts from the moment at which the update was \
         due, not from when it was sent.",
        config["users"], config["devices"], config["updates_per_second"], config["seconds"]
    ));
    for reason in
        swarm["invalid_reasons"].as_array().into_iter().chain(swarm["failures"].as_array()).flatten()
    {
        section.push(Block::Note(Tone::Bad, reason.as_str().unwrap_or_default().to_owned()));
    }
    let curve = swarm["push"]["curve"].as_array().into_iter().flatten();
    let curve = curve.filter_map(|pair| Some((pair[0].as_f64()?, pair[1].as_f64()? * 1e3)));
    let by_second = |key: &'static str| {
        let seconds = swarm["by_second"].as_array().into_iter().flatten();
        seconds.filter_map(move |second| Some((second["second"].as_f64()?, second[key].as_f64()? * 1e3)))
    };
    section.with(Block::Beside(vec![
        Plot::by_percentile("Latency by percentile").series(Series::line("push", curve)).into(),
        Plot::over_time("Latency over time")
            .note("Warm-up included.")
            .series(Series::line("p99", by_second("p99_us")))
            .series(Series::line("p50", by_second("p50_us")))
            .into(),
    ]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_shows_promises_and_curves() {
        let mut report = Report::new(true).unwrap();
        let measure = |id, ratio| Measure {
            promise: Some(Promise::RatioAtMost(2.0)),
            ..Measure::new(id, 2e3, Unit::Nanoseconds).against("bare", 1e3, ratio)
        };
        let odd = Measure { defects: vec!["measures nothing".to_owned()], ..measure("b/odd/1", 1.0) };
        report.measures = vec![measure("a/kept/1", 1.0), measure("a/broken/1", 3.0), odd];
        report.swarm = Some(json!({
            "config": { "users": 3, "devices": 1, "updates_per_second": 5, "seconds": 2 },
            "invalid_reasons": ["the machine was busy"],
            "push": { "curve": [[0.5, 900.0], [0.99, 2_500.0], [1.0, 3_000.0]] },
            "by_second": [{ "second": 0, "p50_us": 900.0, "p99_us": 2_500.0 }],
        }));
        let html = render(&report);
        for expected in [
            "2 of 3 promises met",
            "a/broken/1: missed by 50 %",
            "b/odd/1: measures nothing",
            "the machine was busy",
            "2.50 ms",
            "Latency over time",
        ] {
            assert!(html.contains(expected), "no `{expected}` in {html}");
        }
    }
}
