//! From a template's text to its resources with plain values: parameters, then conditions, then one resource after the
//! other, each after those it refers to.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, HashSet},
    rc::Rc,
};

use crate::{
    Parameters,
    error::{Fault, Outcome},
    findings::Findings,
    graph,
    intrinsics::Scope,
    node::{Kind, Node},
    resources::{self, Type},
    source::{Sources, Span},
    template::{
        self, Declared,
        parameters::{self, Giver},
    },
    yaml,
};

/// A resource, every intrinsic evaluated.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Key in its template; below nested stacks, after their keys and dots.
    pub(crate) logical_id: String,
    pub(crate) at: Span,
    pub(crate) type_name: String,
    pub(crate) kind: Type,
    /// A mapping without intrinsics.
    pub(crate) properties: Node,
    /// Its properties could not be evaluated; the fault is told already.
    pub(crate) broken: bool,
    /// The physical name.
    pub(crate) name: String,
    /// What `Ref` gives.
    pub(crate) reference: String,
    /// Of a nested stack.
    pub(crate) outputs: BTreeMap<String, String>,
}

impl Resource {
    /// What `Fn::GetAtt` gives.
    pub(crate) fn attribute(&self, attribute: &str, settings: &Parameters, at: Span) -> Outcome<String> {
        let unknown = || {
            let Self { logical_id, type_name, .. } = self;
            let message =
                format!("{logical_id}.{attribute} is not known here; {type_name} has no such attribute");
            Fault::at(at, message)
        };
        if self.kind == Type::Nested {
            let output = attribute.strip_prefix("Outputs.").ok_or_else(unknown)?;
            return match self.outputs.get(output) {
                Some(value) => Ok(value.clone()),
                None if self.broken => Ok(String::new()),
                None => {
                    let message = format!("the nested stack {} has no output {output}", self.logical_id);
                    Err(Fault::at(at, message))
                }
            };
        }
        resources::attribute(self, attribute, settings).ok_or_else(unknown)
    }
}

/// Reads templates, one below another.
pub(crate) struct Resolver<'a> {
    pub(crate) settings: &'a Parameters,
    pub(crate) findings: &'a Findings,
    pub(crate) sources: RefCell<Sources>,
    /// Stacks read so far.
    pub(crate) stacks: Cell<usize>,
}

/// One template to read, and how.
pub(crate) struct Instance<'a> {
    pub(crate) source: u16,
    pub(crate) stack_name: String,
    /// Before logical ids: empty, or the keys of the stacks around it, each with a dot.
    pub(crate) prefix: String,
    pub(crate) values: &'a BTreeMap<String, String>,
    pub(crate) depth: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// In template order; those of a nested stack stand where it does.
    pub(crate) resources: Vec<Rc<Resource>>,
    pub(crate) outputs: BTreeMap<String, String>,
}

impl Resolver<'_> {
    /// Reads one template. What is wrong is among the findings.
    pub(crate) fn resolve(&self, instance: &Instance<'_>) -> Resolved {
        self.findings.keep(self.try_resolve(instance)).unwrap_or_default()
    }

    fn try_resolve(&self, instance: &Instance<'_>) -> Outcome<Resolved> {
        let text = self.sources.borrow().get(instance.source).text.clone();
        let root = yaml::parse(instance.source, &text)?;
        template::check(&root, self.findings)?;
        let mut scope = Scope::new(self.settings, self.findings, instance.stack_name.clone());
        let giver = if instance.depth == 0 { Giver::CommandLine } else { Giver::StackAround };
        scope.parameters = parameters::read(&root, instance.values, giver, self.findings);
        let template = template::read(&root, &mut scope)?;
        scope.unreadable = template.unreadable;
        scope.declared = template.resources.iter().map(|resource| resource.logical_id.clone()).collect();
        let left_out = template.resources.iter().filter(|resource| self.is_left_out(resource, &scope));
        scope.left_out = left_out.map(|resource| resource.logical_id.clone()).collect();
        let resources: Vec<_> = template
            .resources
            .into_iter()
            .filter(|resource| !scope.left_out.contains(&resource.logical_id))
            .collect();

        let order = graph::order(&resources, &scope)?;
        let by_id: HashMap<&str, &Declared> =
            resources.iter().map(|resource| (resource.logical_id.as_str(), resource)).collect();
        let mut nested: HashMap<&str, Vec<Rc<Resource>>> = HashMap::new();
        for &id in &order.ids {
            let Some(declared) = by_id.get(id) else { continue };
            let (resource, below) = self.resource(declared, instance, &scope, &order.lost);
            nested.insert(id, below);
            scope.resources.insert(id.to_owned(), Rc::new(resource));
        }
        let mut resolved = Resolved { outputs: outputs(&template.outputs, &scope), ..Resolved::default() };
        for resource in &resources {
            let id = resource.logical_id.as_str();
            resolved.resources.extend(scope.resources.get(id).cloned());
            resolved.resources.extend(nested.remove(id).unwrap_or_default());
        }
        Ok(resolved)
    }

    fn is_left_out(&self, resource: &Declared, scope: &Scope<'_>) -> bool {
        let Some((name, at)) = &resource.condition else { return false };
        self.findings.keep(scope.condition(name, *at)) == Some(false)
    }

    /// The resource, and what a nested stack holds.
    fn resource(
        &self,
        declared: &Declared,
        instance: &Instance<'_>,
        scope: &Scope<'_>,
        lost: &HashSet<&str>,
    ) -> (Resource, Vec<Rc<Resource>>) {
        let Declared { logical_id, at, type_name, .. } = declared;
        let kind = resources::type_of(type_name);
        let empty = || Node::map(declared.properties.at, Vec::new());
        let properties = match kind {
            _ if lost.contains(logical_id.as_str()) && kind != Type::Other => None,
            Type::Other => Some(lenient(declared, scope)),
            _ => self
                .findings
                .keep(scope.evaluate(&declared.properties))
                .map(|node| node.unwrap_or_else(empty)),
        };
        let broken = properties.is_none();
        let properties = properties.unwrap_or_else(empty);
        let full_id = format!("{}{logical_id}", instance.prefix);
        let owner = resources::Owner {
            logical_id,
            full_id: &full_id,
            stack_name: &scope.stack_name,
            settings: self.settings,
        };
        let (name, reference) = resources::identify(kind, type_name, &properties, &owner);
        let mut resource = Resource {
            logical_id: full_id,
            at: *at,
            type_name: type_name.clone(),
            kind,
            properties,
            broken,
            name,
            reference,
            outputs: BTreeMap::new(),
        };
        if kind != Type::Nested || broken {
            return (resource, Vec::new());
        }
        let Some(below) = self.findings.keep(self.nested(&resource, logical_id, instance)) else {
            resource.broken = true;
            return (resource, Vec::new());
        };
        resource.outputs = below.outputs;
        (resource, below.resources)
    }
}

/// Nobody needs more than the name of what takes no part here; what cannot be evaluated is left out.
fn lenient(declared: &Declared, scope: &Scope<'_>) -> Node {
    let named = resources::name_property(&declared.type_name).and_then(|key| declared.properties.get(key));
    let entry = named.and_then(|entry| {
        let value = scope.evaluate(&entry.value).ok().flatten()?;
        Some(crate::node::Entry { value, ..entry.clone() })
    });
    Node::map(declared.properties.at, entry.into_iter().collect())
}

/// Outputs that are texts. One that cannot be evaluated is noted: it may speak of what SAM adds on the service.
fn outputs(entries: &[crate::node::Entry], scope: &Scope<'_>) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    for entry in entries {
        let condition =
            entry.value.get("Condition").and_then(|entry| Some((entry.value.as_text()?, entry.value.at)));
        if let Some((name, at)) = condition
            && scope.findings.keep(scope.condition(name, at)) != Some(true)
        {
            continue;
        }
        let Some(value) = entry.value.get("Value") else {
            scope.findings.fault(Fault::at(entry.at, format!("output {} has no Value", entry.key)));
            continue;
        };
        match scope.evaluate(&value.value) {
            Ok(Some(Node { kind: Kind::Text(text), .. })) => {
                outputs.insert(entry.key.clone(), text.value);
            }
            Ok(Some(other)) => {
                let message = format!("output {} is {}; it must be a text", entry.key, other.noun());
                scope.findings.fault(Fault::at(value.value.at, message));
            }
            Ok(None) => {}
            Err(fault) => {
                let text = format!("an output is left out: {}", fault.message);
                scope.findings.note(fault.at, &text, &entry.key);
            }
        }
    }
    outputs
}
