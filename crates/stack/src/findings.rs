//! What comes up while a template is read: faults, which stop it in the end, and notes, which do not.

use std::cell::{Cell, RefCell};

use crate::{
    error::{Fault, Outcome, one_line},
    model::Note,
    source::{Sources, Span},
};

/// Collects faults and notes, so that a reader hears of several at once.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    faults: RefCell<Vec<Fault>>,
    subjects: RefCell<Vec<Subject>>,
    evaluated: Cell<usize>,
}

/// What was left out: each subject is listed once with the names that it concerns.
#[derive(Debug)]
struct Subject {
    at: Span,
    text: String,
    names: Vec<String>,
}

/// Names listed in one note; more are counted.
const NAMES_LISTED_MAX: usize = 5;

/// Faults kept: ours, and more than are told. A template of full size can hold hundreds of thousands.
const FAULTS_MAX: usize = 1_000;

/// Values and bytes of text that all intrinsics together may make: ours. Texts and lists that double each other are the
/// case that it stops.
const EVALUATED_MAX: usize = 64 * 1024 * 1024;

impl Findings {
    pub(crate) fn fault(&self, fault: Fault) {
        let mut faults = self.faults.borrow_mut();
        if faults.len() < FAULTS_MAX {
            faults.push(fault);
        }
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.faults.borrow().is_empty()
    }

    /// The value, or a fault more.
    pub(crate) fn keep<T>(&self, outcome: Outcome<T>) -> Option<T> {
        outcome.map_err(|fault| self.fault(fault)).ok()
    }

    /// Says of `name` what was left out.
    pub(crate) fn note(&self, at: Span, text: &str, name: &str) {
        let mut subjects = self.subjects.borrow_mut();
        let found = subjects.iter().position(|subject| subject.text == text);
        let index = found.unwrap_or_else(|| {
            subjects.push(Subject { at, text: text.to_owned(), names: Vec::new() });
            subjects.len() - 1
        });
        let names = &mut subjects[index].names;
        if names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
    }

    /// Counts what an intrinsic made.
    pub(crate) fn count(&self, amount: usize, at: Span) -> Outcome<()> {
        let total = self.evaluated.get().saturating_add(amount);
        self.evaluated.set(total);
        if total > EVALUATED_MAX {
            let message = format!("values grow past {EVALUATED_MAX} bytes in all here; make them smaller");
            return Err(Fault::at(at, message));
        }
        Ok(())
    }

    pub(crate) fn finish(self, sources: &Sources) -> Result<Vec<Note>, Vec<Fault>> {
        let faults = self.faults.into_inner();
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut subjects = self.subjects.into_inner();
        subjects.sort_by_key(|subject| (subject.at.source, subject.at.line));
        Ok(subjects.into_iter().map(|subject| subject.note(sources)).collect())
    }
}

impl Subject {
    fn note(self, sources: &Sources) -> Note {
        let Self { at, text, names } = self;
        let listed = names.iter().take(NAMES_LISTED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = match names.len().saturating_sub(NAMES_LISTED_MAX) {
            0 => format!("{text} ({listed})"),
            more => format!("{text} ({listed} and {more} more)"),
        };
        Note { at: sources.place(at), message: one_line(&message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn a_subject_is_listed_once() {
        let mut sources = Sources::default();
        sources.add(Source {
            path: std::path::Path::new("t.yaml").into(),
            folder: "/".into(),
            text: "".into(),
        });
        let findings = Findings::default();
        findings.note(Span::new(0, 9, 3, 1), "queues are left out", "Later");
        for n in 0..7 {
            let at = Span::new(0, 3 + n, 5, 1);
            findings.note(at, "buckets are left out", &format!("B{n}"));
            findings.note(at, "buckets are left out", &format!("B{n}"));
        }
        let notes = findings.finish(&sources).unwrap();
        let listed: Vec<_> = notes.iter().map(Note::to_string).collect();
        assert_eq!(
            listed,
            [
                "t.yaml:3:5: buckets are left out (B0, B1, B2, B3, B4 and 2 more)",
                "t.yaml:9:3: queues are left out (Later)"
            ]
        );
    }
}
