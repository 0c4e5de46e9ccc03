use dunlin_lambda_host::{InvocationType, limits::EVENTS_ACCEPTED_MAX};
use serde_json::json;

use crate::support::{Fixture, Gate};

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
