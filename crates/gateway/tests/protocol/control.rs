//! RFC 6455, sections 5.5.2 and 5.5.3: pings and pongs.

use crate::case::{FIN, PING, PONG, TEXT, check, closed, echoes, frame, open, text};

#[tokio::test]
async fn pings_are_answered_with_their_payload() {
    let mut cases: Vec<_> = [&b""[..], b"hello", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", &[0x7f; 125]]
        .into_iter()
        .map(|payload| {
            (format!("a ping of {} bytes", payload.len()), frame(FIN | PING, payload), open().pong(payload))
        })
        .collect();
    let ten = (0..10).map(|number| format!("ping {number}"));
    let bytes = ten.clone().flat_map(|payload| frame(FIN | PING, payload)).collect();
    cases.push(("ten pings".to_owned(), bytes, ten.fold(open(), |expected, payload| expected.pong(payload))));
    let between = [text("one"), frame(FIN | PING, "p"), text("two")].concat();
    cases.push(("a ping between texts".to_owned(), between, echoes(["one", "two"]).pong("p")));
    check(cases).await;
}

#[tokio::test]
async fn pongs_are_ignored() {
    check([
        ("an empty pong", frame(FIN | PONG, ""), open()),
        ("a pong that answers nothing", frame(FIN | PONG, "unasked"), open()),
        ("one with bytes that are no text", frame(FIN | PONG, b"\xff\x00\x80"), open()),
        ("one of the greatest length", frame(FIN | PONG, [1; 125]), open()),
        (
            "a pong before a ping",
            [frame(FIN | PONG, "unasked"), frame(FIN | PING, "asked")].concat(),
            open().pong("asked"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn control_frames_are_short_and_whole() {
    let long = |opcode, length| frame(FIN | opcode, vec![b'x'; length]);
    check([
        ("a ping of 126 bytes", long(PING, 126), closed(1002)),
        ("a ping of 300 bytes", long(PING, 300), closed(1002)),
        ("a pong of 126 bytes", long(PONG, 126), closed(1002)),
        ("a pong of 32,768 bytes", long(PONG, 32_768), closed(1002)),
        ("a ping that is to be continued", frame(PING, "half"), closed(1002)),
        ("a pong that is to be continued", frame(PONG, ""), closed(1002)),
        (
            "a ping that is to be continued, inside a message",
            [frame(TEXT, "half"), frame(PING, "half")].concat(),
            closed(1002),
        ),
        (
            "a good ping before a long one",
            [frame(FIN | PING, "good"), long(PING, 126)].concat(),
            closed(1002).pong("good"),
        ),
    ])
    .await;
}
