//! The service's JSON: what can be read is printed as what reads the same, and two readers of one event agree.

use dunlin_events::{
    AuthorizerRequest, AuthorizerResponse, ConnectionId, EventHead, ProxyResult, WebSocketEvent, json_problem,
};
use serde_json::Value;

use crate::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "events",
    run,
    words: &[
        b"\"requestContext\":{",
        b"\"routeKey\":",
        b"\"connectionId\":",
        b"\"body\":",
        b"\"isBase64Encoded\":",
        b"\"headers\":{",
        b"\"statusCode\":",
        b"\"policyDocument\":",
        b"\"authorizer\":",
        b"\"eventType\":\"CONNECT\"",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"\"\"",
        b"200",
        b"65536",
        b"-1",
        b"1e999",
        b"18446744073709551616",
        b"\\u0000",
        b"\\ud800",
        b"\\\"",
        b",",
        b"\"type\":\"REQUEST\"",
        b"\"methodArn\":\"\"",
    ],
    input_bytes_max: 4_096,
};

/// A macro, since what is printed cannot be borrowed from as long as what is read.
macro_rules! reprints {
    ($kind:ty, $text:expr) => {
        match serde_json::from_str::<$kind>($text) {
            Ok(event) => {
                let printed = serde_json::to_string(&event).expect("an event prints");
                let again = serde_json::from_str::<$kind>(&printed).expect("what is printed can be read");
                assert_eq!(serde_json::to_string(&again).ok(), Some(printed.clone()));
            }
            Err(error) => assert!(!json_problem(&error).is_empty()),
        }
    };
}

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    reprints!(WebSocketEvent<'_>, text);
    reprints!(AuthorizerRequest<'_>, text);
    // serde_json reads some fractions as a neighbour of what it prints.
    let is_exact = serde_json::from_str::<Value>(text).is_ok_and(|value| !has_fractions(&value));
    if is_exact {
        reprints!(AuthorizerResponse, text);
    }
    heads(text);
    match ProxyResult::from_answer(bytes) {
        Ok(result) => {
            let printed = serde_json::to_vec(&result).expect("a result prints");
            let again = ProxyResult::from_answer(&printed).expect("what is printed can be read");
            assert!(!is_exact || again == result, "{again:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(id) = text.parse::<ConnectionId>() {
        assert_eq!(id.to_string(), text);
    }
}

fn has_fractions(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_fractions),
        Value::Object(members) => members.values().any(has_fractions),
        _ => false,
    }
}

/// The short reader finds what the long one does.
fn heads(text: &str) {
    let Ok(event) = serde_json::from_str::<WebSocketEvent<'_>>(text) else { return };
    let head = serde_json::from_str::<EventHead<'_>>(text).expect("less is read of the same");
    assert_eq!(head.request_context.route_key, event.request_context.route_key);
    assert_eq!(head.request_context.connection_id, event.request_context.connection_id);
    assert_eq!(head.request_context.connected_at, event.request_context.connected_at);
    assert_eq!(head.is_base64_encoded, event.is_base64_encoded);
    assert_eq!(head.body().expect("the same body"), event.body);
    assert!(event.body.is_none_or(|body| body.len() <= head.body_json_bytes()));
}
