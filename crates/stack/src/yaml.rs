//! YAML, and so JSON, to a tree. Short forms of intrinsics (`!Ref x`) become long ones (`{Ref: x}`), as CloudFormation
//! reads them; aliases are copied in, within bounds.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as Range, Tag};

use crate::{
    error::{Fault, Outcome},
    intrinsics,
    node::{Entry, Kind, Node, Style, Text},
    source::Span,
};

/// How deep a template may nest; real ones stay below twenty. It bounds every recursion over the tree.
const DEPTH_MAX: usize = 64;

/// Nodes of a template once its aliases are copied in; a template of full size without aliases has fewer.
const NODES_MAX: usize = 500_000;

/// Bytes of text of a template once its aliases are copied in: ours.
const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Reads the one document of source `source`.
pub(crate) fn parse(source: u16, text: &str) -> Outcome<Node> {
    let mut builder = Builder { source, ..Builder::default() };
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0;
    while let Some(event) = parser.next_event() {
        let (event, range) = event.map_err(|error| syntax_fault(source, text, &error))?;
        let at = span(source, range);
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    let message = "a second YAML document starts here; a template is one document";
                    return Err(Fault::at(at, message));
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                if is_null(&value, style, tag.as_deref()) && !builder.at_key() {
                    return Err(builder.null_fault(at));
                }
                let size = Size { height: 1, nodes: 1, bytes: value.len() };
                let text = Text { value: value.into_owned(), style: style_of(style) };
                let intrinsic = intrinsic_of(tag.as_deref(), at)?;
                let node = wrap(Node { at, kind: Kind::Text(text) }, intrinsic);
                builder.complete(node, size, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                builder.open(at, anchor, tag.as_deref(), Collection::Seq(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                let map = Collection::Map { entries: Vec::new(), keys: HashMap::new(), key: None };
                builder.open(at, anchor, tag.as_deref(), map)?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close()?,
            Event::Alias(anchor) => builder.alias(anchor, at)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
    builder.root.ok_or_else(|| empty(source))
}

fn empty(source: u16) -> Fault {
    Fault::at(Span::whole(source), "the template is empty; it needs at least a Resources section")
}

/// A range of the parser's, as far as it is on its first line.
fn span(source: u16, Range { start, end }: Range) -> Span {
    let len = if start.line() == end.line() { end.index().saturating_sub(start.index()) } else { 0 };
    at_marker(source, &start, len)
}

fn at_marker(source: u16, marker: &Marker, len: usize) -> Span {
    Span::new(source, marker.line().max(1), marker.col() + 1, len)
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}

/// The tree under construction: one open collection per level, so that nothing here recurses.
#[derive(Default)]
struct Builder {
    source: u16,
    open: Vec<Open>,
    root: Option<Node>,
    /// What an alias may copy.
    anchors: HashMap<usize, (Node, Size)>,
    /// Nodes and bytes made so far, copies included.
    nodes: usize,
    bytes: usize,
}

/// How much a finished node holds, itself included.
#[derive(Clone, Copy)]
struct Size {
    height: usize,
    nodes: usize,
    bytes: usize,
}

struct Open {
    at: Span,
    anchor: usize,
    intrinsic: Option<String>,
    size: Size,
    collection: Collection,
}

enum Collection {
    Seq(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// Each key with its line.
        keys: HashMap<String, u32>,
        key: Option<(String, Span)>,
    },
}

impl Builder {
    /// Whether the next node is a key.
    fn at_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { collection: Collection::Map { key: None, .. }, .. }))
    }

    fn null_fault(&self, at: Span) -> Fault {
        match self.open.last() {
            Some(Open { collection: Collection::Map { key: Some((key, at)), .. }, .. }) => {
                Fault::at(*at, format!("{key} has no value; give it one or remove the key"))
            }
            Some(_) => Fault::at(at, "a list item has no value; give it one or remove it"),
            None => empty(self.source),
        }
    }

    fn open(&mut self, at: Span, anchor: usize, tag: Option<&Tag>, collection: Collection) -> Outcome<()> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(at));
        }
        let intrinsic = intrinsic_of(tag, at)?;
        let size = Size { height: 1, nodes: 1, bytes: 0 };
        self.open.push(Open { at, anchor, intrinsic, size, collection });
        Ok(())
    }

    fn close(&mut self) -> Outcome<()> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let Open { at, anchor, intrinsic, size, collection } = open;
        let kind = match collection {
            Collection::Seq(items) => Kind::Seq(items),
            Collection::Map { entries, .. } => Kind::Map(entries),
        };
        // What it holds has been counted already.
        self.nodes = self.nodes.saturating_sub(size.nodes - 1);
        self.bytes = self.bytes.saturating_sub(size.bytes);
        self.complete(wrap(Node { at, kind }, intrinsic), size, anchor)
    }

    fn alias(&mut self, anchor: usize, at: Span) -> Outcome<()> {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            return Err(Fault::at(at, "an alias stands inside the value that it names"));
        };
        let size = *size;
        // Counted before the copy is made: a dozen nested aliases can stand for billions of nodes.
        self.check_size(size, at)?;
        let node = Node { at, kind: node.kind.clone() };
        self.complete(node, size, 0)
    }

    fn check_size(&self, more: Size, at: Span) -> Outcome<()> {
        if self.nodes + more.nodes > NODES_MAX {
            let message =
                format!("the template has more than {NODES_MAX} values, aliases included; make it smaller");
            return Err(Fault::at(at, message));
        }
        if self.bytes + more.bytes > TEXT_BYTES_MAX {
            let message = format!(
                "the template has more than {TEXT_BYTES_MAX} bytes of text, aliases included; make it smaller"
            );
            return Err(Fault::at(at, message));
        }
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn complete(&mut self, node: Node, size: Size, anchor: usize) -> Outcome<()> {
        let at = node.at;
        if self.open.len() + size.height > DEPTH_MAX {
            return Err(too_deep(at));
        }
        // A node with an anchor is kept twice.
        for _ in 0..=usize::from(anchor > 0) {
            self.check_size(size, at)?;
            self.nodes += size.nodes;
            self.bytes += size.bytes;
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
        parent.size.bytes += size.bytes;
        match &mut parent.collection {
            Collection::Seq(items) => items.push(node),
            Collection::Map { entries, keys, key } => match key.take() {
                Some((key, at)) => entries.push(Entry { key, at, value: node }),
                None => *key = Some((checked_key(node, keys)?, at)),
            },
        }
        Ok(())
    }
}

fn checked_key(node: Node, keys: &mut HashMap<String, u32>) -> Outcome<String> {
    let at = node.at;
    let Kind::Text(Text { value: key, .. }) = node.kind else {
        return Err(Fault::at(at, format!("a key is {}; keys are text", node.noun())));
    };
    if key == "<<" {
        return Err(Fault::at(at, "CloudFormation does not merge mappings with <<; write the keys out"));
    }
    if let Some(line) = keys.insert(key.clone(), at.line) {
        let message = format!("the key {key} stands twice in one mapping, first on line {line}; remove one");
        return Err(Fault::at(at, message));
    }
    Ok(key)
}

/// The long form of a short intrinsic, if the tag is one.
fn intrinsic_of(tag: Option<&Tag>, at: Span) -> Outcome<Option<String>> {
    let Some(tag) = tag else { return Ok(None) };
    if tag.is_yaml_core_schema() {
        return match tag.suffix.as_str() {
            "str" | "int" | "float" | "bool" | "seq" | "map" => Ok(None),
            other => {
                let message = format!("the YAML type !!{other} is not part of CloudFormation; remove it");
                Err(Fault::at(at, message))
            }
        };
    }
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", "") => Ok(None),
        ("!", "Ref") => Ok(Some("Ref".to_owned())),
        ("!", "Condition") => Ok(Some("Condition".to_owned())),
        ("!", name) if intrinsics::is_cloudformation(name) => Ok(Some(format!("Fn::{name}"))),
        _ => Err(Fault::at(at, intrinsics::unknown(&tag.to_string()))),
    }
}

fn wrap(node: Node, intrinsic: Option<String>) -> Node {
    match intrinsic {
        None => node,
        Some(key) => Node::map(node.at, vec![Entry::new(key, node.at, node)]),
    }
}

/// CloudFormation refuses null values wherever they stand.
fn is_null(value: &str, style: ScalarStyle, tag: Option<&Tag>) -> bool {
    tag.is_none() && style == ScalarStyle::Plain && matches!(value, "" | "~" | "null" | "Null" | "NULL")
}

fn too_deep(at: Span) -> Fault {
    Fault::at(at, format!("the template nests deeper than {DEPTH_MAX} levels; flatten it"))
}

fn syntax_fault(source: u16, text: &str, error: &ScanError) -> Fault {
    let line = error.marker().line().max(1);
    let mut tabs = text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, line.find('\t')?, line)))
        .filter(|(_, tab, line)| line[..*tab].trim().is_empty())
        .map(|(line, tab, _)| (line, tab + 1));
    // The scanner often speaks of something else when the cause is a tab above, and of the start of a text that a tab
    // below continues.
    let above = tabs.clone().take_while(|(tab, _)| *tab <= line).last();
    let below = || tabs.find(|(tab, _)| *tab > line && error.info().contains("tab"));
    match above.or_else(below) {
        Some((line, column)) => {
            let message = "a tab indents this line; YAML indents with spaces only";
            Fault::at(Span::new(source, line, column, 1), message)
        }
        None => Fault::at(at_marker(source, error.marker(), 1), format!("not valid YAML: {}", error.info())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(node: &Node) -> String {
        match &node.kind {
            Kind::Text(text) => format!("{:?}@{}:{}", text.value, node.at.line, node.at.column),
            Kind::Seq(items) => format!("[{}]", items.iter().map(sketch).collect::<Vec<_>>().join(" ")),
            Kind::Map(entries) => {
                let entry = |e: &Entry| format!("{}@{}:{}", e.key, e.at.line, sketch(&e.value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn places_and_short_forms() {
        for (text, expected) in [
            ("a: 1\nb:\n  - x\n  - 'y z'\n", r#"{a@1:"1"@1:4 b@2:["x"@3:5 "y z"@4:5]}"#),
            ("a: !Ref B", r#"{a@1:{Ref@1:"B"@1:4}}"#),
            ("a: !GetAtt B.Arn", r#"{a@1:{Fn::GetAtt@1:"B.Arn"@1:4}}"#),
            ("a: !Join [':', [b, !Ref C]]", r#"{a@1:{Fn::Join@1:[":"@1:11 ["b"@1:17 {Ref@1:"C"@1:20}]]}}"#),
            ("a:\n  Fn::Sub: x\n", r#"{a@1:{Fn::Sub@2:"x"@2:12}}"#),
            ("a: &x {b: 1}\nc: *x\n", r#"{a@1:{b@1:"1"@1:11} c@2:{b@1:"1"@1:11}}"#),
            ("a: >-\n  one\n  two\nb: !!str 5\nc: ''\n", r#"{a@1:"one two"@2:3 b@4:"5"@4:4 c@5:""@5:4}"#),
            ("{\n\t\"a\": [\n\t\t1,\n\t\ttrue\n\t]\n}", r#"{a@2:["1"@3:3 "true"@4:3]}"#),
        ] {
            assert_eq!(sketch(&parse(0, text).unwrap()), expected, "{text}");
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
        let wide = format!("a: &a {}\nb: [{}*a]", "x".repeat(100_000), "*a, ".repeat(1000));
        for (text, at, message) in [
            ("", (0, 0), "the template is empty; it needs at least a Resources section"),
            ("# nothing\n", (0, 0), "the template is empty; it needs at least a Resources section"),
            ("a: 1\n\na: 2", (3, 1), "the key a stands twice in one mapping, first on line 1; remove one"),
            ("a: 1\nb:\n", (2, 1), "b has no value; give it one or remove the key"),
            ("a:\n  - ~\n", (2, 5), "a list item has no value; give it one or remove it"),
            ("{\"a\":\n null}", (1, 2), "a has no value; give it one or remove the key"),
            ("a: !Rfe B", (1, 4), "!Rfe is not an intrinsic function of CloudFormation; check its spelling"),
            (
                "a: 1\nb: !!binary xx",
                (2, 4),
                "the YAML type !!binary is not part of CloudFormation; remove it",
            ),
            ("a:\n\tb: 1", (2, 1), "a tab indents this line; YAML indents with spaces only"),
            ("a:\n  b: 1\n\tc: 2\n", (3, 1), "a tab indents this line; YAML indents with spaces only"),
            ("a: 1\n--- \nb: 2", (2, 1), "a second YAML document starts here; a template is one document"),
            ("? [a]\n: b", (1, 3), "a key is a list; keys are text"),
            ("a: &x\n  <<: *x", (2, 3), "CloudFormation does not merge mappings with <<; write the keys out"),
            ("a: &x [*x]", (1, 8), "an alias stands inside the value that it names"),
            (&deep, (1, 65), "the template nests deeper than 64 levels; flatten it"),
            (&climbing, (63, 12), "the template nests deeper than 64 levels; flatten it"),
            (&laughs, (6, 18), "the template has more than 500000 values, aliases included; make it smaller"),
            (
                &wide,
                (2, 665),
                "the template has more than 16777216 bytes of text, aliases included; make it smaller",
            ),
        ] {
            let fault = parse(0, text).unwrap_err();
            let found = (fault.at.line, fault.at.column);
            assert_eq!((found, fault.message.as_str()), (at, message), "{}", &text[..text.len().min(200)]);
        }
        let fault = parse(0, "a: [1, 2").unwrap_err();
        assert!(fault.message.starts_with("not valid YAML: "), "{}", fault.message);
    }
}
