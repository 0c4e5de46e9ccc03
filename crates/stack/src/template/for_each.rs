//! `Fn::ForEach`: entries of a mapping, made once for each item of a list.

use crate::{
    error::{Fault, Outcome},
    intrinsics::{self, Scope},
    node::{Entry, Kind, Node, Style, Text},
};

const PREFIX: &str = "Fn::ForEach::";

/// Loops in loops: the service's own limit is five, and five it is.
const NESTED_MAX: usize = 5;

/// Entries of one mapping once its loops are written out: ours, above what any mapping of a template may have.
const ENTRIES_MAX: usize = 2_000;

/// `entries` with every loop below them written out.
pub(super) fn expanded(entries: &[Entry], scope: &Scope<'_>) -> Outcome<Vec<Entry>> {
    // Most templates have none; they are copied as they are.
    if !entries.iter().any(has_loop) {
        return Ok(entries.to_vec());
    }
    let mut result = Vec::new();
    for entry in entries {
        expand_entry(entry, scope, 0, &mut result)?;
    }
    Ok(result)
}

fn has_loop(entry: &Entry) -> bool {
    fn below(node: &Node) -> bool {
        match &node.kind {
            Kind::Text(_) => false,
            Kind::Seq(items) => items.iter().any(below),
            Kind::Map(entries) => entries.iter().any(has_loop),
        }
    }
    entry.key.starts_with(PREFIX) || below(&entry.value)
}

fn expand_entry(entry: &Entry, scope: &Scope<'_>, depth: usize, result: &mut Vec<Entry>) -> Outcome<()> {
    let Entry { key, at, value } = entry;
    if !key.starts_with(PREFIX) {
        result.push(Entry::new(key, *at, expand(value, scope, depth)?));
        return Ok(());
    }
    scope.needs_extensions("Fn::ForEach", *at)?;
    if depth >= NESTED_MAX {
        return Err(Fault::at(*at, format!("loops stand at most {NESTED_MAX} deep in one another")));
    }
    let usage = || {
        let message = format!("{key} takes three values: a name, a list of texts, and a mapping to repeat");
        Fault::at(value.at, message)
    };
    let [name, list, body @ Node { kind: Kind::Map(_), .. }] = value.items() else { return Err(usage()) };
    let name = name.as_text().ok_or_else(usage)?;
    let Some(Node { kind: Kind::Seq(items), .. }) = scope.evaluate(list)? else { return Err(usage()) };
    for item in &items {
        let item = item.as_text().ok_or_else(usage)?;
        scope.findings.count(body.size(), *at)?;
        for entry in replaced(body, name, item).entries() {
            let mut made = Vec::new();
            expand_entry(entry, scope, depth + 1, &mut made)?;
            for entry in made {
                if result.iter().any(|other| other.key == entry.key) {
                    let message = format!("{key} makes the key {} twice; put ${{{name}}} into it", entry.key);
                    return Err(Fault::at(*at, message));
                }
                if result.len() >= ENTRIES_MAX {
                    let message = format!("loops make more than {ENTRIES_MAX} entries of one mapping here");
                    return Err(Fault::at(*at, message));
                }
                result.push(entry);
            }
        }
    }
    Ok(())
}

fn expand(node: &Node, scope: &Scope<'_>, depth: usize) -> Outcome<Node> {
    let kind = match &node.kind {
        Kind::Text(text) => Kind::Text(text.clone()),
        Kind::Seq(items) => {
            Kind::Seq(items.iter().map(|item| expand(item, scope, depth)).collect::<Outcome<_>>()?)
        }
        Kind::Map(entries) => {
            let mut result = Vec::with_capacity(entries.len());
            for entry in entries {
                expand_entry(entry, scope, depth, &mut result)?;
            }
            Kind::Map(result)
        }
    };
    Ok(Node { at: node.at, kind })
}

/// `node` with `${name}`, `&{name}` and `Ref: name` replaced by `item`.
fn replaced(node: &Node, name: &str, item: &str) -> Node {
    if let Some(("Ref", argument)) = intrinsics::of(node)
        && argument.as_text() == Some(name)
    {
        return Node::made(node.at, item);
    }
    let kind = match &node.kind {
        Kind::Text(Text { value, style }) => {
            let text = replaced_text(value, name, item);
            let style = if text == *value { *style } else { Style::Made };
            Kind::Text(Text { value: text, style })
        }
        Kind::Seq(items) => Kind::Seq(items.iter().map(|node| replaced(node, name, item)).collect()),
        Kind::Map(entries) => Kind::Map(
            entries
                .iter()
                .map(|entry| {
                    let key = replaced_text(&entry.key, name, item);
                    Entry::new(key, entry.at, replaced(&entry.value, name, item))
                })
                .collect(),
        ),
    };
    Node { at: node.at, kind }
}

/// `&{name}` leaves out what a logical id cannot have.
fn replaced_text(text: &str, name: &str, item: &str) -> String {
    if !text.contains('{') {
        return text.to_owned();
    }
    let letters: String = item.chars().filter(char::is_ascii_alphanumeric).collect();
    text.replace(&format!("${{{name}}}"), item).replace(&format!("&{{{name}}}"), &letters)
}
