//! Where a stack listens, what it keeps for itself, and the line client in hard circumstances.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio_tungstenite::tungstenite::{Error, WebSocket, accept};

use crate::{
    client::{Client, Device, STEP_TIMEOUT, push},
    stack::{Stack, authority, await_exit, notify_template, program, readable_within, root, up_command},
};

/// Checks the exit code, and that standard error is one sentence that contains `part`.
#[track_caller]
fn check_failure(output: &Output, code: i32, part: &str) {
    let sentence = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{sentence}");
    assert!(
        sentence.starts_with("error: ") && sentence.contains(part),
        "{part:?} is expected in: {sentence}"
    );
}

/// The status line of a request with this `Host`.
fn status(stack: &Stack, host: &str) -> String {
    let mut stream = TcpStream::connect(authority(stack.api("ws"))).unwrap();
    stream.set_read_timeout(Some(STEP_TIMEOUT)).unwrap();
    write!(stream, "POST /dev/@connections/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The addresses that a stack on all addresses names are ones that work, for its functions too.
#[tokio::test]
async fn a_stack_on_other_addresses_than_loopbacks_first_works_as_a_whole() {
    for (host, named) in [("0.0.0.0", "127.0.0.1:"), ("127.0.0.2", "127.0.0.2:")] {
        let stack = Stack::up(&notify_template(), &["--host", host]);
        assert!(authority(stack.api("ws")).starts_with(named), "{}", stack.ready);
        assert!(stack.text("mqtt").starts_with(named), "{}", stack.ready);
        let mut client = Client::connect(&stack).await;
        client.follow(&["dev-1"]).await;
        let device = Device::connect(&stack).await;
        device.update("dev-1", 1, 20.0).await;
        assert_eq!(client.json().await, push("dev-1", 1, 20.0));
        let trusted = ["connect", stack.api("wss"), "--ca", stack.text("ca_file"), "--linger", "0"];
        let over_tls = Command::new(program("dunlin")).args(trusted).stdin(Stdio::null()).output().unwrap();
        assert!(over_tls.status.success(), "{}", String::from_utf8_lossy(&over_tls.stderr));
        // What a page would need: a name. What another machine uses: an address of this one.
        assert!(status(&stack, "evil.example").contains(r#"{"message":"Forbidden"}"#));
        let by_address = status(&stack, "192.0.2.1");
        assert_eq!(by_address.contains("Missing Authentication Token"), host == "0.0.0.0", "{by_address}");
    }
}

#[tokio::test]
async fn a_data_folder_takes_one_stack_at_a_time() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let first = Stack::up(&notify_template(), &["--data", folder]);
    let second = up_command(&notify_template()).args(["--data", folder]).output().unwrap();
    check_failure(&second, 69, "--data");
    Client::connect(&first).await.follow(&["dev-1"]).await;
    // The kernel gives it free whatever the end.
    first.kill();
    drop(Stack::up(&notify_template(), &["--data", folder]));
}

/// H7.
#[tokio::test]
async fn a_stage_without_a_deployment_refuses_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    let echo = fs::read_to_string(root().join("examples/echo/template.yaml")).unwrap();
    let code = root().join("examples/echo/.build/echo");
    let echo = echo.replace("AutoDeploy: true", "AutoDeploy: false");
    fs::write(&template, echo.replace(".build/echo/", code.to_str().unwrap())).unwrap();
    let stack = Stack::up(&template, &[]);
    match Client::try_connect(stack.api("ws")).await {
        Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), 403),
        other => panic!("a refusal is expected, not {:?}", other.err()),
    }
}

#[test]
fn what_a_variable_or_a_folder_cannot_be_is_said() {
    let up = || up_command(&notify_template());
    check_failure(&up().env("AWS_REGION", "no region").output().unwrap(), 64, "--region");
    check_failure(&up().args(["--host", "192.0.2.1"]).output().unwrap(), 69, "--host");
    let nowhere = ["--ready-file", "/no/such/folder/ready.json"];
    check_failure(&up().args(nowhere).output().unwrap(), 66, "--ready-file");
    check_failure(&up().args(["--data", "/dev/null"]).output().unwrap(), 66, "--data");
}

#[test]
fn a_selection_expression_that_is_none_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    let echo = fs::read_to_string(root().join("examples/echo/template.yaml")).unwrap();
    let code = root().join("examples/echo/.build/echo");
    let echo = echo.replace("$request.body.action", "$request.bdy.action");
    fs::write(&template, echo.replace(".build/echo/", code.to_str().unwrap())).unwrap();
    let api = echo.lines().position(|line| line == "  Api:").unwrap() + 1;
    check_failure(&up_command(&template).output().unwrap(), 65, &format!("template.yaml:{api}:3: "));
}

/// `dunlin connect` to a server of the test's own.
fn line_client(listener: &TcpListener) -> Command {
    let mut command = Command::new(program("dunlin"));
    command
        .args(["connect", &format!("ws://{}/dev", listener.local_addr().unwrap())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The client's connection, which neither connects nor reads nor writes for longer than a step.
fn accept_client(listener: &TcpListener) -> WebSocket<TcpStream> {
    assert!(readable_within(listener, STEP_TIMEOUT), "the client does not connect");
    let stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(STEP_TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(STEP_TIMEOUT)).unwrap();
    accept(stream).unwrap()
}

/// Input that nobody takes keeps neither frames from being printed nor Ctrl-C from ending the client.
#[test]
fn a_server_that_reads_nothing_is_heard_and_can_be_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = line_client(&listener).spawn().unwrap();
    let mut input = client.stdin.take().unwrap();
    // Far more than any socket holds; ends when the client does.
    let typing = std::thread::spawn(move || while input.write_all(&[b'x', b'\n'].repeat(8192)).is_ok() {});
    let mut server = accept_client(&listener);
    let mut output = client.stdout.take().unwrap();
    for _ in 0..1000 {
        server.send("y".repeat(1000).into()).unwrap();
        let mut line = [0; 1001];
        assert!(readable_within(&output, STEP_TIMEOUT), "the frame is not printed");
        output.read_exact(&mut line).unwrap();
    }
    kill_process(Pid::from_child(&client), Signal::INT).unwrap();
    assert!(await_exit(&mut client).success());
    typing.join().unwrap();
}

#[test]
fn a_line_that_is_no_text_is_named_and_the_next_ones_are_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = line_client(&listener).spawn().unwrap();
    client.stdin.take().unwrap().write_all(b"one\n\xff\xfe\ntwo\n").unwrap();
    let mut server = accept_client(&listener);
    for expected in ["one", "two"] {
        assert_eq!(server.read().unwrap().into_text().unwrap(), expected);
    }
    server.close(None).unwrap();
    while server.read().is_ok() {}
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not UTF-8"));
}

/// `nohup dunlin up` goes on when the terminal is closed.
#[tokio::test]
async fn a_stack_under_nohup_is_left_running() {
    let up = up_command(&notify_template());
    let mut command = Command::new("nohup");
    command.arg(up.get_program()).args(up.get_args()).stdin(Stdio::null()).stderr(Stdio::null());
    command.envs(up.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let stack = Stack::start(command);
    let mut client = Client::connect(&stack).await;
    kill_process(Pid::from_raw(stack.pid().try_into().unwrap()).unwrap(), Signal::HUP).unwrap();
    client.assert_silent().await;
    assert!(stack.stop().success());
}

/// As in `dunlin up 2>&1 | head -1`: what nobody reads is not worth an end.
#[tokio::test]
async fn a_stack_whose_log_nobody_reads_works_and_stops_as_any_other() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = up_command(&notify_template());
    command.stderr(writer);
    let stack = Stack::start(command);
    let mut client = Client::connect(&stack).await;
    client.assert_silent().await;
    let ready_file = stack.ready_file().to_owned();
    assert!(stack.stop().success());
    assert_eq!(u16::from(client.closed().await.unwrap().code), 1001);
    assert!(!ready_file.exists());
}
