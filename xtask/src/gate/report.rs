//! What the gate says.

use std::process::ExitCode;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use super::decide::Verdict;

/// One figure of one path on both sides.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) path: String,
    pub(super) figure: String,
    pub(super) base: f64,
    pub(super) head: f64,
    /// As a share: 0.1 is ten per cent more.
    pub(super) change: f64,
    /// Where the change lies, with a confidence of 95 %; counted figures have none.
    pub(super) interval: Option<(f64, f64)>,
    /// How likely that is by chance.
    pub(super) p: Option<f64>,
    pub(super) verdict: Verdict,
    /// Give the figure again, on the base's side and on the head's.
    #[serde(skip)]
    pub(super) commands: [String; 2],
}

/// Everything that was compared.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
    pub(super) notes: Vec<String>,
    /// Whether something that was asked for could not be measured.
    pub(super) incomplete: bool,
}

impl Report {
    /// The worst of what was found.
    pub(super) fn verdict(&self) -> Verdict {
        let worst = self.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Undecided);
        if self.incomplete { worst.max(Verdict::Undecided) } else { worst }
    }

    /// Lets these paths be slower.
    pub(super) fn accept(&mut self, paths: &[String]) {
        for finding in &mut self.findings {
            if finding.verdict == Verdict::Fail && paths.contains(&finding.path) {
                finding.verdict = Verdict::Shown;
                self.notes.push(format!("accepted by a commit: {}", finding.sentence()));
            }
        }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        self.verdict().exit_code()
    }

    /// Figures of these paths that failed, by path.
    pub(super) fn failed(&self) -> Vec<&Finding> {
        self.findings.iter().filter(|finding| finding.verdict == Verdict::Fail).collect()
    }

    pub(super) fn print(&self, what: &str) {
        println!("{}\n", self.table());
        for note in &self.notes {
            println!("{note}");
        }
        for finding in self.failed() {
            println!("\nslower: {}", finding.sentence());
            let [base, head] = &finding.commands;
            println!("  base  {base}\n  head  {head}");
        }
        let verdict = match self.verdict() {
            Verdict::Pass | Verdict::Shown => "nothing became slower",
            Verdict::Undecided => "could not decide; a quieter machine, or the missing tools, would tell",
            Verdict::Fail => "something became slower",
        };
        println!("\n{what}: {verdict}");
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["path", "figure", "base", "head", "change", "95 %", "verdict"]);
        for finding in &self.findings {
            let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
            table.add_row([
                Cell::new(&finding.path),
                Cell::new(&finding.figure),
                right(number(finding.base)),
                right(number(finding.head)),
                right(percent(finding.change)),
                right(finding.interval.map(range).unwrap_or_default()),
                Cell::new(match finding.verdict {
                    Verdict::Shown => "",
                    Verdict::Pass => "pass",
                    Verdict::Undecided => "WARN",
                    Verdict::Fail => "FAIL",
                }),
            ]);
        }
        table
    }
}

impl Finding {
    /// `gateway/echo takes 12.0 % more instructions (+2.0 % are allowed)`.
    fn sentence(&self) -> String {
        let Finding { path, figure, change, .. } = self;
        let sure = match (self.interval, self.p) {
            (Some(interval), Some(p)) => format!(", {} with 95 % confidence, p = {p:.4}", range(interval)),
            _ => ", counted".to_owned(),
        };
        format!("{path}: {} {figure}{sure}", percent(*change))
    }
}

fn percent(share: f64) -> String {
    format!("{:+.1} %", 100.0 * share)
}

fn range((lower, upper): (f64, f64)) -> String {
    format!("{:+.1} … {:+.1} %", 100.0 * lower, 100.0 * upper)
}

/// At most three digits behind the point, and none that say nothing.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 100.0 && value.fract() != 0.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(path: &str, verdict: Verdict) -> Finding {
        Finding {
            path: path.to_owned(),
            figure: "instructions".to_owned(),
            base: 1_000.0,
            head: 1_100.0,
            change: 0.1,
            interval: None,
            p: None,
            verdict,
            commands: ["a".to_owned(), "b".to_owned()],
        }
    }

    #[test]
    fn the_worst_verdict_counts() {
        let report = |verdicts: &[Verdict], incomplete| Report {
            findings: verdicts.iter().map(|verdict| finding("p", *verdict)).collect(),
            notes: Vec::new(),
            incomplete,
        };
        use Verdict::{Fail, Pass, Shown, Undecided};
        assert_eq!(report(&[Pass, Shown], false).verdict(), Pass);
        assert_eq!(report(&[Pass, Shown], true).verdict(), Undecided);
        assert_eq!(report(&[Pass, Fail, Undecided], true).verdict(), Fail);
        // Nothing compared is nothing decided.
        assert_eq!(report(&[], false).verdict(), Undecided);
        assert_eq!(report(&[Pass, Fail], false).failed().len(), 1);
    }

    #[test]
    fn accepted_paths_do_not_fail() {
        let findings =
            vec![finding("a", Verdict::Fail), finding("b", Verdict::Fail), finding("a", Verdict::Pass)];
        let mut report = Report { findings, ..Report::default() };
        report.accept(&["a".to_owned()]);
        assert_eq!(report.failed().len(), 1);
        assert_eq!(report.notes, ["accepted by a commit: a: +10.0 % instructions, counted"]);
    }

    #[test]
    fn findings_read_well() {
        let mut slow = finding("gateway/echo", Verdict::Fail);
        assert_eq!(slow.sentence(), "gateway/echo: +10.0 % instructions, counted");
        slow.interval = Some((0.06, 0.14));
        slow.p = Some(0.0012);
        assert_eq!(
            slow.sentence(),
            "gateway/echo: +10.0 % instructions, +6.0 … +14.0 % with 95 % confidence, p = 0.0012"
        );
        assert_eq!([0.0, 6.043, 29.01, 1_280.0].map(number), ["0", "6.04", "29.01", "1280"]);
    }
}
