use std::{
    fs::File,
    io::Write,
    sync::Arc,
    time::{Duration, SystemTime},
};

use dunlin_lambda_host::{FunctionConfig, InvocationType, InvokeError, InvokeRequest};
use serde_json::{Value, json};
use tokio::time::timeout;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::support::{Fixture, Gate, PATIENCE, PROBE, write_script};

#[tokio::test]
async fn an_event_comes_back_and_the_process_stays_warm() {
    let fixture = Fixture::new();
    let first = fixture.answer(json!({"hello": "world"})).await;
    assert_eq!(first["event"], json!({"hello": "world"}));
    // One after the other as fast as they come: never a second process, though its next poll may be on its way yet.
    for _ in 0..200 {
        assert_eq!(fixture.answer(json!({})).await["pid"], first["pid"]);
    }
    assert_eq!(fixture.host.environments().len(), 1);
}

#[tokio::test]
async fn events_that_overlap_get_a_process_each() {
    let fixture = Fixture::new();
    let gate = Gate::open().await;
    let event = json!({"do": "gate", "gate": gate.address()});
    let release = async {
        let mut visitors = [gate.visitor().await, gate.visitor().await, gate.visitor().await];
        assert_ne!(visitors[0].pid, visitors[1].pid);
        assert_ne!(visitors[1].pid, visitors[2].pid);
        assert!(fixture.host.environments().iter().all(|environment| environment.busy));
        for visitor in &mut visitors {
            visitor.let_pass("").await;
        }
    };
    let (one, two, three, ()) = tokio::join!(
        fixture.answer(event.clone()),
        fixture.answer(event.clone()),
        fixture.answer(event),
        release
    );
    assert_ne!(one["pid"], two["pid"]);
    assert_ne!(two["pid"], three["pid"]);
}

#[tokio::test]
async fn beyond_the_maximum_events_wait_their_turn() {
    let fixture = Fixture::with(|config, _| config.environments_per_function_max = 1);
    let gate = Gate::open().await;
    let event = json!({"do": "gate", "gate": gate.address()});
    let release = async {
        let mut first = gate.visitor().await;
        first.let_pass("").await;
        let mut second = gate.visitor().await;
        second.let_pass("").await;
        assert_eq!(first.pid, second.pid);
    };
    let (one, two, ()) = tokio::join!(fixture.answer(event.clone()), fixture.answer(event), release);
    assert_eq!(one["pid"], two["pid"]);
}

#[tokio::test]
async fn who_waits_too_long_is_told() {
    let fixture = Fixture::with(|config, _| {
        config.environments_per_function_max = 1;
        config.queue_wait_max = Duration::from_millis(20);
    });
    let gate = Gate::open().await;
    let event = json!({"do": "gate", "gate": gate.address()});
    let (first, ()) = tokio::join!(until_there_is_room(&fixture, &event), async {
        let mut visitor = gate.visitor().await;
        let late =
            fixture.host.invoke("probe", "{}".into(), InvocationType::RequestResponse).await.unwrap_err();
        assert_eq!(late.to_string(), "function probe is throttled: no environment came free in time");
        visitor.let_pass("").await;
    });
    // Whoever left the queue leaves nothing behind in it.
    assert_eq!(until_there_is_room(&fixture, &json!({})).await, first);
}

/// The process that answers. Even starting it may take longer than this host lets anyone wait.
async fn until_there_is_room(fixture: &Fixture, event: &Value) -> Value {
    let attempts = async {
        loop {
            let payload = event.to_string().into();
            match fixture.host.invoke("probe", payload, InvocationType::RequestResponse).await {
                Err(InvokeError::TooManyRequests { .. }) => {}
                outcome => {
                    let answer: Value = serde_json::from_slice(&outcome.unwrap().payload).unwrap();
                    return answer["pid"].clone();
                }
            }
        }
    };
    timeout(PATIENCE, attempts).await.unwrap()
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_stop_the_function() {
    let mut fixture = Fixture::with(|config, _| config.environments_per_function_max = 1);
    let gate = Gate::open().await;
    let host = Arc::clone(&fixture.host);
    let payload = json!({"do": "gate", "gate": gate.address()}).to_string().into();
    let invoking =
        tokio::spawn(async move { host.invoke("probe", payload, InvocationType::RequestResponse).await });
    let mut visitor = gate.visitor().await;
    invoking.abort();
    assert!(invoking.await.unwrap_err().is_cancelled());
    visitor.let_pass("").await;
    // The same process has ended that invocation, whose answer nobody took, and takes the next.
    let pid = visitor.pid;
    let answer = fixture.answer(json!({"do": "print", "lines": ["next"]})).await;
    assert_eq!(answer["pid"], pid);
    assert_eq!(fixture.line("next").await.pid, pid);
}

#[tokio::test]
async fn a_concurrent_runtime_may_have_several_polls_open() {
    let fixture = Fixture::new();
    let first = fixture.answer(json!({"do": "two polls"})).await;
    let second = fixture.answer(json!({"n": 2})).await;
    assert_eq!(second, json!({"pid": first["pid"], "event": {"n": 2}}));
    assert_eq!(fixture.answer(json!({})).await["pid"], first["pid"]);
}

#[tokio::test]
async fn a_process_that_dawdles_after_its_answer_holds_up_nobody() {
    let fixture = Fixture::with(|config, _| config.settle_wait_max = Duration::from_millis(10));
    let gate = Gate::open().await;
    let first = fixture.answer(json!({"do": "dawdle", "gate": gate.address()})).await;
    let mut visitor = gate.visitor().await;
    assert_ne!(fixture.answer(json!({})).await["pid"], first["pid"]);
    visitor.let_pass("").await;
}

#[tokio::test]
async fn an_idle_process_is_ended() {
    let fixture = Fixture::with(|config, _| config.environment_idle_max = Duration::from_millis(50));
    let gate = Gate::open().await;
    let (_, visitor) =
        tokio::join!(fixture.answer(json!({"do": "keep", "gate": gate.address()})), gate.visitor());
    visitor.gone().await;
}

#[tokio::test]
async fn a_new_build_is_used_and_the_old_process_ends() {
    let fixture = Fixture::new();
    let gate = Gate::open().await;
    let (old, visitor) =
        tokio::join!(fixture.answer(json!({"do": "keep", "gate": gate.address()})), gate.visitor());
    write_script(fixture.code.path(), &format!("BUILD=2 exec {PROBE}"));
    let new = fixture.answer(json!({"do": "environment"})).await;
    assert_eq!(new["variables"]["BUILD"], "2");
    assert_ne!(new["pid"], old["pid"]);
    visitor.gone().await;
    // In the middle of a build there is no file for a moment: what runs goes on running.
    std::fs::remove_file(fixture.code.path().join("bootstrap")).unwrap();
    assert_eq!(fixture.answer(json!({})).await["pid"], new["pid"]);
}

#[tokio::test]
async fn an_archive_is_unpacked_and_a_new_one_replaces_it() {
    let fixture = Fixture::with(|_, function| {
        let archive = function.code.join("code.zip");
        write_archive(&archive, "one");
        function.code = archive;
    });
    let one = fixture.answer(json!({"do": "environment"})).await;
    assert_eq!(one["variables"]["BUILD"], "one");
    let root = one["variables"]["LAMBDA_TASK_ROOT"].as_str().unwrap().to_owned();
    assert_eq!(one["directory"], root);
    write_archive(&fixture.code.path().join("code.zip"), "two, longer");
    let two = fixture.answer(json!({"do": "environment"})).await;
    assert_eq!(two["variables"]["BUILD"], "two, longer");
    let new_root = two["variables"]["LAMBDA_TASK_ROOT"].as_str().unwrap().to_owned();
    fixture.host.shutdown().await;
    drop(fixture);
    assert!(!std::path::Path::new(&root).exists());
    assert!(!std::path::Path::new(&new_root).exists());
}

fn write_archive(path: &std::path::Path, build: &str) {
    let mut writer = ZipWriter::new(File::create(path).unwrap());
    writer.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    writer.write_all(format!("#!/bin/sh\nexport BUILD='{build}'\nexec {PROBE}\n").as_bytes()).unwrap();
    writer.finish().unwrap();
}

#[tokio::test]
async fn the_environment_is_the_services() {
    let fixture = Fixture::with(|_, function| {
        function.handler = "app.handler".to_owned();
        function.memory_mb = 256;
        function.environment.insert("TABLE".to_owned(), "connections".to_owned());
        function.environment.insert("AWS_REGION".to_owned(), "us-east-1".to_owned());
        function.host_environment.insert("AWS_ACCESS_KEY_ID".to_owned(), "ASIAEXAMPLE".to_owned());
    });
    let answer = fixture.answer(json!({"do": "environment"})).await;
    let root = fixture.code.path().canonicalize().unwrap();
    assert_eq!(answer["directory"], json!(root));
    let variables = &answer["variables"];
    for (name, value) in [
        ("_HANDLER", "app.handler"),
        ("LAMBDA_TASK_ROOT", root.to_str().unwrap()),
        ("AWS_LAMBDA_FUNCTION_NAME", "probe"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_REGION", "eu-west-1"),
        ("TABLE", "connections"),
        ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"),
        ("TZ", ":UTC"),
    ] {
        assert_eq!(variables[name], value, "{name}");
    }
    // Nothing else of the host's own environment gets through.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert_eq!(variables["CARGO_MANIFEST_DIR"], Value::Null);
}

#[tokio::test]
async fn the_event_comes_with_the_headers_of_the_service() {
    let clock = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    let fixture = Fixture::with(|config, function| {
        config.wall_clock = Arc::new(move || clock);
        function.timeout = Duration::from_secs(7);
    });
    let plain = fixture.invoke(json!({"do": "headers"})).await;
    let headers: Value = serde_json::from_slice(&plain.payload).unwrap();
    assert_eq!(headers["lambda-runtime-aws-request-id"], plain.request_id.as_str());
    assert_eq!(headers["lambda-runtime-deadline-ms"], "1700000007123");
    assert_eq!(
        headers["lambda-runtime-invoked-function-arn"],
        "arn:aws:lambda:eu-west-1:123456789012:function:probe"
    );
    assert_eq!(headers["content-type"], "application/json");
    // What has no value is left out (P1).
    assert_eq!(headers["lambda-runtime-trace-id"], Value::Null);
    assert_eq!(headers["lambda-runtime-client-context"], Value::Null);

    let payload = json!({"do": "headers"}).to_string().into();
    let mut request = InvokeRequest::new("probe", payload, InvocationType::RequestResponse);
    request.trace_id = Some("Root=1-5".to_owned());
    request.client_context = Some(r#"{"client":{}}"#.to_owned());
    let outcome = fixture.host.invoke_request(request).await.unwrap();
    let headers: Value = serde_json::from_slice(&outcome.payload).unwrap();
    assert_eq!(headers["lambda-runtime-trace-id"], "Root=1-5");
    assert_eq!(headers["lambda-runtime-client-context"], r#"{"client":{}}"#);
}

#[tokio::test]
async fn functions_are_found_by_name_and_arn_and_can_be_replaced() {
    let fixture = Fixture::new();
    let arn = fixture.host.function_arn("probe").unwrap();
    assert_eq!(arn, "arn:aws:lambda:eu-west-1:123456789012:function:probe");
    for name in [&arn, "probe:$LATEST", "123456789012:function:probe", "function:probe"] {
        assert_eq!(fixture.host.function_arn(name).as_ref(), Some(&arn), "{name}");
    }
    for name in [
        "",
        "other",
        "probe:1",
        "arn:aws:lambda:us-east-1:123456789012:function:probe",
        "be:probe",
        "tion:probe",
    ] {
        let invoked = fixture.host.invoke(name, "{}".into(), InvocationType::RequestResponse).await;
        assert!(matches!(invoked, Err(InvokeError::NotFound { .. })), "{name}");
    }

    let gate = Gate::open().await;
    let (old, visitor) =
        tokio::join!(fixture.answer(json!({"do": "keep", "gate": gate.address()})), gate.visitor());
    // The same again changes nothing.
    let mut function = FunctionConfig::new("probe", fixture.code.path());
    function.timeout = PATIENCE;
    fixture.host.set_functions(vec![function.clone()]).unwrap();
    assert_eq!(fixture.answer(json!({})).await["pid"], old["pid"]);
    function.environment.insert("TABLE".to_owned(), "other".to_owned());
    fixture.host.set_functions(vec![function]).unwrap();
    timeout(PATIENCE, visitor.gone()).await.unwrap();
    assert_eq!(fixture.answer(json!({"do": "environment"})).await["variables"]["TABLE"], "other");
    fixture.host.set_functions(Vec::new()).unwrap();
    assert_eq!(fixture.host.function_arn("probe"), None);
}
