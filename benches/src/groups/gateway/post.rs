//! From a POST to `@connections` to the frame on the socket, by the server's processor time for both.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Instant, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use tokio::{io::AsyncWriteExt, net::TcpListener, sync::oneshot};

use super::{
    PAYLOAD_BYTES, bare,
    client::{expect, masked, read_text, tcp, text_frame, web_socket},
    payload,
    server::Server,
    subject::{self, ACCESS_KEY_ID, Answer, REGION, SECRET_ACCESS_KEY},
};
use crate::pairs::{Group, Pair, Work};

pub(super) fn fill(group: &mut Group) {
    group.pair("post/128B", || Pair::new(gateway(), "exchange and write", bare()));
}

fn gateway() -> Work {
    let server = subject::serve(&subject::gateway(Answer::ConnectionId));
    let mut socket = web_socket(server.address);
    socket.write_all(&masked("who am I?")).expect("the gateway reads");
    let request = request(server.address, &read_text(&mut socket));
    posts(server, socket, request)
}

/// Reads a request by the parser that the gateway uses, writes the frame, and answers.
fn bare() -> Work {
    let server = Server::start(async |listener: TcpListener| {
        let (sender, receiver) = oneshot::channel();
        let accept = async {
            let (mut socket, _) = listener.accept().await.expect("the listener stays");
            socket.set_nodelay(true).expect("a fresh socket takes its options");
            assert!(bare::shake_hands(&mut socket).await);
            sender.send(socket).expect("the poster waits");
        };
        accept.await;
        let (mut poster, _) = listener.accept().await.expect("the listener stays");
        poster.set_nodelay(true).expect("a fresh socket takes its options");
        let mut socket = receiver.await.expect("it was sent");
        let frame = text_frame(&payload(PAYLOAD_BYTES));
        while exchange(&mut poster).await {
            socket.write_all(&frame).await.expect("the client reads");
            poster
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .await
                .expect("the poster reads");
        }
    });
    let socket = web_socket(server.address);
    let request = request(server.address, "Zk3pQdXMDoECEeg=");
    posts(server, socket, request)
}

/// Reads one request with its body. `false`: there is none.
async fn exchange(poster: &mut tokio::net::TcpStream) -> bool {
    use tokio::io::AsyncReadExt;

    let mut request = [0; 4 * 1024];
    let mut length = 0;
    loop {
        match poster.read(&mut request[length..]).await {
            Ok(read) if read > 0 => length += read,
            _ => return false,
        }
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Request::new(&mut headers);
        let parsed = head.parse(&request[..length]).expect("the request is good");
        let httparse::Status::Complete(end) = parsed else { continue };
        let content_length = head.headers.iter().find(|header| header.name == "content-length");
        let content_length = content_length.and_then(|header| str::from_utf8(header.value).ok());
        let body: usize =
            content_length.and_then(|text| text.parse().ok()).expect("the request has a length");
        if length == end + body {
            return true;
        }
    }
}

fn posts(server: Server, mut socket: TcpStream, request: Vec<u8>) -> Work {
    let mut poster = tcp(server.address);
    let frame = text_frame(&payload(PAYLOAD_BYTES));
    server.work(move |iterations, stopwatch| {
        let started = stopwatch.start();
        for _ in 0..iterations {
            let sent = Instant::now();
            poster.write_all(&request).expect("the server reads");
            expect(&mut socket, &frame);
            stopwatch.latency(sent.elapsed());
            await_200(&mut poster);
        }
        stopwatch.stop(&started);
        iterations
    })
}

/// Reads an answer without a body.
fn await_200(poster: &mut TcpStream) {
    let mut answer = [0; 1024];
    let mut length = 0;
    while !answer[..length].ends_with(b"\r\n\r\n") {
        let read = poster.read(&mut answer[length..]).expect("the server answers");
        assert!(read > 0, "the server hung up");
        length += read;
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer[..length].escape_ascii());
}

/// A signed post. The same one is sent again and again, as long as its signature is valid: what signing costs is the client's
/// affair.
fn request(address: SocketAddr, connection_id: &str) -> Vec<u8> {
    let body = payload(PAYLOAD_BYTES);
    let target = format!("/dev/@connections/{}", connection_id.replace('=', "%3D"));
    let identity = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "bench").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("execute-api")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .expect("nothing is missing")
        .into();
    let host = address.to_string();
    let headers = [("host", host.as_str())].into_iter();
    let signable = SignableRequest::new("POST", &target, headers, SignableBody::Bytes(body.as_bytes()))
        .expect("the request is good");
    let (instructions, _) = sign(signable, &params).expect("the request can be signed").into_parts();
    let mut text = format!("POST {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in instructions.headers() {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&body);
    text.into_bytes()
}
