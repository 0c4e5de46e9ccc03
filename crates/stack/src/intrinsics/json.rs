//! A value as JSON, for `Fn::ToJsonString`.

use serde_json::{Map, Number, Value};

use crate::node::{Kind, Node, Style, Text};

/// The value with the types that YAML gives it: texts without quotes may be numbers and booleans.
pub(crate) fn json(node: &Node) -> Value {
    match &node.kind {
        Kind::Text(text) => scalar(text),
        Kind::Seq(items) => Value::Array(items.iter().map(json).collect()),
        Kind::Map(entries) => {
            let pairs = entries.iter().map(|entry| (entry.key.clone(), json(&entry.value)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

fn scalar(Text { value, style }: &Text) -> Value {
    if *style == Style::Plain {
        match value.as_str() {
            "true" | "True" | "TRUE" => return Value::Bool(true),
            "false" | "False" | "FALSE" => return Value::Bool(false),
            _ => {}
        }
        if let Ok(number) = value.parse::<Number>() {
            return Value::Number(number);
        }
    }
    Value::String(value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_from_the_quotes() {
        let node =
            crate::yaml::parse(0, "{a: 1, b: '1', c: [true, yes, \"false\", False], d: {e: -2.5, f: x}}")
                .unwrap();
        assert_eq!(
            json(&node).to_string(),
            r#"{"a":1,"b":"1","c":[true,"yes","false",false],"d":{"e":-2.5,"f":"x"}}"#
        );
    }
}
