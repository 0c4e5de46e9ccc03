use crate::{Unmet, fails};

/// Lines of a head that are read: ours.
const HEADERS_MAX: usize = 100;

/// The head of an HTTP answer, its headers in order and in the case that they came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Such as 101.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head if it is there in full, with the number of its bytes.
    ///
    /// # Errors
    /// What came is no HTTP.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Unmet> {
        let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut lines);
        match response.parse(bytes) {
            Ok(httparse::Status::Partial) => Ok(None),
            Ok(httparse::Status::Complete(length)) => {
                let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
                let headers = response.headers.iter().map(|line| (line.name.to_owned(), text(line.value)));
                let headers = headers.collect();
                Ok(Some((Head { status: response.code.unwrap_or_default(), headers }, length)))
            }
            Err(error) => fails("an HTTP answer", format!("{error}: {}", String::from_utf8_lossy(bytes))),
        }
    }

    /// The value of a header, its name compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
