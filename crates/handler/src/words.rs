//! serde's reasons in the words of someone who wrote JSON: `an array is expected, not a string` in place of `invalid type: string
//! "..", expected a sequence`. No value is quoted: it may be long, or private, and reasons are logged for some events.

use std::borrow::Cow;

/// The reason without Rust's types. What is in no form of serde's own, such as an app's own message, stays as it is.
pub(crate) fn reason(serde: &str) -> Cow<'_, str> {
    in_words(serde).map_or(Cow::Borrowed(serde), Cow::Owned)
}

fn in_words(serde: &str) -> Option<String> {
    if let Some(name) = quoted_after(serde, "missing field ") {
        return Some(format!("`{name}` is missing"));
    }
    if let Some(name) = quoted_after(serde, "duplicate field ") {
        return Some(format!("`{name}` is there twice"));
    }
    if serde.starts_with("unknown field ") {
        return Some(match known(serde) {
            Some(known) => format!("no such field is known; {known}"),
            None => "no field is known here".to_owned(),
        });
    }
    if serde.starts_with("unknown variant ") {
        return Some(known(serde).unwrap_or_else(|| "no value is known here".to_owned()));
    }
    if serde.starts_with("data did not match any variant of untagged enum ") {
        return Some("none of the forms that it may have fits".to_owned());
    }
    let (kind, rest) = serde
        .split_once(": ")
        .or_else(|| serde.split_once("invalid length").map(|_| ("invalid length", serde)))?;
    // A quoted text may hold these words too; what is expected comes last.
    let (found, wanted) = rest.rsplit_once(", expected ")?;
    let wanted = expected(wanted);
    match kind {
        "invalid type" => Some(format!("{wanted} is expected, not {}", unexpected(found))),
        "invalid value" => Some(format!("{wanted} is expected")),
        // An array is read as a struct, field by field, if it has as many elements.
        "invalid length" if wanted == "an object" => Some("an object is expected, not an array".to_owned()),
        "invalid length" => Some(format!("{wanted} is expected, not one of another length")),
        _ => None,
    }
}

/// The name between backquotes that is all that follows.
fn quoted_after<'s>(serde: &'s str, start: &str) -> Option<&'s str> {
    serde.strip_prefix(start)?.strip_prefix('`')?.strip_suffix('`')
}

/// The list of what would have been right, which serde gives last: "expected `a`", "expected `a` or `b`", "expected one of `a`, `b`".
fn known(serde: &str) -> Option<String> {
    let (_, names) = serde.rsplit_once(", expected ")?;
    Some(format!("{names} is expected"))
}

/// What a visitor of serde, or of a derived type, says that it expects.
fn expected(wanted: &str) -> Cow<'_, str> {
    Cow::Borrowed(match wanted {
        "a sequence" => "an array",
        "a map" => "an object",
        "a string" | "a borrowed string" | "str" | "string" => "a string",
        "a boolean" => "true or false",
        "a character" => "a string of one character",
        "unit" => "null",
        "any valid JSON value" | "any value" => "a value",
        "f32" | "f64" => "a number",
        "u8" => "an integer from 0 to 255",
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "usize" | "u128" => "an integer of 0 or more",
        "i8" => "an integer from -128 to 127",
        "i16" => "an integer from -32768 to 32767",
        "i32" => "an integer from -2147483648 to 2147483647",
        "i64" | "isize" | "i128" => "an integer",
        "a nonzero u8" | "a nonzero u16" | "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => {
            "an integer of 1 or more"
        }
        "variant identifier" => "the name of a variant",
        "string or map" => "a string or an object",
        _ if wanted.starts_with("struct ") => "an object",
        _ if wanted.starts_with("enum ") => "a string or an object",
        _ => return tuple(wanted).unwrap_or(Cow::Borrowed(wanted)),
    })
}

/// `an array of length 3`, `a tuple of size 2`, `tuple struct X with 2 elements`.
fn tuple(wanted: &str) -> Option<Cow<'_, str>> {
    let count =
        wanted.strip_prefix("an array of length ").or_else(|| wanted.strip_prefix("a tuple of size "));
    let count = count.or_else(|| {
        let (_, count) = wanted.strip_prefix("tuple struct ")?.split_once(" with ")?;
        count.strip_suffix(" elements").or(count.strip_suffix(" element"))
    });
    Some(Cow::Owned(format!("an array of {} elements", count?)))
}

/// What serde says that it found, without its value.
fn unexpected(found: &str) -> &'static str {
    for (start, word) in [
        ("string", "a string"),
        ("integer", "a number"),
        ("floating point", "a number"),
        ("number", "a number"),
        ("boolean", "a boolean"),
        ("null", "null"),
        ("unit", "null"),
        ("sequence", "an array"),
        ("map", "an object"),
    ] {
        if found.starts_with(start) {
            return word;
        }
    }
    "that"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rusts_words_do_not_reach_a_client() {
        for (serde, words) in [
            ("missing field `ids`", "`ids` is missing"),
            ("duplicate field `ids`", "`ids` is there twice"),
            ("unknown field `nome`, expected `name`", "no such field is known; `name` is expected"),
            ("unknown field `x`, there are no fields", "no field is known here"),
            ("unknown variant `, expected x`, expected one of `a`, `b`", "one of `a`, `b` is expected"),
            (
                "invalid type: string \"a, expected b\", expected a sequence",
                "an array is expected, not a string",
            ),
            ("invalid type: integer `5`, expected a string", "a string is expected, not a number"),
            ("invalid type: null, expected struct Outer", "an object is expected, not null"),
            ("invalid type: map, expected f64", "a number is expected, not an object"),
            (
                "invalid type: sequence, expected a tuple of size 2",
                "an array of 2 elements is expected, not an array",
            ),
            ("invalid value: integer `300`, expected u8", "an integer from 0 to 255 is expected"),
            ("invalid value: string \"secret\", expected an IP address", "an IP address is expected"),
            (
                "invalid length 0, expected struct Outer with 3 elements",
                "an object is expected, not an array",
            ),
            (
                "invalid length 3, expected an array of length 2",
                "an array of 2 elements is expected, not one of another length",
            ),
            (
                "data did not match any variant of untagged enum Shape",
                "none of the forms that it may have fits",
            ),
            ("a room has a name: none given", "a room has a name: none given"),
            ("", ""),
        ] {
            assert_eq!(reason(serde), words);
        }
    }
}
