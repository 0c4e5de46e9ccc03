//! The text of `Fn::Sub`.

/// One piece of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Literal(&'a str),
    Variable(&'a str),
}

/// Splits the text: `${name}` is a variable, `${!name}` stands for the literal `${name}`.
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
}
