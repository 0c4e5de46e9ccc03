use std::{borrow::Cow, io, ops::Range};

use bytes::Bytes;
use dunlin_events::limits;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The head of a request, and whatever came with it. Unlike hyper's, it keeps the case of header names (H20).
#[derive(Debug)]
pub(crate) struct Head {
    bytes: Vec<u8>,
    method: Range<usize>,
    target: Range<usize>,
    is_http_11: bool,
    headers: Vec<(Range<usize>, Range<usize>)>,
    end: usize,
}

/// Header lines of one request. Ours, the usual one of servers; the byte limit alone would allow thousands.
const HEADERS_MAX: usize = 100;

/// How much room for reading there is at first: most requests fit.
pub(crate) const READ_BYTES: usize = 1024;

/// Why there is no head.
#[derive(Debug)]
pub(crate) enum HeadError {
    /// The client went away, or never said anything.
    Closed,
    /// It does not speak HTTP.
    Malformed,
    /// More than [`limits::REQUEST_HEAD_BYTES_MAX`] bytes or [`HEADERS_MAX`] lines.
    TooLarge,
}

impl From<io::Error> for HeadError {
    fn from(_: io::Error) -> Self {
        HeadError::Closed
    }
}

impl Head {
    /// Reads on from `bytes` until the head is complete. The caller bounds the time.
    pub(crate) async fn read(
        stream: &mut (impl AsyncRead + Unpin),
        mut bytes: Vec<u8>,
    ) -> Result<Self, HeadError> {
        loop {
            if let Some(shape) = Shape::parse(&bytes)? {
                if shape.end > limits::REQUEST_HEAD_BYTES_MAX {
                    return Err(HeadError::TooLarge);
                }
                let Shape { method, target, is_http_11, headers, end } = shape;
                return Ok(Head { bytes, method, target, is_http_11, headers, end });
            }
            if bytes.len() >= limits::REQUEST_HEAD_BYTES_MAX {
                return Err(HeadError::TooLarge);
            }
            if bytes.len() == bytes.capacity() {
                bytes.reserve(READ_BYTES);
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(HeadError::Closed);
            }
        }
    }

    pub(crate) fn method(&self) -> &str {
        self.ascii(&self.method)
    }

    /// What stands between method and version, untouched.
    pub(crate) fn target(&self) -> &str {
        self.ascii(&self.target)
    }

    pub(crate) fn is_http_11(&self) -> bool {
        self.is_http_11
    }

    /// Names as the client wrote them, and values; bytes that are not UTF-8 are replaced.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.headers.iter().map(|(name, value)| (self.ascii(name), self.lossy(value)))
    }

    /// The values of a header, its name compared without case.
    pub(crate) fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = Cow<'h, str>> {
        let named = move |key: &Range<usize>| self.bytes[key.clone()].eq_ignore_ascii_case(name.as_bytes());
        self.headers.iter().filter(move |(key, _)| named(key)).map(|(_, value)| self.lossy(value))
    }

    /// The value of a header that must be there once.
    pub(crate) fn single<'h>(&'h self, name: &'h str) -> Option<Cow<'h, str>> {
        let mut values = self.values(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Whether a header's comma-separated list has this token, compared without case.
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name).any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    }

    /// What came after the head.
    pub(crate) fn into_rest(mut self) -> Vec<u8> {
        self.bytes.drain(..self.end);
        self.bytes
    }

    /// Everything that was read, for another reader to start over.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }

    fn lossy(&self, range: &Range<usize>) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes[range.clone()])
    }

    /// The parser lets only ASCII pass here; a target may hold more, which then counts as empty and matches nothing.
    fn ascii(&self, range: &Range<usize>) -> &str {
        str::from_utf8(&self.bytes[range.clone()]).unwrap_or_default()
    }
}

/// Where things stand in the bytes.
struct Shape {
    method: Range<usize>,
    target: Range<usize>,
    is_http_11: bool,
    headers: Vec<(Range<usize>, Range<usize>)>,
    end: usize,
}

impl Shape {
    /// `None` if more is needed. Parsing from the start each time finds garbage with its first bytes; the byte limit
    /// bounds the work for a client that sends them one by one.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, HeadError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let end = match request.parse(bytes) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooLarge),
            Err(_) => return Err(HeadError::Malformed),
        };
        let (Some(method), Some(target)) = (request.method, request.path) else {
            return Err(HeadError::Malformed);
        };
        let range = |part: &[u8]| {
            let start = part.as_ptr().addr() - bytes.as_ptr().addr();
            start..start + part.len()
        };
        Ok(Some(Shape {
            method: range(method.as_bytes()),
            target: range(target.as_bytes()),
            is_http_11: request.version == Some(1),
            headers: (request.headers.iter())
                .map(|header| (range(header.name.as_bytes()), range(header.value)))
                .collect(),
            end,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Head, HeadError> {
        Head::read(&mut &*bytes, Vec::new()).await
    }

    #[tokio::test]
    async fn names_keep_their_case() {
        let head = read(b"GET /dev?a=1 HTTP/1.1\r\nHoSt: x\r\nX-b:  two words \r\nx-B: \xff\r\n\r\nmore")
            .await
            .unwrap();
        assert_eq!((head.method(), head.target(), head.is_http_11()), ("GET", "/dev?a=1", true));
        let headers: Vec<_> = head.headers().collect();
        assert_eq!(headers, [("HoSt", "x".into()), ("X-b", "two words".into()), ("x-B", "\u{fffd}".into())]);
        assert_eq!(head.single("host").as_deref(), Some("x"));
        assert_eq!(head.single("x-b"), None, "it is there twice");
        assert_eq!(head.values("X-B").count(), 2);
        assert_eq!(head.into_rest(), b"more");
    }

    #[tokio::test]
    async fn tokens_are_found_in_lists() {
        let head = read(b"GET / HTTP/1.0\r\nConnection: keep-alive, Upgrade\r\n\r\n").await.unwrap();
        assert!(head.has_token("connection", "upgrade"));
        assert!(!head.has_token("connection", "keep"));
        assert!(!head.is_http_11());
    }

    #[tokio::test]
    async fn the_size_is_bounded() {
        let head = |bytes: usize| format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(bytes - 23));
        let max = limits::REQUEST_HEAD_BYTES_MAX;
        assert_eq!(head(max).len(), max);
        assert!(read(head(max).as_bytes()).await.is_ok());
        assert!(matches!(read(head(max + 1).as_bytes()).await, Err(HeadError::TooLarge)));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(HEADERS_MAX + 1));
        assert!(matches!(read(many.as_bytes()).await, Err(HeadError::TooLarge)));
    }

    #[tokio::test]
    async fn garbage_is_told_from_silence() {
        for garbage in
            ["\0\0\0\0", "hello\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n"]
        {
            assert!(matches!(read(garbage.as_bytes()).await, Err(HeadError::Malformed)), "{garbage:?}");
        }
        for cut in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n"] {
            assert!(matches!(read(cut.as_bytes()).await, Err(HeadError::Closed)), "{cut:?}");
        }
    }
}
