//! Names the field that a JSON text fails at. serde tells line and column only, which nobody who wrote an object counts.

use serde::Deserialize;

use crate::words;

/// Most characters of a path in a sentence. Names of fields come from outside, and the reason stands behind them.
const PATH_CHARS_MAX: usize = 120;

/// Parses a text, or says in one sentence what is wrong with which field of it.
pub(crate) fn parse<'t, T: Deserialize<'t>>(what: &str, text: &'t str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| {
        let full = error.to_string();
        let number = full.starts_with("number out of range");
        if full.starts_with("recursion limit exceeded") {
            return format!("{what} is nested too deeply");
        }
        if text.trim_ascii().is_empty() {
            return format!("{what} is not JSON: it is empty");
        }
        if !error.is_data() && !number {
            return format!("{what} is not JSON: {full}");
        }
        let reason = if number { "the number is out of range".to_owned() } else { reason(&error) };
        match path_at(text, offset(text, error.line(), error.column())) {
            path if path.is_empty() => format!("{what} does not fit: {reason}"),
            path => format!("{what} does not fit at `{path}`: {reason}"),
        }
    })
}

/// Why a value does not fit, without its place.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let full = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    words::reason(full.strip_suffix(&place).unwrap_or(&full)).into_owned()
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

/// The path; of a long one the end, which is where the fault is.
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
                // A name is as it stands in JSON, where a line break is an escape.
                path.push_str(name);
            }
        }
    }
    match path.char_indices().nth_back(PATH_CHARS_MAX) {
        Some((cut, first)) => format!("…{}", &path[cut + first.len_utf8()..]),
        None => path,
    }
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
        check(r#"{"ids":"dev-1"}"#, "it does not fit at `ids`: an array is expected, not a string");
        check(r#"{"ids":["a",5]}"#, "it does not fit at `ids[1]`: a string is expected, not a number");
        check(
            r#"{"ids":["a", {"b":[]}]}"#,
            "it does not fit at `ids[1]`: a string is expected, not an object",
        );
        check(
            r#"{"x":{"y":[1,"}\"]"]},"ids":null}"#,
            "it does not fit at `ids`: an array is expected, not null",
        );
        check(
            r#"{"count":300,"ids":[]}"#,
            "it does not fit at `count`: an integer from 0 to 255 is expected",
        );
        check(
            "{\"ids\":[],\n \"inner\":[{\"name\":\"n\"},\n  {\"name\":7}]}",
            "it does not fit at `inner[1].name`: a string is expected, not a number",
        );
        check(r#"{"ids":[],"inner":[{}]}"#, "it does not fit at `inner[0]`: `name` is missing");
        check(
            r#"{"ids":[],"inner":[{"nome":1}]}"#,
            "it does not fit at `inner[0].nome`: no such field is known; `name` is expected",
        );
    }

    #[test]
    fn the_whole_is_named_where_no_field_is_at_fault() {
        check("{}", "it does not fit: `ids` is missing");
        check("[]", "it does not fit: an object is expected, not an array");
        check("17", "it does not fit: an object is expected, not a number");
        check("hello", "it is not JSON: expected value at line 1 column 1");
        check(" \n", "it is not JSON: it is empty");
        check("{\"ids\":", "it is not JSON: EOF while parsing a value at line 1 column 7");
        check(r#"{"ids":[]} x"#, "it is not JSON: trailing characters at line 1 column 12");
    }

    #[test]
    fn long_and_deep_texts_stay_one_short_sentence() {
        check(r#"{"ids":[],"count":1e999}"#, "it does not fit at `count`: the number is out of range");
        let deep = "[".repeat(100_000);
        assert_eq!(parse::<serde_json::Value>("it", &deep).unwrap_err(), "it is nested too deeply");
        let long = format!(r#"{{"{}":{{"end":7}}}}"#, "é".repeat(100_000));
        let names = parse::<std::collections::HashMap<String, Inner>>("it", &long).unwrap_err();
        assert!(
            names.starts_with("it does not fit at `…ééé") && names.chars().count() < 250,
            "{}",
            names.len()
        );
        assert!(names.contains(".end`: "), "{names}");
    }

    #[test]
    fn no_cut_breaks_the_walk() {
        let text = r#"{"é\"":["\\", {"b":[1, "ü"]}], "c":null}"#;
        for cut in 0..=text.len() {
            let _ = path_at(text, cut);
        }
    }
}
