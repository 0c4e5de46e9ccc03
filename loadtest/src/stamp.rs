//! The mark in what the swarm sends, by which it knows what comes back.
//!
//! A stamp has a fixed length and only letters and digits of the simplest kind, so that it survives JSON, and it is
//! found without reading JSON: an app puts it at one distance from the end of each push, where the reader looks first.

use crate::clock;

/// How a stamp begins.
const MARK: &[u8; 3] = b"~dl";

/// Bytes of a stamp: the mark, the kind, and five numbers in hexadecimal.
pub(crate) const STAMP_BYTES: usize = 3 + 1 + 8 + 8 + 8 + 8 + 8 + 16;

/// What carries a stamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// An update; its subject is the topic.
    Update,
    /// A message; its subject is the client, its sequence the message type.
    Message,
}

/// A stamp, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    pub(crate) kind: Kind,
    /// The kernel whose monotonic clock `intended_ns` is of: see [`clock::host`].
    pub(crate) host: u32,
    pub(crate) run: u32,
    pub(crate) subject: u32,
    pub(crate) version: u32,
    /// Of an update: its number in the schedule, which decides topic and version too. They must agree.
    pub(crate) sequence: u32,
    /// When it was meant to leave, on the monotonic clock of `host`.
    pub(crate) intended_ns: u64,
}

impl Stamp {
    /// A stamp of this process's host.
    pub(crate) fn new(
        kind: Kind,
        run: u32,
        subject: u32,
        version: u32,
        sequence: u32,
        intended_ns: u64,
    ) -> Stamp {
        Stamp { kind, host: clock::host(), run, subject, version, sequence, intended_ns }
    }

    /// Appends the stamp's text.
    pub(crate) fn write(&self, out: &mut String) {
        use std::fmt::Write;
        let kind = match self.kind {
            Kind::Update => 'u',
            Kind::Message => 'm',
        };
        write!(
            out,
            "~dl{kind}{:08x}{:08x}{:08x}{:08x}{:08x}{:016x}",
            self.host, self.run, self.subject, self.version, self.sequence, self.intended_ns
        )
        .expect("writing to a string does not fail");
    }

    /// Reads the stamp at the start of `bytes`.
    fn read(bytes: &[u8]) -> Option<Stamp> {
        let bytes = bytes.get(..STAMP_BYTES)?.strip_prefix(MARK)?;
        let kind = match bytes[0] {
            b'u' => Kind::Update,
            b'm' => Kind::Message,
            _ => return None,
        };
        let narrow = |number: usize| {
            let at = 1 + 8 * number;
            hex(&bytes[at..at + 8]).and_then(|value| u32::try_from(value).ok())
        };
        Some(Stamp {
            kind,
            host: narrow(0)?,
            run: narrow(1)?,
            subject: narrow(2)?,
            version: narrow(3)?,
            sequence: narrow(4)?,
            intended_ns: hex(&bytes[41..57])?,
        })
    }
}

/// Finds stamps in frames; remembers where the last one was, counted from the end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Finder {
    from_end: usize,
}

impl Finder {
    /// The stamp of a frame, if it has one.
    pub(crate) fn find(&mut self, frame: &[u8]) -> Option<Stamp> {
        let expected = frame.len().checked_sub(self.from_end)?;
        if let Some(stamp) = Stamp::read(&frame[expected..]) {
            return Some(stamp);
        }
        self.search(frame)
    }

    #[cold]
    fn search(&mut self, frame: &[u8]) -> Option<Stamp> {
        let candidates = frame.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
        let (at, stamp) = candidates.filter_map(|(at, _)| Some((at, Stamp::read(&frame[at..])?))).next()?;
        self.from_end = frame.len() - at;
        Some(stamp)
    }
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(version: u32, intended_ns: u64) -> Stamp {
        Stamp::new(Kind::Update, 0xabcd, 42, version, 7, intended_ns)
    }

    #[test]
    fn a_stamp_comes_back_from_anywhere() {
        let mut finder = Finder::default();
        for (before, after, version, ns) in [
            ("", "", 1, 0),
            (r#"{"type":"parameters","version":9,"value":""#, r#""}"#, 9, 1),
            (r#"{"type":"parameters","version":10,"value":""#, r#""}"#, 10, 123_456_789),
            ("~dl ~dlu ~", "~dl", u32::MAX, u64::MAX),
        ] {
            let mut text = before.to_owned();
            stamp(version, ns).write(&mut text);
            assert_eq!(text.len(), before.len() + STAMP_BYTES);
            text.push_str(after);
            assert_eq!(finder.find(text.as_bytes()), Some(stamp(version, ns)), "{text}");
            assert_eq!(finder.from_end, STAMP_BYTES + after.len());
        }
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        let mut text = String::new();
        stamp(1, 2).write(&mut text);
        for wrong in [
            "".to_owned(),
            "~dl".to_owned(),
            text[..STAMP_BYTES - 1].to_owned(),
            text.replace("~dlu", "~dlx"),
            text.replace("abcd", "abxy"),
            "é".repeat(80),
        ] {
            assert_eq!(Finder::default().find(wrong.as_bytes()), None, "{wrong}");
            assert_eq!(Finder { from_end: STAMP_BYTES }.find(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
