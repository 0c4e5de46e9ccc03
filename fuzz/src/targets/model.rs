//! Models: a JSON Schema, and below it a message.

use dunlin_gateway::fuzzing::model;
use serde_json::Value;

use super::parts;
use crate::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "model",
    run,
    words: &[
        b"{\"type\":",
        b"\"object\"",
        b"\"string\"",
        b"\"properties\":{",
        b"\"required\":[",
        b"\"pattern\":",
        b"\"(a+)+$\"",
        b"\"enum\":[",
        b"\"items\":",
        b"\"minimum\":",
        b"\"exclusiveMaximum\":true",
        b"\"multipleOf\":0.1",
        b"\"format\":\"date-time\"",
        b"\"format\":\"email\"",
        b"\"additionalProperties\":false",
        b"\"$ref\":\"#\"",
        b"\"not\":",
        b"\"oneOf\":[",
        b"\"dependencies\":{",
        b"\"uniqueItems\":true",
        b"\"maxLength\":3",
        b"{}",
        b"}",
        b"]",
        b",",
        b"1e999",
        b"-0.0",
        b"18446744073709551616",
        b"null",
        b"\n---\n",
        b"\\u0000",
        b"\xf0\x9f\x98\x80",
    ],
    input_bytes_max: 1_024,
};

/// Characters of what is told: the bound of the reason, and the words around it.
const TOLD_CHARS_MAX: usize = 1_100;

/// Shorter texts may stand in any sentence.
const SECRET_CHARS_MIN: usize = 6;

fn run(bytes: &[u8]) {
    let [schema, message] = parts(bytes);
    let Ok(schema_value) = serde_json::from_str::<Value>(&schema) else { return };
    let body = serde_json::from_str::<Value>(&message).ok();
    let checked = match model(&schema_value, &message) {
        Ok(checked) => checked,
        Err(problem) => {
            assert!(!problem.is_empty() && !problem.contains('\n'), "{problem}");
            return;
        }
    };
    if schema_value.as_object().is_some_and(serde_json::Map::is_empty) {
        // Depth is bounded before anything is checked.
        assert!(body.is_none() || checked.is_ok() || message.matches(['[', '{']).count() > 64);
    }
    assert!(body.is_some() || checked.is_err(), "what is no JSON fits no model");
    let Err(told) = checked else { return };
    assert!(told.chars().count() <= TOLD_CHARS_MAX && !told.chars().any(char::is_control), "{told:?}");
    if let Some(body) = &body {
        texts(body, &mut |text| {
            // What stands in the schema or in a name may be told.
            let is_secret = text.chars().count() >= SECRET_CHARS_MIN && message.matches(text).count() == 1;
            assert!(!is_secret || schema.contains(text) || !told.contains(text), "{text:?} is told: {told}");
        });
    }
}

/// Shows every text of a value that is no name.
fn texts(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, visit)),
        Value::Object(members) => members.values().for_each(|member| texts(member, visit)),
        _ => {}
    }
}
