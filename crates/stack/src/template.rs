//! The sections of a template: its parameters with their values, and its resources with SAM's globals merged in.

use std::collections::{BTreeMap, HashMap};

use crate::{
    error::{Fault, Outcome},
    intrinsics,
    node::{Entry, Kind, Node},
    notes::Notes,
    resources,
};

/// Resources of a template: the service's own limit.
const RESOURCES_MAX: usize = 500;

/// Parameters of a template: the service's own limit.
const PARAMETERS_MAX: usize = 200;

const SECTIONS: [&str; 12] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Transform",
    "Globals",
    "Resources",
    "Outputs",
    "Hooks",
];

const RESOURCE_KEYS: [&str; 11] = [
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "Metadata",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "CreationPolicy",
    "UpdatePolicy",
    "Connectors",
    "IgnoreGlobals",
];

/// What the rest of the crate works on.
#[derive(Debug)]
pub(crate) struct Template {
    /// Values of the parameters: a text, or a list of texts.
    pub(crate) parameters: HashMap<String, Node>,
    /// In template order.
    pub(crate) resources: Vec<Resource>,
}

#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) logical_id: String,
    pub(crate) line: usize,
    pub(crate) type_name: String,
    /// A mapping; empty if the resource has none.
    pub(crate) properties: Node,
    /// Names in `DependsOn`, with their lines.
    pub(crate) depends_on: Vec<(String, usize)>,
}

impl Template {
    pub(crate) fn read(root: &Node, values: &BTreeMap<String, String>, notes: &mut Notes) -> Outcome<Self> {
        let Kind::Map(sections) = &root.kind else {
            return Err(Fault::at(
                root.line,
                format!("the template is {}; it must be a mapping", root.noun()),
            ));
        };
        if let Some(entry) = sections.iter().find(|entry| !SECTIONS.contains(&entry.key.as_str())) {
            return Err(Fault::at(
                entry.line,
                format!(
                    "{} is not a section of a template; the sections are {}",
                    entry.key,
                    SECTIONS.join(", ")
                ),
            ));
        }
        if let Some((line, message)) = intrinsics::first_unknown(root) {
            return Err(Fault::at(line, message));
        }
        check_transform(root)?;
        let parameters = parameters(root, values, notes)?;
        let resources = resources(root)?;
        Ok(Self { parameters, resources })
    }
}

/// Macros other than SAM's rewrite the template in the account; nothing here can know how.
fn check_transform(root: &Node) -> Outcome<()> {
    let Some(entry) = root.get("Transform") else { return Ok(()) };
    let names = match &entry.value.kind {
        Kind::Seq(items) => items.iter().collect(),
        Kind::Text(_) | Kind::Map(_) => vec![&entry.value],
    };
    for name in names {
        match name.as_text() {
            Some("AWS::Serverless-2016-10-31" | "AWS::LanguageExtensions") => {}
            Some(other) => {
                let message =
                    format!("the macro {other} runs in the account only; expand the template first");
                return Err(Fault::at(name.line, message));
            }
            None => {
                return Err(Fault::at(name.line, format!("a macro's name is a text, not {}", name.noun())));
            }
        }
    }
    Ok(())
}

fn parameters(
    root: &Node,
    values: &BTreeMap<String, String>,
    notes: &mut Notes,
) -> Outcome<HashMap<String, Node>> {
    let declared = mapping(root, "Parameters")?;
    if declared.len() > PARAMETERS_MAX {
        let message = format!("a template has at most {PARAMETERS_MAX} parameters; this is one more");
        return Err(Fault::at(declared[PARAMETERS_MAX].line, message));
    }
    if let Some(name) = values.keys().find(|name| declared.iter().all(|entry| &entry.key != *name)) {
        return Err(Fault::whole(match declared {
            [] => format!("there is no parameter {name}; the template declares none"),
            _ => {
                let names: Vec<_> = declared.iter().map(|entry| entry.key.as_str()).collect();
                format!("there is no parameter {name}; the template declares {}", names.join(", "))
            }
        }));
    }
    declared
        .iter()
        .map(|entry| Ok((entry.key.clone(), parameter(entry, values.get(&entry.key), notes)?)))
        .collect()
}

fn parameter(entry: &Entry, given: Option<&String>, notes: &mut Notes) -> Outcome<Node> {
    let Entry { key, line, value: declaration } = entry;
    let type_name = declaration
        .get("Type")
        .and_then(|entry| entry.value.as_text())
        .ok_or_else(|| Fault::at(*line, format!("parameter {key} has no Type; most are of Type String")))?;
    let is_list = type_name == "CommaDelimitedList" || type_name.starts_with("List<");
    let default = declaration.get("Default");
    let (text, line) = match (given, default) {
        (Some(given), _) => (given.as_str(), *line),
        (None, Some(default)) => match default.value.as_text() {
            Some(text) => (text, default.line),
            None => {
                let message =
                    format!("Default of parameter {key} is {}; it must be a text", default.value.noun());
                return Err(Fault::at(default.line, message));
            }
        },
        (None, None) => {
            return Err(Fault::at(*line, format!("parameter {key} has no default; give it a value")));
        }
    };
    if type_name.starts_with("AWS::SSM::") && given.is_none() {
        let message =
            format!("the value of parameter {key} lies in the account's parameter store; give it one");
        return Err(Fault::at(line, message));
    }
    if type_name == "Number" && text.trim().parse::<f64>().is_err() {
        return Err(Fault::at(line, format!("parameter {key} is a Number; {text:?} is none")));
    }
    if let Some(allowed) = declaration.get("AllowedValues") {
        let Kind::Seq(items) = &allowed.value.kind else {
            return Err(Fault::at(allowed.line, format!("AllowedValues of parameter {key} must be a list")));
        };
        let items: Vec<_> = items.iter().filter_map(Node::as_text).collect();
        if !items.contains(&text) {
            let message = format!("parameter {key} is {text:?}; it must be one of {}", items.join(", "));
            return Err(Fault::at(line, message));
        }
    }
    for constraint in ["AllowedPattern", "MinLength", "MaxLength", "MinValue", "MaxValue"] {
        if let Some(entry) = declaration.get(constraint) {
            notes.add(entry.line, &format!("{constraint} of a parameter is not checked here"), key);
        }
    }
    Ok(if is_list {
        let items = text.split(',').map(|item| Node::text(line, item.trim())).collect();
        Node { line, kind: Kind::Seq(items) }
    } else {
        Node::text(line, text)
    })
}

fn resources(root: &Node) -> Outcome<Vec<Resource>> {
    let entries = mapping(root, "Resources")?;
    if entries.is_empty() {
        return Err(Fault::whole("the template has no Resources; there is nothing to run"));
    }
    if entries.len() > RESOURCES_MAX {
        let message = format!("a template has at most {RESOURCES_MAX} resources; this is one more");
        return Err(Fault::at(entries[RESOURCES_MAX].line, message));
    }
    let globals =
        root.get("Globals").and_then(|globals| globals.value.get("Function")).map(|entry| &entry.value);
    entries.iter().map(|entry| resource(entry, globals)).collect()
}

fn resource(entry: &Entry, globals: Option<&Node>) -> Outcome<Resource> {
    let Entry { key, line, value } = entry;
    if !key.chars().all(|c| c.is_ascii_alphanumeric()) || key.is_empty() {
        let message = format!("{key:?} cannot name a resource; names have letters and digits only");
        return Err(Fault::at(*line, message));
    }
    let Some(type_name) = value.get("Type").and_then(|entry| entry.value.as_text()) else {
        return Err(Fault::at(*line, format!("resource {key} has no Type")));
    };
    if let Some(other) = value.entries().iter().find(|e| !RESOURCE_KEYS.contains(&e.key.as_str())) {
        let message =
            format!("{} is not a key of a resource; properties of {key} stand under Properties", other.key);
        return Err(Fault::at(other.line, message));
    }
    if let Some(condition) = value.get("Condition")
        && resources::is_interpreted(type_name)
    {
        let message = format!("Condition of {key} is not supported yet; conditions are not evaluated");
        return Err(Fault::at(condition.line, message));
    }
    let mut properties = match value.get("Properties") {
        None => Node { line: *line, kind: Kind::Map(Vec::new()) },
        Some(entry) if matches!(entry.value.kind, Kind::Map(_)) => entry.value.clone(),
        Some(entry) => {
            let message = format!("Properties of {key} is {}; it must be a mapping", entry.value.noun());
            return Err(Fault::at(entry.line, message));
        }
    };
    if type_name == "AWS::Serverless::Function"
        && let Some(globals) = globals
    {
        properties = merged(&wanted(globals, value.get("IgnoreGlobals")), properties);
    }
    let depends_on = match value.get("DependsOn").map(|entry| &entry.value) {
        None => Vec::new(),
        Some(Node { kind: Kind::Seq(items), .. }) => {
            items.iter().filter_map(|item| Some((item.as_text()?.to_owned(), item.line))).collect()
        }
        Some(node) => node.as_text().map(|name| (name.to_owned(), node.line)).into_iter().collect(),
    };
    Ok(Resource {
        logical_id: key.clone(),
        line: *line,
        type_name: type_name.to_owned(),
        properties,
        depends_on,
    })
}

/// The globals without those that a function asks to ignore: `"*"` for all, or a list of names.
fn wanted(globals: &Node, ignored: Option<&Entry>) -> Node {
    let mut globals = globals.clone();
    if let (Kind::Map(entries), Some(ignored)) = (&mut globals.kind, ignored) {
        entries.retain(|entry| match &ignored.value.kind {
            Kind::Seq(names) => names.iter().all(|name| name.as_text() != Some(&entry.key)),
            Kind::Text(_) | Kind::Map(_) => false,
        });
    }
    globals
}

/// SAM's rule for globals: mappings are merged, lists are joined, anything else of the resource wins.
fn merged(global: &Node, own: Node) -> Node {
    if intrinsics::of(global).is_some() || intrinsics::of(&own).is_some() {
        return own;
    }
    let line = own.line;
    let kind = match (&global.kind, own.kind) {
        (Kind::Map(global), Kind::Map(mut own)) => {
            for entry in global {
                match own.iter_mut().find(|candidate| candidate.key == entry.key) {
                    None => own.push(entry.clone()),
                    Some(own) => {
                        let value = std::mem::replace(&mut own.value, Node::text(own.line, ""));
                        own.value = merged(&entry.value, value);
                    }
                }
            }
            Kind::Map(own)
        }
        (Kind::Seq(global), Kind::Seq(own)) => Kind::Seq(global.iter().cloned().chain(own).collect()),
        (_, own) => own,
    };
    Node { line, kind }
}

fn mapping<'a>(root: &'a Node, section: &str) -> Outcome<&'a [Entry]> {
    match root.get(section) {
        None => Ok(&[]),
        Some(entry) => match &entry.value.kind {
            Kind::Map(entries) => Ok(entries),
            Kind::Text(_) | Kind::Seq(_) => Err(Fault::at(
                entry.line,
                format!("{section} is {}; it must be a mapping", entry.value.noun()),
            )),
        },
    }
}
