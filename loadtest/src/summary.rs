//! The report for people: a table of times, then what was counted, then the verdict.

use comfy_table::{CellAlignment, Table, presets};

use crate::report::{EchoReport, IdleReport, Latency, Report};

/// A run, as text.
pub fn run(report: &Report) -> String {
    let Report { connections, updates, reach, generator, .. } = report;
    let mut lines = vec![
        table(&[
            ("connect", &connections.connect),
            ("set_notify_list", &connections.request),
            ("push, warm-up", &report.push_warm_up),
            ("push", &report.push),
            ("schedule lag", &updates.schedule_lag),
        ]),
        format!(
            "{} of {} clients follow {} of {} devices each; {} connections dropped",
            connections.following,
            connections.attempted,
            report.config.devices_per_user,
            report.config.devices,
            connections.dropped
        ),
        format!(
            "{} of {} updates published, {} a second of {:.1} offered",
            updates.published,
            updates.planned,
            updates.achieved_per_second.map_or("-".to_owned(), |rate| format!("{rate:.1}")),
            updates.offered_per_second
        ),
        format!(
            "{} of {} pushes arrived ({}); {} duplicates, {} gaps, {} lost, {} out of order",
            reach.received,
            reach.expected,
            percent(reach.received, reach.expected),
            reach.duplicates,
            reach.gaps,
            reach.lost,
            reach.out_of_order
        ),
        format!(
            "generator: {:.1} s of processor in {:.1} s{}",
            generator.cpu_seconds,
            generator.wall_seconds,
            generator.cpu_us_per_delivery.map_or(String::new(), |us| format!(", {us:.0} µs a push"))
        ),
    ];
    lines.extend(report.failures.iter().map(|failure| format!("FAILED: {failure}")));
    lines.extend(report.invalid_reasons.iter().map(|reason| format!("INVALID: {reason}")));
    if report.valid && report.passed {
        lines.push("ok".to_owned());
    }
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
    use std::time::Duration;

    use super::*;
    use crate::account::Tally;
    use crate::assess::tests::report_of;
    use crate::swarm::Outcome;

    #[test]
    fn the_summary_of_a_run_reads_like_this() {
        let tally = Tally { expected: 100, received: 90, duplicates: 1, gaps: 8, lost: 2, late: 3 };
        let outcome = Outcome { tally, ..Outcome::default() };
        let report = report_of(Duration::from_millis(4), Duration::from_micros(500), outcome, 0);
        let text = run(&report);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("p99.9"), "{text}");
        assert!(lines[4].trim_start().starts_with("push ") && lines[4].contains("60"), "{text}");
        for expected in [
            "6 of 6 clients follow 2 of 4 devices each; 0 connections dropped",
            "30 of 30 updates published, 10.0 a second of 10.0 offered",
            "90 of 100 pushes arrived (90.000 %); 1 duplicates, 8 gaps, 2 lost, 3 out of order",
            "generator: 0.2 s of processor in 4.0 s, 1000 µs a push",
            "FAILED: 2 pushes were lost: their followers ended behind",
            "FAILED: 1 pushes were duplicates",
        ] {
            assert!(lines.contains(&expected), "no line `{expected}` in\n{text}");
        }
        assert!(text.contains("INVALID: the publisher was up to 500 µs late"), "{text}");
        assert!(!lines.contains(&"ok"), "{text}");
    }
}
