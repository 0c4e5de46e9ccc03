//! What a run found: for a terminal, as JSON, and as the page of the documentation.

use std::fmt::Write as _;

use comfy_table::{Cell, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::{
    Case, Mark, Outcome, Verdict, cases,
    facts::{self, Fact},
    local,
};

/// The version of the JSON. It grows with each change that a reader would notice.
const JSON_VERSION: u32 = 1;

/// How many cases of a run came out how.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Tally {
    /// Those that saw the fact.
    pub passed: usize,
    /// Those that saw something else.
    pub failed: usize,
    /// Those that saw something else, as the local stack is known to do it.
    pub deviating: usize,
    /// Those that could not see.
    pub skipped: usize,
}

/// What is reported of one run.
pub struct Report<'a> {
    /// What was named as the target.
    pub target: &'a str,
    /// Whether it is the local stack, whose known deviations are no failures.
    pub is_local: bool,
    /// In the order of the cases.
    pub outcomes: &'a [Outcome],
}

/// What became of a case, in the words of the report.
enum Seen<'a> {
    Passed,
    Failed { expected: &'a str, got: &'a str },
    Deviates { reason: &'static str },
    Skipped { reason: &'a str },
}

impl<'a> Report<'a> {
    fn seen(&self, outcome: &'a Outcome) -> Seen<'a> {
        match &outcome.verdict {
            Verdict::Passed => Seen::Passed,
            Verdict::Skipped(reason) => Seen::Skipped { reason },
            Verdict::Failed { expected, got } => {
                match local::deviation(outcome.case.id).filter(|_| self.is_local) {
                    Some(reason) => Seen::Deviates { reason },
                    None => Seen::Failed { expected, got },
                }
            }
        }
    }

    /// How many came out how, of all cases or of those that are inferred or not.
    pub fn tally(&self, is_counted: impl Fn(&Case) -> bool) -> Tally {
        let mut tally = Tally::default();
        for outcome in self.outcomes.iter().filter(|outcome| is_counted(outcome.case)) {
            *match self.seen(outcome) {
                Seen::Passed => &mut tally.passed,
                Seen::Failed { .. } => &mut tally.failed,
                Seen::Deviates { .. } => &mut tally.deviating,
                Seen::Skipped { .. } => &mut tally.skipped,
            } += 1;
        }
        tally
    }

    /// Tables for a terminal of this width, or for a file, and the sums below them.
    pub fn to_text(&self, width: Option<u16>) -> String {
        let known = self.tally(|case| case.mark != Mark::Inferred);
        let inferred = self.tally(|case| case.mark == Mark::Inferred);
        let mut text = self.table(width, |case| case.mark != Mark::Inferred);
        if inferred != Tally::default() {
            text += "\n\nInferred, seen by nobody:\n";
            text += &self.table(width, |case| case.mark == Mark::Inferred);
        }
        format!(
            "{text}\n\n{}\ndocumented or observed: {known}\ninferred:               {inferred}\n",
            self.target
        )
    }

    fn table(&self, width: Option<u16>, is_in: impl Fn(&Case) -> bool) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = width {
            table.set_width(width);
        }
        table.set_header(["case", "mark", "verdict", "what the service does"]);
        for outcome in self.outcomes.iter().filter(|outcome| is_in(outcome.case)) {
            let (verdict, more) = match self.seen(outcome) {
                Seen::Passed => ("pass", String::new()),
                Seen::Failed { expected, got } => ("FAIL", format!("\n  expected {expected}\n  got {got}")),
                Seen::Deviates { reason } => ("deviates", format!("\n  {reason}")),
                Seen::Skipped { reason } => ("skipped", format!("\n  {reason}")),
            };
            let says = format!("{}{more}", outcome.case.says);
            table.add_row([
                Cell::new(outcome.case.id),
                Cell::new(mark(outcome.case.mark)),
                Cell::new(verdict),
                Cell::new(says),
            ]);
        }
        let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.join("\n")
    }

    /// The same for programs.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Page<'a> {
            version: u32,
            target: &'a str,
            documented_or_observed: Tally,
            inferred: Tally,
            cases: Vec<Line<'a>>,
        }
        #[derive(Serialize)]
        struct Line<'a> {
            id: &'a str,
            fact: &'a str,
            says: &'a str,
            mark: Mark,
            source: &'a str,
            verdict: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            expected: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            got: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
        }
        let line = |outcome: &'a Outcome| {
            let case = outcome.case;
            let (verdict, expected, got, reason) = match self.seen(outcome) {
                Seen::Passed => ("pass", None, None, None),
                Seen::Failed { expected, got } => ("fail", Some(expected), Some(got), None),
                Seen::Deviates { reason } => ("deviates", None, None, Some(reason)),
                Seen::Skipped { reason } => ("skipped", None, None, Some(reason)),
            };
            let source = facts::fact(case.fact()).map_or("", |fact| fact.source);
            Line {
                id: case.id,
                fact: case.fact(),
                says: case.says,
                mark: case.mark,
                source,
                verdict,
                expected,
                got,
                reason,
            }
        };
        let page = Page {
            version: JSON_VERSION,
            target: self.target,
            documented_or_observed: self.tally(|case| case.mark != Mark::Inferred),
            inferred: self.tally(|case| case.mark == Mark::Inferred),
            cases: self.outcomes.iter().map(line).collect(),
        };
        // Texts and numbers under fixed keys: there is nothing to fail at.
        serde_json::to_string_pretty(&page).unwrap_or_default() + "\n"
    }

    /// The page of the documentation: every fact, its cases, and what they found.
    pub fn to_page(&self) -> String {
        let mut page = String::from(PAGE_START);
        let known = self.tally(|case| case.mark != Mark::Inferred);
        let inferred = self.tally(|case| case.mark == Mark::Inferred);
        let _ = writeln!(page, "Documented or observed: {known}. Inferred: {inferred}.");
        let mut section = "";
        for fact in facts::all() {
            if fact.section != section {
                section = fact.section;
                let _ = write!(page, "\n## {section}\n\n{TABLE_START}");
            }
            if let Some((number, reason)) = facts::UNSEEN.iter().find(|(number, _)| *number == fact.number) {
                let _ = writeln!(page, "| {number} | | no case: {reason} | |");
            }
            self.write_cases(&mut page, fact, |case| case.mark != Mark::Inferred);
        }
        let _ = write!(page, "\n## Inferred\n\n{TABLE_START}");
        for fact in facts::all() {
            self.write_cases(&mut page, fact, |case| case.mark == Mark::Inferred);
        }
        page
    }

    fn write_cases(&self, page: &mut String, fact: &Fact, is_in: impl Fn(&Case) -> bool) {
        let of_fact = |outcome: &&Outcome| outcome.case.fact() == fact.number && is_in(outcome.case);
        for outcome in self.outcomes.iter().filter(of_fact) {
            let Case { id, says, mark: known, .. } = outcome.case;
            let verdict = match self.seen(outcome) {
                Seen::Passed => "pass".to_owned(),
                Seen::Failed { .. } => "**fail**".to_owned(),
                Seen::Deviates { reason } => format!("deviates: {reason}"),
                Seen::Skipped { reason } => format!("skipped: {reason}"),
            };
            let _ = writeln!(page, "| {id} | {} | {says} | {verdict} |", mark(*known));
        }
    }
}

const PAGE_START: &str = "\
# Conformance of the local gateway

What `cargo xtask conformance --target local --write-docs` found. A case sees one thing that the service does, by the
number of [its fact](service-facts.md). Those of the last table are inferred: nobody has seen the service do it. Each case
has a test that breaks the gateway and sees the case fail.

The same cases run against any other gateway, and against AWS: `cargo xtask conformance --help` says how, and
[PROBE.md](../conformance/PROBE.md) what has to stand behind it.

";

const TABLE_START: &str = "| case | mark | what the service does | here |\n| --- | --- | --- | --- |\n";

fn mark(mark: Mark) -> &'static str {
    match mark {
        Mark::Documented => "documented",
        Mark::Observed => "observed",
        Mark::Inferred => "inferred",
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Tally { passed, failed, deviating, skipped } = self;
        write!(f, "{passed} pass, {failed} fail")?;
        if *deviating > 0 {
            write!(f, ", {deviating} deviate")?;
        }
        write!(f, ", {skipped} skipped")
    }
}

/// The ids of all cases, for those who ask for one that is not there.
pub fn known_ids() -> Vec<&'static str> {
    cases::all().map(|case| case.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes() -> Vec<Outcome> {
        let failed = || Verdict::Failed { expected: "a".to_owned(), got: "b".to_owned() };
        let of =
            |id: &str, verdict| Outcome { case: cases::all().find(|case| case.id == id).unwrap(), verdict };
        vec![
            of("H1.slash", Verdict::Passed),
            of("H10.throws", failed()),
            of("H24.negotiated", failed()),
            of("R4.case", Verdict::Skipped("no such API".to_owned())),
        ]
    }

    #[test]
    fn deviations_are_no_failures_of_the_local_stack() {
        let outcomes = outcomes();
        let of = |is_local| Report { target: "x", is_local, outcomes: &outcomes }.tally(|_| true);
        assert_eq!(of(true), Tally { passed: 1, failed: 1, deviating: 1, skipped: 1 });
        assert_eq!(of(false), Tally { passed: 1, failed: 2, deviating: 0, skipped: 1 });
    }

    #[test]
    fn every_form_names_every_case() {
        let outcomes = outcomes();
        let report = Report { target: "wss://x/y", is_local: true, outcomes: &outcomes };
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!((json["version"].as_u64(), json["cases"][1]["got"].as_str()), (Some(1), Some("b")));
        assert_eq!(json["inferred"]["skipped"], 1);
        for text in [report.to_text(None), report.to_page()] {
            for outcome in &outcomes {
                assert!(text.contains(outcome.case.id), "{text}");
            }
        }
        assert!(report.to_text(Some(80)).lines().all(|line| line.chars().count() <= 80));
        assert!(report.to_page().contains("| H22 | | no case: "));
    }
}
