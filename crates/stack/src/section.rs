//! A mapping of properties, read key by key. What is not read is either known to do no harm or listed.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use crate::{
    error::{Fault, Outcome},
    node::{Entry, Kind, Node},
    scope::Scope,
};

/// Properties of one resource, or a mapping among them.
pub(crate) struct Section<'s, 't> {
    scope: &'s Scope<'t>,
    /// The resource, for sentences.
    pub(crate) owner: &'s str,
    /// Where in the resource: a type or a property, for notes.
    subject: String,
    pub(crate) line: usize,
    entries: Vec<Entry>,
    read: RefCell<BTreeSet<String>>,
}

/// A value and the line of its key.
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
}

impl<'s, 't> Section<'s, 't> {
    pub(crate) fn new(scope: &'s Scope<'t>, owner: &'s str, subject: &str, line: usize, node: Node) -> Self {
        let entries = match node.kind {
            Kind::Map(entries) => entries,
            Kind::Text(_) | Kind::Seq(_) => Vec::new(),
        };
        Self { scope, owner, subject: subject.to_owned(), line, entries, read: RefCell::default() }
    }

    /// The evaluated value of `key`.
    pub(crate) fn value(&self, key: &str) -> Outcome<Option<At<Node>>> {
        self.read.borrow_mut().insert(key.to_owned());
        let Some(entry) = self.entries.iter().find(|entry| entry.key == key) else { return Ok(None) };
        let value = self.scope.evaluate(&entry.value)?;
        Ok(value.map(|value| At { value, line: entry.line }))
    }

    pub(crate) fn text(&self, key: &str) -> Outcome<Option<At<String>>> {
        match self.value(key)? {
            None => Ok(None),
            Some(At { value: Node { kind: Kind::Text(text), .. }, line }) => {
                Ok(Some(At { value: text, line }))
            }
            Some(At { value, line }) => {
                Err(self.wrong(line, key, &format!("is {}; it must be a text", value.noun())))
            }
        }
    }

    pub(crate) fn required_text(&self, key: &str) -> Outcome<At<String>> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn number(&self, key: &str, range: RangeInclusive<u64>) -> Outcome<Option<u64>> {
        let Some(At { value, line }) = self.text(key)? else { return Ok(None) };
        match value.trim().parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (low, high) = (range.start(), range.end());
                Err(self.wrong(
                    line,
                    key,
                    &format!("is {value}; it must be a whole number from {low} to {high}"),
                ))
            }
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Outcome<Option<bool>> {
        let Some(At { value, line }) = self.text(key)? else { return Ok(None) };
        // Templates are YAML 1.1, where yes and no are booleans as well.
        match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Ok(Some(true)),
            "false" | "no" | "off" => Ok(Some(false)),
            _ => Err(self.wrong(line, key, &format!("is {value}; it must be true or false"))),
        }
    }

    pub(crate) fn list(&self, key: &str) -> Outcome<Option<At<Vec<Node>>>> {
        match self.value(key)? {
            None => Ok(None),
            Some(At { value: Node { kind: Kind::Seq(items), .. }, line }) => {
                Ok(Some(At { value: items, line }))
            }
            Some(At { value, line }) => {
                Err(self.wrong(line, key, &format!("is {}; it must be a list", value.noun())))
            }
        }
    }

    pub(crate) fn section(&self, key: &str) -> Outcome<Option<Section<'s, 't>>> {
        match self.value(key)? {
            None => Ok(None),
            Some(At { value, line }) if matches!(value.kind, Kind::Map(_)) => {
                Ok(Some(Section::new(self.scope, self.owner, key, line, value)))
            }
            Some(At { value, line }) => {
                Err(self.wrong(line, key, &format!("is {}; it must be a mapping", value.noun())))
            }
        }
    }

    /// A mapping of texts; empty if the key is absent.
    pub(crate) fn texts(&self, key: &str) -> Outcome<BTreeMap<String, String>> {
        let Some(section) = self.section(key)? else { return Ok(BTreeMap::new()) };
        let pairs = section.entries.iter().map(|entry| match entry.value.as_text() {
            Some(text) => Ok((entry.key.clone(), text.to_owned())),
            None => {
                let noun = entry.value.noun();
                Err(self.wrong(entry.line, &entry.key, &format!("in {key} is {noun}; it must be a text")))
            }
        });
        pairs.collect()
    }

    /// Stops if `key` is there: it changes what the resource does, and cannot be honoured.
    pub(crate) fn refuse(&self, key: &str, why: &str) -> Outcome<()> {
        match self.value(key)? {
            Some(At { line, .. }) => Err(self.wrong(line, key, why)),
            None => Ok(()),
        }
    }

    pub(crate) fn missing(&self, key: &str) -> Fault {
        Fault::at(self.line, format!("{} has no {key}; {} needs one", self.owner, self.subject))
    }

    pub(crate) fn wrong(&self, line: usize, key: &str, what: &str) -> Fault {
        Fault::at(line, format!("{key} of {} {what}", self.owner))
    }

    /// Lists what was neither read nor is among `harmless`.
    pub(crate) fn finish(self, harmless: &[&str]) {
        let read = self.read.into_inner();
        for entry in &self.entries {
            if !read.contains(&entry.key) && !harmless.contains(&entry.key.as_str()) {
                let text = format!("{} of {} has no effect here", entry.key, self.subject);
                self.scope.note(entry.line, &text, self.owner);
            }
        }
    }
}
