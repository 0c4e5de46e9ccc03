//! From a published message to the event of a rule, against the same work by hand on a `serde_json` tree.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dunlin_iot_rules::sql::{Message, Statement};
use serde_json::{Value, json};

const TOPIC: &str = "devices/dev-1/parameters";

/// The notify app's own rule: the payload, and two columns.
const ADD: &str = "SELECT *, topic(2) AS device_id, timestamp() AS received_at FROM 'devices/+/parameters'";

/// A handful of columns, arithmetic and a condition.
const COLUMNS: &str = "SELECT version, payload.value.temperature AS celsius, topic(2) AS device_id, \
    payload.value.temperature * 9 / 5 + 32 AS fahrenheit FROM 'devices/+/parameters' \
    WHERE payload.value.temperature > 20";

const RECEIVED_AT_MS: u64 = 1_721_807_239_020;

fn iot_rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("iot_rules");
    for (size, payload) in [("161B", small()), ("4KB", large())] {
        let message = Message { received_at_ms: RECEIVED_AT_MS, ..Message::new(TOPIC, payload.as_bytes()) };
        for (name, sql) in [("add", ADD), ("columns", COLUMNS)] {
            let statement = Statement::parse(sql).expect("the statement is valid");
            group.bench_function(BenchmarkId::new(name, size), |bencher| {
                bencher.iter(|| statement.evaluate(black_box(&message)).expect("the payload is JSON"));
            });
        }
        group.bench_function(BenchmarkId::new("add_bare", size), |bencher| {
            bencher.iter(|| add_bare(black_box(payload.as_bytes())));
        });
        group.bench_function(BenchmarkId::new("columns_bare", size), |bencher| {
            bencher.iter(|| columns_bare(black_box(payload.as_bytes())));
        });
    }
    group.finish();
}

fn device_id() -> &'static str {
    black_box(TOPIC).split('/').nth(1).unwrap_or_default()
}

fn add_bare(payload: &[u8]) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(payload).expect("the payload is JSON");
    event["device_id"] = device_id().into();
    event["received_at"] = RECEIVED_AT_MS.into();
    serde_json::to_vec(&event).expect("a tree can be written")
}

fn columns_bare(payload: &[u8]) -> Option<Vec<u8>> {
    let payload: Value = serde_json::from_slice(payload).expect("the payload is JSON");
    let celsius = payload["payload"]["value"]["temperature"].as_f64().filter(|celsius| *celsius > 20.0)?;
    let event = json!({
        "version": payload["version"],
        "celsius": celsius,
        "device_id": device_id(),
        "fahrenheit": celsius * 9.0 / 5.0 + 32.0,
    });
    Some(serde_json::to_vec(&event).expect("a tree can be written"))
}

fn small() -> String {
    let value = r#"{"temperature":21.5,"humidity":40.25,"unit":"celsius"}"#;
    format!(
        r#"{{"version":7,"timestamp":"2026-07-24T07:47:19.020Z","payload":{{"value":{value},"quality":"good"}},"tags":["a","b"]}}"#
    )
}

fn large() -> String {
    let reading = |place| {
        format!(r#"{{"n":"sensor-{place}","t":{place},"v":{place}.25,"ok":true,"note":"a few words more"}}"#)
    };
    let readings: Vec<_> = (0..48).map(reading).collect();
    format!(
        r#"{{"version":7,"payload":{{"value":{{"temperature":21.5}}}},"readings":[{}]}}"#,
        readings.join(",")
    )
}

criterion_group!(benches, iot_rules);
criterion_main!(benches);
