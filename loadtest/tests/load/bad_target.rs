//! Targets that cannot be measured, or behave badly while they are: one sentence or a report, and never a hang.

use std::time::Duration;

use dunlin_loadtest::measured::Measured;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::program::{Finished, play};
use crate::stack::{Fate, Stack};
use crate::swarm::{at, small};

/// An address where nothing listens, and nothing will while the socket holds it.
fn closed_port() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// Three clients say something every now and then to a target that does with each connection what it likes.
async fn against<F: Future<Output = ()> + Send + 'static>(
    behaviour: impl Fn(TcpStream) -> F + Send + 'static,
) -> Finished {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("ws://{}/", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(behaviour(stream));
        }
    });
    let scenario = format!(
        r#"
description = "three clients"
thresholds = ["errors == 0%"]
straggler_wait = "1s"
[target]
url = "{target}"
[[target.messages]]
name = "echo"
send = "{{stamp}}"
response = ""
[users]
count = 3
connects_per_second = 30
[[messages]]
name = "echo"
per_second = 20
[phases]
hold = "2s"
"#
    );
    let finished = play(&scenario, &[]).await;
    serving.abort();
    finished
}

async fn handshake(stream: TcpStream) -> Option<WebSocketStream<TcpStream>> {
    tokio_tungstenite::accept_async(stream).await.ok()
}

#[track_caller]
fn has_error(measured: &Measured, during: &str, kind: &str) {
    let found = measured.errors.iter().any(|error| error.during == during && error.kind == kind);
    assert!(found, "no {kind} during {during} in {:?}", measured.errors);
}

#[tokio::test]
async fn without_a_stack_it_says_which_address_is_silent() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let (_held, nobody) = closed_port();
    let [_, broker] = at(&stack);
    let finished = play(&small(&stack), &[&format!("--target=ws://{nobody}/dev"), &broker]).await;
    finished.refused(69, &format!("nothing answers at ws://{nobody}/dev"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_it_says_so_before_it_connects_anyone() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let (_held, nobody) = closed_port();
    let [target, _] = at(&stack);
    let finished =
        play(&small(&stack), &[&target, &format!("--set=target.cause.mqtt.broker={nobody}")]).await;
    finished.refused(69, &format!("no MQTT broker answers at {nobody}"));
    assert_eq!(stack.open_most(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_everyone_is_unavailable() {
    let finished = against(async |mut stream: TcpStream| {
        let mut head = [0; 1_024];
        if stream.read(&mut head).await.unwrap_or(0) > 0 {
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    finished.refused(69, "handshake refused with 403 Forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_stalls_in_the_handshake_is_unavailable() {
    let finished = against(async |mut stream: TcpStream| {
        // Until the client gives up.
        let mut sink = tokio::io::sink();
        let _ = tokio::io::copy(&mut stream, &mut sink).await;
    })
    .await;
    finished.refused(69, "no handshake within 30 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_closes_at_once_gives_a_report() {
    let finished = against(async |stream| {
        if let Some(mut socket) = handshake(stream).await {
            let _ = socket.close(None).await;
        }
    })
    .await;
    let measured = finished.measured();
    has_error(&measured, "session", "close without code");
    assert!(!measured.is_met());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_gives_a_report() {
    let finished = against(async |stream| {
        let Some(mut socket) = handshake(stream).await else { return };
        while socket.feed(Message::text("and another one, and another one")).await.is_ok() {}
    })
    .await;
    has_error(&finished.measured(), "session", "unexpected frame");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_binary_frames_give_a_report() {
    let finished = against(async |stream| {
        let Some(mut socket) = handshake(stream).await else { return };
        socket.send(Message::binary(vec![0, 1, 2, 0xff])).await.unwrap();
        // A frame with a reserved opcode.
        let stream = socket.get_mut();
        stream.write_all(&[0x83, 0x02, 0x61, 0x62]).await.unwrap();
        let _ = stream.flush().await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let measured = finished.measured();
    has_error(&measured, "session", "binary frame");
    has_error(&measured, "session", "protocol violation");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_disappears_in_the_middle_gives_a_report() {
    let finished = against(async |stream: TcpStream| {
        stream.set_zero_linger().unwrap();
        let Some(mut socket) = handshake(stream).await else { return };
        for _ in 0..3 {
            if let Some(Ok(message)) = socket.next().await {
                socket.send(message).await.unwrap();
            }
        }
        // Dropped without a goodbye: the kernel resets the connection.
    })
    .await;
    let measured = finished.measured();
    has_error(&measured, "session", "connection reset");
    has_error(&measured, "request", "not sent");
    let answers =
        measured.phases.iter().flat_map(|phase| &phase.series).filter(|series| series.name.message == "echo");
    let answers = answers.map(|series| series.times.0.len()).sum::<u64>();
    // A reset takes with it what the client has not read yet.
    assert!((6..=9).contains(&answers), "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_disappears_in_the_middle_gives_a_report() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let [target, broker] = at(&stack);
    let scenario = small(&stack);
    let arguments = [&target[..], &broker, "--seconds=4"];
    let killing = async {
        stack.updates(20).await;
        stack.stop_broker();
    };
    let (finished, ()) = tokio::join!(play(&scenario, &arguments), killing);
    let measured = finished.measured();
    has_error(&measured, "update", "not sent");
    // What was not published is not due.
    let reach = crate::swarm::reach(&measured);
    assert!(reach.expected < 135 * 8 && reach.received > 0, "{reach:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_message_is_an_error_and_no_hang() {
    let started = std::time::Instant::now();
    let finished = against(async |stream| {
        let Some(mut socket) = handshake(stream).await else { return };
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    // The scenario waits a second for stragglers.
    assert!(started.elapsed() < Duration::from_secs(60));
    let measured = finished.measured();
    assert_eq!(
        measured.phases.iter().map(|phase| phase.series.len()).max(),
        Some(4),
        "{:?}",
        measured.phases
    );
    has_error(&measured, "request", "no answer");
}
