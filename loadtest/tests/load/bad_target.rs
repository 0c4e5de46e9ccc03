//! Targets that cannot be measured, and command lines that make no sense: one sentence and its exit code.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use crate::program::run;
use crate::stack::{Fate, Stack};

/// An address where nothing listens, and nothing will while the socket holds it.
fn closed_port() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

#[tokio::test]
async fn without_a_stack_it_says_which_address_is_silent() {
    let (_held, nobody) = closed_port();
    let finished = run(&["--ws", &format!("ws://{nobody}/dev"), "--mqtt", &nobody]).await;
    finished.refused(69, &format!("nothing answers at ws://{nobody}/dev"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_it_says_so_before_it_connects_anyone() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let (_held, nobody) = closed_port();
    let finished = run(&["--ws", &stack.ws, "--mqtt", &nobody]).await;
    finished.refused(69, &format!("no MQTT broker answers at {nobody}"));
    assert_eq!(stack.open_most(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_everyone_is_unavailable() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ws = format!("ws://{}/dev", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = [0; 1_024];
                if stream.read(&mut head).await.unwrap_or(0) > 0 {
                    let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
                }
            });
        }
    });
    let finished = run(&["--ws", &ws, "--mqtt", &stack.mqtt, "--users", "3"]).await;
    finished.refused(69, "handshake refused with 403 Forbidden");
    assert_eq!(stack.counts().updates, 0);
}

#[tokio::test]
async fn a_wrong_command_line_is_64() {
    run(&[]).await.refused(64, "no target: give --ready-file FILE");
    run(&["--ready-file", "/nonexistent/ready.json"]).await.refused(69, "cannot read the ready file");
    let target = ["--ws", "ws://127.0.0.1:9/dev", "--mqtt", "127.0.0.1:9"];
    let with = |args: &[&'static str]| [&target[..], args].concat();
    run(&with(&["--devices", "0"])).await.refused(64, "--devices is 0");
    run(&with(&["--users", "100000000"])).await.refused(64, "file descriptors");
    assert_eq!(run(&["--no-such-flag"]).await.code, 64);
    assert_eq!(run(&["echo"]).await.code, 64);
}

#[tokio::test]
async fn help_is_ours_and_not_gooses() {
    let finished = run(&["--help"]).await;
    assert_eq!(finished.code, 0);
    assert!(finished.stdout.contains("Exit codes:") && !finished.stdout.to_lowercase().contains("telnet"));
}
