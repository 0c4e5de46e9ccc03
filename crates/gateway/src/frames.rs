use bytes::{BufMut, Bytes, BytesMut};
use dunlin_events::limits;
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Whole frames as they travel to a client. A server does not mask, so that the same bytes serve any number of clients;
/// cloning counts a reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frames(Bytes);

/// The longest head of a frame that is not masked.
const HEAD_BYTES_MAX: usize = 10;

impl Frames {
    /// A text message; one over the frame limit takes several frames (C11).
    pub(crate) fn text(text: &str) -> Self {
        let payload = text.as_bytes();
        let parts = payload.len().div_ceil(limits::FRAME_BYTES_MAX).max(1);
        let mut frames = BytesMut::with_capacity(payload.len() + parts * HEAD_BYTES_MAX);
        for part in 0..parts {
            let start = part * limits::FRAME_BYTES_MAX;
            let end = payload.len().min(start + limits::FRAME_BYTES_MAX);
            let opcode = if part == 0 { Data::Text } else { Data::Continue };
            put(&mut frames, OpCode::Data(opcode), part + 1 == parts, &payload[start..end]);
        }
        Frames(frames.freeze())
    }

    /// The answers to pings, whose payloads have at most 125 bytes each.
    pub(crate) fn pongs<'a>(payloads: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut frames = BytesMut::new();
        for payload in payloads {
            put(&mut frames, OpCode::Control(Control::Pong), true, payload);
        }
        Frames(frames.freeze())
    }

    /// A close frame, perhaps with a code and a reason of at most 123 bytes.
    pub(crate) fn close(code_and_reason: Option<(u16, &str)>) -> Self {
        let mut payload = Vec::new();
        if let Some((code, reason)) = code_and_reason {
            payload.put_u16(code);
            payload.extend_from_slice(reason.as_bytes());
        }
        let mut frame = BytesMut::with_capacity(payload.len() + HEAD_BYTES_MAX);
        put(&mut frame, OpCode::Control(Control::Close), true, &payload);
        Frames(frame.freeze())
    }

    /// In bytes, heads included.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }
}

fn put(frames: &mut BytesMut, opcode: OpCode, is_final: bool, payload: &[u8]) {
    let header = FrameHeader { is_final, opcode, ..FrameHeader::default() };
    // Writing to memory does not fail.
    let _ = header.format(payload.len() as u64, &mut frames.writer());
    frames.put_slice(payload);
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Opcode, final bit and length of each frame, and all payloads together.
    fn shapes(frames: Frames) -> (Vec<(u8, bool, u64)>, Vec<u8>) {
        let mut bytes = frames.into_bytes();
        let (mut shapes, mut payloads) = (Vec::new(), Vec::new());
        while !bytes.is_empty() {
            let mut cursor = Cursor::new(&bytes);
            let (header, length) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
            assert_eq!(header.mask, None);
            shapes.push((header.opcode.into(), header.is_final, length));
            let head = usize::try_from(cursor.position()).unwrap();
            payloads.extend_from_slice(&bytes.split_to(head + usize::try_from(length).unwrap())[head..]);
        }
        (shapes, payloads)
    }

    #[test]
    fn long_messages_take_several_frames() {
        const FULL: u64 = limits::FRAME_BYTES_MAX as u64;
        let (text, more) = (1, 0);
        for (length, expected) in [
            (0, vec![(text, true, 0)]),
            (1, vec![(text, true, 1)]),
            (126, vec![(text, true, 126)]),
            (FULL, vec![(text, true, FULL)]),
            (FULL + 1, vec![(text, false, FULL), (more, true, 1)]),
            (
                4 * FULL,
                vec![(text, false, FULL), (more, false, FULL), (more, false, FULL), (more, true, FULL)],
            ),
        ] {
            let message: String = ('a'..='z').cycle().take(usize::try_from(length).unwrap()).collect();
            assert_eq!(shapes(Frames::text(&message)), (expected, message.into_bytes()));
        }
    }

    #[test]
    fn control_frames_are_whole() {
        assert_eq!(
            shapes(Frames::pongs([&b"x"[..], b""])),
            (vec![(10, true, 1), (10, true, 0)], b"x".to_vec())
        );
        assert_eq!(shapes(Frames::close(None)), (vec![(8, true, 0)], Vec::new()));
        assert_eq!(shapes(Frames::close(Some((1000, "bye")))), (vec![(8, true, 5)], b"\x03\xe8bye".to_vec()));
    }
}
