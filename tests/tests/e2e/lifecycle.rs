//! How stacks, connections and function processes begin and end.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::{io::AsyncReadExt, net::TcpListener, time::timeout};
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::{Client, Device, STEP_TIMEOUT, push},
    stack::{Stack, exits_within, notify_template, probe, up_command_at},
};

/// Where functions that hang say which process they are.
struct Gate(TcpListener);

impl Gate {
    async fn open() -> Self {
        Gate(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// The message that makes the probe hang.
    fn message(&self) -> String {
        format!(r#"{{"action":"hang","gate":"{}"}}"#, self.0.local_addr().unwrap())
    }

    /// The next process that is in the middle of its invocation.
    async fn process(&self) -> Pid {
        let arrive = async { self.0.accept().await.unwrap().0.read_u32().await.unwrap() };
        let id = timeout(STEP_TIMEOUT, arrive).await.expect("no function hangs");
        Pid::from_raw(id.try_into().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn connect_decides_with_its_status() {
    let (_folder, template) = probe();
    let stack = Stack::up(&template, &[]);
    for status in [301, 400, 401, 403, 501] {
        let refused = Client::try_connect(&format!("{}?refuse={status}", stack.api("ws"))).await;
        match refused.err().expect("the handshake is refused") {
            Error::Http(response) => assert_eq!(response.status().as_u16(), status),
            other => panic!("HTTP {status} is expected, not {other}"),
        }
    }
    let mut client = Client::connect(&stack).await;
    client.send(r#"{"action":"echo"}"#).await;
    assert_eq!(client.text().await, r#"{"action":"echo"}"#);
}

#[tokio::test]
async fn a_killed_function_process_fails_its_message_and_the_next_gets_a_fresh_one() {
    let (_folder, template) = probe();
    let stack = Stack::up(&template, &[]);
    let mut client = Client::connect(&stack).await;
    assert_eq!(stack.functions().len(), 1, "$connect ran in one environment, which stays warm");

    client.send(r#"{"action":"exit"}"#).await;
    assert!(client.text().await.starts_with(r#"{"message": "Internal server error", "connectionId":""#));

    let gate = Gate::open().await;
    client.send(gate.message()).await;
    kill_process(gate.process().await, Signal::KILL).unwrap();
    assert!(client.text().await.starts_with(r#"{"message": "Internal server error", "connectionId":""#));

    client.send(r#"{"action":"echo","after":"the crash"}"#).await;
    assert_eq!(client.text().await, r#"{"action":"echo","after":"the crash"}"#);
}

#[tokio::test]
async fn nothing_is_left_running_however_the_stack_ends() {
    for end in [|stack: Stack| assert!(stack.stop().success()), Stack::kill] {
        let (_folder, template) = probe();
        let stack = Stack::up(&template, &[]);
        let mut client = Client::connect(&stack).await;
        let gate = Gate::open().await;
        client.send(gate.message()).await;
        client.send(gate.message()).await;
        let functions = [gate.process().await, gate.process().await];
        end(stack);
        for process in functions {
            assert!(exits_within(process, STEP_TIMEOUT), "process {process:?} is left running");
        }
    }
}

#[tokio::test]
async fn a_stopped_stack_says_goodbye_and_removes_its_ready_file() {
    let stack = Stack::notify();
    let mut client = Client::connect(&stack).await;
    let ready_file = stack.ready_file().to_owned();
    assert!(ready_file.is_file());
    let stopped = tokio::task::spawn_blocking(move || stack.stop());
    let frame = client.closed().await.expect("a close frame with a code");
    assert_eq!(u16::from(frame.code), 1001);
    drop(client);
    assert!(stopped.await.unwrap().success());
    assert!(!ready_file.exists());
}

#[tokio::test]
async fn a_second_stack_on_the_same_port_says_so_and_leaves_the_first_alone() {
    let stack = Stack::notify();
    let port = stack.api("ws").rsplit_once(':').unwrap().1.split('/').next().unwrap();
    let output = up_command_at(port, &notify_template())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69));
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        sentence,
        format!(
            "error: port {port} on 127.0.0.1 is already in use: stop the program that listens there, or choose another port with \
             --port\n"
        )
    );
    Client::connect(&stack).await.follow(&["dev-1"]).await;
}

#[tokio::test]
async fn values_and_credentials_survive_a_restart_on_the_same_data() {
    let data = tempfile::tempdir().unwrap();
    let options = ["--data", data.path().to_str().unwrap()];
    let stack = Stack::up(&notify_template(), &options);
    let mut client = Client::connect(&stack).await;
    client.follow(&["dev-1"]).await;
    Device::connect(&stack).await.update("dev-1", 4, 21.5).await;
    assert_eq!(client.json().await, push("dev-1", 4, 21.5));
    let key = stack.text("access_key_id").to_owned();
    drop(client);
    assert!(stack.stop().success());

    let stack = Stack::up(&notify_template(), &options);
    assert_eq!(stack.text("access_key_id"), key);
    let mut client = Client::connect(&stack).await;
    let (_, mut pushes) = client.follow(&["dev-1"]).await;
    if pushes.is_empty() {
        pushes.push(client.json().await);
    }
    assert_eq!(pushes, [push("dev-1", 4, 21.5)], "the last value is kept");
    // The followers of the first run are gone; an update finds that out and reaches the new one.
    Device::connect(&stack).await.update("dev-1", 5, 22.0).await;
    assert_eq!(client.json().await, push("dev-1", 5, 22.0));
}

#[tokio::test]
async fn an_idle_stack_runs_no_function() {
    let stack = Stack::notify();
    assert_eq!(stack.functions(), Vec::<i32>::new());
    // The test would see one: a single handshake starts one.
    let _client = Client::connect(&stack).await;
    assert_eq!(stack.functions().len(), 1);
}
