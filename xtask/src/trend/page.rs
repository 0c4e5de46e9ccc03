//! `trend.html`: a plot for each figure that changes.

use dunlin_report::{Align, Cell, Page, Plot, Section, Series as Drawn, Table, Tone, Verdict};

use super::{Trend, history::History, honesty, relative, row};

pub(super) fn render(trends: &[Trend<'_>], history: &History) -> String {
    let runs = &history.runs;
    let mut page = Page::new("Dunlin trend").subtitle(format!("{} runs", runs.len()));
    if let (Some(first), Some(last)) = (runs.first(), runs.last()) {
        page = page.subtitle(format!("{} to {}", first.date(), last.date()));
    }
    page = page.verdict(verdict(trends));
    let changed: Vec<&Trend<'_>> = trends.iter().filter(|trend| !trend.changes.is_empty()).collect();
    if !changed.is_empty() {
        page = page.section(table(&changed, history));
    }
    for trend in changed {
        page = page.section(Section::new(&trend.series.name).with(plot(trend, history)));
    }
    let steady = trends.iter().filter(|trend| trend.changes.is_empty());
    let steady: Vec<&str> = steady.map(|trend| trend.series.name.as_str()).collect();
    if !steady.is_empty() {
        page = page.section(Section::new("Without a change").lead(steady.join(", ")));
    }
    page.html()
}

fn verdict(trends: &[Trend<'_>]) -> Verdict {
    let now = |trend: &&Trend<'_>| trend.changes.last().is_some_and(|change| trend.series.is_worse(change));
    let worse: Vec<&Trend<'_>> = trends.iter().filter(now).collect();
    let sentence = format!(
        "{} of {} figures became worse with their last change. {}",
        worse.len(),
        trends.len(),
        honesty()
    );
    let (tone, word) = if worse.is_empty() { (Tone::Good, "steady") } else { (Tone::Warning, "changed") };
    worse.iter().fold(Verdict::new(tone, word, sentence), |verdict, trend| {
        let by = trend.changes.last().map(relative).unwrap_or_default();
        verdict.reason(format!("{}: {:+.1} %", trend.series.name, by * 100.0))
    })
}

fn table(trends: &[&Trend<'_>], history: &History) -> Section {
    let mut table = Table::new([
        ("figure", Align::Left),
        ("since", Align::Left),
        ("before", Align::Right),
        ("after", Align::Right),
        ("change", Align::Right),
        ("chance", Align::Right),
    ]);
    for trend in trends {
        for change in &trend.changes {
            table.push(row(trend.series, change, history).map(Cell::new));
        }
    }
    Section::new("Changes").with(table)
}

/// The runs as dots, the means between changes as lines.
fn plot(trend: &Trend<'_>, history: &History) -> Plot {
    let series = trend.series;
    let at = |place: usize| place as f64;
    let names = series.values.iter().map(|(run, _)| history.runs[*run].revision.as_str());
    let dots = series.values.iter().enumerate().map(|(place, (_, value))| (at(place), *value));
    let ends = trend.changes.iter().map(|change| change.index).chain([series.values.len()]);
    let mut means = Vec::new();
    let mut begin = 0;
    for end in ends {
        let stretch = &series.values[begin..end];
        let mean = stretch.iter().map(|(_, value)| value).sum::<f64>() / stretch.len() as f64;
        // What is not finite interrupts the line.
        means.extend([(at(begin), mean), (at(end - 1), mean), (f64::NAN, 0.0)]);
        begin = end;
    }
    let plot = Plot::trend(&series.name, names, series.unit)
        .series(Drawn::dots("runs", dots))
        .series(Drawn::line("mean between changes", means));
    trend.changes.iter().fold(plot, |plot, change| {
        plot.mark(at(change.index) - 0.5, format!("{:+.1} %", relative(change) * 100.0))
    })
}
