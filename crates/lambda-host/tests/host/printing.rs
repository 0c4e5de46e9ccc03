use dunlin_lambda_host::{LogFormat, LogSource, PlatformLines, SystemLogLevel};
use serde_json::{Value, json};

use crate::support::Fixture;

#[tokio::test]
async fn lines_carry_the_id_of_their_invocation() {
    let mut fixture = Fixture::new();
    let one = fixture.invoke(json!({"do": "print", "lines": ["one", "same"]})).await;
    let two = fixture.invoke(json!({"do": "print", "lines": ["two", "same"]})).await;
    let up = fixture.line("the probe is up").await;
    assert_eq!((up.request_id, &*up.function), (None, "probe"));
    for (text, outcome) in [
        ("one", &one),
        ("same", &one),
        ("to standard error", &one),
        ("two", &two),
        ("same", &two),
        ("to standard error", &two),
    ] {
        let line = fixture.line("").await;
        assert_eq!((line.text.as_str(), line.request_id.as_ref()), (text, Some(&outcome.request_id)));
    }
    for (outcome, own) in [(one, "one\nsame\nto standard error\n"), (two, "two\nsame\nto standard error\n")] {
        let id = &outcome.request_id;
        let tail = outcome.log_tail.unwrap();
        let start = format!(
            "START RequestId: {id} Version: $LATEST\n{own}END RequestId: {id}\nREPORT RequestId: {id}\t"
        );
        assert!(tail.starts_with(&start), "{tail}");
    }
}

#[tokio::test]
async fn whoever_does_not_read_the_lines_does_not_hold_up_the_function() {
    let fixture = Fixture::new();
    // Ten times what the channel holds, and more than a pipe does.
    let lines = vec!["0123456789012345678901234567890123456789"; 10_240];
    let outcome = fixture.invoke(json!({"do": "print", "lines": lines})).await;
    assert_eq!(outcome.function_error, None);
    assert!(fixture.host.log_lines_dropped() >= 9_000, "{}", fixture.host.log_lines_dropped());
    assert_eq!(outcome.log_tail.unwrap().len(), 4_096);
}

#[tokio::test]
async fn the_platforms_lines_stand_around_the_functions() {
    let mut fixture = Fixture::with(|config, _| config.platform_lines = PlatformLines::All);
    let outcome = fixture.invoke(json!({"do": "print", "lines": ["one"]})).await;
    let id = outcome.request_id.as_str();
    assert!(outcome.init_duration.is_some());
    fixture.line("the probe is up").await;
    let start = fixture.line("").await;
    assert_eq!(
        (start.source, start.text),
        (LogSource::Platform, format!("START RequestId: {id} Version: $LATEST"))
    );
    let one = fixture.line("").await;
    assert_eq!((one.source, one.text.as_str()), (LogSource::Function, "one"));
    assert_eq!(fixture.line("").await.text, "to standard error");
    assert_eq!(fixture.line("").await.text, format!("END RequestId: {id}"));
    let report = fixture.line("").await;
    assert_eq!(report.request_id.as_ref(), Some(&outcome.request_id));
    let fields: Vec<_> = report.text.split('\t').map(|field| field.split(": ").next().unwrap()).collect();
    assert_eq!(
        fields,
        [
            "REPORT RequestId",
            "Duration",
            "Billed Duration",
            "Memory Size",
            "Max Memory Used",
            "Init Duration",
            ""
        ]
    );
    // A warm one has no initialisation to report.
    assert_eq!(fixture.invoke(json!({})).await.init_duration, None);
}

#[tokio::test]
async fn a_function_that_logs_json_gets_the_platforms_lines_as_json() {
    let mut fixture = Fixture::with(|config, function| {
        config.platform_lines = PlatformLines::All;
        function.logging.format = LogFormat::Json;
        function.logging.system_level = SystemLogLevel::Debug;
    });
    let outcome = fixture.invoke(json!({})).await;
    for kind in ["platform.initReport", "platform.start", "platform.runtimeDone", "platform.report"] {
        let line = fixture.line("\"platform.").await;
        let line: Value = serde_json::from_str(&line.text).unwrap();
        assert_eq!(line["type"], kind);
        if kind != "platform.initReport" {
            assert_eq!(line["record"]["requestId"], outcome.request_id.as_str());
        }
    }
    let environment = fixture.answer(json!({"do": "environment"})).await;
    assert_eq!(environment["variables"]["AWS_LAMBDA_LOG_FORMAT"], "JSON");
    assert_eq!(environment["variables"]["AWS_LAMBDA_LOG_LEVEL"], "INFO");
}

#[tokio::test]
async fn by_default_a_cold_start_and_a_failure_are_reported_and_nothing_else_for_sure() {
    let mut fixture = Fixture::with(|config, _| config.platform_lines = PlatformLines::Reports);
    let cold = fixture.invoke(json!({})).await;
    assert!(fixture.line("REPORT").await.text.contains(cold.request_id.as_str()));
    let failed = fixture.invoke(json!({"do": "exit"})).await;
    let report = fixture.line("REPORT").await;
    assert!(report.text.contains(failed.request_id.as_str()), "{}", report.text);
    assert!(report.text.ends_with("\tStatus: error\tError Type: Runtime.ExitError"), "{}", report.text);
}
