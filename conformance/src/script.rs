//! What the probe is told to do. `PROBE.md` is the contract in words.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the probe does in one invocation, in this order. The default is to answer `{"statusCode":200}`.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Script {
    /// Posts this to the connection that the event is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// Relays the event to this connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// Waits so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep_ms: Option<u64>,
    /// Ends its process.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exit: bool,
    /// Fails with this message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throw: Option<String>,
    /// Answers with the event as the body.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub echo: bool,
    /// Puts so many letters in the place of each text `@fill` in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<usize>,
    /// Answers exactly this.
    #[serde(rename = "return", skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    pub result: Option<Value>,
}

/// `null` is a value here, and not the lack of one.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Script {
    /// Answers exactly this.
    pub fn answer(result: Value) -> Self {
        Script { result: Some(result), ..Script::default() }
    }

    /// Answers this status.
    pub fn status(status: u16) -> Self {
        Script::answer(json!({ "statusCode": status }))
    }

    /// Answers this body.
    pub fn body(body: &str) -> Self {
        Script::answer(json!({ "statusCode": 200, "body": body }))
    }

    /// Answers the event.
    pub fn echo() -> Self {
        Script { echo: true, ..Script::default() }
    }

    /// Fails with this message.
    pub fn throw(message: &str) -> Self {
        Script { throw: Some(message.to_owned()), ..Script::default() }
    }

    /// The message that has a route's function do this.
    pub fn message(&self, action: &str) -> String {
        json!({ "action": action, "probe": self }).to_string()
    }
}

/// Puts a long text where an answer has a place for it: URLs have no room for the text itself.
pub fn fill(answer: Value, letters: usize) -> Value {
    match answer {
        Value::String(text) if text == FILL => "x".repeat(letters).into(),
        Value::Array(items) => items.into_iter().map(|item| fill(item, letters)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, fill(value, letters))).collect())
        }
        other => other,
    }
}

/// The text that [`fill`] looks for.
pub const FILL: &str = "@fill";

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// What precedes the id of an observer in a client's `User-Agent`, which every event of its connection repeats (E1).
pub const OBSERVER: &str = "observer/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_say_only_what_is_to_be_done() {
        assert_eq!(Script::default().to_string(), "{}");
        assert_eq!(Script::answer(Value::Null).to_string(), r#"{"return":null}"#);
        let script: Script = serde_json::from_str(r#"{"return":null,"sleepMs":5}"#).unwrap();
        assert_eq!((script.result, script.sleep_ms), (Some(Value::Null), Some(5)));
        assert!(serde_json::from_str::<Script>(r#"{"retrun":1}"#).is_err());
        assert_eq!(Script::echo().message("tell"), r#"{"action":"tell","probe":{"echo":true}}"#);
    }
}
