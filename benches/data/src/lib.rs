//! What the benchmarks and the gate's paths work on.
//!
//! ```
//! assert_eq!(dunlin_bench_data::connection_ids(1_000).len(), 1_000);
//! ```

use std::fmt::Write as _;

use dunlin_connection_store::{Timestamp, Topic};
use dunlin_events::{ConnectionId, opaque_id};
use serde_json::{Value, json};

/// The moment at which everything happens.
pub const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_000);

/// The service's samples.
const MESSAGE: &str = include_str!("../../../crates/events/tests/samples/message.json");
const CONNECT: &str = include_str!("../../../crates/events/tests/samples/connect.json");

/// A message event as the service sends it, without white space, with another route and body than the sample's.
pub fn message_event(route_key: &str, body: &str) -> String {
    let mut event: Value = serde_json::from_str(MESSAGE).expect("the sample is JSON");
    event["requestContext"]["routeKey"] = json!(route_key);
    event["body"] = json!(body);
    printed_in_the_services_order(&event)
}

/// A connect event as the service sends it, without white space.
pub fn connect_event() -> String {
    printed_in_the_services_order(&serde_json::from_str(CONNECT).expect("the sample is JSON"))
}

/// A tree sorts its keys; the typed event has the service's order.
fn printed_in_the_services_order(event: &Value) -> String {
    let text = event.to_string();
    let event: dunlin_events::WebSocketEvent<'_> =
        serde_json::from_str(&text).expect("the sample is the service's");
    serde_json::to_string(&event).expect("an event can be printed")
}

/// A message that follows so many devices, `dev-1` and the following.
pub fn list_body(devices: usize) -> String {
    let mut body = r#"{"action":"set_notify_list","device_ids":["#.to_owned();
    for device in 1..=devices {
        let comma = if device > 1 { "," } else { "" };
        write!(body, "{comma}\"dev-{device}\"").expect("a String takes everything");
    }
    body + "]}"
}

/// A template of an API with that many routes, all of them to one function: a resource for each stays below the service's 500.
pub fn template(routes: usize) -> String {
    let mut text = "\
AWSTemplateFormatVersion: \"2010-09-09\"
Transform: AWS::Serverless-2016-10-31
Parameters:
  StageName: {Type: String, Default: dev}
Conditions:
  IsDev: !Equals [!Ref StageName, dev]
Globals:
  Function:
    Runtime: provided.al2023
    Environment:
      Variables:
        ENDPOINT: !Sub \"https://${Api}.execute-api.${AWS::Region}.amazonaws.com/${StageName}\"
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: large, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: !Ref StageName, AutoDeploy: !If [IsDev, true, false]}
  Function:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: .build/, Handler: all}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub \"arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations\"
"
    .to_owned();
    for n in 0..routes {
        let written = write!(
            text,
            "
  Route{n}:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: action_{n}
      Target: !Sub \"integrations/${{Integration}}\"
      OperationName: !If [IsDev, \"dev-{n}\", \"operation-{n}\"]
"
        );
        written.expect("a String takes everything");
    }
    text
}

/// Distinct connection ids in the service's form.
pub fn connection_ids(count: u64) -> Vec<ConnectionId> {
    (0..count).map(connection_id).collect()
}

/// One connection id in the service's form. Neighbouring numbers are far apart in the order of ids, as the service's are.
pub fn connection_id(number: u64) -> ConnectionId {
    // An odd factor permutes the numbers.
    let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
    let mut bytes = [0; 11];
    bytes[..8].copy_from_slice(&scattered);
    opaque_id(bytes).parse().expect("an opaque id has an id's characters")
}

/// The topic of a device.
pub fn topic(number: usize) -> Topic {
    format!("dev-{number}").parse().expect("a device id is a topic")
}

/// A size as it stands in a benchmark's id.
pub fn size_name(size: u64) -> String {
    if size >= 1_000 && size.is_multiple_of(1_000) { format!("{}k", size / 1_000) } else { size.to_string() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use dunlin_events::{EventType, WebSocketEvent};

    use super::*;

    #[test]
    fn ids_are_distinct_and_in_the_services_form() {
        let ids = connection_ids(2_000);
        assert!(ids.iter().all(ConnectionId::is_service_form));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }

    #[test]
    fn the_events_are_those_of_the_service() {
        let text = message_event("set_notify_list", &list_body(2));
        let event: WebSocketEvent<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(event.request_context.route_key.as_deref(), Some("set_notify_list"));
        assert_eq!(
            event.body.as_deref(),
            Some(r#"{"action":"set_notify_list","device_ids":["dev-1","dev-2"]}"#)
        );
        assert!(text.starts_with(r#"{"requestContext":{"routeKey":"#), "{text}");
        let text = connect_event();
        let event: WebSocketEvent<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(event.request_context.event_type, Some(EventType::Connect));
    }

    #[test]
    fn sizes_have_short_names() {
        assert_eq!([10, 100, 1_000, 1_500, 20_000].map(size_name), ["10", "100", "1k", "1500", "20k"]);
    }
}
