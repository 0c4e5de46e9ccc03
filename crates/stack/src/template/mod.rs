//! The sections of a template.

mod for_each;
mod globals;
pub(crate) mod parameters;

use std::collections::{HashMap, HashSet};

use crate::{
    error::{Fault, Outcome},
    findings::Findings,
    intrinsics::{self, Scope},
    node::{Entry, Kind, Node},
    sam,
    source::Span,
};

/// Resources of a template, those that SAM adds included: the service's own limit.
const RESOURCES_MAX: usize = 500;

/// Transforms of SAM and of `Fn::ForEach` and its like.
const SAM: &str = "AWS::Serverless-2016-10-31";
const LANGUAGE_EXTENSIONS: &str = "AWS::LanguageExtensions";

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

/// A resource as it is written, globals merged in.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) logical_id: String,
    /// Where its logical id stands.
    pub(crate) at: Span,
    pub(crate) type_name: String,
    /// A mapping; empty if the resource has none.
    pub(crate) properties: Node,
    /// Names in `DependsOn`.
    pub(crate) depends_on: Vec<(String, Span)>,
    /// The name in `Condition`.
    pub(crate) condition: Option<(String, Span)>,
}

/// What a template says once its parameters are known.
#[derive(Debug)]
pub(crate) struct Template {
    /// In template order.
    pub(crate) resources: Vec<Declared>,
    /// Logical ids of resources that are at fault, which is told: what refers to them is not.
    pub(crate) unreadable: HashSet<String>,
    pub(crate) outputs: Vec<Entry>,
}

/// Checks the outline of a template: that it has sections, and only such as there are.
pub(crate) fn check(root: &Node, findings: &Findings) -> Outcome<()> {
    let Kind::Map(sections) = &root.kind else {
        let message = format!("the template is {}; it must be a mapping of sections", root.noun());
        return Err(Fault::at(root.at, message));
    };
    // Nothing else counts before the sections are right.
    if let Some(entry) = sections.iter().find(|entry| !SECTIONS.contains(&entry.key.as_str())) {
        let (key, sections) = (&entry.key, SECTIONS.join(", "));
        let message = format!("{key} is not a section of a template; the sections are {sections}");
        return Err(Fault::at(entry.at, message));
    }
    if let Some((at, message)) = intrinsics::first_unknown(root) {
        return Err(Fault::at(at, message));
    }
    for (section, what) in
        [("Rules", "assertions about parameters are not checked here"), ("Hooks", "hooks do not run here")]
    {
        if let Some(entry) = root.get(section) {
            findings.note(entry.at, what, section);
        }
    }
    Ok(())
}

/// Fills `scope` with mappings and conditions, and reads the resources. The scope has the parameters already.
pub(crate) fn read(root: &Node, scope: &mut Scope<'_>) -> Outcome<Template> {
    let transforms = transforms(root)?;
    scope.language_extensions = transforms.language_extensions;
    if let Some(entry) = root.get("Mappings") {
        mapping(root, "Mappings")?;
        scope.mappings = Some(entry.value.clone());
    }
    let conditions = for_each::expanded(mapping(root, "Conditions")?, scope)?;
    scope.conditions =
        conditions.into_iter().map(|entry| (entry.key, entry.value)).collect::<HashMap<_, _>>();
    scope.decide_all();

    let entries = for_each::expanded(mapping(root, "Resources")?, scope)?;
    if entries.is_empty() {
        let message = "the template has no Resources; there is nothing to run";
        return Err(Fault::at(root.get("Resources").map_or(root.at, |entry| entry.at), message));
    }
    let globals = globals::Globals::read(root, scope.findings)?;
    let mut resources = Vec::with_capacity(entries.len());
    let mut unreadable = HashSet::new();
    for entry in entries {
        let id = entry.key.clone();
        let type_name = entry.value.get("Type").and_then(|entry| entry.value.as_text());
        if !transforms.sam && type_name.is_some_and(|name| name.starts_with("AWS::Serverless::")) {
            let text = format!("the service refuses AWS::Serverless types without Transform: {SAM}");
            scope.findings.note(entry.at, &text, &id);
        }
        let made = resources.len();
        if let Some(resource) = scope.findings.keep(resource(entry, &globals, scope)) {
            sam::expand(resource, scope.findings, &mut resources);
        }
        if resources.len() == made {
            unreadable.insert(id);
        }
    }
    check_names(&resources, scope.findings)?;
    let outputs = for_each::expanded(mapping(root, "Outputs")?, scope)?;
    Ok(Template { resources, unreadable, outputs })
}

/// What SAM adds must not meet what is there; and the service counts it too.
fn check_names(resources: &[Declared], findings: &Findings) -> Outcome<()> {
    let mut names = HashSet::new();
    for resource in resources {
        if !names.insert(&resource.logical_id) {
            let message =
                format!("SAM makes a resource {} of this, and there is one already", resource.logical_id);
            findings.fault(Fault::at(resource.at, message));
        }
    }
    match resources.get(RESOURCES_MAX) {
        None => Ok(()),
        Some(resource) => {
            let message = format!(
                "a template has at most {RESOURCES_MAX} resources, those that SAM adds included; this is one more"
            );
            Err(Fault::at(resource.at, message))
        }
    }
}

/// The transforms that a template asks for.
#[derive(Default)]
struct Transforms {
    sam: bool,
    language_extensions: bool,
}

/// Other macros rewrite the template in the account; nothing here can know how.
fn transforms(root: &Node) -> Outcome<Transforms> {
    let mut transforms = Transforms::default();
    let Some(entry) = root.get("Transform") else { return Ok(transforms) };
    let names = match &entry.value.kind {
        Kind::Seq(items) => items.iter().collect(),
        Kind::Text(_) | Kind::Map(_) => vec![&entry.value],
    };
    for name in names {
        match name.as_text() {
            Some(SAM) => transforms.sam = true,
            Some(LANGUAGE_EXTENSIONS) => transforms.language_extensions = true,
            Some(other) => {
                let message =
                    format!("the macro {other} runs in the account only; expand the template first");
                return Err(Fault::at(name.at, message));
            }
            None => {
                return Err(Fault::at(name.at, format!("a macro's name is a text, not {}", name.noun())));
            }
        }
    }
    Ok(transforms)
}

fn resource(entry: Entry, globals: &globals::Globals<'_>, scope: &Scope<'_>) -> Outcome<Declared> {
    let Entry { key, at, value } = entry;
    if !key.chars().all(|c| c.is_ascii_alphanumeric()) || key.is_empty() {
        let message = format!("{key:?} cannot name a resource; names have letters and digits only");
        return Err(Fault::at(at, message));
    }
    let Some(type_name) = value.get("Type").and_then(|entry| entry.value.as_text()) else {
        return Err(Fault::at(at, format!("resource {key} has no Type")));
    };
    if let Some(other) = value.entries().iter().find(|e| !RESOURCE_KEYS.contains(&e.key.as_str())) {
        let message =
            format!("{} is not a key of a resource; properties of {key} stand under Properties", other.key);
        return Err(Fault::at(other.at, message));
    }
    let condition = match value.get("Condition") {
        None => None,
        Some(entry) => match entry.value.as_text() {
            Some(name) => Some((name.to_owned(), entry.value.at)),
            None => {
                let message =
                    format!("Condition of {key} is {}; it must be a condition's name", entry.value.noun());
                return Err(Fault::at(entry.value.at, message));
            }
        },
    };
    let properties = match value.get("Properties") {
        None => Node::map(at, Vec::new()),
        Some(Entry { value: Node { at, kind: Kind::Map(entries) }, .. }) => {
            Node::map(*at, for_each::expanded(entries, scope)?)
        }
        Some(Entry { value, .. }) => {
            let message = format!("Properties of {key} is {}; it must be a mapping", value.noun());
            return Err(Fault::at(value.at, message));
        }
    };
    let properties = globals.merge(type_name, value.get("IgnoreGlobals"), properties);
    let depends_on = match value.get("DependsOn").map(|entry| &entry.value) {
        None => Vec::new(),
        Some(node @ Node { kind: Kind::Text(_), .. }) => names_in(std::slice::from_ref(node), &key)?,
        Some(Node { kind: Kind::Seq(items), .. }) => names_in(items, &key)?,
        Some(node) => {
            let message = format!("DependsOn of {key} is a mapping; it must be a resource's name or a list");
            return Err(Fault::at(node.at, message));
        }
    };
    Ok(Declared { type_name: type_name.to_owned(), logical_id: key, at, properties, depends_on, condition })
}

fn names_in(items: &[Node], owner: &str) -> Outcome<Vec<(String, Span)>> {
    let name = |item: &Node| match item.as_text() {
        Some(name) => Ok((name.to_owned(), item.at)),
        None => Err(Fault::at(
            item.at,
            format!("DependsOn of {owner} has {} in it; it takes resources' names", item.noun()),
        )),
    };
    items.iter().map(name).collect()
}

fn mapping<'a>(root: &'a Node, section: &str) -> Outcome<&'a [Entry]> {
    match root.get(section) {
        None => Ok(&[]),
        Some(entry) => match &entry.value.kind {
            Kind::Map(entries) => Ok(entries),
            Kind::Text(_) | Kind::Seq(_) => {
                let message = format!("{section} is {}; it must be a mapping", entry.value.noun());
                Err(Fault::at(entry.value.at, message))
            }
        },
    }
}
