use crate::model::Note;

/// What was left out, collected so that each subject is listed once with the names that it concerns.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    subjects: Vec<Subject>,
}

#[derive(Debug)]
struct Subject {
    line: usize,
    text: String,
    names: Vec<String>,
}

/// Names listed in one note; more are counted.
const NAMES_LISTED_MAX: usize = 5;

impl Notes {
    pub(crate) fn add(&mut self, line: usize, text: &str, name: &str) {
        let found = self.subjects.iter().position(|subject| subject.text == text);
        let index = found.unwrap_or_else(|| {
            self.subjects.push(Subject { line, text: text.to_owned(), names: Vec::new() });
            self.subjects.len() - 1
        });
        let names = &mut self.subjects[index].names;
        if names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
    }

    pub(crate) fn finish(self) -> Vec<Note> {
        let mut notes: Vec<_> = self.subjects.into_iter().map(Subject::note).collect();
        notes.sort_by_key(|note| note.line);
        notes
    }
}

impl Subject {
    fn note(self) -> Note {
        let Self { line, text, names } = self;
        let listed = names.iter().take(NAMES_LISTED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = match names.len().saturating_sub(NAMES_LISTED_MAX) {
            0 => format!("{text} ({listed})"),
            more => format!("{text} ({listed} and {more} more)"),
        };
        Note { line, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_listed_once() {
        let mut notes = Notes::default();
        notes.add(9, "queues are left out", "Later");
        for n in 0..7 {
            notes.add(3 + n, "buckets are left out", &format!("B{n}"));
            notes.add(3 + n, "buckets are left out", &format!("B{n}"));
        }
        let listed: Vec<_> = notes.finish().iter().map(Note::to_string).collect();
        assert_eq!(
            listed,
            [
                "line 3: buckets are left out (B0, B1, B2, B3, B4 and 2 more)",
                "line 9: queues are left out (Later)"
            ]
        );
    }
}
