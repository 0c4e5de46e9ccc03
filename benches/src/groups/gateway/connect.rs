//! From a TCP connection to the answer 101.

use std::{io::Write, net::TcpStream, sync::atomic::Ordering::Relaxed};

use super::{
    bare,
    client::{await_101, handshake_request, tcp, wait_until},
    server::Server,
    subject::{self, Answer},
};
use crate::pairs::{Group, Pair, Work};

/// Connections that are open at the same time.
const BATCH: u64 = 64;

pub(super) fn fill(group: &mut Group) {
    group.pair("connect/plain", || Pair::new(gateway(), "fixed 101", fixed_101()));
}

fn gateway() -> Work {
    let gateway = subject::gateway(Answer::Echo);
    connects(subject::serve(&gateway), move || gateway.counters().connections_now)
}

fn fixed_101() -> Work {
    let (server, open) = bare::fixed_101();
    connects(server, move || open.load(Relaxed) as u64)
}

/// Connects in batches, one at a time; what the server does at their end is not measured.
fn connects(server: Server, open: impl Fn() -> u64 + 'static) -> Work {
    let request = handshake_request(server.address);
    let address = server.address;
    server.work(move |iterations, stopwatch| {
        let mut left = iterations;
        let mut sockets: Vec<TcpStream> = Vec::new();
        while left > 0 {
            let batch = left.min(BATCH);
            let started = stopwatch.start();
            for _ in 0..batch {
                let mut socket = tcp(address);
                socket.write_all(request.as_bytes()).expect("the server reads");
                await_101(&mut socket);
                sockets.push(socket);
            }
            wait_until("the last connection", || open() == batch);
            stopwatch.stop(&started);
            sockets.clear();
            wait_until("the end of all connections", || open() == 0);
            left -= batch;
        }
        iterations
    })
}
