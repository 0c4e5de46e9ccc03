//! Intrinsic functions: which there are, what they refer to, and their values.

mod cidr;
mod evaluate;
mod json;
mod lists;
mod sub;

pub(crate) use evaluate::Scope;
pub(crate) use json::json;

use crate::{
    node::{Kind, Node},
    source::Span,
};

/// Whether CloudFormation has `Fn::{name}`.
pub(crate) fn is_cloudformation(name: &str) -> bool {
    matches!(
        name,
        "Sub"
            | "GetAtt"
            | "Join"
            | "And"
            | "Base64"
            | "Cidr"
            | "Contains"
            | "EachMemberEquals"
            | "EachMemberIn"
            | "Equals"
            | "FindInMap"
            | "GetAZs"
            | "If"
            | "ImportValue"
            | "Length"
            | "Not"
            | "Or"
            | "RefAll"
            | "Select"
            | "Split"
            | "ToJsonString"
            | "Transform"
            | "ValueOf"
            | "ValueOfAll"
    ) || name.starts_with("ForEach::")
}

/// The sentence for a name that is none.
pub(crate) fn unknown(name: &str) -> String {
    format!("{name} is not an intrinsic function of CloudFormation; check its spelling")
}

/// The name and argument of an intrinsic in long form: a mapping with that single key.
pub(crate) fn of(node: &Node) -> Option<(&str, &Node)> {
    match &node.kind {
        Kind::Map(entries) => match entries.as_slice() {
            [entry] if entry.key == "Ref" || entry.key.starts_with("Fn::") => {
                Some((&entry.key, &entry.value))
            }
            _ => None,
        },
        Kind::Text(_) | Kind::Seq(_) => None,
    }
}

/// Calls `visit(name, at)` for every `Ref`, `Fn::GetAtt` and `Fn::Sub` variable below `node`; the name of an attribute is
/// that of its resource. Of an `Fn::If` only the branch counts that `chosen` gives, if it knows. The depth is bounded by the
/// tree's own.
pub(crate) fn references<'a>(
    node: &'a Node,
    chosen: &dyn Fn(&'a Node) -> Option<&'a Node>,
    visit: &mut dyn FnMut(&'a str, Span),
) {
    match of(node) {
        Some(("Ref", argument)) => {
            if let Some(name) = argument.as_text() {
                visit(name.split_once('.').map_or(name, |(resource, _)| resource), argument.at);
            }
        }
        Some(("Fn::GetAtt", argument)) => {
            let target = match &argument.kind {
                Kind::Text(text) => text.value.split_once('.').map(|(resource, _)| resource),
                Kind::Seq(items) => items.first().and_then(Node::as_text),
                Kind::Map(_) => None,
            };
            if let Some(name) = target {
                visit(name, argument.at);
            }
        }
        Some(("Fn::Sub", argument)) => sub_references(argument, chosen, visit),
        Some(("Fn::If", argument)) => match chosen(argument) {
            Some(branch) => references(branch, chosen, visit),
            None => argument.items().iter().for_each(|item| references(item, chosen, visit)),
        },
        Some(_) | None => match &node.kind {
            Kind::Text(_) => {}
            Kind::Seq(items) => items.iter().for_each(|item| references(item, chosen, visit)),
            Kind::Map(entries) => {
                entries.iter().for_each(|entry| references(&entry.value, chosen, visit));
            }
        },
    }
}

fn sub_references<'a>(
    argument: &'a Node,
    chosen: &dyn Fn(&'a Node) -> Option<&'a Node>,
    visit: &mut dyn FnMut(&'a str, Span),
) {
    let (text, own) = match &argument.kind {
        Kind::Seq(items) => (items.first(), items.get(1)),
        Kind::Text(_) | Kind::Map(_) => (Some(argument), None),
    };
    let Some(text) = text else { return };
    let variables = text.as_text().and_then(|text| sub::pieces(text).ok()).unwrap_or_default();
    for piece in variables {
        if let sub::Piece::Variable(name) = piece
            && own.is_none_or(|own| own.get(name).is_none())
        {
            visit(name.split_once('.').map_or(name, |(resource, _)| resource), text.at);
        }
    }
    if let Some(own) = own {
        references(own, chosen, visit);
    }
}

/// The first key below `node` that has the shape of an intrinsic and is none.
pub(crate) fn first_unknown(node: &Node) -> Option<(Span, String)> {
    match &node.kind {
        Kind::Text(_) => None,
        Kind::Seq(items) => items.iter().find_map(first_unknown),
        Kind::Map(entries) => entries.iter().find_map(|entry| match entry.key.strip_prefix("Fn::") {
            Some(name) if !is_cloudformation(name) => Some((entry.at, unknown(&entry.key))),
            _ => first_unknown(&entry.value),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    #[test]
    fn references_are_found_wherever_they_stand() {
        let text = "
a: !Ref A
b: [!GetAtt B.Arn, {'Fn::GetAtt': [C, Arn]}]
c: !Sub '${D}/${E.Arn}/${!F}/${AWS::Region}'
d: !Sub ['${x}${G}', {x: !Ref H}]
e: !If [I, !Ref J, {Ref: K}]
f: {Ref: L, more: keys}
";
        let node = parse(0, text).unwrap();
        let found = |chosen: &dyn Fn(&Node) -> Option<&Node>| {
            let mut names = Vec::new();
            references(&node, chosen, &mut |name, at| names.push(format!("{name}@{}", at.line)));
            names.join(" ")
        };
        assert_eq!(found(&|_| None), "A@2 B@3 C@3 D@4 E@4 AWS::Region@4 G@5 H@5 J@6 K@6");
        assert_eq!(
            found(&|argument| argument.items().get(2)),
            "A@2 B@3 C@3 D@4 E@4 AWS::Region@4 G@5 H@5 K@6"
        );
    }

    #[test]
    fn misspelt_names_are_found() {
        let node = parse(0, "a: 1\nb:\n  - Fn::Jion: [x]").unwrap();
        let (at, message) = first_unknown(&node).unwrap();
        assert_eq!((at.line, at.column), (3, 5));
        assert_eq!(message, "Fn::Jion is not an intrinsic function of CloudFormation; check its spelling");
        assert_eq!(first_unknown(&parse(0, "a: !If [x, y, z]").unwrap()), None);
    }
}
