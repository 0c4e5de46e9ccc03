use std::borrow::Cow;

use dunlin_events::limits;

use super::variables::value;
use crate::report::Report;

/// Where variables begin.
const CONTEXT: &str = "$context.";

/// The format of an access log, taken apart.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Format {
    pieces: Vec<Piece>,
    quoting: Quoting,
}

#[derive(PartialEq, Eq, Debug)]
enum Piece {
    Text(Box<str>),
    /// The name of a variable, without `$context.`.
    Variable(Box<str>),
}

/// What a format makes of characters in values that mean something to whoever reads the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Quoting {
    /// As in JSON; CLF and CSV as well, whose values may stand in quotes.
    Backslash,
    Xml,
}

impl Format {
    /// Reads a format; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > limits::ACCESS_LOG_FORMAT_BYTES_MAX {
            return Err("has an access log format of more than 3072 bytes");
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text.trim();
        while let Some(start) = rest.find(CONTEXT) {
            literal.push_str(&rest[..start]);
            let after = &rest[start + CONTEXT.len()..];
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
            // A sentence may end behind a variable.
            let name = after[..end].trim_end_matches(['.', '-']);
            if name.is_empty() {
                literal.push_str(CONTEXT);
            } else {
                pieces.extend(one_line(&mut literal));
                pieces.push(Piece::Variable(name.into()));
            }
            rest = &after[name.len()..];
        }
        literal.push_str(rest);
        pieces.extend(one_line(&mut literal));
        let has_id = |piece: &Piece| matches!(piece, Piece::Variable(name) if ["requestId", "extendedRequestId"].contains(&&**name));
        if !pieces.iter().any(has_id) {
            return Err("has an access log format without $context.requestId or $context.extendedRequestId");
        }
        let quoting = if text.trim_start().starts_with('<') { Quoting::Xml } else { Quoting::Backslash };
        Ok(Format { pieces, quoting })
    }

    /// The line of one event, without its end. A variable that is not set is `-`.
    pub(crate) fn print(&self, report: &Report<'_>) -> String {
        let mut line = String::with_capacity(256);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.push_str(text),
                // These are quoted already.
                Piece::Variable(name) if &**name == "error.messageString" => match report.error {
                    Some(error) => line.push_str(&serde_json::Value::from(error).to_string()),
                    None => line.push('-'),
                },
                Piece::Variable(name) => match value(report, name).filter(|value| !value.is_empty()) {
                    Some(value) => line.push_str(&self.quoting.apply(&value)),
                    None => line.push('-'),
                },
            }
        }
        line
    }
}

/// What stands between variables; lines become one.
fn one_line(literal: &mut String) -> Option<Piece> {
    let text = std::mem::take(literal).replace(['\n', '\r'], " ");
    (!text.is_empty()).then(|| Piece::Text(text.into()))
}

impl Quoting {
    fn apply(self, value: &str) -> Cow<'_, str> {
        let is_special = |c: char| match self {
            Quoting::Backslash => c.is_control() || matches!(c, '"' | '\\'),
            Quoting::Xml => c.is_control() || matches!(c, '<' | '>' | '&' | '"' | '\''),
        };
        if !value.contains(is_special) {
            return value.into();
        }
        let quoted: String = match self {
            Quoting::Backslash => {
                let json = serde_json::Value::from(value).to_string();
                json[1..json.len() - 1].to_owned()
            }
            Quoting::Xml => value.chars().fold(String::new(), |mut text, c| {
                match c {
                    '<' => text.push_str("&lt;"),
                    '>' => text.push_str("&gt;"),
                    '&' => text.push_str("&amp;"),
                    '"' => text.push_str("&quot;"),
                    '\'' => text.push_str("&apos;"),
                    c if c.is_control() => text.push(' '),
                    c => text.push(c),
                }
                text
            }),
        };
        quoted.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[Piece]) {
        assert_eq!(Format::parse(text).unwrap().pieces, expected, "{text}");
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    fn variable(name: &str) -> Piece {
        Piece::Variable(name.into())
    }

    #[test]
    fn formats_are_taken_apart() {
        check("$context.requestId", &[variable("requestId")]);
        check(
            "[$context.requestTime] $context.authorizer.a_b-c. $context.extendedRequestId-\n",
            &[
                text("["),
                variable("requestTime"),
                text("] "),
                variable("authorizer.a_b-c"),
                text(". "),
                variable("extendedRequestId"),
                text("-"),
            ],
        );
        check(
            "cost: $5 $context. \n$context.requestId",
            &[text("cost: $5 $context.  "), variable("requestId")],
        );
    }

    #[test]
    fn formats_that_the_service_refuses() {
        for format in ["", "x", "$context.requestIds", "$context.connectionId", "$requestId"] {
            assert!(Format::parse(format).unwrap_err().contains("without $context.requestId"), "{format}");
        }
        let long = format!("$context.requestId {}", "x".repeat(3 * 1024 - 19));
        assert!(Format::parse(&long).is_ok());
        assert!(Format::parse(&(long + "x")).unwrap_err().contains("3072 bytes"));
    }

    #[test]
    fn values_do_not_break_their_line() {
        let value = "a\"b\\c\nd<e>&'";
        assert_eq!(Quoting::Backslash.apply(value), "a\\\"b\\\\c\\nd<e>&'");
        assert_eq!(Quoting::Xml.apply(value), "a&quot;b\\c d&lt;e&gt;&amp;&apos;");
        assert_eq!(Quoting::Backslash.apply("plain"), "plain");
    }
}
