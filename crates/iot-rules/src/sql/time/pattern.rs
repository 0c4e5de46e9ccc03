use crate::sql::error::clipped;

/// Repetitions of one letter: ours. No field is wider, and each repetition is a character of the result.
const REPEATS_MAX: usize = 32;

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A letter, and how often it stands in a row.
    Field(char, usize),
    /// Text that means itself.
    Literal(String),
    /// What may be missing, in brackets.
    Optional(Vec<Part>),
}

/// Reads a pattern. Letters are fields unless quoted; two quotes are one.
pub(super) fn parts(pattern: &str, letters: &str, brackets: bool) -> Result<Vec<Part>, String> {
    let quoted = clipped(pattern);
    let mut whole = Vec::new();
    let mut optional: Option<Vec<Part>> = None;
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '[' if brackets && optional.is_none() => {
                optional = Some(Vec::new());
                continue;
            }
            ']' if brackets && optional.is_some() => {
                whole.extend(optional.take().map(Part::Optional));
                continue;
            }
            _ => {}
        }
        let parts = optional.as_mut().unwrap_or(&mut whole);
        match character {
            '\'' if rest.next_if_eq(&'\'').is_some() => literal(parts, '\''),
            '\'' => loop {
                match rest.next() {
                    Some('\'') if rest.next_if_eq(&'\'').is_some() => literal(parts, '\''),
                    Some('\'') => break,
                    Some(quoted) => literal(parts, quoted),
                    None => {
                        return Err(format!("the time pattern {quoted:?} has a quote that is not closed"));
                    }
                }
            },
            '[' | ']' | '{' | '}' | '#' if brackets => {
                return Err(format!(
                    "the time pattern {quoted:?} has a {character:?} that stands for nothing here; quote it with '"
                ));
            }
            letter if letter.is_ascii_alphabetic() => {
                if !letters.contains(letter) {
                    return Err(format!(
                        "the time pattern {quoted:?} has the letter {letter}, which stands for nothing here; there \
                         are {letters}"
                    ));
                }
                let mut repeats = 1;
                while rest.next_if_eq(&letter).is_some() {
                    repeats += 1;
                }
                if repeats > REPEATS_MAX {
                    return Err(format!("the time pattern repeats {letter} more than {REPEATS_MAX} times"));
                }
                parts.push(Part::Field(letter, repeats));
            }
            other => literal(parts, other),
        }
    }
    if optional.is_some() {
        return Err(format!("the time pattern {quoted:?} has a bracket that is not closed"));
    }
    Ok(whole)
}

fn literal(parts: &mut Vec<Part>, character: char) {
    match parts.last_mut() {
        Some(Part::Literal(text)) => text.push(character),
        _ => parts.push(Part::Literal(character.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read() {
        let literal = |text: &str| Part::Literal(text.to_owned());
        assert_eq!(
            parts("yyyy-MM 'at' h''a", "yMha", false).unwrap(),
            [
                Part::Field('y', 4),
                literal("-"),
                Part::Field('M', 2),
                literal(" at "),
                Part::Field('h', 1),
                literal("'"),
                Part::Field('a', 1)
            ]
        );
        assert_eq!(
            parts("y[.S]", "yS", true).unwrap(),
            [Part::Field('y', 1), Part::Optional(vec![literal("."), Part::Field('S', 1)])]
        );
        for pattern in ["'a", "q", "[y", "y]", "[[y]]", "{y}", &"y".repeat(33)] {
            assert!(parts(pattern, "yS", true).is_err(), "{pattern}");
        }
    }
}
