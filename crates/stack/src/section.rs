//! A mapping of properties, read key by key. What is not read is either known to do no harm or listed.

use std::{cell::RefCell, collections::BTreeMap, ops::RangeInclusive};

use crate::{
    error::{Fault, Outcome},
    findings::Findings,
    node::{Entry, Kind, Node, Text},
    resolve::Resource,
    source::Span,
};

/// Properties of one resource, or a mapping among them.
pub(crate) struct Section<'r> {
    findings: &'r Findings,
    /// The resource, for sentences.
    pub(crate) owner: &'r str,
    /// Where in the resource: a type or a property, for sentences.
    subject: &'r str,
    /// Where it begins.
    pub(crate) at: Span,
    entries: &'r [Entry],
    read: RefCell<Vec<&'static str>>,
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) at: Span,
}

impl<'r> Section<'r> {
    pub(crate) fn new(
        findings: &'r Findings,
        owner: &'r str,
        subject: &'r str,
        at: Span,
        node: &'r Node,
    ) -> Self {
        Self { findings, owner, subject, at, entries: node.entries(), read: RefCell::default() }
    }

    /// The properties of `resource`.
    pub(crate) fn of(resource: &'r Resource, findings: &'r Findings) -> Self {
        let Resource { logical_id, type_name, at, properties, .. } = resource;
        Self::new(findings, logical_id, type_name, *at, properties)
    }

    pub(crate) fn entries(&self) -> &'r [Entry] {
        self.entries
    }

    pub(crate) fn note(&self, at: Span, text: &str) {
        self.findings.note(at, text, self.owner);
    }

    pub(crate) fn value(&self, key: &'static str) -> Outcome<Option<At<&'r Node>>> {
        self.read.borrow_mut().push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key);
        Ok(entry.map(|entry| At { value: &entry.value, at: entry.value.at }))
    }

    /// The text with the way in which it is written.
    pub(crate) fn written(&self, key: &'static str) -> Outcome<Option<At<&'r Text>>> {
        match self.value(key)? {
            None => Ok(None),
            Some(At { value: Node { kind: Kind::Text(text), .. }, at }) => Ok(Some(At { value: text, at })),
            Some(At { value, at }) => {
                Err(self.wrong(at, key, &format!("is {}; it must be a text", value.noun())))
            }
        }
    }

    pub(crate) fn text(&self, key: &'static str) -> Outcome<Option<At<&'r str>>> {
        let written = self.written(key)?;
        Ok(written.map(|At { value, at }| At { value: value.value.as_str(), at }))
    }

    pub(crate) fn required_text(&self, key: &'static str) -> Outcome<At<&'r str>> {
        self.text(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn number(&self, key: &'static str, range: RangeInclusive<u64>) -> Outcome<Option<u64>> {
        let Some(At { value, at }) = self.text(key)? else { return Ok(None) };
        match value.trim().parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (low, high) = (range.start(), range.end());
                let what = format!("is {value}; it must be a whole number from {low} to {high}");
                Err(self.wrong(at, key, &what))
            }
        }
    }

    pub(crate) fn flag(&self, key: &'static str) -> Outcome<Option<bool>> {
        let Some(At { value, at }) = self.text(key)? else { return Ok(None) };
        // Templates are YAML 1.1, where yes and no are booleans as well.
        match value.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Ok(Some(true)),
            "false" | "no" | "off" => Ok(Some(false)),
            _ => Err(self.wrong(at, key, &format!("is {value}; it must be true or false"))),
        }
    }

    pub(crate) fn list(&self, key: &'static str) -> Outcome<Option<At<&'r [Node]>>> {
        match self.value(key)? {
            None => Ok(None),
            Some(At { value: Node { kind: Kind::Seq(items), .. }, at }) => Ok(Some(At { value: items, at })),
            Some(At { value, at }) => {
                Err(self.wrong(at, key, &format!("is {}; it must be a list", value.noun())))
            }
        }
    }

    /// The mapping below `key`; what it lacks is told where the key stands.
    pub(crate) fn section(&self, key: &'static str) -> Outcome<Option<Section<'r>>> {
        self.read.borrow_mut().push(key);
        match self.entries.iter().find(|entry| entry.key == key) {
            None => Ok(None),
            Some(Entry { at, value, .. }) if matches!(value.kind, Kind::Map(_)) => {
                Ok(Some(Section::new(self.findings, self.owner, key, *at, value)))
            }
            Some(Entry { value, .. }) => {
                Err(self.wrong(value.at, key, &format!("is {}; it must be a mapping", value.noun())))
            }
        }
    }

    /// Every value, each a mapping of its own.
    pub(crate) fn sections(&self) -> Outcome<Vec<(&'r str, Section<'r>)>> {
        let section = |entry: &'r Entry| match entry.value.kind {
            Kind::Map(_) => {
                let own = Section::new(self.findings, self.owner, &entry.key, entry.at, &entry.value);
                Ok((entry.key.as_str(), own))
            }
            Kind::Text(_) | Kind::Seq(_) => {
                let what = format!("is {}; it must be a mapping", entry.value.noun());
                Err(self.wrong(entry.value.at, &entry.key, &what))
            }
        };
        self.entries.iter().map(section).collect()
    }

    /// A mapping of texts; empty if the key is absent.
    pub(crate) fn texts(&self, key: &'static str) -> Outcome<BTreeMap<String, String>> {
        let Some(section) = self.section(key)? else { return Ok(BTreeMap::new()) };
        let pairs = section.entries.iter().map(|entry| match entry.value.as_text() {
            Some(text) => Ok((entry.key.clone(), text.to_owned())),
            None => {
                let what = format!("in {key} is {}; it must be a text", entry.value.noun());
                Err(self.wrong(entry.value.at, &entry.key, &what))
            }
        });
        pairs.collect()
    }

    /// Stops if `key` is there: it changes what the resource does, and cannot be honoured.
    pub(crate) fn refuse(&self, key: &'static str, why: &str) -> Outcome<()> {
        match self.value(key)? {
            Some(At { at, .. }) => Err(self.wrong(at, key, why)),
            None => Ok(()),
        }
    }

    pub(crate) fn missing(&self, key: &str) -> Fault {
        Fault::at(self.at, format!("{} has no {key}; {} needs one", self.owner, self.subject))
    }

    pub(crate) fn wrong(&self, at: Span, key: &str, what: &str) -> Fault {
        Fault::at(at, format!("{key} of {} {what}", self.owner))
    }

    /// Lists what was neither read nor is among `harmless`.
    pub(crate) fn finish(self, harmless: &[&str]) {
        let read = self.read.borrow();
        for entry in self.entries {
            let key = entry.key.as_str();
            if !read.contains(&key) && !harmless.contains(&key) {
                self.note(entry.at, &format!("{key} of {} has no effect here", self.subject));
            }
        }
    }
}
