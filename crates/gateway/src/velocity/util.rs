//! `$util`

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{inputs::argument, value::Value};

/// What form encoding leaves as it is, besides letters and digits.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b' ');

/// Calls a function of `$util`; none if there is no such.
pub(super) fn call(name: &str, arguments: &[Value]) -> Option<Value> {
    let [only] = arguments else { return None };
    let text = argument(only);
    match name {
        "escapeJavaScript" => Some(Value::text(escape_javascript(&text))),
        "parseJson" => Value::from_json(&text),
        "urlEncode" => Some(Value::text(utf8_percent_encode(&text, FORM).to_string().replace(' ', "+"))),
        "urlDecode" => {
            let spaced = text.replace('+', " ");
            Some(Value::text(percent_decode_str(&spaced).decode_utf8_lossy().as_ref()))
        }
        "base64Encode" => Some(Value::text(STANDARD.encode(text.as_bytes()))),
        "base64Decode" => {
            let decoded = STANDARD.decode(text.as_bytes()).ok()?;
            Some(Value::text(String::from_utf8_lossy(&decoded).as_ref()))
        }
        _ => None,
    }
}

/// As Apache Commons' `escapeEcmaScript` does, single quotes included.
fn escape_javascript(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for unit in text.encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some(c @ ('"' | '\'' | '\\' | '/')) => escaped.extend(['\\', c]),
            Some('\n') => escaped.push_str("\\n"),
            Some('\r') => escaped.push_str("\\r"),
            Some('\t') => escaped.push_str("\\t"),
            Some('\u{8}') => escaped.push_str("\\b"),
            Some('\u{c}') => escaped.push_str("\\f"),
            Some(c @ ' '..='~') => escaped.push(c),
            _ => escaped.push_str(&format!("\\u{unit:04X}")),
        }
    }
    escaped
}
