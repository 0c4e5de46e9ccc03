//! Names the field that a JSON text fails at. serde tells line and column only, which nobody who wrote an object counts.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// Parses a text, or says in one sentence what is wrong with which field of it.
pub(crate) fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        let full = error.to_string();
        if !error.is_data() {
            return format!("{what} is not JSON: {full}");
        }
        let place = format!(" at line {} column {}", error.line(), error.column());
        let reason = without_quotation(full.strip_suffix(&place).unwrap_or(&full));
        match path_at(text, offset(text, error.line(), error.column())) {
            path if path.is_empty() => format!("{what} does not fit: {reason}"),
            path => format!("{what} does not fit at `{path}`: {reason}"),
        }
    })
}

/// serde quotes a text that it did not expect, however long or private it is; the reason does without.
fn without_quotation(reason: &str) -> Cow<'_, str> {
    let quoted =
        ["invalid type: string", "invalid value: string"].into_iter().find(|kind| reason.starts_with(kind));
    match (quoted, reason.rfind(", expected ")) {
        (Some(kind), Some(expected)) => Cow::Owned(format!("{kind}{}", &reason[expected..])),
        _ => Cow::Borrowed(reason),
    }
}

/// The byte that a line and column point behind. Columns count bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (line_start + column).min(text.len())
}

/// Where in an array or object the walk is.
enum Step {
    Index(usize),
    Key { name: String, expects_name: bool },
}

/// The path of the value that the first `offset` bytes of valid JSON end in or behind, such as `device_ids[2].name`.
fn path_at(text: &str, offset: usize) -> String {
    let bytes = &text.as_bytes()[..offset];
    let mut steps: Vec<Step> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' => steps.push(Step::Key { name: String::new(), expects_name: true }),
            b'[' => steps.push(Step::Index(0)),
            b'}' | b']' => drop(steps.pop()),
            b',' => match steps.last_mut() {
                Some(Step::Index(index)) => *index += 1,
                Some(Step::Key { name, expects_name }) => {
                    name.clear();
                    *expects_name = true;
                }
                None => {}
            },
            b'"' => {
                let start = at;
                at = string_end(bytes, at);
                if let Some(Step::Key { name, expects_name }) = steps.last_mut()
                    && std::mem::replace(expects_name, false)
                {
                    *name =
                        String::from_utf8_lossy(&bytes[start..at.saturating_sub(1).max(start)]).into_owned();
                }
            }
            _ => {}
        }
    }
    print(&steps)
}

/// The byte behind the quote that closes a string, or the end.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn print(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Index(index) => path.push_str(&format!("[{index}]")),
            Step::Key { name, .. } if name.is_empty() => {}
            Step::Key { name, .. } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "only whether it parses matters")]
    struct Outer {
        ids: Vec<String>,
        #[serde(default)]
        inner: Vec<Inner>,
        #[serde(default)]
        count: u8,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it parses matters")]
    struct Inner {
        name: String,
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(parse::<Outer>("it", text).unwrap_err(), expected);
    }

    #[test]
    fn the_field_is_named() {
        check(r#"{"ids":"dev-1"}"#, "it does not fit at `ids`: invalid type: string, expected a sequence");
        check(
            r#"{"ids":["a",5]}"#,
            "it does not fit at `ids[1]`: invalid type: integer `5`, expected a string",
        );
        check(
            r#"{"ids":["a", {"b":[]}]}"#,
            "it does not fit at `ids[1]`: invalid type: map, expected a string",
        );
        check(
            r#"{"x":{"y":[1,"}\"]"]},"ids":null}"#,
            "it does not fit at `ids`: invalid type: null, expected a sequence",
        );
        check(
            r#"{"count":300,"ids":[]}"#,
            "it does not fit at `count`: invalid value: integer `300`, expected u8",
        );
        check(
            "{\"ids\":[],\n \"inner\":[{\"name\":\"n\"},\n  {\"name\":7}]}",
            "it does not fit at `inner[1].name`: invalid type: integer `7`, expected a string",
        );
        check(r#"{"ids":[],"inner":[{}]}"#, "it does not fit at `inner[0]`: missing field `name`");
        check(
            r#"{"ids":[],"inner":[{"nome":1}]}"#,
            "it does not fit at `inner[0].nome`: unknown field `nome`, expected `name`",
        );
    }

    #[test]
    fn the_whole_is_named_where_no_field_is_at_fault() {
        check("{}", "it does not fit: missing field `ids`");
        check("[]", "it does not fit: invalid length 0, expected struct Outer with 3 elements");
        check("17", "it does not fit: invalid type: integer `17`, expected struct Outer");
        check("hello", "it is not JSON: expected value at line 1 column 1");
        check("", "it is not JSON: EOF while parsing a value at line 1 column 0");
        check(r#"{"ids":[]} x"#, "it is not JSON: trailing characters at line 1 column 12");
    }

    #[test]
    fn no_cut_breaks_the_walk() {
        let text = r#"{"é\"":["\\", {"b":[1, "ü"]}], "c":null}"#;
        for cut in 0..=text.len() {
            let _ = path_at(text, cut);
        }
    }
}
