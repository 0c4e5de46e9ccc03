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
        match path::<T>(text) {
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

/// Where the text does not fit, such as `device_ids[2].name`; empty for the whole. Only a text that failed is read again for it.
fn path<'t, T: Deserialize<'t>>(text: &'t str) -> String {
    let failed =
        serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(text)).err();
    let path = failed.map(|error| error.path().to_string()).filter(|path| path != ".").unwrap_or_default();
    // Of a long one the end, which is where the fault is. A name may hold a line break, and a sentence is one line.
    let end = path.char_indices().nth_back(PATH_CHARS_MAX).map(|(cut, first)| cut + first.len_utf8());
    let shown = end.map_or_else(|| path.clone(), |end| format!("…{}", &path[end..]));
    shown.replace(char::is_control, " ")
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

    /// A type that checks by itself: serde_json knows of such an error no place but the end of the object around.
    #[derive(Deserialize, Debug)]
    #[serde(try_from = "String")]
    struct Even;

    impl TryFrom<String> for Even {
        type Error = &'static str;
        fn try_from(text: String) -> Result<Self, &'static str> {
            if text.len().is_multiple_of(2) { Ok(Even) } else { Err("an even number of bytes is expected") }
        }
    }

    #[test]
    fn the_field_of_a_type_that_checks_by_itself_is_named() {
        #[derive(Deserialize, Debug)]
        #[expect(dead_code, reason = "only whether it parses matters")]
        struct Pair {
            a: Even,
            b: Vec<Even>,
        }
        let check = |text, place: &str| {
            let expected = format!("it does not fit at `{place}`: an even number of bytes is expected");
            assert_eq!(parse::<Pair>("it", text).unwrap_err(), expected);
        };
        check(r#"{"a":"1","b":[]}"#, "a");
        check(r#"{"b":[],"a":"1"}"#, "a");
        check(r#"{"a":"","b":["12","1"]}"#, "b[1]");
    }
}
