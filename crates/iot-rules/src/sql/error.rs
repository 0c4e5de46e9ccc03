use std::{borrow::Cow, fmt, ops::Range};

/// Characters of a line that [`SqlError::snippet`] shows: ours.
const SNIPPET_CHARS_MAX: usize = 100;

/// Characters of a part of the text that a message quotes: ours.
const QUOTED_CHARS_MAX: usize = 40;

/// Why a text cannot serve as a rule's statement, or as a template: what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    message: String,
    place: Option<Box<Place>>,
}

/// Where something stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    span: Range<usize>,
    line: usize,
    column: usize,
    /// The part of the line around it, and how far in it starts, and how long it is, in characters.
    excerpt: String,
    indent: usize,
    width: usize,
}

impl SqlError {
    /// About the text as a whole.
    pub(super) fn general(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None }
    }

    /// About the bytes `span` of `text`.
    pub(super) fn at(text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = &text[line_start..];
        let line = line.split(['\n', '\r']).next().unwrap_or_default();
        let indent = text[line_start..start].chars().count();
        let in_line = start - line_start
            ..floor(text, span.end).clamp(start, line_start + line.len().max(start - line_start))
                - line_start;
        let width = line.get(in_line).map_or(0, |part| part.chars().count()).max(1);
        let skipped = (indent + width.min(SNIPPET_CHARS_MAX / 2)).saturating_sub(SNIPPET_CHARS_MAX);
        let place = Place {
            line: text[..start].matches('\n').count() + 1,
            column: indent + 1,
            excerpt: line.chars().skip(skipped).take(SNIPPET_CHARS_MAX).collect(),
            indent: indent - skipped,
            width: width.min(SNIPPET_CHARS_MAX - (indent - skipped).min(SNIPPET_CHARS_MAX - 1)),
            span,
        };
        Self { message: message.into(), place: Some(Box::new(place)) }
    }

    /// What is wrong and what to do, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The bytes of the text that it is about; `None` if it is about the whole.
    #[must_use]
    pub fn span(&self) -> Option<Range<usize>> {
        self.place.as_ref().map(|place| place.span.clone())
    }

    /// Line, and column in characters, both from 1.
    #[must_use]
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|place| (place.line, place.column))
    }

    /// The line in question, and under it carets that show the place: two lines of text. A long line is cut.
    #[must_use]
    pub fn snippet(&self) -> Option<String> {
        let Place { excerpt, indent, width, .. } = self.place.as_deref()?;
        Some(format!("{}\n{:indent$}{}", excerpt.replace('\t', " "), "", "^".repeat(*width)))
    }
}

/// A part of a text for a message, cut if it is long.
pub(super) fn clipped(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

fn floor(text: &str, mut index: usize) -> usize {
    index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.line_and_column() {
            Some((1, column)) => write!(f, " (at column {column})"),
            Some((line, column)) => write!(f, " (at line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for SqlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_its_place() {
        let error = SqlError::at("SELECT €\n  FROM x\n  WHERE y", 18..19, "no filter");
        assert_eq!(error.to_string(), "no filter (at line 2, column 8)");
        assert_eq!(error.snippet().unwrap(), "  FROM x\n       ^");
        let error = SqlError::at("SELECT € y", 7..10, "odd");
        assert_eq!(error.to_string(), "odd (at column 8)");
        assert_eq!(error.snippet().unwrap(), "SELECT € y\n       ^");
        let error = SqlError::at("SELECT", 6..6, "ends");
        assert_eq!(error.snippet().unwrap(), "SELECT\n      ^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = "x".repeat(10_000);
        for (span, width) in [
            (0..3, 3),
            (5_000..5_004, 4),
            (9_999..10_000, 1),
            (10_000..10_000, 1),
            (0..10_000, 100),
            (99..10_000, 1),
        ] {
            let snippet = SqlError::at(&text, span.clone(), "long").snippet().unwrap();
            let (line, carets) = snippet.split_once('\n').unwrap();
            assert!(
                line.chars().count() <= SNIPPET_CHARS_MAX && carets.len() <= SNIPPET_CHARS_MAX + 1,
                "{span:?} {snippet}"
            );
            assert!(carets.trim_start().len() >= width.min(1), "{span:?} {snippet}");
        }
    }
}
