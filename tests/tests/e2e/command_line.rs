//! The programs as a person uses them: good and bad command lines, bad templates, the two small clients.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
};

use crate::{
    client::{Client, push},
    stack::{Stack, notify_template, program, root, up_command},
};

fn dunlin(args: &[&str]) -> Output {
    Command::new(program("dunlin")).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Runs `dunlin` and checks its exit code and that standard error is one sentence that contains `part`.
#[track_caller]
fn check_failure(output: &Output, code: i32, part: &str) {
    let sentence = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{sentence}");
    assert!(sentence.contains(part), "{part:?} is expected in: {sentence}");
    assert!(sentence.starts_with("error: "), "{sentence}");
}

fn up_failure(template: &str, code: i32, part: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.yaml");
    fs::write(&file, template).unwrap();
    let output = up_command(&file).output().unwrap();
    check_failure(&output, code, part);
}

const API: &str = "Resources:\n  Api:\n    Type: AWS::ApiGatewayV2::Api\n    Properties:\n      Name: a\n      \
                   ProtocolType: WEBSOCKET\n      RouteSelectionExpression: $request.body.action\n  Stage:\n    \
                   Type: AWS::ApiGatewayV2::Stage\n    Properties: {ApiId: !Ref Api, StageName: dev, AutoDeploy: true}\n";

#[test]
fn wrong_command_lines_exit_64() {
    for args in [
        &["fly"][..],
        &["up", "--port", "x"],
        &["up", "--parameter", "novalue"],
        &["connect", "--linger", "-1"],
        &["publish", "t"],
    ] {
        let output = dunlin(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--help"), "{args:?} says what to try next");
    }
    check_failure(&dunlin(&["connect", "http://127.0.0.1:1"]), 64, "ws://");
    check_failure(&dunlin(&["publish", "a/+/b", "x"]), 64, "a/+/b");
    check_failure(&dunlin(&["publish", "a", "x", "--mqtt", "nowhere"]), 64, "--mqtt nowhere");
}

#[test]
fn help_teaches() {
    for args in [&["--help"][..], &["up", "--help"], &["connect", "--help"], &["publish", "--help"]] {
        let output = dunlin(args);
        assert!(output.status.success());
        assert!(!output.stdout.is_empty());
    }
    let help = String::from_utf8(dunlin(&["--help"]).stdout).unwrap();
    assert!(help.contains("Exit codes"), "{help}");
}

#[test]
fn a_missing_template_or_bootstrap_is_named() {
    let output = up_command(Path::new("no/such/template.yaml")).output().unwrap();
    check_failure(&output, 66, "no/such/template.yaml");
    let function = "  F:\n    Type: AWS::Lambda::Function\n    Properties: {Code: .build/f/, Handler: f, Runtime: provided.al2023}\n";
    up_failure(&format!("{API}{function}"), 66, ".build/f");
}

#[test]
fn a_bad_template_names_the_line() {
    up_failure(&format!("{API}\tTab: here\n"), 65, "template.yaml:11");
    let unknown = API.replace("Name: a\n", "Name: !Fly a\n");
    up_failure(&unknown, 65, "template.yaml:5");
    up_failure("Resources: {}\n", 65, "template.yaml");
    up_failure("just text\n", 65, "template.yaml");
}

#[test]
fn nobody_there_is_said_with_what_to_try() {
    // Port 1 is privileged and nothing listens there.
    check_failure(&dunlin(&["connect", "ws://127.0.0.1:1/dev"]), 69, "is `dunlin up` running?");
    check_failure(&dunlin(&["publish", "a", "x", "--mqtt", "127.0.0.1:1"]), 69, "is `dunlin up` running");
}

/// The README's walk: `dunlin connect` in one terminal, `dunlin publish` in another.
#[tokio::test]
async fn connect_and_publish_are_all_that_the_walk_needs() {
    let stack = Stack::notify();
    let mut connect = Command::new(program("dunlin"))
        .args(["connect", stack.api("ws")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = connect.stdin.take().unwrap();
    let mut frames = BufReader::new(connect.stdout.take().unwrap()).lines();
    writeln!(input, r#"{{"action":"set_notify_list","device_ids":["dev-1"]}}"#).unwrap();
    assert!(frames.next().unwrap().unwrap().contains(r#""added":["dev-1"]"#));

    let payload = r#"{"version":1,"payload":{"value":{"t":21.5}}}"#;
    let publish = dunlin(&["publish", "devices/dev-1/parameters", payload, "--mqtt", stack.text("mqtt")]);
    assert!(publish.status.success() && publish.stdout.is_empty());
    let frame: serde_json::Value = serde_json::from_str(&frames.next().unwrap().unwrap()).unwrap();
    assert_eq!(frame, push("dev-1", 1, 21.5));

    drop(input);
    assert!(connect.wait().unwrap().success());
}

/// The same port speaks TLS, with a certificate of the authority that the ready file names.
#[tokio::test]
async fn wss_works_with_the_stacks_own_authority() {
    let stack = Stack::notify();
    let output = Command::new(program("dunlin"))
        .args(["connect", stack.api("wss"), "--ca", stack.text("ca_file"), "--linger", "0"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What clients are to trust is the same for all, however many stacks find none at their start.
#[test]
fn stacks_that_start_at_once_for_the_first_time_share_one_authority() {
    let data = tempfile::tempdir().unwrap();
    let template = notify_template();
    let start = || {
        let mut command = up_command(&template);
        command.env("XDG_DATA_HOME", data.path());
        Stack::start(command)
    };
    let stacks: Vec<Stack> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    for stack in &stacks {
        let output = dunlin(&["connect", stack.api("wss"), "--ca", stack.text("ca_file"), "--linger", "0"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let files = fs::read_dir(data.path().join("dunlin")).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["ca-key.pem", "ca.pem"]);
}

/// A user without a home, as in many a container, gets a stack whose authority is not kept.
#[tokio::test]
async fn no_folder_to_keep_anything_in_is_no_obstacle() {
    for home in [None, Some("/dev/null/nowhere")] {
        let mut command = up_command(&notify_template());
        command.env_remove("XDG_DATA_HOME").env_remove("HOME").envs(home.map(|home| ("HOME", home)));
        let stack = Stack::start(command);
        assert_eq!(stack.ready["ca_file"], serde_json::Value::Null);
        Client::connect(&stack).await.follow(&["dev-1"]).await;
    }
}

/// `examples/echo` runs as its README says.
#[tokio::test]
async fn the_echo_example_answers() {
    let stack = Stack::up(&root().join("examples/echo/template.yaml"), &[]);
    let mut client = Client::connect(&stack).await;
    client.send(r#"{"action":"echo","text":"hello"}"#).await;
    assert!(client.text().await.contains("hello"));
}

#[test]
fn up_needs_no_terminal_and_prints_data_on_standard_output_only() {
    let stack = Stack::up(&notify_template(), &["--parameter", "StageName=prod"]);
    assert!(stack.api("ws").ends_with("/prod"), "{}", stack.ready);
}
