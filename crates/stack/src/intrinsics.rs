//! Which intrinsic functions there are, and which of them are evaluated here.

use crate::node::{Kind, Node};

/// The ones that this crate evaluates, in long form.
pub(crate) const SUPPORTED: [&str; 4] = ["Ref", "Fn::Sub", "Fn::GetAtt", "Fn::Join"];

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

/// One piece of an `Fn::Sub` text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Literal(&'a str),
    Variable(&'a str),
}

/// Splits an `Fn::Sub` text: `${name}` is a variable, `${!name}` stands for the literal `${name}`.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let inner = &rest[start + 2..];
        let Some(end) = inner.find('}') else { break };
        let name = &inner[..end];
        pieces.push(Piece::Literal(&rest[..start]));
        if let Some(literal) = name.strip_prefix('!') {
            pieces.extend([Piece::Literal("${"), Piece::Literal(literal), Piece::Literal("}")]);
        } else if is_name(name.trim()) {
            pieces.push(Piece::Variable(name.trim()));
        } else {
            return Err(format!(
                "${{{name}}} is not a name that Fn::Sub can replace; write ${{!{name}}} for the text itself"
            ));
        }
        rest = &inner[end + 1..];
    }
    pieces.push(Piece::Literal(rest));
    pieces.retain(|piece| *piece != Piece::Literal(""));
    Ok(pieces)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '_' | '-'))
}

/// Calls `visit(name, line)` for every `Ref`, `Fn::GetAtt` and `Fn::Sub` variable below `node`; the name of an attribute is that of
/// its resource. The depth is bounded by the tree's own.
pub(crate) fn references<'a>(node: &'a Node, visit: &mut dyn FnMut(&'a str, usize)) {
    match of(node) {
        Some(("Ref", argument)) => {
            if let Some(name) = argument.as_text() {
                visit(name, node.line);
            }
        }
        Some(("Fn::GetAtt", argument)) => {
            let target = match &argument.kind {
                Kind::Text(text) => text.split_once('.').map(|(resource, _)| resource),
                Kind::Seq(items) => items.first().and_then(Node::as_text),
                Kind::Map(_) => None,
            };
            if let Some(name) = target {
                visit(name, node.line);
            }
        }
        Some(("Fn::Sub", argument)) => {
            let (text, own) = match &argument.kind {
                Kind::Seq(items) => (items.first(), items.get(1)),
                Kind::Text(_) | Kind::Map(_) => (Some(argument), None),
            };
            let variables =
                text.and_then(Node::as_text).and_then(|text| pieces(text).ok()).unwrap_or_default();
            for piece in variables {
                if let Piece::Variable(name) = piece
                    && own.is_none_or(|own| own.get(name).is_none())
                {
                    visit(name.split_once('.').map_or(name, |(resource, _)| resource), node.line);
                }
            }
            if let Some(own) = own {
                references(own, visit);
            }
        }
        Some(_) | None => match &node.kind {
            Kind::Text(_) => {}
            Kind::Seq(items) => items.iter().for_each(|item| references(item, visit)),
            Kind::Map(entries) => entries.iter().for_each(|entry| references(&entry.value, visit)),
        },
    }
}

/// The first key below `node` that has the shape of an intrinsic and is none.
pub(crate) fn first_unknown(node: &Node) -> Option<(usize, String)> {
    match &node.kind {
        Kind::Text(_) => None,
        Kind::Seq(items) => items.iter().find_map(first_unknown),
        Kind::Map(entries) => entries.iter().find_map(|entry| match entry.key.strip_prefix("Fn::") {
            Some(name) if !is_cloudformation(name) => Some((entry.line, unknown(&entry.key))),
            _ => first_unknown(&entry.value),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Piece::{Literal as L, Variable as V};

    #[test]
    fn sub_texts() {
        for (text, expected) in [
            ("", vec![]),
            ("plain", vec![L("plain")]),
            ("${A}", vec![V("A")]),
            ("${ A }", vec![V("A")]),
            ("a${B.Arn}c${AWS::Region}", vec![L("a"), V("B.Arn"), L("c"), V("AWS::Region")]),
            ("${!A}${B}", vec![L("${"), L("A"), L("}"), V("B")]),
            ("$connect", vec![L("$connect")]),
            ("open ${A", vec![L("open ${A")]),
            ("$${A}", vec![L("$"), V("A")]),
        ] {
            assert_eq!(pieces(text), Ok(expected), "{text}");
        }
        assert_eq!(
            pieces("${a b}").unwrap_err(),
            "${a b} is not a name that Fn::Sub can replace; write ${!a b} for the text itself"
        );
        assert!(pieces("${}").is_err());
    }

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
        let node = crate::node::parse(text).unwrap();
        let mut names = Vec::new();
        references(&node, &mut |name, line| names.push(format!("{name}@{line}")));
        assert_eq!(names.join(" "), "A@2 B@3 C@3 D@4 E@4 AWS::Region@4 G@5 H@5 J@6 K@6");
    }

    #[test]
    fn misspelt_names_are_found() {
        let node = crate::node::parse("a: 1\nb:\n  - Fn::Jion: [x]").unwrap();
        let message = "Fn::Jion is not an intrinsic function of CloudFormation; check its spelling";
        assert_eq!(first_unknown(&node), Some((3, message.to_owned())));
        assert_eq!(first_unknown(&crate::node::parse("a: !If [x, y, z]").unwrap()), None);
    }
}
