//! Route selection: an expression, and below it a message. Where a message is JSON in the strict sense, `serde_json` is asked too.

use dunlin_gateway::fuzzing::route_key;
use serde_json::Value;

use super::parts;
use crate::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "selection",
    run,
    words: &[
        b"$request.body",
        b"${request.body.action}",
        b".action",
        b"['a']",
        b"[0]",
        b"\\$",
        b"$",
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b"'",
        b":",
        b",",
        b"null",
        b"true",
        b"1e999",
        b"-0",
        b"\\u0061",
        b"\\ud83d\\ude00",
        b"\\ud800",
        b"\n---\n",
        b"action",
        b"//",
        b" ",
        b"\xc3\xa4",
        b"{action:",
        b"[[[[[[[[",
    ],
    input_bytes_max: 4_096,
};

/// A replaced character has three bytes for six of its escape; a comma in an array two for one.
const GROWTH_MAX: usize = 2;

fn run(bytes: &[u8]) {
    let [expression, message] = parts(bytes);
    let simple = route_key("$request.body.action", &message);
    let strict = serde_json::from_str::<Value>(&message).ok();
    match (&strict, &simple) {
        (Some(value), Ok(Some(key))) => agrees(value, key),
        (Some(_), _) => panic!("JSON that is taken for none: {simple:?}"),
        (None, _) => {}
    }
    match route_key(&expression, &message) {
        Err(problem) => {
            assert!(!problem.is_empty() && !problem.contains('\n') || expression.contains('\n'), "{problem}");
        }
        Ok(key) => {
            let variables = expression.matches('$').count();
            let key_bytes = key.as_ref().map_or(0, String::len);
            assert!(key_bytes <= expression.len() + GROWTH_MAX * variables * message.len(), "{key_bytes}");
            assert_eq!(route_key(&expression, &message), Ok(key));
        }
    }
}

/// R3, for what both must print alike: numbers stand as they are written, which `serde_json` does not keep.
fn agrees(message: &Value, key: &str) {
    match message.get("action") {
        Some(Value::String(text)) => assert_eq!(key, text),
        Some(Value::Bool(value)) => assert_eq!(key, value.to_string()),
        None | Some(Value::Null) => assert_eq!(key, ""),
        Some(Value::Number(_)) => assert!(!key.is_empty()),
        Some(Value::Array(_)) => assert!(key.starts_with('[') && key.ends_with(']'), "{key}"),
        Some(Value::Object(_)) => assert!(key.starts_with('{') && key.ends_with('}'), "{key}"),
    }
}
