//! A message and its answer, without a function: by the median round trip.

use std::{io::Write, net::TcpStream, time::Instant};

use super::{
    PAYLOAD_BYTES, bare,
    client::{expect, masked, text_frame, web_socket},
    payload,
    server::Server,
    subject::{self, Answer},
};
use crate::pairs::{Basis, Group, Pair, Work};

/// What a MOCK without a variable answers: as long as the message.
const CONSTANT: &str = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\
                        abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwx";

pub(super) fn fill(group: &mut Group) {
    group.pair("echo/128B", || {
        Pair::new(gateway(Answer::Echo), "tokio-tungstenite", tungstenite()).by(Basis::Latency).rival()
    });
    group.pair("echo_cpu/128B", || {
        Pair::new(gateway(Answer::Echo), "tokio-tungstenite", tungstenite()).rival()
    });
    group.pair("echo_constant/128B", || {
        Pair::new(gateway(Answer::Constant(CONSTANT)), "tokio-tungstenite", tungstenite()).rival()
    });
    group.pair("echo_floor/128B", || {
        Pair::new(gateway(Answer::Constant(CONSTANT)), "read and write", fixed())
    });
    // What the rival itself is held against.
    group.pair("tungstenite_floor/128B", || Pair::new(tungstenite(), "read and write", fixed()));
}

fn gateway(answer: Answer) -> Work {
    assert_eq!(CONSTANT, payload(PAYLOAD_BYTES));
    round_trips(subject::serve(&subject::gateway(answer)))
}

fn tungstenite() -> Work {
    round_trips(bare::tungstenite_echo())
}

fn fixed() -> Work {
    let text = payload(PAYLOAD_BYTES);
    round_trips(bare::fixed_answer(masked(&text).len(), text_frame(&text)))
}

/// One message at a time.
fn round_trips(server: Server) -> Work {
    let mut socket = web_socket(server.address);
    let text = payload(PAYLOAD_BYTES);
    let (message, answer) = (masked(&text), text_frame(&text));
    server.work(move |iterations, stopwatch| {
        let started = stopwatch.start();
        for _ in 0..iterations {
            stopwatch.latency(round_trip(&mut socket, &message, &answer));
        }
        stopwatch.stop(&started);
        iterations
    })
}

fn round_trip(socket: &mut TcpStream, message: &[u8], answer: &[u8]) -> std::time::Duration {
    let sent = Instant::now();
    socket.write_all(message).expect("the server reads");
    expect(socket, answer);
    sent.elapsed()
}
