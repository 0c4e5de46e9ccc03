//! Section 2.3: what a client may not send, and the code with which it is told.

use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::harness::{Act, Stack, read_head, route, soon, two_way, upgrade_lines};

const FRAME_MAX: usize = 32 * 1024;
const MESSAGE_MAX: usize = 128 * 1024;

/// Sends frames of these sizes as one message; the last one of it is final.
async fn send_parts(client: &mut crate::harness::Client, sizes: &[usize]) {
    for (index, size) in sizes.iter().enumerate() {
        let data = if index == 0 { Data::Text } else { Data::Continue };
        let last = index + 1 == sizes.len();
        let frame = Frame::message(vec![b'x'; *size], OpCode::Data(data), last);
        // The gateway may have heard enough before the last one.
        if soon(client.socket.send(Message::Frame(frame))).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn the_largest_frame_and_message_pass() {
    let stack = Stack::start(vec![two_way("$default")]).await;
    stack.script.on("default", Act::Echo);
    let mut client = stack.connect().await;
    for sizes in [&[FRAME_MAX][..], &[FRAME_MAX; 4], &[1, FRAME_MAX, 0, FRAME_MAX - 1]] {
        send_parts(&mut client, sizes).await;
        assert_eq!(client.text().await.len(), sizes.iter().sum::<usize>());
    }
}

#[tokio::test]
async fn anything_larger_closes_with_1009() {
    let stack = Stack::start(vec![route("$disconnect"), route("$default")]).await;
    for sizes in [
        // R12: one frame; a message; a message whose first frame is too large; ten megabytes.
        &[FRAME_MAX + 1][..],
        &[FRAME_MAX, FRAME_MAX, FRAME_MAX, FRAME_MAX, 1],
        &[FRAME_MAX + 1, 1],
        &[10 * 1024 * 1024],
        &[MESSAGE_MAX + 1],
    ] {
        let mut client = stack.connect().await;
        send_parts(&mut client, sizes).await;
        assert_eq!(client.closed().await, (1009, "Message too large".to_owned()), "{sizes:?}");
        drop(client);
        let event = stack.script.json("disconnect").await;
        assert_eq!(event["requestContext"]["disconnectStatusCode"], 1009);
        assert_eq!(event["requestContext"]["disconnectReason"], "Message too large");
    }
    assert_eq!(stack.script.unseen("default"), 0);
}

#[tokio::test]
async fn binary_closes_with_1003() {
    // R11.
    let stack = Stack::start(vec![route("$disconnect"), route("$default")]).await;
    let mut client = stack.connect().await;
    client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.closed().await.0, 1003);
    drop(client);
    assert_eq!(stack.script.json("disconnect").await["requestContext"]["disconnectStatusCode"], 1003);
    assert_eq!(stack.script.unseen("default"), 0);
}

/// Sends raw frames after a handshake and returns the code of the close frame that comes back.
async fn code_after(stack: &Stack, frames: &[u8]) -> u16 {
    let mut stream = stack.tcp().await;
    let lines = upgrade_lines(&stack.host());
    stream.write_all(format!("GET /dev HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 101"));
    stream.write_all(frames).await.unwrap();
    let mut head = [0; 4];
    soon(stream.read_exact(&mut head)).await.unwrap();
    assert_eq!(head[0], 0x88, "a close frame: {head:?}");
    u16::from_be_bytes([head[2], head[3]])
}

#[tokio::test]
async fn broken_text_and_broken_frames_close() {
    let stack = Stack::start(vec![route("$disconnect"), route("$default")]).await;
    // Masked with zeros, so that the payload stands as it is.
    let masked = |first: u8, payload: &[u8]| {
        let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        frame
    };
    let mut split = masked(0x01, b"a\xc3");
    split.extend(masked(0x80, b"a"));
    for (frames, expected) in [
        // Text that is not UTF-8: at once, across fragments, cut off at the end.
        (masked(0x81, b"\xff\xfe"), 1007),
        (split, 1007),
        (masked(0x81, b"a\xc3"), 1007),
        (masked(0x88, b"\x03\xe8\xff"), 1007),
        // Not masked; reserved bits; an unknown opcode; a continuation of nothing; a fragmented ping; a close of one byte.
        (vec![0x81, 1, b'x'], 1002),
        (masked(0xf1, b"x"), 1002),
        (masked(0x83, b"x"), 1002),
        (masked(0x80, b"x"), 1002),
        (masked(0x09, b"x"), 1002),
        (masked(0x88, b"x"), 1002),
        // A frame that claims to be as long as a number can be.
        (vec![0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0], 1009),
    ] {
        assert_eq!(code_after(&stack, &frames).await, expected, "{frames:02x?}");
        let event = stack.script.json("disconnect").await;
        assert_eq!(event["requestContext"]["disconnectStatusCode"], expected, "{frames:02x?}");
    }
    assert_eq!(stack.script.unseen("default"), 0);
    assert_eq!(stack.gateway.counters().connections_now, 0);
}

#[tokio::test]
async fn garbage_of_any_kind_harms_nobody() {
    let stack = Stack::start(vec![route("$disconnect"), two_way("$default")]).await;
    stack.script.on("default", Act::Echo);
    let mut witness = stack.connect().await;
    // Xorshift: the same garbage each time.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut garbage = |length: usize| -> Vec<u8> {
        std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[0]
        })
        .take(length)
        .collect()
    };
    for length in 0..200 {
        let mut before = stack.tcp().await;
        let _ = before.write_all(&garbage(length)).await;
        let _ = before.shutdown().await;
        let mut after = stack.tcp().await;
        let lines = upgrade_lines(&stack.host());
        after.write_all(format!("GET /dev HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
        assert!(read_head(&mut after).await.starts_with("HTTP/1.1 101"));
        let _ = after.write_all(&garbage(length * 7)).await;
        let _ = after.shutdown().await;
        for stream in [&mut before, &mut after] {
            let _ = soon(stream.read_to_end(&mut Vec::new())).await;
        }
        stack.script.event("disconnect").await;
    }
    witness.send("all is well").await;
    assert_eq!(witness.text().await, "all is well");
    assert_eq!(stack.gateway.counters().connections_now, 1);
}

#[tokio::test]
async fn a_flood_of_pings_is_not_kept() {
    let stack = Stack::start(vec![two_way("$default")]).await;
    stack.script.on("default", Act::Echo);
    let mut client = stack.connect().await;
    // Enough that the pongs, which nobody reads, fill whatever the kernel takes.
    let mut pings = Vec::new();
    for _ in 0..1_000 {
        pings.extend_from_slice(&[0x89, 0x80 | 125, 0, 0, 0, 0]);
        pings.extend_from_slice(&[b'x'; 125]);
    }
    for _ in 0..120 {
        soon(client.socket.get_mut().write_all(&pings)).await.unwrap();
    }
    client.send("still here").await;
    assert_eq!(client.text().await, "still here");
}
