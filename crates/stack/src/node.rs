//! A template as a tree that knows its places.

use crate::source::Span;

/// One value of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its first line.
    pub(crate) at: Span,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Text(Text),
    Seq(Vec<Node>),
    Map(Vec<Entry>),
}

/// Text as written; what type it has is up to the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) style: Style,
}

/// How a text stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// After `|` or `>`.
    Block,
    /// Not at all: an intrinsic made it.
    Made,
}

/// One key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) at: Span,
    pub(crate) value: Node,
}

impl Entry {
    pub(crate) fn new(key: impl Into<String>, at: Span, value: Node) -> Self {
        Self { key: key.into(), at, value }
    }
}

impl Node {
    /// A text that an intrinsic made.
    pub(crate) fn made(at: Span, value: impl Into<String>) -> Self {
        Self { at, kind: Kind::Text(Text { value: value.into(), style: Style::Made }) }
    }

    pub(crate) fn seq(at: Span, items: Vec<Node>) -> Self {
        Self { at, kind: Kind::Seq(items) }
    }

    pub(crate) fn map(at: Span, entries: Vec<Entry>) -> Self {
        Self { at, kind: Kind::Map(entries) }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(&text.value),
            Kind::Seq(_) | Kind::Map(_) => None,
        }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Seq(items) => items,
            Kind::Text(_) | Kind::Map(_) => &[],
        }
    }

    /// The keys of a mapping; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            Kind::Text(_) | Kind::Seq(_) => &[],
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The values and bytes of text below, itself included: what a copy costs.
    pub(crate) fn size(&self) -> usize {
        let below = match &self.kind {
            Kind::Text(text) => text.value.len(),
            Kind::Seq(items) => items.iter().map(Node::size).sum(),
            Kind::Map(entries) => entries.iter().map(|entry| entry.key.len() + entry.value.size()).sum(),
        };
        size_of::<Self>() + below
    }

    /// What the value is, for a sentence.
    pub(crate) fn noun(&self) -> &'static str {
        match self.kind {
            Kind::Text(_) => "a text",
            Kind::Seq(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}
