//! RFC 6455, section 4.2: what an opening handshake has to look like, as bytes on the wire.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::yield_now,
};

use crate::{
    case::{FIN, PING, frame, text},
    harness::{Act, Stack, api, config, read_all, read_head, soon, status_of, two_way},
};

/// The request that every row changes a little; `\n` stands for CRLF.
const GOOD: &str = "GET /dev HTTP/1.1\nHost: localhost\nConnection: Upgrade\nUpgrade: websocket\n\
                    Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n";

fn wire(request: &str) -> Vec<u8> {
    request.replace('\n', "\r\n").into_bytes()
}

/// The answer's head, with the request sent in these parts.
async fn answer_to_parts<'p>(stack: &Stack, parts: impl IntoIterator<Item = &'p [u8]>) -> String {
    let mut stream = stack.tcp().await;
    for part in parts {
        // The gateway may have heard enough before the end.
        if stream.write_all(part).await.is_err() {
            break;
        }
        yield_now().await;
    }
    read_head(&mut stream).await
}

async fn answer(stack: &Stack, request: &[u8]) -> String {
    let whole = answer_to_parts(stack, [request]).await;
    let singles = answer_to_parts(stack, request.chunks(1)).await;
    assert_eq!(status_of(&whole), status_of(&singles), "{}", request.escape_ascii());
    whole
}

async fn stack() -> Stack {
    Stack::start_with(config(), vec![api("a1b2c3d4e5", vec![two_way("$default")])]).await
}

#[tokio::test]
async fn requests() {
    let stack = stack().await;
    for (name, from, to, status) in [
        ("as it should be", "", "", 101),
        // The request line.
        ("another method", "GET", "POST", 400),
        ("an unknown method", "GET", "FETCH", 400),
        ("a method in small letters", "GET", "get", 400),
        ("an older version", "HTTP/1.1", "HTTP/1.0", 400),
        ("a version before all others", " HTTP/1.1", "", 400),
        ("a version to come", "HTTP/1.1", "HTTP/2.0", 400),
        ("two spaces before the target", "GET /dev", "GET  /dev", 400),
        ("empty lines before it", "GET /dev", "\n\nGET /dev", 101),
        // H1.
        ("a slash behind the stage", "/dev", "/dev/", 101),
        ("a stage with encoded letters", "/dev", "/d%65v", 101),
        ("a stage with an encoded slash", "/dev", "/dev%2F", 403),
        ("a stage with broken encoding", "/dev", "/dev%f", 403),
        ("a stage with bytes that are no UTF-8", "/dev", "/dev%ff", 403),
        ("a stage in capitals", "/dev", "/DEV", 403),
        ("a way around", "/dev", "/x/../dev", 403),
        ("a fragment", "/dev", "/dev#x", 403),
        ("no path at all", "/dev", "*", 403),
        ("a whole URL", "/dev", "http://localhost/dev", 403),
        ("control characters in the target", "/dev", "/d\u{7}ev", 400),
        // Names and tokens in any case, lists in any order.
        ("names in capitals", "Connection: Upgrade", "CONNECTION: UPGRADE", 101),
        ("names in small letters", "Sec-WebSocket-Key", "sec-websocket-key", 101),
        ("another token first", "Connection: Upgrade", "Connection: keep-alive, Upgrade", 101),
        ("tokens in two lines", "Connection: Upgrade", "Connection: keep-alive\nConnection: Upgrade", 101),
        ("tokens without spaces", "Connection: Upgrade", "Connection: keep-alive,Upgrade,x", 101),
        ("other protocols too", "Upgrade: websocket", "Upgrade: h2c, WebSocket", 101),
        ("spaces around a value", "Version: 13", "Version: \t 13  ", 101),
        ("the token in a longer word", "Connection: Upgrade", "Connection: Upgraded", 400),
        ("no Connection", "Connection: Upgrade\n", "", 400),
        // U15.
        ("no Upgrade", "Upgrade: websocket\n", "", 403),
        ("another protocol", "Upgrade: websocket", "Upgrade: h2c", 403),
        // Header lines.
        ("no Host", "Host: localhost\n", "", 400),
        ("two Hosts", "Host: localhost\n", "Host: localhost\nHost: localhost\n", 400),
        ("an empty Host", "Host: localhost", "Host:", 403),
        ("a space before the colon", "Upgrade: ", "Upgrade : ", 400),
        ("a folded line", "Connection: Upgrade", "Connection: keep-alive,\n Upgrade", 400),
        ("a line without a colon", "Upgrade: websocket", "Upgrade: websocket\nnonsense", 400),
        ("a header without a name", "Upgrade: websocket", "Upgrade: websocket\n: x", 400),
        ("a control character in a value", "Host: localhost", "Host: local\u{1}host", 400),
        // The key: 16 bytes in base64, once.
        ("no key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n", "", 400),
        ("an empty key", "dGhlIHNhbXBsZSBub25jZQ==", "", 400),
        ("a key of 15 bytes", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400),
        ("a key of 17 bytes", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWU=", 400),
        ("a key without its padding", "ZQ==", "ZQ", 400),
        ("a key that is no base64", "ZQ==", "Z!==", 400),
        (
            "two keys",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\nSec-WebSocket-Key",
            400,
        ),
        // Section 4.4.
        ("no version", "Sec-WebSocket-Version: 13\n", "", 400),
        ("an older draft", "Version: 13", "Version: 8", 426),
        ("an early draft", "Version: 13", "Version: 7", 426),
        ("a version to come", "Version: 13", "Version: 14", 426),
        ("no number", "Version: 13", "Version: x", 426),
        ("two versions in one line", "Version: 13", "Version: 13, 8", 426),
        ("two versions", "Version: 13\n", "Version: 13\nSec-WebSocket-Version: 8\n", 400),
        // Bodies.
        ("a length of nothing", "Host:", "Content-Length: 0\nHost:", 101),
        ("a body", "Host:", "Content-Length: 5\nHost:", 400),
        ("a length that is none", "Host:", "Content-Length: -1\nHost:", 400),
        ("two lengths", "Host:", "Content-Length: 0\nContent-Length: 7\nHost:", 400),
        ("a body in chunks", "Host:", "Transfer-Encoding: chunked\nHost:", 400),
        ("a body to be asked for", "Host:", "Expect: 100-continue\nHost:", 101),
    ] {
        assert!(GOOD.contains(from), "{name}");
        let answer = answer(&stack, &wire(&GOOD.replacen(from, to, 1))).await;
        assert_eq!(status_of(&answer), status, "{name}: {answer}");
        // RFC 6455, section 4.4, and RFC 9110, section 15.5.22.
        if status == 426 {
            assert!(answer.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{name}: {answer}");
            assert!(answer.contains("\r\nUpgrade: websocket\r\n"), "{name}: {answer}");
        }
        if status != 101 {
            assert!(!answer.contains("100 Continue"), "{name}: {answer}");
            assert!(answer.to_ascii_lowercase().contains("\r\nx-amzn-requestid: "), "{name}: {answer}");
        }
    }
}

/// H24, U3: compression is declined by saying nothing, however it is offered, and the connection works without.
#[tokio::test]
async fn every_offer_of_compression_is_declined() {
    let stack = stack().await;
    stack.script.on("default", Act::Echo);
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits, permessage-deflate",
        "PERMESSAGE-DEFLATE",
        "permessage-deflate; server_max_window_bits=\"15\"",
        "permessage-deflate; server_max_window_bits=99",
        "x-webkit-deflate-frame, permessage-deflate",
        "permessage-bzip2",
        "permessage-deflate\nSec-WebSocket-Extensions: x",
        ";;;,,,==",
        "",
    ] {
        let request = wire(&GOOD.replacen("Host:", &format!("Sec-WebSocket-Extensions: {offer}\nHost:"), 1));
        let mut stream = stack.tcp().await;
        stream.write_all(&request).await.unwrap();
        let head = read_head(&mut stream).await;
        assert_eq!(status_of(&head), 101, "{offer}");
        assert!(!head.to_ascii_lowercase().contains("sec-websocket-extensions"), "{offer}: {head}");
        stream.write_all(&text("plain")).await.unwrap();
        let mut echo = [0; 7];
        soon(stream.read_exact(&mut echo)).await.unwrap();
        assert_eq!(&echo, b"\x81\x05plain", "{offer}");
    }
}

/// Frames right behind the head belong to the connection, wherever the stream is cut.
#[tokio::test]
async fn bytes_behind_the_head_are_frames() {
    let stack = stack().await;
    let mut bytes = wire(GOOD);
    let head_end = bytes.len();
    bytes.extend(frame(FIN | PING, "early"));
    for cut in [0, 1, head_end - 1, head_end, head_end + 1, head_end + 6, bytes.len()] {
        let mut stream = stack.tcp().await;
        for part in [&bytes[..cut], &bytes[cut..]] {
            stream.write_all(part).await.unwrap();
            yield_now().await;
        }
        assert_eq!(status_of(&read_head(&mut stream).await), 101);
        let mut pong = [0; 7];
        soon(stream.read_exact(&mut pong)).await.unwrap();
        assert_eq!(&pong, b"\x8a\x05early", "cut at {cut}");
    }
}

/// A refusal is the last word: a second request behind it is never answered.
#[tokio::test]
async fn nothing_is_answered_behind_a_refusal() {
    let stack = stack().await;
    for bad in [GOOD.replace("/dev", "/nowhere"), GOOD.replace("13", "8"), "nonsense\n\n".to_owned()] {
        let answers = stack.raw(&wire(&format!("{bad}{GOOD}"))).await;
        assert_eq!(answers.matches("HTTP/1.1 4").count(), 1, "{answers}");
        assert!(answers.contains("\r\nConnection: close"), "{answers}");
    }
}

/// A handshake does not come second on a connection.
#[tokio::test]
async fn a_handshake_behind_another_request_is_refused() {
    let stack = stack().await;
    let first = "GET /dev HTTP/1.1\nHost: localhost\n\n";
    let mut stream = stack.tcp().await;
    stream.write_all(&wire(&format!("{first}{GOOD}"))).await.unwrap();
    stream.shutdown().await.unwrap();
    let answers = read_all(&mut stream).await;
    let statuses: Vec<&str> =
        answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["403", "403"], "{answers}");
}
