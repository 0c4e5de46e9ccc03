use std::time::Duration;

use dunlin_lambda_host::{FunctionErrorKind, PlatformLines};
use serde_json::json;

use crate::support::{Fixture, Gate, PATIENCE};

#[tokio::test]
async fn a_start_that_takes_too_long_is_tried_once_more_on_the_invocations_time() {
    let gate = Gate::open().await;
    let mut fixture = Fixture::with(|config, function| {
        // Time to come as far as the gate, also on a busy machine.
        config.init_timeout = Duration::from_secs(2);
        config.platform_lines = PlatformLines::All;
        function.environment.insert("PROBE_INIT".to_owned(), "hang".to_owned());
        function.environment.insert("PROBE_GATE".to_owned(), gate.address());
    });
    let (outcome, pids) = tokio::join!(fixture.invoke(json!({})), async {
        let first = gate.visitor().await;
        let pid = first.pid;
        first.gone().await;
        let mut second = gate.visitor().await;
        second.let_pass("").await;
        [pid, second.pid]
    });
    assert_ne!(pids[0], pids[1]);
    assert_eq!(outcome.function_error, None);
    // The second one is part of the invocation, and no initialisation of its own.
    assert_eq!(outcome.init_duration, None);
    let report = fixture.line("INIT_REPORT").await;
    assert!(report.text.starts_with("INIT_REPORT Init Duration: "), "{}", report.text);
    assert!(report.text.ends_with(" ms\tPhase: init\tStatus: timeout"), "{}", report.text);
    assert_eq!((report.pid, report.request_id), (pids[0], None));
    // Warm, it is as any other.
    assert_eq!(fixture.answer(json!({})).await["pid"], pids[1]);
}

#[tokio::test]
async fn a_start_that_never_ends_times_out() {
    let gate = Gate::open().await;
    let fixture = Fixture::with(|config, function| {
        config.init_timeout = Duration::from_millis(250);
        function.timeout = Duration::from_secs(1);
        function.environment.insert("PROBE_INIT".to_owned(), "hang".to_owned());
        function.environment.insert("PROBE_GATE".to_owned(), gate.address());
    });
    let outcome = fixture.invoke(json!({})).await;
    assert_eq!(outcome.function_error, Some(FunctionErrorKind::TimedOut));
    assert!(outcome.duration >= Duration::from_secs(1));
    let error: serde_json::Value = serde_json::from_slice(&outcome.payload).unwrap();
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("Task timed out after 1.00 seconds"), "{message}");
    fixture.host.shutdown().await;
    assert!(fixture.host.environments().is_empty());
}

#[tokio::test]
async fn a_crash_at_the_start_is_tried_once_more_and_then_told() {
    let mut fixture = Fixture::with(|config, function| {
        config.platform_lines = PlatformLines::All;
        function.environment.insert("PROBE_INIT".to_owned(), "exit".to_owned());
    });
    for _ in 0..3 {
        let outcome = fixture.invoke(json!({})).await;
        assert_eq!(outcome.function_error, Some(FunctionErrorKind::Init));
        let init = fixture.line("INIT_REPORT").await;
        assert!(
            init.text.ends_with("\tPhase: init\tStatus: error\tError Type: Runtime.ExitError"),
            "{}",
            init.text
        );
        // The next report is the invocation's own: there were two attempts, no more.
        let id = &outcome.request_id;
        assert_eq!(fixture.line("").await.text, format!("START RequestId: {id} Version: $LATEST"));
        assert_eq!(fixture.line("").await.text, format!("END RequestId: {id}"));
        let report = fixture.line("").await;
        assert!(report.text.starts_with(&format!("REPORT RequestId: {id}\t")), "{}", report.text);
        assert!(report.text.ends_with("\tStatus: error\tError Type: Runtime.ExitError"), "{}", report.text);
        assert_ne!(report.pid, init.pid);
    }
}

#[tokio::test]
async fn what_a_process_uses_is_reported_and_bounded() {
    let mut fixture = Fixture::with(|config, _| config.platform_lines = PlatformLines::All);
    let gate = Gate::open().await;
    // As much as it may: 128 MB less what it needs itself.
    let eat = |mb: u64| json!({"do": "eat", "mb": mb, "gate": gate.address()});
    let (outcome, ()) = tokio::join!(fixture.invoke(eat(64)), async {
        gate.visitor().await.let_pass("").await;
    });
    assert_eq!(outcome.function_error, None);
    let report = fixture.line("REPORT").await.text;
    let (_, used) = report.split_once("Memory Size: 128 MB\tMax Memory Used: ").unwrap();
    let used: u32 = used.split_once(" MB").unwrap().0.parse().unwrap();
    assert!((64..128).contains(&used), "{report}");
    assert!(report.contains("\tInit Duration: "), "{report}");

    let (outcome, visitor) = tokio::join!(fixture.invoke(eat(256)), gate.visitor());
    assert_eq!(outcome.function_error, Some(FunctionErrorKind::OutOfMemory));
    let id = &outcome.request_id;
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&outcome.payload).unwrap(),
        json!({
            "errorType": "Runtime.ExitError",
            "errorMessage": format!("RequestId: {id} Error: Runtime exited with error: signal: killed"),
        })
    );
    visitor.gone().await;
    let report = fixture.line("REPORT").await.text;
    assert!(report.ends_with("\tStatus: error\tError Type: Runtime.OutOfMemory"), "{report}");
    tokio::time::timeout(PATIENCE, fixture.answer(json!({}))).await.unwrap();
}
