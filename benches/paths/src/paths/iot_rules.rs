use std::hint::black_box;

use dunlin_iot_rules::sql::{Message, Statement};

use crate::path::Workload;

const TOPIC: &str = "devices/dev-1/parameters";
const RULE: &str = "SELECT *, topic(2) AS device_id, timestamp() AS received_at FROM 'devices/+/parameters'";
const PAYLOAD: &[u8] = br#"{"version":7,"timestamp":"2026-07-24T07:47:19.020Z","payload":{"value":{"temperature":21.5,"humidity":40.25,"unit":"celsius"},"quality":"good"},"tags":["a","b"]}"#;
const RECEIVED_AT_MS: u64 = 1_721_807_239_020;

/// The rule of the notify app: a message's payload, and two columns more.
pub(super) fn add() -> Box<dyn Workload> {
    let statement = Statement::parse(RULE).expect("the statement is valid");
    Box::new(move || {
        let message = Message { received_at_ms: RECEIVED_AT_MS, ..Message::new(TOPIC, black_box(PAYLOAD)) };
        let event = statement.evaluate(&message).expect("the payload is JSON");
        assert!(event.is_some_and(|event| event.payload.len() > PAYLOAD.len()));
    })
}
