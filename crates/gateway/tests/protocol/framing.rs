//! RFC 6455, section 5.2: lengths, masks, reserved bits and opcodes.

use crate::case::{
    BINARY, CLOSE, CONTINUE, FIN, PING, PONG, TEXT, check, close_payload, closed, echoes, frame,
    frame_with_length, text,
};

#[tokio::test]
async fn lengths() {
    let cases = [0, 1, 2, 124, 125, 126, 127, 128, 129, 255, 256, 4_095, 4_096, 16_384, 32_767, 32_768];
    check(cases.map(|length| {
        let payload = "x".repeat(length);
        (format!("a text of {length} bytes"), text(&payload), echoes([payload]))
    }))
    .await;
}

/// A sender must write lengths as short as possible; a receiver is not told to mind, and the service's mind is not known.
#[tokio::test]
async fn longer_forms_of_lengths() {
    let long = |length: u8| [&[0x80 | 127][..], &u64::from(length).to_be_bytes()].concat();
    check([
        ("two bytes for 0", frame_with_length(FIN | TEXT, &[0x80 | 126, 0, 0], b""), echoes([""])),
        ("two bytes for 5", frame_with_length(FIN | TEXT, &[0x80 | 126, 0, 5], b"hello"), echoes(["hello"])),
        ("eight bytes for 5", frame_with_length(FIN | TEXT, &long(5), b"hello"), echoes(["hello"])),
    ])
    .await;
}

#[tokio::test]
async fn many_messages_in_one_stream() {
    let payloads: Vec<String> = (0..20).map(|number| format!("message {number}")).collect();
    let bytes: Vec<u8> = payloads.iter().flat_map(text).collect();
    check([("twenty texts", bytes, echoes(payloads))]).await;
}

#[tokio::test]
async fn masks() {
    let unmasked =
        |first: u8, payload: &[u8]| [&[first, u8::try_from(payload.len()).unwrap()], payload].concat();
    let zeros = [&[FIN | TEXT, 0x80 | 2, 0, 0, 0, 0], &b"hi"[..]].concat();
    check([
        ("a mask of zeros", zeros, echoes(["hi"])),
        ("an unmasked text", unmasked(FIN | TEXT, b"hi"), closed(1002)),
        ("an unmasked empty text", unmasked(FIN | TEXT, b""), closed(1002)),
        ("an unmasked ping", unmasked(FIN | PING, b"hi"), closed(1002)),
        ("an unmasked pong", unmasked(FIN | PONG, b""), closed(1002)),
        ("an unmasked close", unmasked(FIN | CLOSE, &close_payload(1000, "")), closed(1002)),
        (
            "an unmasked text after a good one",
            [text("good"), unmasked(FIN | TEXT, b"bad")].concat(),
            closed(1002).after("good"),
        ),
        (
            "a good text after an unmasked one",
            [unmasked(FIN | TEXT, b"bad"), text("good")].concat(),
            closed(1002),
        ),
    ])
    .await;
}

/// No extension is agreed upon, so none of the bits means anything. The first is that of permessage-deflate (H24): what says
/// that it is compressed is refused, and so nothing ever grows.
#[tokio::test]
async fn reserved_bits() {
    let mut cases = Vec::new();
    for bits in 1..=7_u8 {
        let bits = bits << 4;
        for (what, opcode) in
            [("text", TEXT), ("binary", BINARY), ("ping", PING), ("pong", PONG), ("close", CLOSE)]
        {
            for payload in ["", "hello"] {
                let name = format!("bits {bits:#x} on a {what} of {} bytes", payload.len());
                cases.push((name, frame(FIN | bits | opcode, payload), closed(1002)));
            }
        }
        let later = [frame(TEXT, "a"), frame(FIN | bits | CONTINUE, "b")].concat();
        cases.push((format!("bits {bits:#x} on a continuation"), later, closed(1002)));
        let after = [text("good"), frame(FIN | bits | TEXT, "bad"), text("never")].concat();
        cases.push((format!("bits {bits:#x} after a good text"), after, closed(1002).after("good")));
    }
    check(cases).await;
}

/// A kilobyte that would inflate to a megabyte: it is not even looked at.
#[tokio::test]
async fn a_compression_bomb() {
    // A stored block, and then one of 1,032 zeros for each further bit pair, as deflate writes long runs.
    let mut bomb = vec![0xec, 0xc1, 0x01, 0x01, 0x00, 0x00, 0x00, 0x80, 0x90, 0xfe, 0xaf, 0xee, 0x08, 0x0a];
    bomb.resize(1_024, 0);
    check([("a bomb", frame(FIN | 0x40 | TEXT, &bomb), closed(1002))]).await;
}

#[tokio::test]
async fn reserved_opcodes() {
    let mut cases = Vec::new();
    for opcode in (0x3..=0x7).chain(0xB..=0xF) {
        for payload in ["", "hello"] {
            let name = format!("opcode {opcode:#x} with {} bytes", payload.len());
            cases.push((name, frame(FIN | opcode, payload), closed(1002)));
        }
        let after = [text("good"), frame(FIN | opcode, "bad"), text("never")].concat();
        cases.push((format!("opcode {opcode:#x} after a good text"), after, closed(1002).after("good")));
        let inside = [frame(TEXT, "half"), frame(FIN | opcode, "")].concat();
        cases.push((format!("opcode {opcode:#x} inside a message"), inside, closed(1002)));
    }
    check(cases).await;
}

/// R11.
#[tokio::test]
async fn binary_messages() {
    check([
        ("an empty one", frame(FIN | BINARY, ""), closed(1003)),
        ("a short one", frame(FIN | BINARY, b"\x00\xff\x80"), closed(1003)),
        ("one of the largest frame", frame(FIN | BINARY, [7; 32 * 1024]), closed(1003)),
        ("one in two frames", [frame(BINARY, "a"), frame(FIN | CONTINUE, "b")].concat(), closed(1003)),
        (
            "one after a text",
            [text("good"), frame(FIN | BINARY, "bad"), text("never")].concat(),
            closed(1003).after("good"),
        ),
    ])
    .await;
}
