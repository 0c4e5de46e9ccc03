use std::time::Duration;

use dunlin_lambda_host::FunctionErrorKind;
use serde_json::json;
use tokio::time::timeout;

use crate::support::{Fixture, Gate, PATIENCE, PROBE, write_script};

#[tokio::test]
async fn one_that_answers_twice_is_told_and_goes_on() {
    let mut fixture = Fixture::new();
    let first = fixture.answer(json!({"do": "answer twice"})).await;
    let told = fixture.line("second answer").await;
    assert!(
        told.text.starts_with("second answer: 403 {\"errorType\":\"InvalidStateTransition\""),
        "{}",
        told.text
    );
    assert_eq!(fixture.answer(json!({})).await["pid"], first["pid"]);
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_hurts_nobody() {
    let fixture = Fixture::new();
    assert_eq!(fixture.answer(json!({"do": "garbage head"})).await, "HTTP/1.1 400 Bad Request");
    fixture.answer(json!({})).await;
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let fixture = Fixture::with(|_, function| function.timeout = Duration::from_secs(2));
    // Broken off: the function may still answer.
    let first = fixture.answer(json!({"do": "half"})).await;
    // Never ended: its time runs out.
    let gate = Gate::open().await;
    let (outcome, visitor) =
        tokio::join!(fixture.invoke(json!({"do": "half", "gate": gate.address()})), gate.visitor());
    assert_eq!(outcome.function_error, Some(FunctionErrorKind::TimedOut));
    assert_eq!(first["pid"], visitor.pid);
    visitor.gone().await;
    fixture.answer(json!({})).await;
}

#[tokio::test]
async fn one_that_ends_without_an_answer_is_named() {
    let fixture = Fixture::new();
    let error = fixture.error(json!({"do": "exit 0"})).await;
    assert_eq!(error["errorType"], "Runtime.ExitError");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("Error: Runtime exited without providing a reason"), "{message}");
}

#[tokio::test]
async fn one_that_leaves_a_process_with_its_output_does_not_hold_up_its_end() {
    let fixture = Fixture::new();
    let gate = Gate::open().await;
    let (_, left) =
        tokio::join!(fixture.answer(json!({"do": "fork", "gate": gate.address()})), gate.visitor());
    fixture.error(json!({"do": "exit"})).await;
    left.gone().await;
}

#[tokio::test]
async fn what_leaves_the_group_ends_with_the_environment() {
    for do_end in ["exit", "shutdown"] {
        let fixture = Fixture::new();
        let gate = Gate::open().await;
        let event = json!({"do": "daemon", "gate": gate.address()});
        let (_, daemon) = tokio::join!(fixture.answer(event), gate.visitor());
        match do_end {
            "exit" => drop(fixture.error(json!({"do": "exit"})).await),
            _ => timeout(PATIENCE, fixture.host.shutdown()).await.unwrap(),
        }
        daemon.gone().await;
    }
}

#[tokio::test]
async fn one_that_closes_its_output_still_runs() {
    let fixture = Fixture::new();
    write_script(fixture.code.path(), &format!("exec {PROBE} >&- 2>&-"));
    fixture.answer(json!({"do": "print", "lines": ["into the void"]})).await;
}

#[tokio::test]
async fn one_that_prints_without_end_answers_and_ends() {
    let mut fixture = Fixture::new();
    let first = fixture.answer(json!({"do": "flood"})).await;
    for _ in 0..64 {
        let line = fixture.line("xxx").await;
        assert!(line.text.len() <= dunlin_lambda_host::limits::LOG_LINE_BYTES_MAX);
    }
    assert_eq!(fixture.answer(json!({})).await["pid"], first["pid"]);
    timeout(PATIENCE, fixture.host.shutdown()).await.unwrap();
}

#[tokio::test]
async fn one_that_opens_a_thousand_connections_takes_nothing_from_others() {
    let fixture = Fixture::new();
    assert_eq!(fixture.answer(json!({"do": "connections", "number": 1_000})).await, json!(1_000));
    fixture.answer(json!({})).await;
}

#[tokio::test]
async fn a_process_may_open_as_many_files_as_on_the_service() {
    let fixture = Fixture::new();
    let limits = fixture.answer(json!({"do": "limits"})).await;
    let limits = limits.as_str().unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let columns: Vec<_> = files.split_whitespace().collect();
    assert_eq!(columns[3..5], ["1024", "1024"], "{files}");
}

#[tokio::test]
async fn one_that_never_comes_up_fails_each_time_and_leaves_nothing() {
    let fixture = Fixture::with(|_, function| {
        function.environment.insert("PROBE_INIT".to_owned(), "panic".to_owned());
    });
    for _ in 0..5 {
        assert_eq!(fixture.error(json!({})).await["errorType"], "Runtime.ExitError");
    }
    timeout(PATIENCE, fixture.host.shutdown()).await.unwrap();
    assert!(fixture.host.environments().is_empty());
}
