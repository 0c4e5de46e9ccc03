//! `bench.html`: the report as one page that needs nothing besides itself.

use std::fmt::Write;

use anyhow::Result;
use serde_json::Value;

use super::{
    plot::{self, Line},
    report::{Measure, Report, Unit},
};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d2a30; --soft: #5d6b72; --line: #dde3e6; --paper: #fff; --good: #1a7f4b; --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ink: #e5eaec; --soft: #9aa7ad; --line: #33424a; --paper: #141b1f; --good: #58c48b; --bad: #f2867f } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem; margin: 2.5rem auto; padding: 0 1.25rem }
h1 { font-size: 1.7rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem }
p.soft, .soft { color: var(--soft) } p { margin: .35rem 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 600 } th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.number, th.number { text-align: right; white-space: nowrap } .met { color: var(--good) } .missed { color: var(--bad); font-weight: 600 }
.met, .missed { white-space: nowrap }
figure { margin: 1rem 0; background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: .5rem; overflow-x: auto }
figure svg { width: 100%; height: auto }
figcaption { color: #5d6b72; font-size: .9rem; padding: 0 .5rem } .note { border-left: 4px solid var(--bad); padding-left: .75rem }
";

pub(super) fn render(report: &Report) -> Result<String> {
    let mut html = String::new();
    write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Dunlin bench</title>\n<style>{STYLE}</style>\n<h1>Dunlin bench</h1>\n<p class=\"soft\">{} · {}{}</p>\n",
        escape(&report.started_at),
        escape(&report.machine.summary()),
        if report.quick { " · quick: few repetitions, wide errors" } else { "" }
    )?;
    let promised: Vec<_> = report.measures.iter().filter_map(Measure::verdict).collect();
    let met = promised.iter().filter(|(met, _)| *met).count();
    writeln!(
        html,
        "<p>{met} of {} promises met in this run. A ratio is against its bare reference in the same run.</p>",
        promised.len()
    )?;
    measures(&mut html, &report.measures)?;
    if let Some(swarm) = &report.swarm {
        push(&mut html, swarm)?;
    }
    Ok(html)
}

fn measures(html: &mut String, measures: &[Measure]) -> Result<()> {
    html.push_str(
        "<table><thead><tr><th>measure<th class=\"number\">value<th>reference<th class=\"number\">ratio<th class=\"number\">promise<th></thead>\n",
    );
    for measure in measures {
        let reference = measure.reference.as_ref();
        let (class, verdict) = match measure.verdict() {
            Some((true, _)) => ("met", "met".to_owned()),
            Some((false, by)) => ("missed", format!("missed by {:.0} %", by * 100.0)),
            None => ("", String::new()),
        };
        writeln!(
            html,
            "<tr><td>{}<td class=\"number\">{}<td class=\"soft\">{}<td class=\"number\">{}<td class=\"number\">{}<td class=\"{class}\">{verdict}",
            escape(&measure.name),
            measure.unit.text(measure.value),
            reference
                .map(|r| format!("{} {}", escape(&r.name), measure.unit.text(r.value)))
                .unwrap_or_default(),
            reference.map(|r| format!("{:.2}", r.ratio)).unwrap_or_default(),
            measure.promise.map(|promise| promise.text(measure.unit)).unwrap_or_default(),
        )?;
    }
    html.push_str("</table>\n");
    Ok(())
}

/// How fast updates reached their followers.
fn push(html: &mut String, swarm: &Value) -> Result<()> {
    let config = &swarm["config"];
    writeln!(
        html,
        "<h2>From a device's update to its followers</h2>\n<p>{} clients, {} devices, {} updates a second for {} s; each latency counts \
         from the moment at which the update was due, not from when it was sent.</p>",
        config["users"], config["devices"], config["updates_per_second"], config["seconds"]
    )?;
    for reason in
        swarm["invalid_reasons"].as_array().into_iter().chain(swarm["failures"].as_array()).flatten()
    {
        writeln!(html, "<p class=\"note\">{}</p>", escape(reason.as_str().unwrap_or_default()))?;
    }
    let micros = |value: &f64| Unit::Nanoseconds.text(value * 1e3);
    // Quantile q at -log10(1 - q): each step to the right is ten times rarer.
    let curve = pairs(&swarm["push"]["curve"]).filter(|(quantile, _)| *quantile < 1.0);
    let curve =
        Line { name: "push", points: curve.map(|(quantile, us)| (-(1.0 - quantile).log10(), us)).collect() };
    let rarity = |step: &f64| format!("{} %", trim(100.0 * (1.0 - 10_f64.powf(-step))));
    figure(
        html,
        &plot::lines(&[curve], "share of pushes that were at least this fast", "latency", &rarity, &micros)?,
        "Latency by percentile.",
    )?;
    let by_second = |key: &str| {
        let seconds = swarm["by_second"].as_array().into_iter().flatten();
        seconds.filter_map(|second| Some((second["second"].as_f64()?, second[key].as_f64()?))).collect()
    };
    let seconds = [
        Line { name: "p99", points: by_second("p99_us") },
        Line { name: "p50", points: by_second("p50_us") },
    ];
    let count = |second: &f64| format!("{second:.0}");
    figure(
        html,
        &plot::lines(&seconds, "second of the run", "latency", &count, &micros)?,
        "The same over time, warm-up included.",
    )
}

fn pairs(curve: &Value) -> impl Iterator<Item = (f64, f64)> + '_ {
    curve.as_array().into_iter().flatten().filter_map(|pair| Some((pair[0].as_f64()?, pair[1].as_f64()?)))
}

/// A percentage with as many nines as it needs.
fn trim(percent: f64) -> String {
    let text = format!("{percent:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn figure(html: &mut String, svg: &str, caption: &str) -> Result<()> {
    if !svg.is_empty() {
        writeln!(html, "<figure>{svg}<figcaption>{caption}</figcaption></figure>")?;
    }
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
