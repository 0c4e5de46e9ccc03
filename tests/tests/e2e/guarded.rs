//! An authorizer in front of the handshake, a throttle, and back ends that are no function.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Error;

use crate::{
    client::{Client, STEP_TIMEOUT},
    stack::{Stack, probe_behind},
};

/// Answers one HTTP request, and gives what it was sent.
async fn answer_one(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the request ended early");
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nseen").await.unwrap();
    String::from_utf8(request).unwrap()
}

fn start(endpoint: SocketAddr) -> (tempfile::TempDir, Stack) {
    let template = include_str!("guarded-template.yaml").replace("ENDPOINT", &format!("http://{endpoint}/"));
    let (folder, template) = probe_behind(&template);
    let stack = Stack::up(&template, &[]);
    (folder, stack)
}

async fn refusal(stack: &Stack, query: &str) -> u16 {
    match Client::try_connect(&format!("{}{query}", stack.api("ws"))).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("a refusal is expected: {:?}", other.err()),
    }
}

#[tokio::test]
async fn the_template_decides_who_and_how_much() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_folder, stack) = start(listener.local_addr().unwrap());

    // H13, A6.
    assert_eq!(refusal(&stack, "").await, 401);
    assert_eq!(refusal(&stack, "?token=x").await, 401);
    assert_eq!(refusal(&stack, "?token=eve.no").await, 403);

    let mut client = Client::try_connect(&format!("{}?token=ada.yes", stack.api("ws"))).await.unwrap();
    client.send(r#"{"action":"principal"}"#).await;
    assert_eq!(client.text().await, "ada");
    client.send(r#"{"action":"greet"}"#).await;
    assert_eq!(client.text().await, "hello, ada");

    client.send(r#"{"action":"scarce"}"#).await;
    assert_eq!(client.text().await, "hello, ada");
    client.send(r#"{"action":"scarce"}"#).await;
    assert!(client.text().await.starts_with(r#"{"message": "Too Many Requests""#));

    let seen = tokio::spawn(answer_one(listener));
    client.send(r#"{"action":"endpoint","n":1}"#).await;
    assert_eq!(client.text().await, "seen");
    let seen = timeout(STEP_TIMEOUT, seen).await.unwrap().unwrap();
    assert!(seen.starts_with("POST / HTTP/1.1\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\n{\"action\":\"endpoint\",\"n\":1}"), "{seen}");
    client.close().await;
}
