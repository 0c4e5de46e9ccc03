use std::{borrow::Cow, io::Cursor, mem, ops::ControlFlow};

use dunlin_events::limits;
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{CloseCode, Control, Data, OpCode},
};

use crate::closing::CloseCause;

/// Puts messages together from the bytes of a client (section 2.3; RFC 6455, section 5). It holds only what is incomplete.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    /// Bytes that are no complete frame, or that nobody has asked for yet.
    raw: Vec<u8>,
    message: Option<Box<Fragments>>,
}

/// The text of a message whose last frame has not come.
#[derive(Debug, Default)]
struct Fragments {
    text: Vec<u8>,
    /// How much of it is known to be UTF-8.
    valid: usize,
}

/// What a frame completed.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Received<'a> {
    Text(Cow<'a, str>),
    Ping(&'a [u8]),
    Close(Option<(u16, Cow<'a, str>)>),
    /// A pong, or a part of a message.
    Nothing,
}

/// The longest payload of a control frame (RFC 6455, section 5.5).
const CONTROL_BYTES_MAX: usize = 125;

impl Inbound {
    /// Begins with bytes that came early.
    pub(crate) fn new(raw: Vec<u8>) -> Self {
        // An empty one may still have room, and would keep it.
        let raw = if raw.is_empty() { Vec::new() } else { raw };
        Inbound { raw, message: None }
    }

    /// Adds `fresh`, which is overwritten, and shows every frame that is complete to `visit`, until that breaks. Called with nothing
    /// it goes on where it was left.
    ///
    /// # Errors
    /// The rule that the client broke; nothing more may be added then.
    pub(crate) fn feed<S>(
        &mut self,
        fresh: &mut [u8],
        mut visit: impl FnMut(Received<'_>) -> ControlFlow<S>,
    ) -> Result<ControlFlow<S>, CloseCause> {
        let mut raw = mem::take(&mut self.raw);
        let is_direct = raw.is_empty();
        if !is_direct {
            raw.extend_from_slice(fresh);
        }
        let bytes = if is_direct { &mut *fresh } else { &mut *raw };
        let mut flow = ControlFlow::Continue(());
        let mut taken = 0;
        while flow.is_continue() {
            let Some((length, received)) = self.frame(&mut bytes[taken..])? else { break };
            taken += length;
            flow = visit(received);
        }
        if is_direct {
            raw.extend_from_slice(&fresh[taken..]);
        } else if taken == raw.len() {
            raw = Vec::new();
        } else {
            raw.drain(..taken);
        }
        self.raw = raw;
        Ok(flow)
    }

    /// Reads the frame at the start of `bytes`, unmasking it where it stands; also returns how many bytes it has. `None` if some
    /// of it is missing.
    ///
    /// # Errors
    /// The rule that the client broke, known from the frame's head where it shows there.
    fn frame<'a>(&mut self, bytes: &'a mut [u8]) -> Result<Option<(usize, Received<'a>)>, CloseCause> {
        let mut cursor = Cursor::new(&*bytes);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| CloseCause::Protocol)?;
        let Some((header, length)) = parsed else { return Ok(None) };
        let head = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mask = self.check(&header, length)?;
        let end = head.saturating_add(length);
        let Some(payload) = bytes.get_mut(head..end) else { return Ok(None) };
        unmask(payload, mask);
        let received = match header.opcode {
            OpCode::Data(_) => self.text(payload, header.is_final)?,
            OpCode::Control(Control::Ping) => Received::Ping(payload),
            OpCode::Control(Control::Close) => close(payload)?,
            OpCode::Control(_) => Received::Nothing,
        };
        Ok(Some((end, received)))
    }

    /// What the head of a frame may say at this point; returns its mask.
    fn check(&self, header: &FrameHeader, length: usize) -> Result<[u8; 4], CloseCause> {
        if length > limits::FRAME_BYTES_MAX {
            return Err(CloseCause::TooLarge);
        }
        let FrameHeader { is_final, rsv1, rsv2, rsv3, opcode, mask } = header;
        let mask = mask.ok_or(CloseCause::Protocol)?;
        if *rsv1 || *rsv2 || *rsv3 {
            return Err(CloseCause::Protocol);
        }
        match (opcode, &self.message) {
            (OpCode::Control(_), _) if !is_final || length > CONTROL_BYTES_MAX => Err(CloseCause::Protocol),
            (OpCode::Control(_), _) | (OpCode::Data(Data::Text), None) => Ok(mask),
            (OpCode::Data(Data::Continue), Some(message)) => {
                let fits = message.text.len() + length <= limits::MESSAGE_BYTES_MAX;
                if fits { Ok(mask) } else { Err(CloseCause::TooLarge) }
            }
            (OpCode::Data(Data::Binary), None) => Err(CloseCause::Binary),
            (OpCode::Data(_), _) => Err(CloseCause::Protocol),
        }
    }

    fn text<'a>(&mut self, payload: &'a [u8], is_final: bool) -> Result<Received<'a>, CloseCause> {
        if is_final && self.message.is_none() {
            let text = str::from_utf8(payload).map_err(|_| CloseCause::InvalidText)?;
            return Ok(Received::Text(Cow::Borrowed(text)));
        }
        let message = self.message.get_or_insert_default();
        message.text.extend_from_slice(payload);
        match str::from_utf8(&message.text[message.valid..]) {
            Ok(_) => message.valid = message.text.len(),
            // A character may go on in the next frame.
            Err(error) if error.error_len().is_none() && !is_final => message.valid += error.valid_up_to(),
            Err(_) => return Err(CloseCause::InvalidText),
        }
        if !is_final {
            return Ok(Received::Nothing);
        }
        let text = self.message.take().map(|mut message| mem::take(&mut message.text)).unwrap_or_default();
        let text = String::from_utf8(text).map_err(|_| CloseCause::InvalidText)?;
        Ok(Received::Text(Cow::Owned(text)))
    }
}

/// The payload of a close frame (RFC 6455, section 5.5.1). A code that no endpoint may send is answered as a violation.
fn close(payload: &[u8]) -> Result<Received<'_>, CloseCause> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(Received::Close(None)) } else { Err(CloseCause::Protocol) };
    };
    let code = u16::from_be_bytes(*code);
    let reason = str::from_utf8(reason).map_err(|_| CloseCause::InvalidText)?;
    let said = if CloseCode::from(code).is_allowed() {
        (code, Cow::Borrowed(reason))
    } else {
        (CloseCode::Protocol.into(), Cow::Borrowed("Protocol violation"))
    };
    Ok(Received::Close(Some(said)))
}

/// Eight bytes at a time, which the compiler makes more of.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::{
        Error, Message,
        protocol::{Role, WebSocketConfig, WebSocketContext},
    };

    use super::*;

    const CONTINUE: u8 = 0;
    const TEXT: u8 = 1;
    const BINARY: u8 = 2;
    const CLOSE: u8 = 8;
    const PING: u8 = 9;
    const PONG: u8 = 10;
    const FINAL: u8 = 0x80;

    /// A masked frame.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x5a, 0, 0xff, 0x37];
        let opcode = OpCode::from(first & 15);
        let header =
            FrameHeader { is_final: first & FINAL != 0, opcode, mask: Some(mask), ..FrameHeader::default() };
        let mut bytes = Vec::new();
        header.format(payload.len() as u64, &mut bytes).unwrap();
        bytes[0] |= first & 0x70;
        bytes.extend(payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// What comes out of these bytes if they are read in pieces of this size: texts and pings, how it ended.
    fn received(bytes: &[u8], piece: usize) -> Vec<String> {
        let mut inbound = Inbound::default();
        let mut seen = Vec::new();
        for piece in bytes.chunks(piece) {
            let visit = |received: Received<'_>| {
                match received {
                    Received::Nothing => return ControlFlow::Continue(()),
                    Received::Text(text) => seen.push(format!("text {text}")),
                    Received::Ping(payload) => seen.push(format!("ping {payload:?}")),
                    Received::Close(said) => {
                        seen.push(format!("close {said:?}"));
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            };
            match inbound.feed(&mut piece.to_vec(), visit) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return seen,
                Err(cause) => {
                    seen.push(format!("{cause:?}"));
                    return seen;
                }
            }
        }
        seen
    }

    #[track_caller]
    fn check(frames: &[Vec<u8>], expected: &[&str]) {
        let bytes = frames.concat();
        for piece in [1, 2, 3, 7, 4096, usize::MAX] {
            assert_eq!(received(&bytes, piece), expected, "{frames:02x?} in pieces of {piece}");
        }
    }

    #[test]
    fn messages_are_put_together() {
        check(&[], &[]);
        check(&[frame(FINAL | TEXT, b"")], &["text "]);
        check(&[frame(FINAL | TEXT, "ä".as_bytes()), frame(FINAL | TEXT, b"b")], &["text ä", "text b"]);
        let long = "x".repeat(1000);
        check(&[frame(FINAL | TEXT, long.as_bytes())], &[&format!("text {long}")]);
        let parts = [
            frame(TEXT, b"a\xc3"),
            frame(FINAL | PING, b"p"),
            frame(CONTINUE, b"\xa4"),
            frame(FINAL | PONG, b"q"),
            frame(FINAL | CONTINUE, b""),
            frame(FINAL | TEXT, b"next"),
        ];
        check(&parts, &["ping [112]", "text aä", "text next"]);
    }

    #[test]
    fn goodbyes() {
        let close = |payload: &[u8]| [frame(FINAL | CLOSE, payload), frame(FINAL | TEXT, b"too late")];
        check(&close(b""), &["close None"]);
        check(&close(b"\x03\xe8"), &[r#"close Some((1000, ""))"#]);
        check(&close(b"\x0f\xa0bye"), &[r#"close Some((4000, "bye"))"#]);
        check(&close(b"\x03\xed"), &[r#"close Some((1002, "Protocol violation"))"#]);
        check(&close(b"\x03"), &["Protocol"]);
        check(&close(b"\x03\xe8\xff"), &["InvalidText"]);
    }

    #[test]
    fn broken_rules() {
        for (frames, expected) in [
            (vec![frame(FINAL | BINARY, b"x")], "Binary"),
            (vec![frame(FINAL | CONTINUE, b"x")], "Protocol"),
            (vec![frame(TEXT, b"x"), frame(FINAL | TEXT, b"y")], "Protocol"),
            (vec![frame(FINAL | 0x40 | TEXT, b"x")], "Protocol"),
            (vec![frame(FINAL | 3, b"x")], "Protocol"),
            (vec![frame(PING, b"x")], "Protocol"),
            (vec![frame(FINAL | PING, &[0; CONTROL_BYTES_MAX + 1])], "Protocol"),
            (vec![vec![FINAL | TEXT, 1, b'x']], "Protocol"),
            (vec![frame(FINAL | TEXT, b"\xc3")], "InvalidText"),
            (vec![frame(TEXT, b"\xc3"), frame(CONTINUE, b"a")], "InvalidText"),
            (vec![frame(FINAL | TEXT, &[b'x'; limits::FRAME_BYTES_MAX + 1])], "TooLarge"),
            (vec![vec![FINAL | TEXT, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]], "TooLarge"),
        ] {
            check(&frames, &[expected]);
        }
        let mut long = vec![frame(CONTINUE, &[b'x'; limits::FRAME_BYTES_MAX]); 4];
        long[0][0] |= TEXT;
        long.push(frame(CONTINUE, b""));
        check(&long, &[]);
        long.push(frame(FINAL | CONTINUE, b"x"));
        check(&long, &["TooLarge"]);
    }

    #[test]
    fn it_goes_on_where_it_was_left() {
        let mut inbound = Inbound::new([frame(FINAL | TEXT, b"a"), frame(FINAL | TEXT, b"b")].concat());
        let mut next = |fresh: &[u8]| {
            inbound.feed(&mut fresh.to_vec(), |received| match received {
                Received::Text(text) => ControlFlow::Break(text.into_owned()),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(next(b""), Ok(ControlFlow::Break("a".to_owned())));
        assert_eq!(next(&frame(FINAL | TEXT, b"c")[..4]), Ok(ControlFlow::Break("b".to_owned())));
        assert_eq!(next(&frame(FINAL | TEXT, b"c")[4..]), Ok(ControlFlow::Break("c".to_owned())));
        assert_eq!(next(b""), Ok(ControlFlow::Continue(())));
        assert_eq!(inbound.raw.capacity(), 0, "at rest it holds nothing");
    }

    /// What tungstenite makes of the same bytes.
    fn reference(bytes: &[u8]) -> Vec<String> {
        let config = WebSocketConfig::default()
            .max_frame_size(Some(limits::FRAME_BYTES_MAX))
            .max_message_size(Some(limits::MESSAGE_BYTES_MAX));
        let mut context = WebSocketContext::new(Role::Server, Some(config));
        let mut stream = Duplex(Cursor::new(bytes.to_vec()));
        let mut seen = Vec::new();
        loop {
            seen.push(match context.read(&mut stream) {
                Ok(Message::Text(text)) => format!("text {text}"),
                Ok(Message::Ping(payload)) => format!("ping {:?}", &*payload),
                Ok(Message::Pong(_)) => continue,
                Ok(Message::Close(said)) => {
                    let said = said.map(|said| (u16::from(said.code), said.reason.to_string()));
                    seen.push(format!("close {said:?}"));
                    return seen;
                }
                Err(Error::Io(_)) => return seen,
                Err(error) => {
                    let cause = match error {
                        Error::Utf8(_) => CloseCause::InvalidText,
                        Error::Capacity(_) => CloseCause::TooLarge,
                        _ => CloseCause::Protocol,
                    };
                    seen.push(format!("{cause:?}"));
                    return seen;
                }
                Ok(other) => panic!("{other:?}"),
            });
        }
    }

    /// Reads these bytes and then would have to wait; takes whatever is written.
    struct Duplex(Cursor<Vec<u8>>);

    impl std::io::Read for Duplex {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer) {
                Ok(0) => Err(std::io::ErrorKind::WouldBlock.into()),
                read => read,
            }
        }
    }

    impl std::io::Write for Duplex {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn it_agrees_with_tungstenite() {
        // SplitMix64: the same frames each time.
        let mut state = 0_u64;
        let mut random = |below: usize| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            usize::try_from((mixed ^ (mixed >> 27)) % 1_000_003).unwrap() % below
        };
        let firsts = [FINAL | TEXT, TEXT, CONTINUE, FINAL | CONTINUE, FINAL | PING, FINAL | PONG];
        let rare = [FINAL | CLOSE, PING, FINAL | 0x20 | TEXT, FINAL | 11, FINAL | 5, CLOSE];
        let payloads: [&[u8]; 8] =
            [b"", b"plain", "äöü".as_bytes(), b"\xc3", b"\xa4", b"\xf0\x9f", b"\x03\xe8x", b"\xff"];
        let mut longest = 0;
        for _ in 0..20_000 {
            let count = 1 + random(6);
            let frames: Vec<Vec<u8>> = (0..count)
                .map(|_| {
                    let first =
                        if random(12) == 0 { rare[random(rare.len())] } else { firsts[random(firsts.len())] };
                    let payload = payloads[random(payloads.len())];
                    if random(40) == 0 { vec![first, 0] } else { frame(first, payload) }
                })
                .collect();
            let bytes = frames.concat();
            let expected = reference(&bytes);
            longest = longest.max(expected.len());
            assert_eq!(received(&bytes, 1 + random(9)), expected, "{frames:02x?}");
        }
        assert!(longest > 4, "most sequences ended early: {longest}");
    }
}
