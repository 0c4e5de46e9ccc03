//! Time and faults under control, and what a stage tells: the stack as a process, and the command line as its owner's hands.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::Client,
    stack::{Stack, authority, probe, probe_behind, program},
};

/// The probe with an access log, and metrics of its own for one route.
fn observed() -> (tempfile::TempDir, std::path::PathBuf) {
    let stage = "{ApiId: !Ref Api, StageName: dev, AutoDeploy: true}";
    let template = include_str!("probe-template.yaml");
    assert!(template.contains(stage));
    let observed = r#"
      ApiId: !Ref Api
      StageName: dev
      AutoDeploy: true
      RouteSettings: {echo: {DetailedMetricsEnabled: true}}
      AccessLogSettings:
        DestinationArn: !Sub "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:access"
        Format: >-
          {"requestId":"$context.requestId","eventType":"$context.eventType","routeKey":"$context.routeKey",
          "status":"$context.status","error":"$context.error.message","connectionId":"$context.connectionId",
          "epoch":$context.requestTimeEpoch}"#;
    probe_behind(&template.replace(stage, observed))
}

fn dunlin(stack: &Stack, args: &[&str]) -> Output {
    let mut command = Command::new(program("dunlin"));
    command.args(args).arg("--ready-file").arg(stack.ready_file()).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn told(stack: &Stack, args: &[&str]) -> String {
    let output = dunlin(stack, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn lines_of(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_bad_day_on_request_and_what_is_told_of_it() {
    let (folder, template) = observed();
    let data = folder.path().join("data");
    let stack = Stack::up(&template, &["--data", data.to_str().unwrap()]);
    let mut client = Client::connect(&stack).await;
    let echo = r#"{"action":"echo"}"#;
    client.send(echo).await;
    assert_eq!(client.text().await, echo);

    // A real crash: the process that gets the event is gone, and the next event gets another one.
    let before = stack.functions();
    let rules = told(&stack, &["fault", "set", "crash", "function_crash", "--route", "echo", "--count", "1"]);
    assert_eq!(serde_json::from_str::<Value>(&rules).unwrap()[0]["hits"], 0);
    client.send(echo).await;
    assert!(client.text().await.contains("Internal server error"));
    client.send(echo).await;
    assert_eq!(client.text().await, echo);
    let after = stack.functions();
    assert_eq!(after.len(), 1);
    assert_ne!(before, after);
    let rules: Value = serde_json::from_str(&told(&stack, &["fault", "list"])).unwrap();
    assert_eq!(rules[0]["hits"], 1);

    // A cold start: the warm process serves no more.
    told(&stack, &["fault", "set", "cold", "cold_start", "--count", "1"]);
    client.send(echo).await;
    assert_eq!(client.text().await, echo);
    // The old one may not be gone yet.
    assert!(stack.functions().iter().any(|pid| !after.contains(pid)));
    assert_eq!(told(&stack, &["fault", "remove", "--all"]).trim(), "[]");

    // Ten minutes pass at once.
    let reading: Value = serde_json::from_str(&told(&stack, &["clock", "advance", "10m"])).unwrap();
    assert_eq!(reading["ahead_ms"], 600_000);
    let frame = client.closed().await.unwrap();
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "Going away"));

    let metrics = told(&stack, &["metrics"]);
    let api = stack.api("api_id");
    for line in [
        format!("MessageCount{{ApiId=\"{api}\",Stage=\"dev\",Route=\"echo\"}} 8"),
        format!("IntegrationError{{ApiId=\"{api}\",Stage=\"dev\",Route=\"echo\"}} 1"),
        format!("IntegrationLatency_count{{ApiId=\"{api}\",Stage=\"dev\",Route=\"echo\"}} 4"),
        format!("ConnectCount{{ApiId=\"{api}\",Stage=\"dev\"}} 1"),
    ] {
        assert!(metrics.lines().any(|own| own == line), "{line} is missing: {metrics}");
    }

    assert!(stack.stop().success());
    let lines = lines_of(&data.join("access-logs/Api.dev.log"));
    let shown: Vec<_> = (lines.iter())
        .map(|line| ["eventType", "routeKey", "status", "error"].map(|name| line[name].as_str().unwrap()))
        .collect();
    let echoed = ["MESSAGE", "echo", "200", "-"];
    let expected = [
        ["CONNECT", "$connect", "200", "-"],
        echoed,
        ["MESSAGE", "echo", "502", "Internal server error"],
        echoed,
        echoed,
    ];
    assert_eq!(shown, expected);
    assert!(lines.iter().all(|line| line["connectionId"] == lines[0]["connectionId"]));
}

#[tokio::test]
async fn a_strict_stack_has_nothing_to_control() {
    let (_folder, template) = probe();
    let stack = Stack::up(&template, &["--strict"]);
    assert_eq!(stack.ready.get("control_token"), None);
    let output = dunlin(&stack, &["clock"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--strict"));
    // As any path that the service does not have.
    let url = format!("ws://{}/_dunlin/clock", authority(stack.api("ws")));
    match Client::try_connect(&url).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("a refusal is expected: {:?}", other.err()),
    }
}

#[tokio::test]
async fn mistakes_on_the_command_line_are_told() {
    let (_folder, template) = probe();
    let stack = Stack::up(&template, &[]);
    for (args, code, part) in [
        (&["fault", "set", "a", "flood"][..], 65, "unknown variant `flood`"),
        (&["fault", "set", "a", "post_error"], 65, "rule a: \"post_error\" needs a status"),
        (&["fault", "set", "a/b", "cut"], 64, "is no id of a rule"),
        (&["fault", "remove", "a"], 65, "there is no rule a"),
        (&["clock", "advance", "100000h"], 65, "above the 316224000000 that are allowed"),
        (&["clock", "advance", "soon"], 64, "a time such as 500ms"),
    ] {
        let output = dunlin(&stack, args);
        let sentence = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {sentence}");
        assert!(sentence.contains(part), "{part:?} is expected in: {sentence}");
    }
    let nowhere =
        Command::new(program("dunlin")).args(["metrics", "--ready-file", "no/such"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(66));
}

/// L1: with file and line.
#[test]
fn an_access_log_without_a_request_id_is_refused() {
    let (_folder, template) = observed();
    let text = std::fs::read_to_string(&template).unwrap().replace("$context.requestId", "x");
    std::fs::write(&template, text).unwrap();
    let output = crate::stack::up_command(&template).output().unwrap();
    assert_eq!(output.status.code(), Some(65));
    let sentence = String::from_utf8_lossy(&output.stderr);
    let expected =
        "stage dev has an access log format without $context.requestId or $context.extendedRequestId";
    assert!(sentence.contains(expected) && sentence.contains("template.yaml:1"), "{sentence}");
}
