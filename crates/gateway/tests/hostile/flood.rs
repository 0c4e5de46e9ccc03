//! More clients than there is room for: each is told, and those who are there do not notice.

use std::sync::Arc;

use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Semaphore};

use crate::harness::{
    Act, Client, Stack, api, config, read_all, read_head, route, status_of, two_way, upgrade_lines,
};

const SOCKETS_MAX: usize = 3;

async fn echo(client: &mut Client, text: &str) {
    client.send(text).await;
    assert_eq!(client.text().await, text);
}

fn is_no_room(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n")
        && answer.contains("has no room for another socket")
}

#[tokio::test]
async fn sockets_are_bounded() {
    let mut config = config();
    config.limits.sockets_max = SOCKETS_MAX;
    let routes = vec![route("$disconnect"), two_way("$default")];
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", routes)]).await;
    stack.script.on("default", Act::Echo);
    let mut clients = Vec::new();
    for _ in 0..SOCKETS_MAX {
        let mut client = stack.connect().await;
        echo(&mut client, "in").await;
        clients.push(client);
    }
    let handshake = format!("GET /dev HTTP/1.1\r\n{}\r\n", upgrade_lines(&stack.host()));
    let call = format!("GET /dev/@connections/x HTTP/1.1\r\nHost: {}\r\n\r\n", stack.host());
    for request in [&handshake, &call, "garbage"] {
        let answer = stack.raw(request.as_bytes()).await;
        assert!(is_no_room(&answer), "{answer}");
    }
    // Whoever speaks TLS would not understand.
    assert_eq!(stack.raw(b"\x16\x03\x01\x00\x05hello").await, "");
    assert_eq!(stack.gateway.counters().refusals_total, 4);
    for client in &mut clients {
        echo(client, "still in").await;
    }
    // Room again.
    drop(clients.pop());
    stack.script.event("disconnect").await;
    echo(&mut stack.connect().await, "in").await;
}

#[tokio::test]
async fn a_flood_beyond_all_bounds_ends() {
    let mut config = config();
    config.limits.sockets_max = SOCKETS_MAX;
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![])]).await;
    // Silent ones: some are within the bound, some are told, and the rest is closed at once.
    let mut silent: Vec<TcpStream> = Vec::new();
    for _ in 0..200 {
        silent.push(stack.tcp().await);
    }
    let mut closed = 0;
    for stream in &mut silent {
        if stream.write_all(b"G").await.is_ok() {
            stream.shutdown().await.ok();
        }
        closed += usize::from(!is_no_room(&read_all(stream).await));
    }
    assert!(closed >= 200 - SOCKETS_MAX - 32, "{closed}");
    assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, 101);
}

#[tokio::test]
async fn pending_handshakes_are_bounded() {
    let mut config = config();
    config.limits.open_requests_max = 2;
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![route("$connect")])]).await;
    let gate = Arc::new(Semaphore::new(0));
    stack.script.on("connect", Act::Gate(Arc::clone(&gate)));
    let request = format!("GET /dev HTTP/1.1\r\n{}\r\n", upgrade_lines(&stack.host()));
    let mut pending = Vec::new();
    for _ in 0..2 {
        let mut stream = stack.tcp().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        stack.script.event("connect").await;
        pending.push(stream);
    }
    let answer = stack.raw(request.as_bytes()).await;
    assert!(is_no_room(&answer), "{answer}");
    gate.add_permits(2);
    for stream in &mut pending {
        assert_eq!(status_of(&read_head(stream).await), 101);
    }
    // What they have become does not count as pending.
    gate.add_permits(1);
    let mut stream = stack.tcp().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(status_of(&read_head(&mut stream).await), 101);
}
