use std::ops::Range;

use super::{SqlError, error::clipped};

/// A token and the bytes of the text that it stands in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind<'t>,
    pub(super) span: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'t> {
    /// A keyword or a name.
    Word(&'t str),
    /// `@name`, without the `@`.
    Variable(&'t str),
    /// In single or double quotes, which mean the same.
    Text(String),
    /// Without a sign.
    Number(&'t str),
    /// An operator or a delimiter.
    Symbol(&'static str),
    /// After the last one.
    End,
}

/// Longest first, so that `<=` is not `<`.
const SYMBOLS: [&str; 21] = [
    "<=", ">=", "<>", "!=", "||", "(", ")", "[", "]", "{", "}", ",", ":", ".", "*", "+", "-", "/", "%", "=",
    ";",
];

/// Cuts `text` into tokens, from the byte `start` on; the last one is [`Kind::End`].
pub(super) fn tokens(text: &str, start: usize) -> Result<Vec<Token<'_>>, SqlError> {
    let mut tokens = Vec::new();
    let mut at = start;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if is_name_start(first) {
            let word = name(rest);
            (Kind::Word(word), word.len())
        } else if first == '@' {
            let word = name(&rest[1..]);
            if word.is_empty() {
                return Err(SqlError::at(text, at..at + 1, "a variable has a name, as in @limit"));
            }
            (Kind::Variable(word), 1 + word.len())
        } else if first.is_ascii_digit() || starts_with_fraction(rest, at, tokens.last()) {
            let number = number(rest);
            if rest[number.len()..].chars().next().is_some_and(is_name_start) {
                let span = at..at + number.len() + name(&rest[number.len()..]).len();
                let message = format!(
                    "{} is neither a number nor a name; read a key that starts with a digit by get(object, 'key')",
                    clipped(&text[span.clone()])
                );
                return Err(SqlError::at(text, span, message));
            }
            (Kind::Number(number), number.len())
        } else if matches!(first, '\'' | '"') {
            quoted(rest, first).ok_or_else(|| {
                let message = format!("a text starts with {first} and has no {first} at its end");
                SqlError::at(text, at..at + 1, message)
            })?
        } else {
            let symbol = symbol(text, at)?;
            (Kind::Symbol(symbol), symbol.len())
        };
        tokens.push(Token { kind, span: at..at + length });
        at += length;
    }
    tokens.push(Token { kind: Kind::End, span: at..at });
    Ok(tokens)
}

fn symbol(text: &str, at: usize) -> Result<&'static str, SqlError> {
    let rest = &text[at..];
    if rest.starts_with("--") || rest.starts_with("/*") {
        return Err(SqlError::at(text, at..at + 2, "IoT SQL has no comments; leave it out"));
    }
    if let Some(symbol) = SYMBOLS.iter().chain(&["<", ">"]).find(|symbol| rest.starts_with(**symbol)) {
        return Ok(symbol);
    }
    let character = rest.chars().next().unwrap_or_default();
    let hint = match character {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "; the sign for minus is -",
        '\u{2018}'..='\u{201f}' => "; a text is quoted with ' or \"",
        '`' => "; names are not quoted, and a text is quoted with ' or \"",
        '!' => "; write NOT, or <> for unequal",
        '&' => "; write AND, or bitand(a, b)",
        '|' => "; write OR, or bitor(a, b)",
        '^' => "; write bitxor(a, b), or power(a, b)",
        '$' => "; ${…} stands in templates of actions only",
        _ => "",
    };
    let span = at..at + character.len_utf8();
    Err(SqlError::at(text, span, format!("the character {character:?} means nothing here{hint}")))
}

pub(super) fn is_name_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn name(text: &str) -> &str {
    let end = text.find(|character: char| !(character.is_alphanumeric() || character == '_'));
    &text[..end.unwrap_or(text.len())]
}

/// `.5`, but not the `.5` of `a.5`, which is a key.
fn starts_with_fraction(text: &str, at: usize, before: Option<&Token<'_>>) -> bool {
    let mut characters = text.chars();
    let fraction =
        characters.next() == Some('.') && characters.next().is_some_and(|next| next.is_ascii_digit());
    let after_value = matches!(
        before,
        Some(Token {
            kind: Kind::Word(_) | Kind::Variable(_) | Kind::Text(_) | Kind::Symbol(")" | "]" | "}"),
            ..
        })
    );
    fraction && !(after_value && before.is_some_and(|before| before.span.end == at))
}

fn number(text: &str) -> &str {
    let digits = |from: usize| from + text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(0);
    if text[end..].starts_with('.') && digits(end + 1) > end + 1 {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    &text[..end]
}

/// A text, and its length with the quotes. A doubled quote is one.
fn quoted(text: &str, quote: char) -> Option<(Kind<'static>, usize)> {
    let mut content = String::new();
    let mut at = 1;
    loop {
        let length = text[at..].find(quote)?;
        content.push_str(&text[at..at + length]);
        at += length + 1;
        if !text[at..].starts_with(quote) {
            return Some((Kind::Text(content), at));
        }
        content.push(quote);
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind<'_>> {
        tokens(text, 0).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn kinds_of_tokens() {
        use Kind::{End, Number, Symbol, Text, Variable, Word};
        assert_eq!(
            kinds("SELECT a.b, @v<=.5 -1.5e-3"),
            [
                Word("SELECT"),
                Word("a"),
                Symbol("."),
                Word("b"),
                Symbol(","),
                Variable("v"),
                Symbol("<="),
                Number(".5"),
                Symbol("-"),
                Number("1.5e-3"),
                End
            ]
        );
        assert_eq!(kinds("'it''s' \"a 'b'\""), [Text("it's".to_owned()), Text("a 'b'".to_owned()), End]);
        assert_eq!(kinds("ünïcode_1 <> 7"), [Word("ünïcode_1"), Symbol("<>"), Number("7"), End]);
        assert_eq!(kinds("a.0"), [Word("a"), Symbol("."), Number("0"), End]);
        assert_eq!(kinds(""), [End]);
    }

    #[test]
    fn what_is_no_token() {
        for (text, message) in [
            ("a 'b", "a text starts with ' and has no ' at its end (at column 3)"),
            ("a -- b", "IoT SQL has no comments; leave it out (at column 3)"),
            ("a /* b */", "IoT SQL has no comments; leave it out (at column 3)"),
            ("a – 1", "the character '–' means nothing here; the sign for minus is - (at column 3)"),
            ("@ a", "a variable has a name, as in @limit (at column 1)"),
            ("a\n ? b", "the character '?' means nothing here (at line 2, column 2)"),
            (
                "a.1b",
                "1b is neither a number nor a name; read a key that starts with a digit by get(object, 'key') (at column 3)",
            ),
        ] {
            assert_eq!(tokens(text, 0).unwrap_err().to_string(), message, "{text}");
        }
    }
}
