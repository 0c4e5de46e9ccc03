use std::{sync::Arc, time::Duration};

use dunlin_lambda_host::{
    EventRecord, FunctionConfig, HostConfig, InvocationType, PlatformLines, RecordKind,
    limits::{EVENT_HOPS_MAX, EVENTS_ACCEPTED_MAX},
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};

use crate::support::{Fixture, Gate, PATIENCE};

#[tokio::test]
async fn an_event_is_accepted_at_once_and_tried_again_when_the_function_fails() {
    let fixture = Fixture::with(|config, _| config.event_delay_divisor = 12_000);
    let gate = Gate::open().await;
    let payload = json!({"do": "fail until", "gate": gate.address()}).to_string();
    // The third attempt is the last (N5), so that the fourth visitor belongs to the second event.
    for attempts in [["fail", "fail", "fail"].as_slice(), &["fail", "pass"], &["pass"]] {
        let accepted =
            fixture.host.invoke("probe", payload.clone().into(), InvocationType::Event).await.unwrap();
        assert_eq!(accepted.payload, "");
        for word in attempts {
            gate.visitor().await.let_pass(word).await;
        }
    }
}

#[tokio::test]
async fn events_do_not_start_more_processes_than_allowed() {
    let fixture = Fixture::with(|config, _| config.environments_per_function_max = 2);
    let gate = Gate::open().await;
    let payload = json!({"do": "gate", "gate": gate.address()}).to_string();
    for _ in 0..6 {
        fixture.host.invoke("probe", payload.clone().into(), InvocationType::Event).await.unwrap();
    }
    let mut pids = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let mut pair = [gate.visitor().await, gate.visitor().await];
        pids.extend(pair.iter().map(|visitor| visitor.pid));
        for visitor in &mut pair {
            visitor.let_pass("").await;
        }
    }
    assert_eq!(pids.len(), 2);
}

#[tokio::test]
async fn a_bounded_number_of_events_is_accepted() {
    let fixture = Fixture::with(|config, _| config.environments_per_function_max = 1);
    let gate = Gate::open().await;
    let payload = json!({"do": "gate", "gate": gate.address()}).to_string();
    for _ in 0..EVENTS_ACCEPTED_MAX {
        fixture.host.invoke("probe", payload.clone().into(), InvocationType::Event).await.unwrap();
    }
    let mut visitor = gate.visitor().await;
    let late = fixture.host.invoke("probe", payload.clone().into(), InvocationType::Event).await.unwrap_err();
    assert_eq!(
        late.to_string(),
        "function probe is throttled: too many asynchronous invocations are waiting"
    );
    // A caller does not queue up behind that backlog: its turn comes after the next event at the latest.
    let (answer, ()) = tokio::join!(fixture.answer(json!({})), async {
        visitor.let_pass("").await;
        gate.visitor().await.let_pass("").await;
    });
    assert_eq!(answer["pid"], visitor.pid);
}

#[tokio::test]
async fn a_dry_run_runs_nothing() {
    let fixture = Fixture::new();
    fixture.host.invoke("probe", "{}".into(), InvocationType::DryRun).await.unwrap();
    assert!(fixture.host.environments().is_empty());
}

/// What a host without queues and topics is told of.
fn collector(config: &mut HostConfig) -> mpsc::Receiver<EventRecord> {
    let (sender, records) = mpsc::channel(64);
    config.event_records = Some(Arc::new(move |record| sender.try_send(record).unwrap()));
    config.event_delay_divisor = 12_000;
    records
}

async fn next(records: &mut mpsc::Receiver<EventRecord>) -> (EventRecord, Value) {
    let record = timeout(PATIENCE, records.recv()).await.unwrap().unwrap();
    let payload = serde_json::from_slice(&record.payload).unwrap();
    (record, payload)
}

const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:failed";

#[tokio::test]
async fn an_event_that_is_given_up_is_told_to_those_who_are_to_know() {
    let mut records = None;
    let fixture = Fixture::with(|config, function| {
        records = Some(collector(config));
        function.event_invoke.on_failure = Some(QUEUE.to_owned());
        function.event_invoke.dead_letter_target = Some("arn:aws:sns:eu-west-1:123456789012:dead".to_owned());
    });
    let mut records = records.unwrap();
    let event = json!({"do": "error"}).to_string();
    let accepted = fixture.host.invoke("probe", event.clone().into(), InvocationType::Event).await.unwrap();
    let id = accepted.request_id.as_str();
    let (record, told) = next(&mut records).await;
    assert_eq!((record.target_arn.as_str(), record.kind), (QUEUE, RecordKind::OnFailure));
    assert_eq!(
        told["requestContext"],
        json!({
            "requestId": id,
            "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:probe:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        })
    );
    assert_eq!(told["requestPayload"], json!({"do": "error"}));
    assert_eq!(told["responsePayload"]["errorMessage"], "as asked");
    let (letter, payload) = next(&mut records).await;
    assert_eq!((letter.kind, payload), (RecordKind::DeadLetter, json!({"do": "error"})));
    let attributes = [("RequestID", id), ("ErrorCode", "200"), ("ErrorMessage", "as asked")];
    assert_eq!(letter.attributes, attributes.map(|(name, value)| (name, value.to_owned())));
}

#[tokio::test]
async fn a_functions_retries_and_age_are_its_own() {
    for (retries_max, divisor, condition, runs) in [
        (0, 12_000, "RetriesExhausted", 1),
        (1, 12_000, "RetriesExhausted", 2),
        // The first retry would come after a minute, and the event is kept for one.
        (2, 1, "EventAgeExceeded", 1),
    ] {
        let mut records = None;
        let fixture = Fixture::with(|config, function| {
            records = Some(collector(config));
            config.event_delay_divisor = divisor;
            function.event_invoke.retries_max = retries_max;
            function.event_invoke.age_max = Duration::from_secs(60);
            function.event_invoke.on_failure = Some(QUEUE.to_owned());
        });
        let event = json!({"do": "error"}).to_string();
        fixture.host.invoke("probe", event.into(), InvocationType::Event).await.unwrap();
        let (_, told) = next(records.as_mut().unwrap()).await;
        assert_eq!(told["requestContext"]["condition"], condition);
        assert_eq!(told["requestContext"]["approximateInvokeCount"], runs);
    }
}

#[tokio::test]
async fn a_function_is_told_how_another_one_did() {
    let mut records = None;
    let fixture = Fixture::with(|config, _| records = Some(collector(config)));
    let function = |name: &str, on_success: &str| {
        let mut function = FunctionConfig::new(name, fixture.code.path());
        function.timeout = PATIENCE;
        function.event_invoke.on_success = Some(on_success.to_owned());
        function
    };
    let next_arn = "arn:aws:lambda:eu-west-1:123456789012:function:next";
    fixture.host.set_functions(vec![function("first", next_arn), function("next", QUEUE)]).unwrap();
    fixture.host.invoke("first", r#"{"n":1}"#.into(), InvocationType::Event).await.unwrap();
    let (record, told) = next(records.as_mut().unwrap()).await;
    assert_eq!(record.kind, RecordKind::OnSuccess);
    assert_eq!(told["requestContext"]["condition"], "Success");
    // The record of the first function was the event of the next one.
    let first = &told["requestPayload"];
    assert_eq!(first["requestPayload"], json!({"n": 1}));
    assert_eq!(first["responsePayload"]["event"], json!({"n": 1}));
    assert_eq!(first["responseContext"], json!({"statusCode": 200, "executedVersion": "$LATEST"}));

    // One that is larger than an event may be is not passed on; the next one is.
    for event in [json!({"do": "huge", "bytes": 1_500_000}), json!({"n": 2})] {
        fixture.host.invoke("first", event.to_string().into(), InvocationType::Event).await.unwrap();
    }
    let (_, told) = next(records.as_mut().unwrap()).await;
    assert_eq!(told["requestPayload"]["requestPayload"], json!({"n": 2}));
}

#[tokio::test]
async fn functions_that_pass_an_event_on_in_a_circle_are_stopped() {
    let mut fixture = Fixture::with(|config, function| {
        config.platform_lines = PlatformLines::All;
        let own_arn = "arn:aws:lambda:eu-west-1:123456789012:function:probe";
        function.event_invoke.on_success = Some(own_arn.to_owned());
        // Each record contains the one before; with the answers in it as well it would soon be too large.
        function.environment.insert("PROBE_QUIET".to_owned(), "yes".to_owned());
    });
    fixture.host.invoke("probe", "{}".into(), InvocationType::Event).await.unwrap();
    for _ in 0..EVENT_HOPS_MAX {
        fixture.line("START").await;
    }
    fixture.line("REPORT").await;
    // Nothing of it is left, so that nothing else begins before this one.
    let last = fixture.invoke(json!({})).await;
    assert!(fixture.line("START").await.text.contains(last.request_id.as_str()));
}

#[tokio::test]
async fn a_throttled_event_is_offered_again() {
    let fixture = Fixture::with(|config, function| {
        config.event_delay_divisor = 12_000;
        function.reserved_concurrency = Some(1);
    });
    let gate = Gate::open().await;
    let event = json!({"do": "gate", "gate": gate.address()});
    let (_, ()) = tokio::join!(fixture.answer(event.clone()), async {
        let mut visitor = gate.visitor().await;
        fixture.host.invoke("probe", event.to_string().into(), InvocationType::Event).await.unwrap();
        visitor.let_pass("").await;
    });
    gate.visitor().await.let_pass("").await;
}

#[tokio::test]
async fn an_event_for_a_function_that_is_switched_off_is_given_up_at_once() {
    let mut records = None;
    let fixture = Fixture::with(|config, function| {
        records = Some(collector(config));
        function.reserved_concurrency = Some(0);
        function.event_invoke.on_failure = Some(QUEUE.to_owned());
    });
    fixture.host.invoke("probe", "{}".into(), InvocationType::Event).await.unwrap();
    let (_, told) = next(records.as_mut().unwrap()).await;
    assert_eq!(told["requestContext"]["condition"], "ZeroReservedConcurrency");
    assert_eq!(told["requestContext"]["approximateInvokeCount"], 0);
    assert_eq!(told.get("responseContext"), None);
}
