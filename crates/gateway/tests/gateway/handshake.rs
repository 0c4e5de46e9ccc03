//! Sections 1.2 and 1.3: who gets in, who gets which status, and what the answers look like.

use std::{sync::Arc, time::Duration};

use dunlin_gateway::{BackendError, Integration, Permitted, RouteConfig};
use futures_util::SinkExt;
use tokio::{io::AsyncWriteExt, sync::Semaphore};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::harness::{
    Act, Client, PATIENCE, Stack, api, config, read_all, read_head, route, soon, status_of, two_way,
    upgrade_lines, with_timeout,
};

#[tokio::test]
async fn connect_decides_about_the_handshake() {
    let stack = Stack::start(vec![route("$connect")]).await;
    let answer = |text: &str| Act::Answer(text.to_owned());
    // H10, H16, U22.
    for (act, expected) in [
        (Act::status(200), 101),
        (Act::status(201), 101),
        (Act::status(299), 101),
        (answer("null"), 101),
        (Act::status(301), 301),
        (Act::status(304), 304),
        (Act::status(400), 400),
        (Act::status(401), 401),
        (Act::status(403), 403),
        (Act::status(501), 501),
        (Act::status(599), 599),
        (Act::status(42), 502),
        (Act::status(100), 502),
        (Act::status(600), 502),
        (answer(r#"{"statusCode":200,"ConnectionId":"x"}"#), 502),
        (answer("not json"), 502),
        (answer(r#"{"statusCode":200,"headers":{"Sec-WebSocket-Protocol":"a\r\nb: c"}}"#), 502),
        (Act::thrown("boom"), 502),
        (Act::Fail(BackendError::TooLarge), 502),
        (Act::Fail(BackendError::Unavailable), 502),
        (Act::Fail(BackendError::NotPermitted), 500),
        (Act::Fail(BackendError::NotFound), 500),
        (Act::Fail(BackendError::Throttled), 500),
    ] {
        stack.script.on("connect", act);
        assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, expected);
    }
    assert_eq!(stack.gateway.counters().connects_total, 4);
}

#[tokio::test]
async fn without_anybody_to_ask_everybody_gets_in() {
    // H9.
    let none = RouteConfig { integration: None, ..route("$connect") };
    for routes in [vec![], vec![none]] {
        let stack = Stack::start(routes).await;
        assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, 101);
    }
}

#[tokio::test]
async fn a_slow_or_forbidden_connect_refuses() {
    let stack = Stack::start(vec![with_timeout(route("$connect"), Duration::from_millis(50))]).await;
    stack.script.on("connect", Act::Hang);
    assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, 504);

    let mut forbidden = route("$connect");
    if let Some(Integration::LambdaProxy(proxy)) = &mut forbidden.integration {
        proxy.permitted = Permitted::From(Vec::new());
    }
    let stack = Stack::start(vec![forbidden]).await;
    assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, 500);
    assert_eq!(stack.script.unseen("connect"), 0);
}

#[tokio::test]
async fn requests_that_are_no_good_handshake_are_refused() {
    let other = api("other", vec![]);
    let stack = Stack::start_with(config(), vec![api("a1b2c3d4e5", vec![]), other]).await;
    let port = stack.address.port();
    let good = upgrade_lines(&stack.host());
    let host = |host: &str| upgrade_lines(host);
    let without = |line: &str| {
        good.lines()
            .filter(|other| !other.starts_with(line))
            .map(|line| format!("{line}\r\n"))
            .collect::<String>()
    };
    let instead = |line: &str, by: &str| format!("{}{by}\r\n", without(line));
    let long = |chars: usize| {
        let fixed = format!("wss://127.0.0.1:{port}/dev?a=").len();
        format!("/dev?a={}", "x".repeat(chars - fixed))
    };
    let aws = |id: &str| host(&format!("{id}.execute-api.eu-west-1.amazonaws.com"));
    for (target, lines, expected) in [
        ("/dev", good.clone(), 101),
        // H1: with a slash, with a query, another stage.
        ("/dev/", good.clone(), 101),
        ("/dev?token=x", good.clone(), 101),
        ("/dev/?token=x", good.clone(), 101),
        ("/prod", good.clone(), 101),
        ("/", good.clone(), 403),
        ("/nowhere", good.clone(), 403),
        ("/dev/more", good.clone(), 403),
        ("/dev//", good.clone(), 403),
        ("http://localhost/dev", good.clone(), 403),
        // H3.
        (&long(4_096), good.clone(), 101),
        (&long(4_097), good.clone(), 414),
        // Hosts.
        ("/dev", host(&format!("localhost:{port}")), 101),
        ("/dev", host("LOCALHOST"), 101),
        ("/dev", host(&format!("[::1]:{port}")), 101),
        ("/dev", aws("a1b2c3d4e5"), 101),
        ("/dev", aws("other"), 101),
        ("/dev", aws("third"), 403),
        ("/dev", host("rebound.example"), 403),
        ("/dev", without("Host"), 400),
        ("/dev", format!("{good}Host: localhost\r\n"), 400),
        // The WebSocket headers.
        ("/dev", without("Connection"), 400),
        ("/dev", without("Sec-WebSocket-Key"), 400),
        ("/dev", instead("Sec-WebSocket-Key", "Sec-WebSocket-Key: short"), 400),
        ("/dev", instead("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAA"), 400),
        ("/dev", without("Sec-WebSocket-Version"), 400),
        ("/dev", instead("Sec-WebSocket-Version", "Sec-WebSocket-Version: 12"), 426),
        ("/dev", instead("Connection", "connection: keep-alive, UPGRADE"), 101),
        ("/dev", instead("Upgrade", "upgrade: WebSocket"), 101),
        ("/dev", format!("{good}Content-Length: 3\r\n"), 400),
        ("/dev", format!("{good}Content-Length: 0\r\n"), 101),
        ("/dev", format!("{good}Transfer-Encoding: chunked\r\n"), 400),
        // U15: no handshake at all.
        ("/dev", without("Upgrade"), 403),
        ("/", format!("Host: {}\r\n", stack.host()), 403),
    ] {
        assert_eq!(stack.handshake(target, &lines).await, expected, "GET {target}\n{lines}");
    }
    for (request_line, expected) in [("POST /dev HTTP/1.1", 400), ("GET /dev HTTP/1.0", 400)] {
        let answer = stack.raw(format!("{request_line}\r\n{good}\r\n").as_bytes()).await;
        assert_eq!(status_of(&answer), expected, "{request_line}");
    }
}

#[tokio::test]
async fn a_host_selects_its_own_api() {
    let apis = vec![api("first", vec![]), api("second", vec![route("$connect")])];
    let stack = Stack::start_with(config(), apis).await;
    let host = format!("second.execute-api.eu-west-1.amazonaws.com:{}", stack.address.port());
    assert_eq!(stack.handshake("/dev", &upgrade_lines(&host)).await, 101);
    let event = stack.script.json("connect").await;
    assert_eq!(event["requestContext"]["apiId"], "second");
    assert_eq!(event["requestContext"]["domainName"], host);
}

#[tokio::test]
async fn a_successful_answer_has_few_headers() {
    let stack = Stack::start(vec![route("$connect")]).await;
    let mut stream = stack.tcp().await;
    let lines = upgrade_lines(&stack.host());
    // H24, U3: compression is declined by saying nothing.
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Protocol: a, b\r\n";
    stream.write_all(format!("GET /dev HTTP/1.1\r\n{lines}{offer}\r\n").as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    let mut lines: Vec<&str> = head.trim_end().lines().collect();
    assert!(lines.remove(1).starts_with("Date: "), "{head}");
    // H16, H18, H23: no subprotocol that the function did not choose.
    assert_eq!(
        lines,
        [
            "HTTP/1.1 101 Switching Protocols",
            "Connection: upgrade",
            "upgrade: websocket",
            "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        ]
    );
}

#[tokio::test]
async fn the_function_chooses_the_subprotocol() {
    let stack = Stack::start(vec![route("$connect"), two_way("$default")]).await;
    let answer =
        r#"{"statusCode":200,"headers":{"sec-websocket-protocol":"v2","X-Other":"x"},"body":"dropped"}"#;
    stack.script.on("connect", Act::Answer(answer.to_owned()));
    stack.script.on("default", Act::Echo);
    let mut request = format!("ws://{}/dev", stack.host()).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "v1, v2".parse().unwrap());
    let (socket, response) = soon(client_async(request, stack.tcp().await)).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "v2");
    assert!(response.headers().get("x-other").is_none());
    // H17: the offer is one value.
    let event = stack.script.json("connect").await;
    assert_eq!(event["headers"]["Sec-WebSocket-Protocol"], "v1, v2");
    let mut client = Client { socket };
    client.send("still in step").await;
    assert_eq!(client.text().await, "still in step");
}

#[tokio::test]
async fn refusals_carry_a_request_id_and_a_small_body() {
    let stack = Stack::start(vec![route("$connect")]).await;
    let answer = r#"{"statusCode":401,"body":"secret","headers":{"X-Other":"x"}}"#;
    stack.script.on("connect", Act::Answer(answer.to_owned()));
    let lines = upgrade_lines(&stack.host());
    let refused = stack.raw(format!("GET /dev HTTP/1.1\r\n{lines}\r\n").as_bytes()).await;
    // U2, H18.
    assert!(refused.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{refused}");
    assert!(refused.contains("\r\nx-amzn-RequestId: "), "{refused}");
    assert!(refused.ends_with("\r\n\r\n{\"message\":\"Unauthorized\"}"), "{refused}");
    assert!(!refused.contains("secret") && !refused.contains("X-Other"), "{refused}");

    stack.script.on("connect", Act::thrown("boom"));
    let refused = stack.raw(format!("GET /dev HTTP/1.1\r\n{lines}\r\n").as_bytes()).await;
    assert!(refused.ends_with("{\"message\":\"Internal server error\"}"), "{refused}");

    // U15: an ordinary GET.
    let request = format!("GET /dev HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", stack.host());
    let plain = stack.raw(request.as_bytes()).await;
    assert!(plain.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{plain}");
    assert!(plain.contains("\r\nx-amzn-requestid: "), "{plain}");
    assert!(plain.ends_with("{\"message\":\"Forbidden\"}"), "{plain}");
}

#[tokio::test]
async fn a_client_that_leaves_during_connect_is_cleaned_up() {
    let stack = Stack::start(vec![route("$connect"), route("$disconnect")]).await;
    let gate = Arc::new(Semaphore::new(0));
    stack.script.on("connect", Act::Gate(Arc::clone(&gate)));
    let mut stream = stack.tcp().await;
    let lines = upgrade_lines(&stack.host());
    stream.write_all(format!("GET /dev HTTP/1.1\r\n{lines}\r\n").as_bytes()).await.unwrap();
    let connect = stack.script.json("connect").await;
    drop(stream);
    gate.add_permits(1);
    // The function let the client in, so the function is told that it went.
    let disconnect = stack.script.json("disconnect").await;
    assert_eq!(disconnect["requestContext"]["connectionId"], connect["requestContext"]["connectionId"]);
    assert_eq!(disconnect["requestContext"]["disconnectStatusCode"], 1006);
    assert_eq!(stack.gateway.counters().connections_now, 0);
}

#[tokio::test]
async fn a_refused_client_is_not_disconnected() {
    // H8: there was no connection.
    let stack = Stack::start(vec![route("$connect"), route("$disconnect")]).await;
    stack.script.on("connect", Act::status(403));
    assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, 403);
    stack.shutdown.cancel();
    soon(stack.served).await.unwrap();
    assert_eq!(stack.script.unseen("disconnect"), 0);
}

#[tokio::test]
async fn a_frame_in_the_same_segment_is_not_lost() {
    let stack = Stack::start(vec![two_way("$default")]).await;
    stack.script.on("default", Act::Echo);
    let mut stream = stack.tcp().await;
    let mut bytes = format!("GET /dev HTTP/1.1\r\n{}\r\n", upgrade_lines(&stack.host())).into_bytes();
    // A masked text frame "hi" with a mask of zeros.
    bytes.extend_from_slice(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']);
    stream.write_all(&bytes).await.unwrap();
    assert_eq!(status_of(&read_head(&mut stream).await), 101);
    let mut frame = [0; 4];
    soon(tokio::io::AsyncReadExt::read_exact(&mut stream, &mut frame)).await.unwrap();
    assert_eq!(frame, [0x81, 2, b'h', b'i']);
}

#[tokio::test]
async fn garbage_and_oversized_heads_are_answered() {
    let stack = Stack::start(vec![]).await;
    assert_eq!(status_of(&stack.raw(b"\x00\x01\x02garbage").await), 400);
    assert_eq!(status_of(&stack.raw(b"HELO gateway\r\n\r\n").await), 400);
    assert_eq!(status_of(&stack.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await), 400);
    let oversized = format!("GET /dev HTTP/1.1\r\nX: {}\r\n", "x".repeat(11_000));
    assert_eq!(status_of(&stack.raw(oversized.as_bytes()).await), 431);
    let crowded = format!("GET /dev HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
    assert_eq!(status_of(&stack.raw(crowded.as_bytes()).await), 431);
    // TLS without a certificate: nothing can be said.
    assert_eq!(stack.raw(b"\x16\x03\x01\x02\x00\x01\x00").await, "");
    // And it goes on.
    assert_eq!(stack.handshake("/dev", &upgrade_lines(&stack.host())).await, 101);
}

#[tokio::test]
async fn slow_heads_are_cut_off() {
    let mut config = config();
    config.limits.head_timeout = Duration::from_secs(1);
    let stack = Stack::start_with(config, vec![api("a1b2c3d4e5", vec![])]).await;
    let mut silent = stack.tcp().await;
    let mut slow = stack.tcp().await;
    slow.write_all(b"GET /dev HTTP/1.1\r\nHost: local").await.unwrap();
    assert_eq!(status_of(&read_all(&mut slow).await), 408);
    assert_eq!(read_all(&mut silent).await, "");
}

#[tokio::test]
async fn a_pong_comes_back_while_functions_work() {
    // Q5, and the reader never waits for a function.
    let stack = Stack::start(vec![route("$default")]).await;
    stack.script.on("default", Act::Hang);
    let mut client = stack.connect().await;
    client.send("x").await;
    stack.script.event("default").await;
    client.socket.send(Message::Ping("are you there".into())).await.unwrap();
    let pong =
        tokio::time::timeout(PATIENCE, futures_util::StreamExt::next(&mut client.socket)).await.unwrap();
    assert_eq!(pong.unwrap().unwrap(), Message::Pong("are you there".into()));
    assert_eq!(stack.script.unseen("default"), 0, "no function sees a ping");
}
