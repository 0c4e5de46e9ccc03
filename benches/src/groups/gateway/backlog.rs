//! Messages that have been waiting for their client, by the processor time of the gateway for each.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use dunlin_gateway::Post;

use super::{
    PAYLOAD_BYTES,
    client::tcp,
    payload, push,
    subject::{self, API_ID, Answer, CONTROL_TOKEN},
};
use crate::{
    pairs::{Group, Pair, Work},
    place::Place,
};

/// Connections with a backlog.
const SOCKETS: usize = 1_000;

/// Messages that wait for each.
const QUEUED: usize = 8;

pub(super) fn fill(group: &mut Group) {
    group.heavy_pair("backlog/8x1k", || {
        Pair::new(drains(), "one message at a time", push::posts(SOCKETS)).rival()
    });
}

/// Freezes all connections, posts, and lets them go: what is measured is how the gateway catches up.
fn drains() -> Work {
    let gateway = subject::gateway(Answer::ConnectionId);
    let server = subject::serve(&gateway);
    let (ids, readers) = push::connect(server.address, SOCKETS, Place::Client);
    let mut control = Control(tcp(server.address));
    let post = Post::new(payload(PAYLOAD_BYTES).as_bytes()).expect("a short text");
    let mut sent = 0;
    server.work(move |iterations, stopwatch| {
        let mut left = iterations;
        while left > 0 {
            control.call("PUT", "/ice", r#"{"fault":"freeze"}"#);
            let now = left.min((SOCKETS * QUEUED) as u64);
            for n in 0..now as usize {
                gateway.post(API_ID, &ids[n / QUEUED], &post).expect("eight short messages wait");
            }
            sent += now;
            // Behind whatever the posts have woken.
            control.call("GET", "", "");
            let started = stopwatch.start();
            control.call("DELETE", "/ice", "");
            readers.wait_for(sent);
            stopwatch.stop(&started);
            left -= now;
        }
        iterations
    })
}

/// The gateway's control of faults.
struct Control(TcpStream);

impl Control {
    fn call(&mut self, method: &str, rule: &str, body: &str) {
        let address = self.0.peer_addr().expect("it is connected");
        let request = format!(
            "{method} /_dunlin/faults{rule} HTTP/1.1\r\nhost: {address}\r\nx-dunlin-control-token: {CONTROL_TOKEN}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.write_all(request.as_bytes()).expect("the gateway reads");
        let mut answer = [0; 1024];
        let mut length = 0;
        // The body, a short list of rules, is the last that comes.
        while !answer[..length].ends_with(b"]") {
            let read = self.0.read(&mut answer[length..]).expect("the gateway answers");
            assert!(read > 0, "the gateway hung up");
            length += read;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer[..length].escape_ascii());
    }
}
