//! YAML (and so JSON) as a tree that knows its lines. Short forms of intrinsics (`!Ref x`) become long ones
//! (`{Ref: x}`), as CloudFormation reads them; aliases are copied in, within bounds.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use crate::error::{Fault, Outcome};

/// Bytes of a template: what the service takes from a bucket.
pub(crate) const TEMPLATE_BYTES_MAX: usize = 1_000_000;

/// How deep a template may nest; real ones stay below twenty. It bounds every recursion over the tree.
const DEPTH_MAX: usize = 64;

/// Nodes of a template once its aliases are copied in; a template of full size without aliases has fewer.
const NODES_MAX: usize = 500_000;

/// One value of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Line of its first character, from 1.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text as written; what type it has is up to the reader.
    Text(String),
    Seq(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Line of the key.
    pub(crate) line: usize,
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn text(line: usize, text: impl Into<String>) -> Self {
        Self { line, kind: Kind::Text(text.into()) }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Seq(_) | Kind::Map(_) => None,
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

    /// What the value is, for a sentence.
    pub(crate) fn noun(&self) -> &'static str {
        match self.kind {
            Kind::Text(_) => "a text",
            Kind::Seq(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

/// Reads one document.
pub(crate) fn parse(text: &str) -> Outcome<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0;
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax_fault(text, &error))?;
        let line = span.start.line().max(1);
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(Fault::at(
                        line,
                        "a second YAML document starts here; a template is one document",
                    ));
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                let key_position = builder.at_key();
                if is_null(&value, style, tag.as_deref()) && !key_position {
                    return Err(builder.null_fault(line));
                }
                let node = tagged(Node::text(line, value), tag.as_deref())?;
                builder.complete(node, Size { height: 1, nodes: 1 }, 1, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => builder.open(Open::seq(line, anchor, tag.as_deref())?)?,
            Event::MappingStart(anchor, tag) => builder.open(Open::map(line, anchor, tag.as_deref())?)?,
            Event::SequenceEnd | Event::MappingEnd => builder.close()?,
            Event::Alias(anchor) => builder.alias(anchor, line)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
    builder.root.ok_or_else(|| Fault::whole("the template is empty; it needs at least a Resources section"))
}

/// The tree under construction: one open collection per level, so that nothing here recurses.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    /// What an alias may copy.
    anchors: HashMap<usize, (Node, Size)>,
    /// Nodes made so far, copies included.
    nodes: usize,
}

/// How much a finished node holds, itself included.
#[derive(Clone, Copy)]
struct Size {
    height: usize,
    nodes: usize,
}

struct Open {
    line: usize,
    anchor: usize,
    tag: Option<String>,
    size: Size,
    collection: Collection,
}

enum Collection {
    Seq(Vec<Node>),
    Map { entries: Vec<Entry>, keys: HashSet<String>, key: Option<(String, usize)> },
}

impl Open {
    fn seq(line: usize, anchor: usize, tag: Option<&Tag>) -> Outcome<Self> {
        Self::new(line, anchor, tag, Collection::Seq(Vec::new()))
    }

    fn map(line: usize, anchor: usize, tag: Option<&Tag>) -> Outcome<Self> {
        Self::new(line, anchor, tag, Collection::Map { entries: Vec::new(), keys: HashSet::new(), key: None })
    }

    fn new(line: usize, anchor: usize, tag: Option<&Tag>, collection: Collection) -> Outcome<Self> {
        Ok(Self {
            line,
            anchor,
            tag: intrinsic_of(tag, line)?,
            size: Size { height: 1, nodes: 1 },
            collection,
        })
    }
}

impl Builder {
    /// Whether the next node is a key.
    fn at_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { collection: Collection::Map { key: None, .. }, .. }))
    }

    fn null_fault(&self, line: usize) -> Fault {
        match self.open.last() {
            Some(Open { collection: Collection::Map { key: Some((key, line)), .. }, .. }) => {
                Fault::at(*line, format!("{key} has no value; give it one or remove the key"))
            }
            Some(_) => Fault::at(line, "a list item has no value; give it one or remove it"),
            None => Fault::whole("the template is empty; it needs at least a Resources section"),
        }
    }

    fn open(&mut self, open: Open) -> Outcome<()> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(open.line));
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self) -> Outcome<()> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let Open { line, anchor, tag, size, collection } = open;
        let kind = match collection {
            Collection::Seq(items) => Kind::Seq(items),
            Collection::Map { entries, .. } => Kind::Map(entries),
        };
        let node = wrap(Node { line, kind }, tag);
        self.complete(node, size, 1, anchor)
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Outcome<()> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            return Err(Fault::at(line, "an alias stands inside the value that it names"));
        };
        let size = *size;
        // Counted before the copy is made: a dozen nested aliases can stand for billions of nodes.
        if self.nodes + size.nodes > NODES_MAX {
            return Err(too_large(line));
        }
        let node = Node { line, kind: node.kind.clone() };
        self.complete(node, size, size.nodes, 0)
    }

    /// Puts a finished node, of which `new` nodes are not counted yet, where it belongs.
    fn complete(&mut self, node: Node, size: Size, new: usize, anchor: usize) -> Outcome<()> {
        let line = node.line;
        if self.open.len() + size.height > DEPTH_MAX {
            return Err(too_deep(line));
        }
        self.nodes += new + if anchor > 0 { size.nodes } else { 0 };
        if self.nodes > NODES_MAX {
            return Err(too_large(line));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.size.height = parent.size.height.max(size.height + 1);
        parent.size.nodes += size.nodes;
        match &mut parent.collection {
            Collection::Seq(items) => items.push(node),
            Collection::Map { entries, keys, key } => match key.take() {
                Some((key, line)) => entries.push(Entry { key, line, value: node }),
                None => *key = Some((checked_key(node, keys)?, line)),
            },
        }
        Ok(())
    }
}

fn checked_key(node: Node, keys: &mut HashSet<String>) -> Outcome<String> {
    let line = node.line;
    let Kind::Text(key) = node.kind else {
        return Err(Fault::at(line, format!("a key is {}; keys are text", node.noun())));
    };
    if key == "<<" {
        return Err(Fault::at(line, "CloudFormation does not merge mappings with <<; write the keys out"));
    }
    if !keys.insert(key.clone()) {
        return Err(Fault::at(line, format!("the key {key} stands twice in one mapping; remove one")));
    }
    Ok(key)
}

/// The long form of a short intrinsic, if the tag is one.
fn intrinsic_of(tag: Option<&Tag>, line: usize) -> Outcome<Option<String>> {
    let Some(tag) = tag else { return Ok(None) };
    if tag.is_yaml_core_schema() {
        return match tag.suffix.as_str() {
            "str" | "int" | "float" | "bool" | "seq" | "map" => Ok(None),
            other => Err(Fault::at(
                line,
                format!("the YAML type !!{other} is not part of CloudFormation; remove it"),
            )),
        };
    }
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", "") => Ok(None),
        ("!", "Ref") => Ok(Some("Ref".to_owned())),
        ("!", "Condition") => Ok(Some("Condition".to_owned())),
        ("!", name) if crate::intrinsics::is_cloudformation(name) => Ok(Some(format!("Fn::{name}"))),
        _ => Err(Fault::at(line, crate::intrinsics::unknown(&tag.to_string()))),
    }
}

fn tagged(node: Node, tag: Option<&Tag>) -> Outcome<Node> {
    let tag = intrinsic_of(tag, node.line)?;
    Ok(wrap(node, tag))
}

fn wrap(node: Node, intrinsic: Option<String>) -> Node {
    match intrinsic {
        None => node,
        Some(key) => {
            Node { line: node.line, kind: Kind::Map(vec![Entry { key, line: node.line, value: node }]) }
        }
    }
}

/// CloudFormation refuses null values wherever they stand.
fn is_null(value: &str, style: ScalarStyle, tag: Option<&Tag>) -> bool {
    tag.is_none() && style == ScalarStyle::Plain && matches!(value, "" | "~" | "null" | "Null" | "NULL")
}

fn too_deep(line: usize) -> Fault {
    Fault::at(line, format!("the template nests deeper than {DEPTH_MAX} levels; flatten it"))
}

fn too_large(line: usize) -> Fault {
    Fault::at(
        line,
        format!("the template has more than {NODES_MAX} values, aliases included; make it smaller"),
    )
}

fn syntax_fault(text: &str, error: &ScanError) -> Fault {
    let line = error.marker().line().max(1);
    let mut tabs =
        text.lines().enumerate().filter(|(_, line)| indented_by_tab(line)).map(|(index, _)| index + 1);
    // The scanner often speaks of something else when the cause is a tab above, and of the start of a text that a tab
    // below continues.
    let above = tabs.clone().take_while(|tab| *tab <= line).last();
    let below = || tabs.find(|tab| *tab > line && error.info().contains("tab"));
    match above.or_else(below) {
        Some(line) => Fault::at(line, "a tab indents this line; YAML indents with spaces only"),
        None => Fault::at(line, format!("not valid YAML: {}", error.info())),
    }
}

fn indented_by_tab(line: &str) -> bool {
    line[..line.len() - line.trim_start().len()].contains('\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(node: &Node) -> String {
        match &node.kind {
            Kind::Text(text) => format!("{text:?}@{}", node.line),
            Kind::Seq(items) => format!("[{}]", items.iter().map(sketch).collect::<Vec<_>>().join(" ")),
            Kind::Map(entries) => {
                let entry = |e: &Entry| format!("{}@{}:{}", e.key, e.line, sketch(&e.value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn lines_and_short_forms() {
        for (text, expected) in [
            ("a: 1\nb:\n  - x\n  - 'y z'\n", r#"{a@1:"1"@1 b@2:["x"@3 "y z"@4]}"#),
            ("a: !Ref B", r#"{a@1:{Ref@1:"B"@1}}"#),
            ("a: !GetAtt B.Arn", r#"{a@1:{Fn::GetAtt@1:"B.Arn"@1}}"#),
            ("a: !Join [':', [b, !Ref C]]", r#"{a@1:{Fn::Join@1:[":"@1 ["b"@1 {Ref@1:"C"@1}]]}}"#),
            ("a:\n  Fn::Sub: x\n", r#"{a@1:{Fn::Sub@2:"x"@2}}"#),
            ("a: &x {b: 1}\nc: *x\n", r#"{a@1:{b@1:"1"@1} c@2:{b@1:"1"@1}}"#),
            ("a: >-\n  one\n  two\nb: !!str 5\nc: ''\n", r#"{a@1:"one two"@2 b@4:"5"@4 c@5:""@5}"#),
            ("\u{feff}a: 1", r#"{a@1:"1"@1}"#),
            ("{\n\t\"a\": [\n\t\t1,\n\t\ttrue\n\t]\n}", r#"{a@2:["1"@3 "true"@4]}"#),
        ] {
            assert_eq!(sketch(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn refused() {
        let deep = format!("{}x{}", "[".repeat(65), "]".repeat(65));
        let laughs = (0..9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, n| {
            let copies = vec![format!("*a{n}"); 10].join(",");
            format!("{text}a{}: &a{} [{copies}]\n", n + 1, n + 1)
        });
        let climbing = (0..70)
            .fold("a0: &a0 [x]\n".to_owned(), |text, n| format!("{text}a{}: &a{} [*a{n}]\n", n + 1, n + 1));
        for (text, line, message) in [
            ("", None, "the template is empty; it needs at least a Resources section"),
            ("# nothing\n", None, "the template is empty; it needs at least a Resources section"),
            ("a: 1\na: 2", Some(2), "the key a stands twice in one mapping; remove one"),
            ("a: 1\nb:\n", Some(2), "b has no value; give it one or remove the key"),
            ("a:\n  - ~\n", Some(2), "a list item has no value; give it one or remove it"),
            ("{\"a\":\n null}", Some(1), "a has no value; give it one or remove the key"),
            ("a: !Rfe B", Some(1), "!Rfe is not an intrinsic function of CloudFormation; check its spelling"),
            (
                "a: 1\nb: !!binary xx",
                Some(2),
                "the YAML type !!binary is not part of CloudFormation; remove it",
            ),
            ("a:\n\tb: 1", Some(2), "a tab indents this line; YAML indents with spaces only"),
            ("a:\n  b: 1\n\tc: 2\n", Some(3), "a tab indents this line; YAML indents with spaces only"),
            ("a: 1\n--- \nb: 2", Some(2), "a second YAML document starts here; a template is one document"),
            ("? [a]\n: b", Some(1), "a key is a list; keys are text"),
            (
                "a: &x\n  <<: *x",
                Some(2),
                "CloudFormation does not merge mappings with <<; write the keys out",
            ),
            ("a: &x [*x]", Some(1), "an alias stands inside the value that it names"),
            (&deep, Some(1), "the template nests deeper than 64 levels; flatten it"),
            (&climbing, Some(63), "the template nests deeper than 64 levels; flatten it"),
            (&laughs, Some(6), "the template has more than 500000 values, aliases included; make it smaller"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!((fault.line, fault.message.as_str()), (line, message), "{text}");
        }
        let fault = parse("a: [1, 2").unwrap_err();
        assert!(fault.message.starts_with("not valid YAML: "), "{}", fault.message);
    }
}
