//! Intrinsics over lists, texts and mappings.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    cidr,
    evaluate::{Scope, TEXT_BYTES_MAX, expect_text},
    json,
};
use crate::{
    error::{Fault, Outcome},
    node::{Kind, Node},
    source::Span,
};

/// Availability zones that a region has here.
const ZONES: [char; 3] = ['a', 'b', 'c'];

impl Scope<'_> {
    pub(super) fn join(&self, argument: &Node) -> Outcome<String> {
        let usage = || Fault::at(argument.at, "Fn::Join takes two values: a delimiter and a list of texts");
        let [delimiter, items] = argument.items() else { return Err(usage()) };
        let delimiter = expect_text(delimiter, "Fn::Join", "a delimiter")?;
        let Some(Node { kind: Kind::Seq(items), .. }) = self.evaluate(items)? else { return Err(usage()) };
        let mut result = String::new();
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                result.push_str(delimiter);
            }
            result.push_str(expect_text(item, "Fn::Join", "texts in its list")?);
            if result.len() > TEXT_BYTES_MAX {
                break; // the caller says why
            }
        }
        Ok(result)
    }

    pub(super) fn select(&self, argument: &Node) -> Outcome<Option<Node>> {
        let usage = || Fault::at(argument.at, "Fn::Select takes two values: an index from 0 and a list");
        let [index_node, items] = argument.items() else { return Err(usage()) };
        let index = self.text(index_node, "the index of Fn::Select")?;
        let Some(Node { kind: Kind::Seq(mut items), .. }) = self.evaluate(items)? else {
            return Err(usage());
        };
        let index: usize = index.trim().parse().map_err(|_| {
            Fault::at(index_node.at, format!("Fn::Select takes an index from 0; {index} is none"))
        })?;
        if index >= items.len() {
            let message = format!("Fn::Select asks for item {index} of a list that has {}", items.len());
            return Err(Fault::at(index_node.at, message));
        }
        Ok(Some(items.swap_remove(index)))
    }

    pub(super) fn split(&self, argument: &Node) -> Outcome<Node> {
        let [delimiter, text] = argument.items() else {
            return Err(Fault::at(argument.at, "Fn::Split takes two values: a delimiter and a text"));
        };
        let delimiter_text = expect_text(delimiter, "Fn::Split", "a delimiter")?;
        if delimiter_text.is_empty() {
            return Err(Fault::at(delimiter.at, "Fn::Split takes a delimiter of at least one character"));
        }
        let at = text.at;
        let text = self.text(text, "the text of Fn::Split")?;
        let items: Vec<_> = text.split(delimiter_text).map(|item| Node::made(at, item)).collect();
        Ok(Node::seq(at, items))
    }

    pub(super) fn find_in_map(&self, argument: &Node) -> Outcome<Option<Node>> {
        let (keys, default) = match argument.items() {
            [map, first, second] => ([map, first, second], None),
            [map, first, second, default] => {
                let Some(default) = default.get("DefaultValue") else {
                    let message = "the fourth value of Fn::FindInMap must be a mapping with DefaultValue";
                    return Err(Fault::at(default.at, message));
                };
                self.needs_extensions("DefaultValue of Fn::FindInMap", default.at)?;
                ([map, first, second], Some(&default.value))
            }
            _ => {
                let message = "Fn::FindInMap takes three values: a mapping's name and two keys";
                return Err(Fault::at(argument.at, message));
            }
        };
        let mut found = self.mappings.as_ref();
        let mut path = Vec::new();
        for key in keys {
            let text = self.text(key, "a key of Fn::FindInMap")?;
            found = found.and_then(|node| node.get(&text)).map(|entry| &entry.value);
            path.push(text);
            if found.is_none() && default.is_none() {
                let what = match path.as_slice() {
                    [map] => format!("there is no mapping {map}"),
                    path => format!("the mappings have no {}", path.join(".")),
                };
                return Err(Fault::at(key.at, format!("{what}, which Fn::FindInMap asks for")));
            }
        }
        match (found, default) {
            (Some(value), _) | (None, Some(value)) => self.evaluate(value),
            (None, None) => Ok(None),
        }
    }

    pub(super) fn base64(&self, argument: &Node) -> Outcome<Node> {
        let text = self.text(argument, "the text of Fn::Base64")?;
        Ok(Node::made(argument.at, STANDARD.encode(text)))
    }

    pub(super) fn cidr(&self, argument: &Node) -> Outcome<Node> {
        let (block, count, bits) = match argument.items() {
            [block, count] => (block, count, None),
            [block, count, bits] => (block, count, Some(bits)),
            _ => {
                let message =
                    "Fn::Cidr takes an address block, a number of blocks, and perhaps their host bits";
                return Err(Fault::at(argument.at, message));
            }
        };
        let block = self.text(block, "the block of Fn::Cidr")?;
        let count = self.text(count, "the number of blocks of Fn::Cidr")?;
        let bits = bits.map(|bits| self.text(bits, "the host bits of Fn::Cidr")).transpose()?;
        let blocks =
            cidr::cidr(&block, &count, bits.as_deref()).map_err(|message| Fault::at(argument.at, message))?;
        Ok(Node::seq(argument.at, blocks.into_iter().map(|block| Node::made(argument.at, block)).collect()))
    }

    pub(super) fn zones(&self, argument: &Node) -> Outcome<Node> {
        let region = self.text(argument, "the region of Fn::GetAZs")?;
        let region = if region.is_empty() { &self.settings.region } else { &region };
        let zones = ZONES.map(|zone| Node::made(argument.at, format!("{region}{zone}")));
        Ok(Node::seq(argument.at, zones.into()))
    }

    pub(super) fn import(&self, argument: &Node) -> Outcome<Node> {
        let name = self.text(argument, "the name of Fn::ImportValue")?;
        match self.settings.imports.get(&name) {
            Some(value) => Ok(Node::made(argument.at, value)),
            None => {
                let message = format!(
                    "Fn::ImportValue takes {name} from another stack, which is not here; give it a value with --import \
                     {name}=VALUE"
                );
                Err(Fault::at(argument.at, message))
            }
        }
    }

    pub(super) fn length(&self, argument: &Node, at: Span) -> Outcome<Node> {
        self.needs_extensions("Fn::Length", at)?;
        match self.evaluate(argument)? {
            Some(Node { kind: Kind::Seq(items), .. }) => Ok(Node::made(at, items.len().to_string())),
            _ => Err(Fault::at(argument.at, "Fn::Length takes a list")),
        }
    }

    pub(super) fn to_json_string(&self, argument: &Node, at: Span) -> Outcome<Node> {
        self.needs_extensions("Fn::ToJsonString", at)?;
        match self.evaluate(argument)? {
            Some(node) if !matches!(node.kind, Kind::Text(_)) => {
                Ok(Node::made(at, json::json(&node).to_string()))
            }
            _ => Err(Fault::at(argument.at, "Fn::ToJsonString takes a list or a mapping")),
        }
    }

    pub(crate) fn needs_extensions(&self, what: &str, at: Span) -> Outcome<()> {
        if self.language_extensions {
            return Ok(());
        }
        Err(Fault::at(at, format!("{what} needs AWS::LanguageExtensions among the template's Transform")))
    }
}
