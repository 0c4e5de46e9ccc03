//! RFC 6455, section 5.4: messages in several frames.

use crate::case::{
    BINARY, CONTINUE, FIN, PING, PONG, TEXT, check, close, close_payload, closed, echoed_close, echoes,
    frame, text,
};

fn parts<const N: usize>(parts: [&str; N]) -> Vec<u8> {
    let frames = parts.iter().enumerate().flat_map(|(index, part)| {
        let opcode = if index == 0 { TEXT } else { CONTINUE };
        let last = if index + 1 == N { FIN } else { 0 };
        frame(last | opcode, part)
    });
    frames.collect()
}

#[tokio::test]
async fn messages_are_put_together() {
    check([
        ("two parts", parts(["hel", "lo"]), echoes(["hello"])),
        ("five parts", parts(["h", "e", "l", "l", "o"]), echoes(["hello"])),
        ("an empty last part", parts(["hello", ""]), echoes(["hello"])),
        ("an empty first part", parts(["", "hello"]), echoes(["hello"])),
        ("an empty part in the middle", parts(["hel", "", "lo"]), echoes(["hello"])),
        ("nothing but empty parts", parts(["", "", ""]), echoes([""])),
        ("two such messages", [parts(["a", "b"]), parts(["c", "d"])].concat(), echoes(["ab", "cd"])),
        ("a whole one after one in parts", [parts(["a", "b"]), text("c")].concat(), echoes(["ab", "c"])),
    ])
    .await;
}

#[tokio::test]
async fn control_frames_may_come_in_between() {
    let ping = |payload: &str| frame(FIN | PING, payload);
    check([
        (
            "a ping",
            [frame(TEXT, "a"), ping("p"), frame(FIN | CONTINUE, "b")].concat(),
            echoes(["ab"]).pong("p"),
        ),
        (
            "a ping after each part",
            [
                frame(TEXT, "a"),
                ping("1"),
                frame(CONTINUE, "b"),
                ping("2"),
                frame(FIN | CONTINUE, "c"),
                ping("3"),
            ]
            .concat(),
            echoes(["abc"]).pong("1").pong("2").pong("3"),
        ),
        (
            "a long ping",
            [frame(TEXT, "a"), frame(FIN | PING, [9; 125]), frame(FIN | CONTINUE, "b")].concat(),
            echoes(["ab"]).pong([9; 125]),
        ),
        (
            "a pong",
            [frame(TEXT, "a"), frame(FIN | PONG, "p"), frame(FIN | CONTINUE, "b")].concat(),
            echoes(["ab"]),
        ),
        (
            "a ping inside a character",
            [frame(TEXT, b"\xf0\x9f"), ping("p"), frame(FIN | CONTINUE, b"\x98\x80")].concat(),
            echoes(["😀"]).pong("p"),
        ),
        ("a close", [frame(TEXT, "a"), close(1000, "")].concat(), echoed_close(&close_payload(1000, ""))),
        (
            "a close, and the rest after it",
            [frame(TEXT, "a"), close(1001, "bye"), frame(FIN | CONTINUE, "b")].concat(),
            echoed_close(&close_payload(1001, "bye")),
        ),
    ])
    .await;
}

#[tokio::test]
async fn parts_come_in_order() {
    check([
        ("a continuation of nothing", frame(CONTINUE, "x"), closed(1002)),
        ("an end of nothing", frame(FIN | CONTINUE, "x"), closed(1002)),
        ("an empty end of nothing", frame(FIN | CONTINUE, ""), closed(1002)),
        (
            "a continuation after a whole text",
            [text("a"), frame(FIN | CONTINUE, "b")].concat(),
            closed(1002).after("a"),
        ),
        (
            "a continuation after a message in parts",
            [parts(["a", "b"]), frame(CONTINUE, "c")].concat(),
            closed(1002).after("ab"),
        ),
        ("a text inside a message", [frame(TEXT, "a"), text("b")].concat(), closed(1002)),
        ("the start of a text inside a message", [frame(TEXT, "a"), frame(TEXT, "b")].concat(), closed(1002)),
        ("a binary inside a text", [frame(TEXT, "a"), frame(FIN | BINARY, "b")].concat(), closed(1002)),
        (
            "a text inside a binary, whose start is enough",
            [frame(BINARY, "a"), text("b")].concat(),
            closed(1003),
        ),
        (
            "a ping, then a continuation of nothing",
            [frame(FIN | PING, "p"), frame(FIN | CONTINUE, "x")].concat(),
            closed(1002).pong("p"),
        ),
    ])
    .await;
}
