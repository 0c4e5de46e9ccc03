//! SAM's `Globals`: properties that every resource of a type has unless it says otherwise.

use crate::{
    error::{Fault, Outcome},
    findings::Findings,
    intrinsics,
    node::{Entry, Kind, Node},
};

/// The part of `Globals` for each of SAM's types.
pub(super) struct Globals<'t>(Vec<(String, &'t Node)>);

/// Properties whose list takes the place of the global one, where others are joined.
const REPLACED: [&str; 1] = ["Architectures"];

/// What SAM takes below `Globals`.
const TYPES: [&str; 10] = [
    "Function",
    "Api",
    "HttpApi",
    "WebSocketApi",
    "SimpleTable",
    "StateMachine",
    "LayerVersion",
    "CapacityProvider",
    "MicroVMImage",
    "NetworkConnector",
];

/// Properties of functions that SAM does not take from there.
const OWN_ONLY: [&str; 4] = ["Role", "Policies", "FunctionName", "Events"];

impl<'t> Globals<'t> {
    pub(super) fn read(root: &'t Node, findings: &Findings) -> Outcome<Self> {
        let Some(section) = root.get("Globals") else { return Ok(Self(Vec::new())) };
        if !matches!(section.value.kind, Kind::Map(_)) {
            let message = format!("Globals is {}; it must be a mapping", section.value.noun());
            return Err(Fault::at(section.value.at, message));
        }
        let mut types = Vec::new();
        for entry in section.value.entries() {
            let Entry { key, at, value } = entry;
            if !TYPES.contains(&key.as_str()) {
                let message = format!("Globals has no {key}; SAM takes {}", TYPES.join(", "));
                findings.fault(Fault::at(*at, message));
            } else if !matches!(value.kind, Kind::Map(_)) {
                let message = format!("{key} in Globals is {}; it must be a mapping", value.noun());
                findings.fault(Fault::at(value.at, message));
            } else {
                let own = value.entries().iter().find(|e| OWN_ONLY.contains(&e.key.as_str()));
                if let Some(own) = own {
                    let message =
                        format!("{} stands with each {key}; SAM does not take it from Globals", own.key);
                    findings.fault(Fault::at(own.at, message));
                }
                types.push((format!("AWS::Serverless::{key}"), value));
            }
        }
        Ok(Self(types))
    }

    /// `properties` of a resource of `type_name`, with the globals that it does not ask to ignore.
    pub(super) fn merge(&self, type_name: &str, ignored: Option<&Entry>, properties: Node) -> Node {
        match self.0.iter().find(|(name, _)| name == type_name) {
            None => properties,
            Some((_, globals)) => merged(&wanted(globals, ignored), properties),
        }
    }
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

/// SAM's rule: mappings are merged, lists are joined, anything else of the resource wins.
fn merged(global: &Node, own: Node) -> Node {
    if intrinsics::of(global).is_some() || intrinsics::of(&own).is_some() {
        return own;
    }
    let at = own.at;
    let kind = match (&global.kind, own.kind) {
        (Kind::Map(global), Kind::Map(mut own)) => {
            for entry in global {
                match own.iter_mut().find(|candidate| candidate.key == entry.key) {
                    None => own.push(entry.clone()),
                    Some(own) if REPLACED.contains(&own.key.as_str()) => {}
                    Some(own) => {
                        let value = std::mem::replace(&mut own.value, Node::made(at, ""));
                        own.value = merged(&entry.value, value);
                    }
                }
            }
            Kind::Map(own)
        }
        (Kind::Seq(global), Kind::Seq(own)) => Kind::Seq(global.iter().cloned().chain(own).collect()),
        (_, own) => own,
    };
    Node { at, kind }
}
