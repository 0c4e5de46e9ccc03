use bytes::{Buf, Bytes, BytesMut};

/// Frames that are read: ours. The service's own have 32 KB.
const FRAME_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What a frame is (RFC 6455, section 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opcode {
    /// Goes on with a message.
    Continuation,
    /// Begins a message of text.
    Text,
    /// Begins one of bytes.
    Binary,
    /// Ends the connection.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
    /// None that the protocol knows.
    Unknown(u8),
}

/// One frame, without its mask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Whether the message ends here.
    pub is_final: bool,
    /// The three reserved bits, which mean nothing without an extension.
    pub reserved: u8,
    /// What it is.
    pub opcode: Opcode,
    /// What it carries.
    pub payload: Bytes,
}

impl Frame {
    /// A whole message, or a control frame.
    pub fn new(opcode: Opcode, payload: impl Into<Bytes>) -> Self {
        Frame { is_final: true, reserved: 0, opcode, payload: payload.into() }
    }

    /// A close frame.
    pub fn close(code: u16, reason: &str) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        Frame::new(Opcode::Close, payload)
    }

    /// Code and reason of a close frame; none if it is empty.
    pub fn close_reason(&self) -> Option<(u16, String)> {
        let (code, reason) = self.payload.split_first_chunk::<2>()?;
        Some((u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned()))
    }

    /// Its bytes, masked as a client's have to be.
    pub fn encode(&self, mask: Option<[u8; 4]>) -> Vec<u8> {
        let length = self.payload.len();
        let mut bytes = Vec::with_capacity(length + 14);
        bytes.push(u8::from(self.is_final) << 7 | self.reserved << 4 | self.opcode.bits());
        let mask_bit = u8::from(mask.is_some()) << 7;
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=125), _) => bytes.push(mask_bit | short),
            (_, Ok(middle)) => {
                bytes.push(mask_bit | 126);
                bytes.extend_from_slice(&middle.to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | 127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&mask.unwrap_or_default()[..mask.map_or(0, |mask| mask.len())]);
        let start = bytes.len();
        bytes.extend_from_slice(&self.payload);
        apply(mask.unwrap_or_default(), &mut bytes[start..]);
        bytes
    }

    /// Takes one frame off the front of `buffer`, if it is there in full, and says whether it was masked.
    ///
    /// # Errors
    /// The length of a frame that nobody reads.
    pub fn decode(buffer: &mut BytesMut) -> Result<Option<(Self, bool)>, u64> {
        let mut rest: &[u8] = buffer;
        if rest.remaining() < 2 {
            return Ok(None);
        }
        let (first, second) = (rest.get_u8(), rest.get_u8());
        let is_masked = second & 0x80 != 0;
        let length = match second & 0x7f {
            126 if rest.remaining() >= 2 => u64::from(rest.get_u16()),
            127 if rest.remaining() >= 8 => rest.get_u64(),
            126 | 127 => return Ok(None),
            short => u64::from(short),
        };
        if length > FRAME_BYTES_MAX {
            return Err(length);
        }
        let mask_length = if is_masked { 4 } else { 0 };
        let needed = usize::try_from(length).map_err(|_| length)? + mask_length;
        if rest.remaining() < needed {
            return Ok(None);
        }
        buffer.advance(buffer.len() - rest.len());
        let mut mask = [0; 4];
        buffer.split_to(mask_length).copy_to_slice(&mut mask[..mask_length]);
        let mut payload = buffer.split_to(needed - mask_length);
        apply(mask, &mut payload);
        let opcode = Opcode::from_bits(first & 0x0f);
        let frame = Frame {
            is_final: first & 0x80 != 0,
            reserved: first >> 4 & 0x07,
            opcode,
            payload: payload.freeze(),
        };
        Ok(Some((frame, is_masked)))
    }
}

fn apply(mask: [u8; 4], payload: &mut [u8]) {
    for (byte, mask) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

impl Opcode {
    fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            other => Opcode::Unknown(other),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
            Opcode::Unknown(other) => other & 0x0f,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let frame = Frame { is_final: false, ..Frame::new(Opcode::Text, vec![7; length]) };
                let mut buffer = BytesMut::from(&*frame.encode(mask));
                let (head, tail) = (buffer.len() - 1, buffer[buffer.len() - 1]);
                let mut partial = BytesMut::from(&buffer[..head]);
                assert_eq!(Frame::decode(&mut partial), Ok(None), "{length}");
                assert_eq!(partial.len(), head, "nothing is taken of half a frame");
                assert_eq!(buffer[head], tail);
                buffer.extend_from_slice(b"more");
                assert_eq!(Frame::decode(&mut buffer), Ok(Some((frame, mask.is_some()))), "{length}");
                assert_eq!(&*buffer, b"more");
            }
        }
        let mut huge = BytesMut::from(&[0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0][..]);
        assert!(Frame::decode(&mut huge).is_err());
        assert_eq!(Frame::close(1001, "Going away").close_reason(), Some((1001, "Going away".to_owned())));
        assert_eq!(Frame::new(Opcode::Close, "").close_reason(), None);
    }
}
