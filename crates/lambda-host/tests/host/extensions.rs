use std::time::Duration;

use dunlin_lambda_host::FunctionErrorKind;
use serde_json::json;
use tokio::time::timeout;

use crate::support::{Fixture, Gate, PATIENCE, PROBE, write_script};

fn fixture(init: &str) -> Fixture {
    Fixture::with(|_, function| {
        function.handler = "app.handler".to_owned();
        function.environment.insert("PROBE_INIT".to_owned(), init.to_owned());
    })
}

#[tokio::test]
async fn an_extension_registers_and_waits() {
    let mut fixture = fixture("extension");
    fixture.answer(json!({})).await;
    let line = fixture.line("registered").await;
    assert_eq!(
        line.text,
        r#"registered: 200 {"functionName":"probe","functionVersion":"$LATEST","handler":"app.handler","accountId":"123456789012"}"#
    );
}

/// A shell that says so when it is asked to end, around the probe.
const POLITE: &str = "trap 'echo asked to end' TERM";

#[tokio::test]
async fn with_an_extension_a_process_is_asked_to_end() {
    let mut fixture = fixture("extension");
    write_script(fixture.code.path(), &format!("{POLITE}\n{PROBE} &\nwait\nwait"));
    fixture.answer(json!({})).await;
    timeout(PATIENCE, fixture.host.shutdown()).await.unwrap();
    fixture.line("asked to end").await;
}

#[tokio::test]
async fn without_one_it_is_not() {
    let fixture = fixture("none");
    write_script(fixture.code.path(), &format!("{POLITE}\n{PROBE} &\nwait\nwait"));
    fixture.answer(json!({})).await;
    timeout(PATIENCE, fixture.host.shutdown()).await.unwrap();
    let (host, mut lines) = (fixture.host, fixture.lines);
    drop(host);
    while let Some(line) = lines.recv().await {
        assert_ne!(line.text, "asked to end");
    }
}

#[tokio::test]
async fn an_extension_is_told_of_invocations_and_of_the_end() {
    let mut fixture = fixture("extension process");
    let first = fixture.invoke(json!({})).await;
    let second = fixture.invoke(json!({})).await;
    for outcome in [first, second] {
        let told = fixture.line("extension: ").await;
        let event: serde_json::Value =
            serde_json::from_str(told.text.strip_prefix("extension: ").unwrap()).unwrap();
        assert_eq!(event["eventType"], "INVOKE");
        assert_eq!(event["requestId"], outcome.request_id.as_str());
        assert_eq!(event["invokedFunctionArn"], "arn:aws:lambda:eu-west-1:123456789012:function:probe");
        assert!(event["deadlineMs"].as_u64().unwrap() > 0);
    }
    timeout(PATIENCE, fixture.host.shutdown()).await.unwrap();
    let told = fixture.line("extension: ").await;
    assert!(told.text.contains(r#""eventType":"SHUTDOWN""#), "{}", told.text);
    assert!(told.text.contains(r#""shutdownReason":"spindown""#), "{}", told.text);
    fixture.line("extension has flushed").await;
}

#[tokio::test]
async fn an_extension_that_does_not_go_on_ends_the_environment_and_not_the_answer() {
    let fixture = Fixture::with(|_, function| {
        function.timeout = Duration::from_secs(2);
        function.environment.insert("PROBE_INIT".to_owned(), "extension process".to_owned());
        function.environment.insert("PROBE_EXTENSION".to_owned(), "stuck".to_owned());
    });
    let gate = Gate::open().await;
    let (answer, visitor) =
        tokio::join!(fixture.answer(json!({"do": "keep", "gate": gate.address()})), gate.visitor());
    assert_eq!(answer["pid"], visitor.pid);
    visitor.gone().await;
    // What waits meanwhile gets an environment of its own.
    assert_ne!(fixture.answer(json!({})).await["pid"], answer["pid"]);
}

#[tokio::test]
async fn an_extension_that_cannot_begin_is_an_error() {
    let fixture = fixture("extension fails");
    let outcome = fixture.invoke(json!({})).await;
    assert_eq!(outcome.function_error, Some(FunctionErrorKind::Init));
    let id = &outcome.request_id;
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&outcome.payload).unwrap(),
        json!({
            "errorType": "Extension.InitError",
            "errorMessage": format!("RequestId: {id} Error: extension broken could not begin: Extension.NoConfig"),
        })
    );
}

#[tokio::test]
async fn an_extension_that_cannot_go_on_ends_the_invocation_too() {
    let fixture = Fixture::with(|_, function| {
        function.environment.insert("PROBE_INIT".to_owned(), "extension process".to_owned());
        function.environment.insert("PROBE_EXTENSION".to_owned(), "exits".to_owned());
    });
    // It would wait there for ever; it may be killed before it gets so far.
    let gate = Gate::open().await;
    let error = fixture.error(json!({"do": "gate", "gate": gate.address()})).await;
    assert_eq!(error["errorType"], "Extension.ExitError");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("extension probe-extension could not go on: Extension.NoLuck"), "{message}");
}

#[tokio::test]
async fn wrong_calls_of_extensions_are_told_what_is_wrong() {
    let mut fixture = fixture("extension errs");
    fixture.answer(json!({})).await;
    for expected in [
        r#"403 {"errorType":"Extension.InvalidEventType","errorMessage":"SLEEP: an extension registers for INVOKE and SHUTDOWN"}"#,
        r#"403 {"errorType":"InvalidRequestFormat","errorMessage":"expected ident at line 1 column 2"}"#,
        r#"403 {"errorType":"Extension.UnknownExtensionIdentifier","errorMessage":"Unknown extension identifier"}"#,
        r#"202 {"errorType":"Telemetry.NotSupported","errorMessage":"Telemetry API is not supported"}"#,
    ] {
        assert_eq!(fixture.line("extension refused").await.text, format!("extension refused: {expected}"));
    }
}
