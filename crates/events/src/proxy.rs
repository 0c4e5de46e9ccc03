use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json_problem;

/// What a proxy function returns (T6).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProxyResult {
    /// Decides on `$connect` (H10), means nothing on the wire of a message route (T3).
    pub status_code: u16,
    /// Only `Sec-WebSocket-Protocol` on `$connect` reaches the client (H16, H18).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, Value>>,
    /// The same with every value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_value_headers: Option<BTreeMap<String, Vec<Value>>>,
    /// The frame of a two-way route (T3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Whether `body` is base64 (U24).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_base64_encoded: Option<bool>,
}

/// A function's answer that is not a proxy result: the gateway answers with R9, or 502 on `$connect` (T5, H10).
#[derive(Debug, thiserror::Error)]
#[error("malformed proxy result: {0}")]
pub struct MalformedProxyResult(String);

impl ProxyResult {
    /// A result with this status and no body.
    pub fn status(status_code: u16) -> Self {
        ProxyResult { status_code, ..ProxyResult::default() }
    }

    /// Reads a function's answer. `null` and nothing at all count as an empty 200, which samples rely on (T5).
    ///
    /// # Errors
    /// An answer with a foreign key at its top level, a key of the wrong type, or no `statusCode` (T5).
    pub fn from_answer(answer: &[u8]) -> Result<Self, MalformedProxyResult> {
        if answer.trim_ascii().is_empty() || answer.trim_ascii() == b"null" {
            return Ok(ProxyResult::status(200));
        }
        // A derived struct would also take an array of its fields in order.
        if answer.trim_ascii_start().first() != Some(&b'{') {
            return Err(MalformedProxyResult("an object is expected".to_owned()));
        }
        serde_json::from_slice(answer).map_err(|error| MalformedProxyResult(json_problem(&error)))
    }

    /// The JSON of a result that has no more than this, in the order of the fields. What a handler answers a thousand times a
    /// second is printed into one buffer, without the maps.
    pub fn print(status_code: u16, subprotocol: Option<&str>, body: Option<&str>) -> String {
        // A body is mostly JSON, where each few characters are a quote that gets a backslash.
        let room = body.map_or(0, |body| body.len() * 5 / 4) + subprotocol.map_or(0, str::len) + FIXED_BYTES;
        let mut json = Vec::with_capacity(room);
        match status_code {
            200 => json.extend_from_slice(br#"{"statusCode":200"#),
            other => json.extend_from_slice(format!(r#"{{"statusCode":{other}"#).as_bytes()),
        }
        if let Some(subprotocol) = subprotocol {
            json.extend_from_slice(br#","headers":{"Sec-WebSocket-Protocol":"#);
            push_quoted(&mut json, subprotocol);
            json.push(b'}');
        }
        if let Some(body) = body {
            json.extend_from_slice(br#","body":"#);
            push_quoted(&mut json, body);
        }
        json.push(b'}');
        String::from_utf8(json).expect("texts stay texts when ASCII is put between their characters")
    }

    /// A header of the result, its name compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let single = self.headers.iter().flatten();
        let multi = self.multi_value_headers.iter().flatten();
        let multi = multi.filter_map(|(key, values)| values.last().map(|value| (key, value)));
        single
            .chain(multi)
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| value.as_str())
    }
}

/// Room for what [`ProxyResult::print`] writes around the texts.
const FIXED_BYTES: usize = 96;

/// Appends a text as a JSON string.
fn push_quoted(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("a vector takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_by_hand_is_what_the_type_prints() {
        let every_char: String = (0..=0x2ff).filter_map(char::from_u32).chain(['\u{2028}', '😀']).collect();
        let texts = ["", "plain", r#"{"a":["ü\\",1]}"#, "\"", &every_char];
        for status in [0, 200, 201, 65_535] {
            for subprotocol in [None, Some("v1"), Some("\"\n")] {
                for body in texts.map(Some).into_iter().chain([None]) {
                    let json = ProxyResult::print(status, subprotocol, body);
                    let headers = subprotocol.map(|chosen| {
                        BTreeMap::from([("Sec-WebSocket-Protocol".to_owned(), Value::from(chosen))])
                    });
                    let body = body.map(str::to_owned);
                    let expected =
                        ProxyResult { status_code: status, headers, body, ..ProxyResult::default() };
                    assert_eq!(ProxyResult::from_answer(json.as_bytes()).unwrap(), expected);
                }
            }
        }
        assert_eq!(ProxyResult::print(200, None, Some("a\"b")), r#"{"statusCode":200,"body":"a\"b"}"#);
    }

    #[test]
    fn foreign_keys_and_wrong_types_are_malformed() {
        for bad in [
            r#"{"ConnectionId":"x","Data":"y","statusCode":200}"#,
            r#"{"body":"no status"}"#,
            r#"{"statusCode":"200"}"#,
            r#"{"statusCode":200,"body":{"not":"a string"}}"#,
            "\"text\"",
            "[200]",
            "17",
            "{",
        ] {
            assert!(ProxyResult::from_answer(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_is_an_empty_success() {
        for nothing in ["", " ", "null", " null\n"] {
            assert_eq!(ProxyResult::from_answer(nothing.as_bytes()).unwrap(), ProxyResult::status(200));
        }
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let result = ProxyResult::from_answer(
            br#"{"statusCode":200,"headers":{"sec-websocket-protocol":"v1","X-N":3},"multiValueHeaders":{"A":["x","y"]}}"#,
        )
        .unwrap();
        assert_eq!(result.header("Sec-WebSocket-Protocol"), Some("v1"));
        assert_eq!(result.header("a"), Some("y"));
        assert_eq!(result.header("x-n"), None);
    }
}
