//! From a published message to the event of a rule, against the same work by hand on a `serde_json` tree.

use std::hint::black_box;

use dunlin_iot_rules::sql::{Message, Statement};
use serde_json::{Value, json};

use crate::pairs::{Group, Pair, Work};

const TOPIC: &str = "devices/dev-1/parameters";

/// The notify app's own rule: the payload, and two columns.
const ADD: &str = "SELECT *, topic(2) AS device_id, timestamp() AS received_at FROM 'devices/+/parameters'";

/// A handful of columns, arithmetic of decimals with 34 digits, and a condition; the tree computes in doubles.
const COLUMNS: &str = "SELECT version, payload.value.temperature AS celsius, topic(2) AS device_id, \
    payload.value.temperature * 9 / 5 + 32 AS fahrenheit FROM 'devices/+/parameters' \
    WHERE payload.value.temperature > 20";

const RECEIVED_AT_MS: u64 = 1_721_807_239_020;

/// Readings of a large payload.
const READINGS: usize = 56;

pub(super) fn fill(group: &mut Group) {
    for (size, payload) in [("161B", small()), ("4KB", large(READINGS))] {
        let again = payload.clone();
        group.pair(&format!("add/{size}"), move || {
            Pair::new(rule(ADD, &payload), "a JSON tree", add_bare(&payload)).rival()
        });
        group.pair(&format!("columns/{size}"), move || {
            Pair::new(rule(COLUMNS, &again), "a JSON tree of doubles", columns_bare(&again)).rival()
        });
    }
}

/// What the statement makes of the payload.
fn rule(sql: &str, payload: &str) -> Work {
    let statement = Statement::parse(sql).expect("the statement is valid");
    let payload = payload.to_owned();
    Work::each(
        move || {
            let message = Message { received_at_ms: RECEIVED_AT_MS, ..Message::new(TOPIC, payload.as_bytes()) };
            statement.evaluate(black_box(&message)).expect("the payload is JSON")
        },
        |event| check(event.as_ref().map(|event| event.payload.as_slice())),
    )
}

/// Each of them names the device.
fn check(event: Option<&[u8]>) {
    let event: Value = serde_json::from_slice(event.expect("the condition holds")).expect("it is JSON");
    assert_eq!(event["device_id"], "dev-1", "{event}");
    assert_eq!(event["version"], 7, "{event}");
}

fn device_id() -> &'static str {
    black_box(TOPIC).split('/').nth(1).unwrap_or_default()
}

fn add_bare(payload: &str) -> Work {
    let payload = payload.to_owned();
    Work::each(
        move || {
            let mut event: Value = serde_json::from_str(black_box(&payload)).expect("the payload is JSON");
            event["device_id"] = device_id().into();
            event["received_at"] = RECEIVED_AT_MS.into();
            serde_json::to_vec(&event).expect("a tree can be written")
        },
        |event| check(Some(event)),
    )
}

fn columns_bare(payload: &str) -> Work {
    let payload = payload.to_owned();
    Work::each(
        move || {
            let payload: Value = serde_json::from_str(black_box(&payload)).expect("the payload is JSON");
            let temperature = payload["payload"]["value"]["temperature"].as_f64();
            let celsius = temperature.filter(|celsius| *celsius > 20.0)?;
            let event = json!({
                "version": payload["version"],
                "celsius": celsius,
                "device_id": device_id(),
                "fahrenheit": celsius * 9.0 / 5.0 + 32.0,
            });
            Some(serde_json::to_vec(&event).expect("a tree can be written"))
        },
        |event| check(event.as_deref()),
    )
}

fn small() -> String {
    let value = r#"{"temperature":21.5,"humidity":40.25,"unit":"celsius"}"#;
    format!(
        r#"{{"version":7,"timestamp":"2026-07-24T07:47:19.020Z","payload":{{"value":{value},"quality":"good"}},"tags":["a","b"]}}"#
    )
}

fn large(readings: usize) -> String {
    let reading = |place| {
        format!(r#"{{"n":"sensor-{place}","t":{place},"v":{place}.25,"ok":true,"note":"a few words more"}}"#)
    };
    let readings: Vec<_> = (0..readings).map(reading).collect();
    format!(
        r#"{{"version":7,"payload":{{"value":{{"temperature":21.5}}}},"readings":[{}]}}"#,
        readings.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::doubles;

    #[test]
    fn twice_the_payload_costs_twice_as_much() {
        let payload = |times: u64| large(times as usize * 200);
        doubles("add", |times| rule(ADD, &payload(times)));
        doubles("columns", |times| rule(COLUMNS, &payload(times)));
        doubles("a tree", |times| add_bare(&payload(times)));
    }

    #[test]
    fn sizes_are_as_their_names_say() {
        assert_eq!(small().len(), 161);
        assert!((3_900..4_100).contains(&large(READINGS).len()));
    }
}
