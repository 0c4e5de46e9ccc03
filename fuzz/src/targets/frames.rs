//! The frames of a client: raw bytes, and frames that the bytes describe, against RFC 6455 read once more.

use dunlin_events::limits::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};
use dunlin_gateway::fuzzing::{Heard, frames};

use super::pieces;
use crate::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "frames",
    run,
    words: &[
        b"\x81\x80\0\0\0\0",
        b"\x81\x85\0\0\0\0hello",
        b"\x01\x81\0\0\0\0a",
        b"\x80\x81\0\0\0\0b",
        b"\x00\x81\0\0\0\0c",
        b"\x89\x80\0\0\0\0",
        b"\x8a\x80\0\0\0\0",
        b"\x88\x80\0\0\0\0",
        b"\x88\x82\0\0\0\0\x03\xe8",
        b"\x82\x80\0\0\0\0",
        b"\x81\xfe\x00\x7e\0\0\0\0",
        b"\x81\xff\0\0\0\0\0\0\x80\x00\0\0\0\0",
        b"\xc1\x80\0\0\0\0",
        b"\xc3\xa4",
        b"\xf0\x9f\x98\x80",
        b"\xed\xa0\x80",
        b"\xff",
    ],
    input_bytes_max: 1_024,
};

/// More than a message may have.
const DESCRIBED_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 4_096;

fn run(bytes: &[u8]) {
    check(bytes);
    check(&described(bytes));
}

fn check(bytes: &[u8]) {
    let whole = frames(&[bytes]);
    assert_eq!(whole, reference(bytes));
    for seed in 0..3 {
        assert_eq!(frames(&pieces(bytes, seed)), whole, "pieces of seed {seed}");
    }
}

/// Frames that are mostly valid: of each three bytes the first is flags and opcode, the second the length of the payload and the
/// third how many of it come from the input; a few have other lengths.
fn described(bytes: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut rest = bytes;
    while let [first, length, taken, more @ ..] = rest
        && stream.len() < DESCRIBED_BYTES_MAX
    {
        let (payload, more) = more.split_at(usize::from(*taken % 8).min(more.len()));
        let length = match length {
            250..=255 => FRAME_BYTES_MAX - 2 + usize::from(length - 250),
            200..=249 => 120 + usize::from(length - 200),
            short => usize::from(*short % 8),
        };
        // Reserved bits and opcodes end everything, and so are rare.
        let first = if taken & 0xf0 == 0xf0 { *first } else { first & 0x89 };
        let mask = [*taken, 0x5a, first, 0];
        stream.push(first);
        match length {
            0..=125 => stream.push(0x80 | u8::try_from(length).unwrap_or_default()),
            _ => {
                stream.push(0x80 | 126);
                stream.extend(u16::try_from(length).unwrap_or_default().to_be_bytes());
            }
        }
        stream.extend(mask);
        let payload = payload.iter().copied().cycle().chain(std::iter::repeat(b'x')).take(length);
        stream.extend(payload.zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
        rest = more;
    }
    stream
}

/// RFC 6455, section 5, with the service's limits and without binary messages: as plain as can be, for a whole stream.
fn reference(mut bytes: &[u8]) -> Vec<Heard> {
    let mut heard = Vec::new();
    let mut message: Option<Vec<u8>> = None;
    loop {
        match frame(&mut bytes, &mut message) {
            Ok(None) => return heard,
            Ok(Some(Some(said @ Heard::Close(_)))) => {
                heard.push(said);
                return heard;
            }
            Ok(Some(said)) => heard.extend(said),
            Err(code) => {
                heard.push(Heard::Violation(code));
                return heard;
            }
        }
    }
}

/// Takes one frame, if it is all there; the error is a close code.
fn frame(bytes: &mut &[u8], message: &mut Option<Vec<u8>>) -> Result<Option<Option<Heard>>, u16> {
    let [first, second, rest @ ..] = *bytes else { return Ok(None) };
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some((length, rest)) = rest.split_at_checked(extended) else { return Ok(None) };
    let length = match extended {
        0 => u64::from(second & 0x7f),
        _ => length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
    };
    let is_masked = second & 0x80 != 0;
    let Some((mask, rest)) = rest.split_at_checked(if is_masked { 4 } else { 0 }) else { return Ok(None) };
    let (is_final, opcode) = (first & 0x80 != 0, first & 0x0f);
    // The head alone tells; which of several wrongs counts is a choice, and this is the gateway's.
    if !matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10) {
        return Err(1002);
    }
    if length > FRAME_BYTES_MAX as u64 {
        return Err(1009);
    }
    if !is_masked || first & 0x70 != 0 {
        return Err(1002);
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if opcode >= 8 && (!is_final || length > 125) {
        return Err(1002);
    }
    match (opcode, &message) {
        (0, None) | (1 | 2, Some(_)) => return Err(1002),
        (2, None) => return Err(1003),
        (0, Some(text)) if text.len() + length > MESSAGE_BYTES_MAX => return Err(1009),
        _ => {}
    }
    let Some((payload, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    *bytes = rest;
    let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    match opcode {
        8 => closed(&payload).map(|said| Some(Some(said))),
        9 => Ok(Some(Some(Heard::Ping(payload)))),
        10 => Ok(Some(None)),
        _ => {
            let mut text = message.take().unwrap_or_default();
            text.extend(payload);
            let is_cut = |error: &std::str::Utf8Error| error.error_len().is_none() && !is_final;
            if std::str::from_utf8(&text).is_err_and(|error| !is_cut(&error)) {
                return Err(1007);
            }
            if is_final {
                return Ok(Some(Some(Heard::Text(String::from_utf8(text).unwrap_or_default()))));
            }
            *message = Some(text);
            Ok(Some(None))
        }
    }
}

fn closed(payload: &[u8]) -> Result<Heard, u16> {
    let (code, reason) = match payload {
        [] => return Ok(Heard::Close(None)),
        [_] => return Err(1002),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    let reason = std::str::from_utf8(reason).map_err(|_| 1007_u16)?;
    let may_be_sent = matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999);
    let said = if may_be_sent { (code, reason) } else { (1002, "Protocol violation") };
    Ok(Heard::Close(Some((said.0, said.1.to_owned()))))
}
