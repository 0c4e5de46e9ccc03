//! What a self-check found, to be printed and kept.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::bench::machine::Machine;

/// The outcome of a self-check, as `--record` writes it.
#[derive(Serialize)]
pub(super) struct Record {
    version: u32,
    revision: String,
    machine: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) counted: Option<Rounds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<Rounds>,
}

/// Verdicts of one layer.
#[derive(Default, PartialEq, Debug, Serialize)]
pub(super) struct Rounds {
    /// The same program on both sides.
    pub(super) same: u32,
    /// Of these, wrongly called slower.
    pub(super) false_alarms: u32,
    /// A copy that does a tenth more in one path.
    pub(super) slower: u32,
    /// Of these, called slower in that path and no other.
    pub(super) caught: u32,
    /// The verdicts are drawn from so many recorded pairs of each kind; without, each is a run of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pairs: Option<u32>,
    /// By how much, in per cent, such pairs of the same program differ from each other, path by path: the standard deviation of
    /// their log ratios.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) spread_percent: BTreeMap<String, f64>,
    /// The recorded pairs, path by path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) recorded: BTreeMap<String, Recorded>,
    /// A sentence for each wrong verdict.
    pub(super) wrong: Vec<String>,
}

/// The log ratios of one path's pairs, between spaces.
#[derive(Default, PartialEq, Debug, Serialize)]
pub(super) struct Recorded {
    pub(super) same: String,
    pub(super) slower: String,
}

impl Recorded {
    pub(super) fn of(same: &[f64], slower: &[f64]) -> Self {
        let text = |logs: &[f64]| logs.iter().map(|log| format!("{log:.5}")).collect::<Vec<_>>().join(" ");
        Recorded { same: text(same), slower: text(slower) }
    }
}

impl Rounds {
    pub(super) fn same(&mut self, failed: &[String]) {
        self.same += 1;
        if !failed.is_empty() {
            self.false_alarms += 1;
            self.wrong.push(format!("the same program was called slower in {}", failed.join(", ")));
        }
    }

    pub(super) fn slower(&mut self, path: &str, failed: &[String]) {
        self.slower += 1;
        if failed == [path] {
            self.caught += 1;
            return;
        }
        let named = if failed.is_empty() { "nothing".to_owned() } else { failed.join(", ") };
        self.wrong.push(format!("{path} did a tenth more, and {named} was called slower"));
    }

    fn is_right(&self) -> bool {
        self.wrong.is_empty()
    }

    fn summary(&self) -> String {
        let Rounds { same, false_alarms, slower, caught, pairs, .. } = self;
        let how = pairs.map(|pairs| format!(", drawn from {pairs} pairs of each kind")).unwrap_or_default();
        format!(
            "{false_alarms} false alarms in {same} comparisons with itself; {caught} of {slower} slower copies caught and named{how}"
        )
    }
}

impl Record {
    pub(super) fn new(revision: &str) -> Self {
        let machine = Machine::here().summary().to_owned();
        Record { version: 1, revision: revision.to_owned(), machine, counted: None, time: None }
    }

    pub(super) fn is_right(&self) -> bool {
        self.layers().all(|(_, rounds)| rounds.is_right())
    }

    pub(super) fn print(&self) {
        for (layer, rounds) in self.layers() {
            println!("{layer}: {}", rounds.summary());
            for wrong in &rounds.wrong {
                println!("  {wrong}");
            }
        }
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    fn layers(&self) -> impl Iterator<Item = (&'static str, &Rounds)> {
        [("counted", &self.counted), ("time", &self.time)]
            .into_iter()
            .filter_map(|(layer, rounds)| Some((layer, rounds.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_kept_as_they_were() {
        let recorded = Recorded::of(&[0.0123456, -0.5], &[]);
        assert_eq!((recorded.same.as_str(), recorded.slower.as_str()), ("0.01235 -0.50000", ""));
    }

    #[test]
    fn wrong_verdicts_are_counted_and_named() {
        let mut rounds = Rounds::default();
        rounds.same(&[]);
        rounds.slower("a", &["a".to_owned()]);
        assert!(rounds.is_right());
        rounds.same(&["b".to_owned()]);
        rounds.slower("a", &[]);
        rounds.slower("a", &["a".to_owned(), "b".to_owned()]);
        assert_eq!(
            rounds.summary(),
            "1 false alarms in 2 comparisons with itself; 1 of 3 slower copies caught and named"
        );
        assert_eq!(rounds.wrong[1], "a did a tenth more, and nothing was called slower");
        assert!(!rounds.is_right());
    }
}
