//! JSONPath of mapping templates: a path, and below it a text.

use dunlin_gateway::fuzzing::json_path;
use serde_json::Value;

use super::parts;
use crate::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "json_path",
    run,
    words: &[
        b"$",
        b".a",
        b"..a",
        b"..",
        b"['a']",
        b"[\"a\"]",
        b"[0]",
        b"[-1]",
        b"[0:2]",
        b"[::2]",
        b"[0,1]",
        b"[*]",
        b".*",
        b"[?(@.a)]",
        b"[?(@.a == 1)]",
        b"[?(@.b > 'x')]",
        b"&&",
        b".length()",
        b"\n---\n",
        b"{\"a\":",
        b"[1,2,3]",
        b"\"x\"",
        b"null",
        b"}",
        b"]",
        b"9999999999999999999999",
    ],
    input_bytes_max: 2_048,
};

/// A path without anything special.
const KEYS: [&str; 3] = ["a", "b", "key"];

fn run(bytes: &[u8]) {
    let [path, text] = parts(bytes);
    let found = json_path(&text, &path);
    assert_eq!(json_path(&text, &path), found);
    let Ok(value) = serde_json::from_str::<Value>(&text) else {
        assert_eq!(json_path(&text, "$"), None, "what is no JSON has no root");
        return;
    };
    assert_eq!(json_path(&text, "$").is_some(), !value.is_null(), "{text}");
    for key in KEYS {
        if let Some(Value::String(expected)) = value.get(key) {
            assert_eq!(json_path(&text, &format!("$.{key}")).as_ref(), Some(expected));
            assert_eq!(json_path(&text, &format!("$['{key}']")).as_ref(), Some(expected));
        }
    }
}
