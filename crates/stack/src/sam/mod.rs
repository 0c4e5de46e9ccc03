//! What SAM makes of its own types: plain resources, under the names that SAM gives them, so that the rest of a template
//! can refer to them. The logical ids are those of SAM's translator 1.115.

mod function;
mod websocket_api;

use crate::{
    findings::Findings,
    node::{Entry, Node},
    source::Span,
    template::Declared,
};

/// Adds `resource`, or what SAM makes of it, to `resources`.
pub(crate) fn expand(resource: Declared, findings: &Findings, resources: &mut Vec<Declared>) {
    match resource.type_name.as_str() {
        "AWS::Serverless::WebSocketApi" => {
            let made = websocket_api::expand(&resource, findings);
            resources.extend(findings.keep(made).unwrap_or_default());
        }
        "AWS::Serverless::Function" => function::expand(resource, findings, resources),
        _ => resources.push(resource),
    }
}

/// A resource that SAM makes of `origin`: it stands where that does, and shares its condition.
fn made(origin: &Declared, id: String, at: Span, type_name: &str, properties: Vec<Entry>) -> Declared {
    Declared {
        logical_id: id,
        at,
        type_name: type_name.to_owned(),
        properties: Node::map(at, properties),
        depends_on: Vec::new(),
        condition: origin.condition.clone(),
    }
}

/// `{key: value}` with places.
fn entry(at: Span, key: &str, value: Node) -> Entry {
    Entry::new(key, at, value)
}

fn text(at: Span, value: impl Into<String>) -> Node {
    Node::made(at, value)
}

/// An intrinsic with its argument.
fn call(at: Span, name: &str, argument: Node) -> Node {
    Node::map(at, vec![Entry::new(name, at, argument)])
}

fn reference(at: Span, id: &str) -> Node {
    call(at, "Ref", text(at, id))
}

fn get_att(at: Span, id: &str, attribute: &str) -> Node {
    call(at, "Fn::GetAtt", Node::seq(at, vec![text(at, id), text(at, attribute)]))
}

/// `Fn::Sub` with variables of its own.
fn sub(at: Span, pattern: &str, variables: Vec<Entry>) -> Node {
    call(at, "Fn::Sub", Node::seq(at, vec![text(at, pattern), Node::map(at, variables)]))
}
