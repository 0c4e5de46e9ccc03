//! The sample events: parse, print and parse again are the same, and absent stays absent.

use std::borrow::Cow;

use dunlin_events::{AuthorizerRequest, EventHead, EventType, WebSocketEvent};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Parses `text`, prints it, and compares both the value and the order of the keys.
#[track_caller]
fn check_round_trip<'a, T: Serialize + Deserialize<'a>>(text: &'a str) -> T {
    let event: T = serde_json::from_str(text).expect("the sample parses");
    let printed = serde_json::to_string(&event).expect("the event prints");
    let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(value(&printed), value(text));
    // The authorizer's part is handed through as it stands, space and all.
    assert_eq!(strip_space(&printed), strip_space(text), "keys print in the observed order");
    event
}

/// JSON without the space between its tokens.
fn strip_space(text: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    text.chars()
        .filter(|&c| {
            let keep = quoted || !c.is_whitespace();
            quoted ^= c == '"' && !escaped;
            escaped = quoted && c == '\\' && !escaped;
            keep
        })
        .collect()
}

#[test]
fn connect() {
    let event: WebSocketEvent<'_> = check_round_trip(include_str!("samples/connect.json"));
    assert_eq!(event.request_context.event_type, Some(EventType::Connect));
    assert_eq!(
        event.headers.unwrap().get_ignore_case("origin").map(|v| &**v),
        Some("https://app.example.com")
    );
    assert!(event.body.is_none());
    assert!(event.request_context.message_id.is_none());
}

#[test]
fn message() {
    let text = include_str!("samples/message.json");
    let event: WebSocketEvent<'_> = check_round_trip(text);
    assert_eq!(event.request_context.route_key.as_deref(), Some("sendReading"));
    assert!(event.headers.is_none());
    let id = event.request_context.connection_id.unwrap();
    assert!(text.as_bytes().as_ptr_range().contains(&id.as_ptr()), "ids borrow from the event's bytes");
}

#[test]
fn message_base64() {
    let event: WebSocketEvent<'_> = check_round_trip(include_str!("samples/message-base64.json"));
    assert!(event.is_base64_encoded);
    assert!(event.request_context.authorizer.is_none());
}

#[test]
fn disconnect() {
    let event: WebSocketEvent<'_> = check_round_trip(include_str!("samples/disconnect.json"));
    assert_eq!(event.request_context.disconnect_status_code, Some(1005));
}

#[test]
fn authorizer_request() {
    let event: AuthorizerRequest<'_> = check_round_trip(include_str!("samples/authorizer-request.json"));
    assert_eq!(&*event.kind, "REQUEST");
    assert_eq!(event.headers.get("Upgrade").map(|v| &**v), Some("websocket"));
}

/// Whatever is read of an event first is what the whole says.
#[test]
fn heads_agree_with_the_whole() {
    let escaped = r#"{"requestContext":{"routeKey":"s\u00e9nd","requestId":null,"connectionId":"a\/b","connectedAt":0},
        "isBase64Encoded":true,"body":"\ud83d\ude00\"\\"}"#;
    for text in [
        include_str!("samples/connect.json"),
        include_str!("samples/message.json"),
        include_str!("samples/message-base64.json"),
        include_str!("samples/disconnect.json"),
        include_str!("samples/authorizer-request.json"),
        r#"{"requestContext":{}}"#,
        r#"{"requestContext":{"routeKey":null,"connectedAt":null},"body":null}"#,
        escaped,
    ] {
        let head: EventHead<'_> = serde_json::from_str(text).unwrap();
        let whole: WebSocketEvent<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(head.body().unwrap(), whole.body, "{text}");
        assert_eq!(head.is_base64_encoded, whole.is_base64_encoded);
        let (head, whole) = (head.request_context, whole.request_context);
        assert_eq!(
            (head.route_key, head.request_id, head.connection_id, head.connected_at),
            (whole.route_key, whole.request_id, whole.connection_id, whole.connected_at),
        );
    }
}

/// A rule's event is what its `SELECT` makes: bare JSON with no envelope (S6).
#[test]
fn iot_rule() {
    let text = include_str!("samples/iot-rule.json");
    let event: Map<String, Value> = serde_json::from_str(text).unwrap();
    let again: Map<String, Value> = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
    assert_eq!(event, again);
    assert_eq!(event["topic"], "plant/north/pump-7/reading");
}

/// Twelve keys, mostly null, before about 2021 (E1); `messageId: null` outside MESSAGE in the same years.
#[test]
fn events_of_older_years_parse() {
    let event: WebSocketEvent<'_> = serde_json::from_str(
        r#"{"requestContext":{"routeKey":"$connect","messageId":null,"eventType":"CONNECT","identity":
        {"cognitoIdentityPoolId":null,"userAgent":null,"accountId":null,"sourceIp":"203.0.113.17","user":null}}}"#,
    )
    .unwrap();
    let identity = event.request_context.identity.unwrap();
    assert_eq!(identity.source_ip.as_deref(), Some("203.0.113.17"));
    assert!(identity.user_agent.is_none() && event.request_context.message_id.is_none());
}

#[test]
fn escapes_are_decoded_and_kept_on_the_way_out() {
    let event: WebSocketEvent<'_> =
        serde_json::from_str(r#"{"requestContext":{},"body":"a\"b\u00e9\n"}"#).unwrap();
    assert_eq!(event.body.as_deref(), Some("a\"bé\n"));
    assert_eq!(
        Cow::from(serde_json::to_string(&event).unwrap()),
        r#"{"requestContext":{},"body":"a\"bé\n","isBase64Encoded":false}"#
    );
}
