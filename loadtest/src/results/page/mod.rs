//! `report.html`.

mod generator;
pub(super) mod latency;
pub(super) mod origin;
mod outcome;
mod over_time;

use dunlin_report::{Figure, Page, Section, Tone, Unit, Verdict};

use super::compare;
use crate::measured::{Measured, Metric, Model, Offered, SeriesName, Times};

/// What a reader looks for first, in this order: the first metric that a run has is its main one.
const MAIN_METRICS: [Metric; 4] = [Metric::Push, Metric::Post, Metric::Response, Metric::Connect];

/// The page of a run, compared with another if there is one.
pub(super) fn html(measured: &Measured, baseline: Option<&Measured>) -> String {
    let run = &measured.run;
    let mut page = Page::new(title(measured))
        .subtitle(&run.description)
        .subtitle(origin::line(measured))
        .verdict(verdict(measured))
        .section(in_short(measured));
    if !measured.thresholds.is_empty() || measured.steps.is_some() {
        page = page.section(outcome::thresholds(measured));
    }
    page = page.section(latency::section(measured, baseline)).section(over_time::section(measured));
    if measured.phases.iter().any(|phase| phase.reach.expected > 0) {
        page = page.section(outcome::reach(measured));
    }
    page = page.section(outcome::errors(measured)).section(outcome::load(measured));
    if let Some(baseline) = baseline {
        page = page.section(compare::section(measured, baseline));
    }
    page.section(generator::section(measured)).section(origin::section(measured)).html()
}

/// What must not be overlooked stands in the first line.
fn title(measured: &Measured) -> String {
    let mut title = format!("Load test: {}", measured.run.scenario);
    if measured.run.model == Model::Closed {
        title.push_str(" (closed model)");
    }
    if !measured.is_valid() {
        title.push_str(" (invalid run)");
    }
    title
}

fn verdict(measured: &Measured) -> Verdict {
    let missed = measured.thresholds.iter().filter(|verdict| !verdict.met).count();
    let all = measured.thresholds.len();
    let (tone, word, sentence) = match (measured.is_valid(), missed, all) {
        (false, ..) => (
            Tone::Bad,
            "invalid",
            "The latencies of this run must not be believed, nor its thresholds.".to_owned(),
        ),
        (true, 0, 0) => (Tone::Plain, "measured", "The scenario has no thresholds.".to_owned()),
        (true, 0, 1) => (Tone::Good, "met", "The threshold is met.".to_owned()),
        (true, 0, _) => (Tone::Good, "met", format!("All {all} thresholds are met.")),
        (true, ..) => (Tone::Bad, "missed", format!("{missed} of {all} thresholds missed.")),
    };
    let mut verdict = Verdict::new(tone, word, sentence);
    for reason in &measured.invalid {
        verdict = verdict.reason(reason);
    }
    for threshold in measured.thresholds.iter().filter(|verdict| !verdict.met) {
        verdict = verdict.reason(format!("{}: measured {}", threshold.threshold, threshold.measured));
    }
    if measured.run.model == Model::Closed {
        verdict = verdict.reason(
            "Closed model: each message waits for the answer to the one before. A slow target is asked less, so that its \
             slowness is under-reported.",
        );
    }
    if let Some(reason) = &measured.ended_early {
        verdict =
            verdict.reason(format!("The run ended early: {reason}. This is what was measured until then."));
    }
    verdict
}

fn in_short(measured: &Measured) -> Section {
    let mut figures = Vec::new();
    if let Some((name, times)) = main_series(measured) {
        let label = |quantile: &str| format!("{name} {quantile}");
        let count = format!("of {}", Unit::Count.text(times.0.len() as f64));
        figures.push(Figure::new(label("p50"), latency::quantile(&times, 0.5)).detail(count));
        figures.push(Figure::new(label("p99"), latency::quantile(&times, 0.99)));
        if latency::value(&times, 0.999).is_some() {
            figures.push(Figure::new(label("p99.9"), latency::quantile(&times, 0.999)));
        }
    }
    figures.extend(kept_up(measured));
    let reach = measured.measured_reach();
    if reach.expected > 0 {
        let lost = Unit::Count.text(reach.lost as f64);
        let tone = if reach.lost == 0 { Tone::Good } else { Tone::Bad };
        let share = Unit::Share.text(reach.received as f64 / reach.expected as f64);
        figures.push(Figure::new("reach", share).detail(format!("{lost} lost")).tone(tone));
    }
    let (attempts, errors) = measured
        .phases
        .iter()
        .fold((0, 0), |(attempts, errors), phase| (attempts + phase.attempts, errors + phase.errors));
    let tone = if errors == 0 { Tone::Good } else { Tone::Warning };
    figures.push(
        Figure::new("errors", Unit::Count.text(errors as f64))
            .detail(format!("of {} attempts", Unit::Count.text(attempts as f64)))
            .tone(tone),
    );
    let sockets = measured.seconds.iter().map(|second| second.open_sockets).max().unwrap_or(0);
    figures.push(
        Figure::new("sockets", Unit::Count.text(sockets as f64))
            .detail(format!("of {} at once", Unit::Count.text(measured.run.users as f64))),
    );
    if let Some((lag, what)) = generator::worst_lag(measured) {
        let tone = if measured.is_valid() { Tone::Plain } else { Tone::Bad };
        figures.push(Figure::new("schedule lag p99", lag).detail(what.to_string()).tone(tone));
    }
    let mut section = Section::new("In short").with(figures);
    for note in &measured.notes {
        section.push(dunlin_report::Block::Note(Tone::Plain, sentence(note)));
    }
    section
}

/// What was achieved of what was offered, in the last measured phase that offers something: of steps, the highest.
fn kept_up(measured: &Measured) -> Option<Figure> {
    let phases = measured.phases.iter().filter(|phase| phase.measured);
    // Of several that are equal, this takes the last.
    let of = phases.flat_map(|phase| &phase.rates).max_by_key(|of| of.what == Offered::Updates)?;
    let figure = Figure::new(offered(of.what), rate(of.achieved_per_second));
    Some(match of.offered_per_second {
        Some(per_second) => figure.detail(format!("of {} offered", rate(per_second))),
        None => figure,
    })
}

/// The series that the run is about, with its latencies.
fn main_series(measured: &Measured) -> Option<(SeriesName, Times)> {
    let series = latency::series(measured);
    let of = |metric| series.iter().find(|(name, _)| name.metric == metric).cloned();
    MAIN_METRICS.into_iter().find_map(of)
}

/// A remark as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    let mut sentence: String = first.chain(characters).collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn rate(per_second: f64) -> String {
    Unit::PerSecond.text(per_second)
}

fn offered(what: Offered) -> String {
    what.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::{Phase, Steps};
    use crate::results::sample;

    #[test]
    fn the_first_lines_say_what_must_not_be_overlooked() {
        let mut measured = sample::measured(1);
        let html = self::html(&measured, None);
        assert!(html.contains("<h1>Load test: steady</h1>") && html.contains("1 of 2 thresholds missed."));
        measured.run.model = Model::Closed;
        measured.invalid = vec!["this machine was too busy".to_owned()];
        measured.ended_early = Some("interrupted".to_owned());
        let html = self::html(&measured, None);
        for expected in [
            "<h1>Load test: steady (closed model) (invalid run)</h1>",
            "must not be believed",
            "this machine was too busy",
            "slowness is under-reported",
            "The run ended early: interrupted.",
        ] {
            assert!(html.contains(expected), "no `{expected}`");
        }
    }

    #[test]
    fn everything_that_was_measured_is_on_the_page() {
        let measured = sample::measured(1);
        let html = self::html(&measured, Some(&sample::measured(2)));
        for expected in [
            "Latency by percentile",
            "Latency over time",
            "Sockets",
            "<td class=\"number\">59,996</td>",
            "status 429",
            "99.9933%",
            "2 cores of Processor of a sample",
            "revision 1a2b3c4",
            "count = 500 # &lt;all&gt;",
            "The reader of connection 17 was slow.",
            "Hold: its first 3 s are warm-up",
            "2026-11-18 11:06:40 UTC",
            "baseline",
        ] {
            assert!(html.contains(expected), "no `{expected}`");
        }
    }

    #[test]
    fn steps_show_how_far_they_came() {
        let mut measured = sample::measured(1);
        let hold = measured.phases.remove(1);
        for step in 1..=3 {
            measured.phases.push(Phase { name: format!("step {step}"), ..hold.clone() });
        }
        let step = |number: u32, load: f64| Some((format!("step {number}"), load));
        let grows = "updates".to_owned();
        measured.steps =
            Some(Steps { factor: 1.25, grows, last_good: step(2, 25.0), first_bad: step(3, 31.2) });
        let html = self::html(&measured, None);
        for expected in [
            "The last good step is step 2 with 25 updates a second; step 3 with 31 updates a second broke a threshold.",
            "Latency by step, push",
            "step 2 (20.0 /s)",
            "push, step 3",
        ] {
            assert!(html.contains(expected), "no `{expected}`");
        }
    }

    #[test]
    fn a_run_that_measured_nothing_has_a_page() {
        let mut measured = sample::measured(1);
        measured.phases.clear();
        measured.seconds.clear();
        measured.errors.clear();
        measured.thresholds.clear();
        measured.generator = crate::measured::Generator::default();
        let html = self::html(&measured, Some(&sample::measured(2)));
        assert!(html.contains("The scenario has no thresholds.") && html.contains("No values."));
    }
}
