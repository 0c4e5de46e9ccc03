//! What the benchmarks share: the data that they work on, and a management client whose cost is known.
//!
//! Each benchmark stands beside a bare reference in the same group, the shortest code that gets the same result, and
//! what counts is their ratio in one run. The names are `group/function/size`, with the reference at
//! `group/function_bare/size`; `promises.toml` lists the pairs and what is promised of them. A new benchmark needs an
//! entry there.
//!
//! ```
//! assert_eq!(dunlin_benches::connection_ids(1_000).len(), 1_000);
//! ```

pub mod groups;
mod null_management;
pub mod pairs;

use dunlin_connection_store::{Timestamp, Topic};
use dunlin_events::{ConnectionId, opaque_id};
use serde_json::{Value, json};

pub use null_management::NullManagement;

/// The moment at which everything happens.
pub const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_000);

/// The service's sample of a message event.
const MESSAGE: &str = include_str!("../../crates/events/tests/samples/message.json");

/// A message event as the service sends it, without white space, that follows two devices.
pub fn message_event() -> String {
    let mut event: Value = serde_json::from_str(MESSAGE).expect("the sample is JSON");
    event["requestContext"]["routeKey"] = json!("set_notify_list");
    event["body"] = json!(r#"{"action":"set_notify_list","device_ids":["dev-1","dev-2"]}"#);
    event.to_string()
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

    use dunlin_events::WebSocketEvent;

    use super::*;

    #[test]
    fn ids_are_distinct_and_in_the_services_form() {
        let ids = connection_ids(2_000);
        assert!(ids.iter().all(ConnectionId::is_service_form));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }

    #[test]
    fn the_event_is_one_of_the_service() {
        let text = message_event();
        let event: WebSocketEvent<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(event.request_context.route_key.as_deref(), Some("set_notify_list"));
    }

    #[test]
    fn sizes_have_short_names() {
        assert_eq!([10, 100, 1_000, 1_500, 20_000].map(size_name), ["10", "100", "1k", "1500", "20k"]);
    }
}
