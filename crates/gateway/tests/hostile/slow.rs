//! Clients that take their time: the deadline is for the whole head, TLS included, and not for its next byte.

use std::time::Duration;

use dunlin_gateway::GatewayConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::interval,
};

use crate::{
    certificates::certificates,
    harness::{Stack, api, config, read_all, soon, status_of, upgrade_lines},
};

const HEAD_TIMEOUT: Duration = Duration::from_millis(700);

/// How often a slow client sends a byte: often enough that every pause is far within the deadline.
const BYTE_INTERVAL: Duration = Duration::from_millis(5);

fn impatient() -> GatewayConfig {
    let mut config = config();
    config.limits.head_timeout = HEAD_TIMEOUT;
    config
}

/// Sends these bytes one by one, and returns what comes back.
async fn trickle(stream: TcpStream, bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let (mut reader, mut writer) = stream.into_split();
    let writing = async move {
        let mut ticks = interval(BYTE_INTERVAL);
        for byte in bytes {
            ticks.tick().await;
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
        }
        // Keeps its side open.
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer).await;
        answer
    };
    soon(async {
        tokio::select! {
            biased;
            answer = reading => answer,
            () = writing => Vec::new(),
        }
    })
    .await
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    let stack = Stack::start_with(impatient(), vec![api("a1b2c3d4e5", vec![])]).await;
    let endless = b"GET /dev HTTP/1.1\r\nX: ".iter().copied().chain(std::iter::repeat(b'x'));
    let answer = trickle(stack.tcp().await, endless).await;
    assert_eq!(status_of(&String::from_utf8(answer).unwrap()), 408);
    assert_eq!(stack.gateway.counters().refusals_total, 1);
}

/// A record that is announced and never complete, byte by byte; and one that stops.
#[tokio::test]
async fn half_open_tls_is_cut_off() {
    let mut config = impatient();
    config.tls = Some(certificates().1);
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![])]).await;
    let record = [0x16, 0x03, 0x01, 0x3f, 0xff, 0x01, 0x00, 0x3f, 0xfb, 0x03, 0x03];
    let endless = record.iter().copied().chain(std::iter::repeat(0));
    // Nothing is said that it would understand.
    assert_eq!(trickle(stack.tcp().await, endless).await, b"");
    let mut stopped: Vec<TcpStream> = Vec::new();
    for count in 0..100 {
        let mut stream = stack.tcp().await;
        stream.write_all(&record[..count % record.len()]).await.unwrap();
        stopped.push(stream);
    }
    // Others get in meanwhile.
    assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, 101);
    for stream in &mut stopped {
        assert_eq!(read_all(stream).await, "");
    }
}

/// The body of a management call has a deadline of its own.
#[tokio::test]
async fn a_body_that_trickles_in_is_cut_off() {
    let stack = Stack::start_with(impatient(), vec![api("a1b2c3d4e5", vec![])]).await;
    let head = format!(
        "POST /dev/@connections/x HTTP/1.1\r\nHost: {}\r\nContent-Length: 9999\r\n\r\n",
        stack.host()
    );
    let mut stream = stack.tcp().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = trickle(stream, std::iter::repeat(b'x')).await;
    assert_eq!(status_of(&String::from_utf8(answer).unwrap()), 408);
}
