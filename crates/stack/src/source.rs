//! The files that a stack is read from, and places in them.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    model::Place,
    node::{Style, Text},
};

/// A stretch of one line of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Index into [`Sources`].
    pub(crate) source: u16,
    /// From 1; 0 stands for the source as a whole.
    pub(crate) line: u32,
    /// In characters, from 1.
    pub(crate) column: u32,
    /// In characters; 0 where it is not known.
    pub(crate) len: u32,
}

impl Span {
    pub(crate) fn whole(source: u16) -> Self {
        Self { source, line: 0, column: 0, len: 0 }
    }

    pub(crate) fn new(source: u16, line: usize, column: usize, len: usize) -> Self {
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { source, line: small(line), column: small(column), len: small(len) }
    }
}

/// One file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// As it was given, for sentences.
    pub(crate) path: Arc<Path>,
    /// What relative paths in it are relative to: absolute.
    pub(crate) folder: PathBuf,
    pub(crate) text: Arc<str>,
}

/// Without the text, which may hold values that are not to be printed, such as API keys.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Every file read so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    pub(crate) fn add(&mut self, source: Source) -> u16 {
        self.0.push(source);
        // `NESTED_STACKS_MAX` keeps it far below.
        u16::try_from(self.0.len() - 1).unwrap_or(u16::MAX)
    }

    pub(crate) fn get(&self, source: u16) -> &Source {
        &self.0[usize::from(source)]
    }

    pub(crate) fn place(&self, span: Span) -> Place {
        let at_least_one = |number: u32| number.max(1) as usize;
        Place {
            file: self.get(span.source).path.clone(),
            line: at_least_one(span.line),
            column: at_least_one(span.column),
        }
    }

    /// The span of a word at `place`; the first file as a whole if it is none of these.
    pub(crate) fn span(&self, place: &Place) -> Span {
        match self.0.iter().position(|source| source.path == place.file) {
            None => Span::whole(0),
            Some(source) => {
                let source = u16::try_from(source).unwrap_or(u16::MAX);
                let line =
                    self.get(source).text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
                let word = line.chars().skip(place.column.saturating_sub(1));
                let len = word.take_while(|c| c.is_alphanumeric()).count();
                Span::new(source, place.line, place.column, len)
            }
        }
    }

    /// The place of the bytes `part` of `text`, which stands at `span`; that of the text itself where it is not written
    /// there as it is.
    pub(crate) fn within(&self, span: Span, text: &Text, part: Range<usize>) -> Span {
        let len = text.value.get(part.clone()).map_or(1, |part| part.chars().count());
        match within(&self.get(span.source).text, span, text, part.start) {
            Some(at) => Span { len: u32::try_from(len).unwrap_or(1), ..at },
            None => span,
        }
    }
}

/// Walks the source and the text in step. Both have the same characters in the same order, but for white space, which
/// YAML folds, and for quotes that stand for themselves.
fn within(source: &str, span: Span, text: &Text, offset: usize) -> Option<Span> {
    let style = match text.style {
        Style::Made => return None,
        style => style,
    };
    let offset = text.value.floor_char_boundary(offset.min(text.value.len()));
    let mut before = text.value[..offset].chars().filter(|c| !c.is_whitespace());
    let first = usize::try_from(span.line).ok()?.checked_sub(1)?;
    let mut skip = (span.column as usize).checked_sub(1)?;
    let quoted = matches!(style, Style::SingleQuoted | Style::DoubleQuoted);
    if quoted {
        skip += 1;
    }
    for (index, line) in source.lines().enumerate().skip(first) {
        let mut characters = line.chars().enumerate().skip(skip).peekable();
        skip = 0;
        while let Some((column, c)) = characters.next() {
            if c.is_whitespace() {
                continue;
            }
            let Some(expected) = before.next() else {
                return Some(Span::new(span.source, index + 1, column + 1, 1));
            };
            // A tag or an anchor stands before the text.
            if c != expected && style != Style::DoubleQuoted {
                return None;
            }
            let pair = match style {
                Style::SingleQuoted => c == '\'',
                // A backslash and the character after it are one; longer escapes do not occur in what is looked into.
                Style::DoubleQuoted => c == '\\',
                Style::Plain | Style::Block | Style::Made => false,
            };
            if pair {
                characters.next();
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        source: &str,
        at: (usize, usize),
        style: Style,
        value: &str,
        needle: &str,
        expected: (u32, u32),
    ) {
        let text = Text { value: value.to_owned(), style };
        let span = Span::new(0, at.0, at.1, 0);
        let found = within(source, span, &text, value.find(needle).unwrap()).unwrap();
        assert_eq!((found.line, found.column), expected);
    }

    #[test]
    fn offsets_in_a_text_are_places_in_the_file() {
        check("a: SELECT * FROM x\n", (1, 4), Style::Plain, "SELECT * FROM x", "FROM", (1, 13));
        check("a: 'it''s no'\n", (1, 4), Style::SingleQuoted, "it's no", "no", (1, 11));
        check(r#"a: "b\"c d""#, (1, 4), Style::DoubleQuoted, "b\"c d", "d", (1, 10));
        check("a: >-\n  SELECT *\n  FROM x\n", (2, 3), Style::Block, "SELECT * FROM x", "x", (3, 8));
        check("a: |\n  one\n   two\n", (2, 3), Style::Block, "one\n two\n", "two", (3, 4));
    }

    #[test]
    fn what_is_not_written_there_has_no_place() {
        let text = Text { value: "made".to_owned(), style: Style::Made };
        assert_eq!(within("a: !Sub made", Span::new(0, 1, 4, 0), &text, 2), None);
    }
}
