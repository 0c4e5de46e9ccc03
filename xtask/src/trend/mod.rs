//! `cargo xtask trend`: where the figures of stored runs change. It finds the slow drift that each single comparison tolerates.

mod history;
mod page;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets};
use dunlin_stats::{ChangePoint, FALSE_ALARMS_MAX, SEGMENT_MIN, change_points};

use self::history::{History, Series};
use crate::command::report_dir;

/// What `trend` takes.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The folder with the runs: any .json files, or folders of them.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Only figures whose id contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Leave out changes that are smaller.
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0, value_parser = percent)]
    at_least: f64,
    /// End with code 1 if something became worse within the last so many runs.
    #[arg(long, value_name = "RUNS")]
    alarm: Option<usize>,
}

const AFTER_HELP: &str = "\
Reads the bench.json of each run, in the order of their times, and reports where a figure changes: E-divisive with a \
t-test, as in Hunter. A ratio is followed as it is; a time without a reference is followed for each machine by itself. A \
change needs three runs on both sides. Of a hundred figures in which nothing changes, about one has a false alarm.\n\n\
Writes a table, and trend.html into the folder dunlin/ of cargo's target folder. docs/ci.md has a job that stores a run \
for each merge.\n\n\
Exit codes: 0 read, 1 with --alarm: something became worse, 64 no runs there, 74 the page cannot be written.";

const EXIT_INPUT: u8 = 64;
const EXIT_OUTPUT: u8 = 74;

/// Values of a figure at most. Work grows with their square; this is years of merges.
const RUNS_MAX: usize = 2_000;

/// A figure with its changes.
struct Trend<'a> {
    series: &'a Series,
    changes: Vec<ChangePoint>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let history = match History::read(&args.dir, RUNS_MAX) {
        Ok(history) => history,
        Err(sentence) => {
            eprintln!("error: {sentence}");
            return Ok(ExitCode::from(EXIT_INPUT));
        }
    };
    for sentence in &history.left_out {
        eprintln!("left out: {sentence}");
    }
    let trends = trends(&history, args.only.as_deref().unwrap_or_default(), args.at_least);
    let runs = history.runs.len();
    println!(
        "{} figures of {runs} runs, {} changes",
        trends.len(),
        trends.iter().map(|t| t.changes.len()).sum::<usize>()
    );
    if runs < 2 * SEGMENT_MIN {
        println!("a change needs {SEGMENT_MIN} runs on both sides of it; there are too few to say anything");
    }
    if trends.iter().any(|trend| !trend.changes.is_empty()) {
        println!("{}", table(&trends, &history));
    }
    let html = report_dir()?.join("trend.html");
    if let Err(error) = std::fs::write(&html, page::render(&trends, &history)) {
        eprintln!("error: cannot write {}: {error}", html.display());
        return Ok(ExitCode::from(EXIT_OUTPUT));
    }
    println!("trend.html  {}", html.display());
    let Some(last) = args.alarm else { return Ok(ExitCode::SUCCESS) };
    let alarms = alarms(&trends, runs.saturating_sub(last));
    for alarm in &alarms {
        eprintln!("{alarm}");
    }
    Ok(if alarms.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn percent(text: &str) -> Result<f64> {
    let percent: f64 = text.parse().context("give a number, such as 2.5")?;
    anyhow::ensure!((0.0..=1_000.0).contains(&percent), "give a number from 0 to 1000");
    Ok(percent)
}

fn trends<'a>(history: &'a History, only: &str, at_least_percent: f64) -> Vec<Trend<'a>> {
    let wanted = history.series.iter().filter(|series| series.name.contains(only));
    let trend = |series: &'a Series| {
        let values: Vec<f64> = series.values.iter().map(|(_, value)| *value).collect();
        let mut changes = change_points(&values);
        changes.retain(|change| relative(change).abs() * 100.0 >= at_least_percent);
        Trend { series, changes }
    };
    wanted.map(trend).collect()
}

/// By which share of itself the figure changed; a figure that was nothing has changed by all.
fn relative(change: &ChangePoint) -> f64 {
    if change.before == 0.0 { change.after.signum() } else { change.after / change.before - 1.0 }
}

/// What became worse from this run on.
fn alarms(trends: &[Trend<'_>], from_run: usize) -> Vec<String> {
    let mut alarms = Vec::new();
    for Trend { series, changes } in trends {
        let Some(change) = changes.last() else { continue };
        if series.values[change.index].0 >= from_run && series.is_worse(change) {
            alarms.push(format!("{} became worse by {:.1} %", series.name, relative(change).abs() * 100.0));
        }
    }
    alarms
}

fn table(trends: &[Trend<'_>], history: &History) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["figure", "since", "before", "after", "change", "chance"]);
    for Trend { series, changes } in trends {
        for change in changes {
            table.add_row(row(series, change, history));
        }
    }
    table
}

fn row(series: &Series, change: &ChangePoint, history: &History) -> [String; 6] {
    let run = &history.runs[series.values[change.index].0];
    [
        series.name.clone(),
        format!("{} {}", run.revision, run.date()),
        series.unit.text(change.before),
        series.unit.text(change.after),
        format!(
            "{:+.1} %, {}",
            relative(change) * 100.0,
            if series.is_worse(change) { "worse" } else { "better" }
        ),
        if change.p < 1e-9 { "< 1e-9".to_owned() } else { format!("{:.0e}", change.p) },
    ]
}

/// How often a figure in which nothing changes has an alarm, in words.
fn honesty() -> String {
    format!(
        "Of a hundred figures in which nothing changes, about {:.0} has a false alarm.",
        FALSE_ALARMS_MAX * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::tests::stored;

    #[test]
    fn a_step_is_found_at_its_run_and_raises_an_alarm_while_it_is_new() {
        let dir = stored(&[("a/slower/1", &|run| if run < 12 { 1.0 } else { 1.2 }), ("a/same/1", &|_| 3.0)]);
        let history = History::read(dir.path(), RUNS_MAX).unwrap();
        let trends = trends(&history, "", 2.0);
        assert_eq!(trends.iter().map(|trend| trend.changes.len()).collect::<Vec<_>>(), [0, 1]);
        let change = trends[1].changes[0];
        let row = row(trends[1].series, &change, &history);
        assert_eq!(row[0], "a/slower/1");
        assert_eq!(row[1], "rev12 2026-01-13");
        assert!(row[4].ends_with("worse") && row[4].starts_with("+2") | row[4].starts_with("+1"), "{row:?}");
        assert_eq!(alarms(&trends, 12).len(), 1);
        assert_eq!(alarms(&trends, 13), [""; 0]);
        let html = page::render(&trends, &history);
        assert!(html.contains("a/slower/1") && html.contains("rev12"), "{html}");
    }

    #[test]
    fn small_changes_and_other_figures_are_left_out() {
        let dir = stored(&[("a/slower/1", &|run| if run < 12 { 1.0 } else { 1.05 })]);
        let history = History::read(dir.path(), RUNS_MAX).unwrap();
        assert_eq!(trends(&history, "slower", 2.0)[0].changes.len(), 1);
        assert!(trends(&history, "slower", 10.0)[0].changes.is_empty());
        assert!(trends(&history, "other", 2.0).is_empty());
    }
}
