use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, SystemTime},
};

use dunlin_lambda_host::{FunctionErrorKind, InvocationType, InvokeError, InvokeRequest};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::json;

use crate::support::{Fixture, Gate, write_script};

#[tokio::test]
async fn a_function_that_is_too_slow_is_killed_and_the_invoker_told() {
    let clock = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    let fixture = Fixture::with(move |config, function| {
        config.wall_clock = std::sync::Arc::new(move || clock);
        function.timeout = Duration::from_secs(1);
    });
    let gate = Gate::open().await;
    let (outcome, visitor) =
        tokio::join!(fixture.invoke(json!({"do": "gate", "gate": gate.address()})), gate.visitor());
    assert_eq!(outcome.function_error, Some(FunctionErrorKind::TimedOut));
    let id = &outcome.request_id;
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&outcome.payload).unwrap(),
        json!({
            "errorType": "Sandbox.Timedout",
            "errorMessage": format!("2023-11-14T22:13:20.123Z {id} Task timed out after 1.00 seconds"),
        })
    );
    assert!(outcome.duration >= Duration::from_secs(1));
    let pid = visitor.pid;
    visitor.gone().await;
    assert_ne!(fixture.answer(json!({})).await["pid"], pid);
}

#[tokio::test]
async fn a_process_that_ends_fails_its_invocation_and_the_next_gets_a_fresh_one() {
    let fixture = Fixture::new();
    let first = fixture.answer(json!({})).await;
    let outcome = fixture.invoke(json!({"do": "exit"})).await;
    assert_eq!(outcome.function_error, Some(FunctionErrorKind::Exited));
    let id = &outcome.request_id;
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&outcome.payload).unwrap(),
        json!({
            "errorType": "Runtime.ExitError",
            "errorMessage": format!("RequestId: {id} Error: Runtime exited with error: exit status 3"),
        })
    );
    let second = fixture.answer(json!({})).await;
    assert_ne!(second["pid"], first["pid"]);
    let error = fixture.error(json!({"do": "abort"})).await;
    assert!(
        error["errorMessage"].as_str().unwrap().ends_with("exited with error: signal: aborted"),
        "{error}"
    );
    assert_ne!(fixture.answer(json!({})).await["pid"], second["pid"]);
}

#[tokio::test]
async fn a_process_that_is_killed_while_idle_is_not_missed() {
    let fixture = Fixture::new();
    for _ in 0..20 {
        let gate = Gate::open().await;
        let (answer, visitor) =
            tokio::join!(fixture.answer(json!({"do": "keep", "gate": gate.address()})), gate.visitor());
        assert_eq!(answer["pid"], visitor.pid);
        let pid = Pid::from_raw(visitor.pid.try_into().unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        visitor.gone().await;
        // Its sockets close a moment before it counts as ended. If the host has collected it, that is an error.
        let ended = move || {
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        };
        tokio::task::spawn_blocking(ended).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_counts_even_if_the_process_ends_with_it() {
    let fixture = Fixture::new();
    for _ in 0..20 {
        assert_eq!(fixture.answer(json!({"do": "answer and exit"})).await, json!("last words"));
    }
}

#[tokio::test]
async fn an_error_that_the_function_reports_is_passed_on() {
    let fixture = Fixture::new();
    let outcome = fixture.invoke(json!({"do": "error"})).await;
    assert_eq!(outcome.function_error, Some(FunctionErrorKind::Reported));
    assert_eq!(outcome.payload, r#"{"errorType":"Probe.Error","errorMessage":"as asked"}"#);
    assert_eq!(FunctionErrorKind::Reported.header_value(), "Unhandled");
    // What is no JSON is made into an error object.
    assert_eq!(
        fixture.error(json!({"do": "error", "error": "no JSON \" here"})).await,
        json!({"errorType": "Probe.Header", "errorMessage": "no JSON \" here"})
    );
    let first = fixture.answer(json!({})).await;
    assert_eq!(fixture.error(json!({"do": "stream"})).await["errorType"], "Probe.Late");
    assert_eq!(fixture.answer(json!({})).await["pid"], first["pid"], "an error does not end the process");
}

#[tokio::test]
async fn a_process_that_ends_before_its_first_event_is_an_error() {
    for (init, message) in [
        ("exit", "Runtime exited with error: exit status 3"),
        ("panic", "Runtime exited with error: exit status 101"),
    ] {
        let mut fixture = Fixture::with(|_, function| {
            function.environment.insert("PROBE_INIT".to_owned(), init.to_owned());
        });
        let outcome = fixture.invoke(json!({})).await;
        assert_eq!(outcome.function_error, Some(FunctionErrorKind::Init));
        let id = &outcome.request_id;
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&outcome.payload).unwrap(),
            json!({"errorType": "Runtime.ExitError", "errorMessage": format!("RequestId: {id} Error: {message}")})
        );
        if init == "panic" {
            let log_tail = outcome.log_tail.unwrap();
            assert!(log_tail.contains("the probe panics at its start"), "{log_tail}");
            assert_eq!(fixture.line("panics at its start").await.request_id, None);
        }
    }
}

#[tokio::test]
async fn an_error_at_the_start_is_passed_on() {
    let fixture = Fixture::with(|_, function| {
        function.environment.insert("PROBE_INIT".to_owned(), "error".to_owned());
    });
    let outcome = fixture.invoke(json!({})).await;
    assert_eq!(outcome.function_error, Some(FunctionErrorKind::Init));
    assert_eq!(outcome.payload, r#"{"errorType":"Probe.NoTable","errorMessage":"no table"}"#);
    // Each invocation tries anew.
    assert_eq!(fixture.error(json!({})).await["errorType"], "Probe.NoTable");
}

#[tokio::test]
async fn code_that_cannot_start_is_named_with_what_to_do() {
    let fixture = Fixture::new();
    let path = fixture.code.path().join("bootstrap");
    let folder = fixture.code.path().display();
    let message = |error: serde_json::Value| {
        assert_eq!(error["errorType"], "Runtime.InvalidEntrypoint");
        error["errorMessage"].as_str().unwrap().split_once("Error: ").unwrap().1.to_owned()
    };
    assert!(fixture.host.check_code().is_empty());

    fs::remove_file(&path).unwrap();
    let expected =
        format!("{folder} contains no `bootstrap`; put the function's executable there under that name");
    let outcome = fixture.invoke(json!({})).await;
    assert_eq!(outcome.function_error, Some(FunctionErrorKind::Code));
    assert_eq!(message(serde_json::from_slice(&outcome.payload).unwrap()), expected);
    let faults = fixture.host.check_code();
    assert_eq!(faults[0].0, "probe");
    assert_eq!(faults[0].1.to_string(), expected);

    fs::write(&path, "#!/nowhere/interpreter\n").unwrap();
    let bootstrap = path.display();
    assert_eq!(
        message(fixture.error(json!({})).await),
        format!("{bootstrap} is not executable; run `chmod +x {bootstrap}`")
    );

    let started = fixture.code.path().canonicalize().unwrap().join("bootstrap");
    let started = started.display();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(
        message(fixture.error(json!({})).await),
        format!(
            "{started} could not be executed: No such file or directory (os error 2); build it for this machine, and \
             check the first line if it is a script"
        )
    );
    // Put right, it runs.
    write_script(fixture.code.path(), &format!("exec {}", crate::support::PROBE));
    fixture.answer(json!({})).await;
}

#[tokio::test]
async fn a_payload_that_is_too_large_never_reaches_a_process() {
    let fixture = Fixture::new();
    for (invocation_type, bytes, bytes_max) in [
        (InvocationType::RequestResponse, 6_291_457, 6_291_456),
        (InvocationType::Event, 1_048_577, 1_048_576),
    ] {
        let error =
            fixture.host.invoke("probe", vec![b' '; bytes].into(), invocation_type).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{bytes} byte payload is too large for the {invocation_type} invocation type (limit {bytes_max} bytes)"
            )
        );
        assert!(matches!(error, InvokeError::PayloadTooLarge { .. }));
    }
    assert!(fixture.host.environments().is_empty());
    // What is allowed comes back whole.
    let text = "x".repeat(3_000_000);
    assert_eq!(fixture.answer(json!({"text": text})).await["event"]["text"], text);
}

#[tokio::test]
async fn a_process_that_is_to_crash_dies_over_its_event() {
    let fixture = Fixture::new();
    let first = fixture.answer(json!({})).await;
    let mut request = InvokeRequest::new("probe", "{}".into(), InvocationType::RequestResponse);
    request.crash = true;
    // Warm, and then from a cold start.
    for _ in 0..2 {
        let outcome = fixture.host.invoke_request(request.clone()).await.unwrap();
        assert_eq!(outcome.function_error, Some(FunctionErrorKind::Exited));
        let error: serde_json::Value = serde_json::from_slice(&outcome.payload).unwrap();
        assert!(error["errorMessage"].as_str().unwrap().ends_with("signal: killed"), "{error}");
    }
    assert_ne!(fixture.answer(json!({})).await["pid"], first["pid"]);
}

#[tokio::test]
async fn retired_environments_are_used_no_more() {
    let fixture = Fixture::new();
    assert_eq!(fixture.host.retire_environments("probe").unwrap(), 0);
    let idle = fixture.answer(json!({})).await;
    assert_eq!(fixture.host.retire_environments("probe").unwrap(), 1);
    let next = fixture.answer(json!({})).await;
    assert_ne!(next["pid"], idle["pid"]);
    // One at work ends with its invocation.
    let gate = Gate::open().await;
    let event = json!({"do": "gate", "gate": gate.address()});
    let (busy, visitor) = tokio::join!(fixture.answer(event), async {
        let mut visitor = gate.visitor().await;
        assert_eq!(fixture.host.retire_environments("probe").unwrap(), 1);
        visitor.let_pass("").await;
        visitor
    });
    assert_eq!(busy["pid"], next["pid"]);
    visitor.gone().await;
    assert!(fixture.host.retire_environments("nobody").is_err());
}
