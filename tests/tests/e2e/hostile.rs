//! Bytes that no good client sends: one sentence or one close code, and everything else goes on.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::{
    client::{Client, Device, STEP_TIMEOUT, push},
    stack::{Stack, authority},
};

fn raw(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(STEP_TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(STEP_TIMEOUT)).unwrap();
    stream
}

/// A socket after a handshake made by hand, so that frames can be made by hand too.
fn handshake(stack: &Stack) -> TcpStream {
    let host = authority(stack.api("ws"));
    let mut stream = raw(host);
    write!(
        stream,
        "GET /dev HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

/// Reads the close frame and returns its code.
fn close_code(stream: &mut TcpStream) -> u16 {
    let mut head = [0; 4];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x88, "a close frame is expected");
    u16::from_be_bytes([head[2], head[3]])
}

#[tokio::test]
async fn broken_utf8_and_unmasked_frames_close_their_own_connection_only() {
    let stack = Stack::notify();
    let mut witness = Client::connect(&stack).await;
    let broken_utf8 = [0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28];
    let unmasked = [0x81, 0x02, b'{', b'}'];
    for (frame, code) in [(broken_utf8.as_slice(), 1007), (&unmasked, 1002)] {
        let mut stream = handshake(&stack);
        stream.write_all(frame).unwrap();
        assert_eq!(close_code(&mut stream), code);
    }
    witness.follow(&["dev-1"]).await;
}

#[tokio::test]
async fn too_large_and_binary_messages_close_with_their_codes() {
    let stack = Stack::notify();
    let mut witness = Client::connect(&stack).await;

    let mut client = Client::connect(&stack).await;
    client.send_message(Message::Binary(Bytes::from_static(b"\x00\x01"))).await;
    assert_eq!(u16::from(client.closed().await.unwrap().code), 1003);

    // The head of a frame of 10 MB is enough; the rest is read and thrown away within a bound, or refused.
    let mut stream = handshake(&stack);
    let mut frame = vec![0x81, 0xff];
    frame.extend(10_000_000_u64.to_be_bytes());
    frame.extend([0; 4]);
    frame.resize(frame.len() + 64 * 1024, b'x');
    stream.write_all(&frame).unwrap();
    assert_eq!(close_code(&mut stream), 1009);

    witness.follow(&["dev-1"]).await;
}

#[tokio::test]
async fn garbage_on_every_port_harms_nobody() {
    let stack = Stack::notify();
    let mut client = Client::connect(&stack).await;
    client.follow(&["dev-1"]).await;
    let garbage: Vec<u8> = (0..2_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let ports = [
        authority(stack.api("ws")),
        stack.text("mqtt"),
        authority(stack.text("lambda")),
        authority(stack.text("dynamodb")),
    ];
    for address in ports {
        let mut stream = raw(address);
        // The other side may hang up at any moment; that is its answer.
        drop(stream.write_all(&garbage));
        drop(stream.shutdown(std::net::Shutdown::Write));
        drop(stream.read_to_end(&mut Vec::new()));
    }
    Device::connect(&stack).await.update("dev-1", 1, 1.0).await;
    assert_eq!(client.json().await, push("dev-1", 1, 1.0));
}

#[tokio::test]
async fn payloads_that_are_no_update_are_passed_over() {
    let stack = Stack::notify();
    let (mut client, device) = (Client::connect(&stack).await, Device::connect(&stack).await);
    client.follow(&["dev-1"]).await;
    for payload in
        ["not json", "", "[]", "17", r#"{"version":"one","payload":{"value":1}}"#, r#"{"version":1}"#]
    {
        device.publish("dev-1", payload).await;
    }
    device.publish("dev-1", vec![0xff, 0xfe]).await;
    device.update("dev-1", 1, 1.0).await;
    assert_eq!(client.json().await, push("dev-1", 1, 1.0));
    client.assert_silent().await;
}
