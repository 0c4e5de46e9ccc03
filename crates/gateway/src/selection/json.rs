//! Just enough JSON to find one value in a message, without copying it or building a tree.
//!
//! The whole text is checked, since text that is not JSON takes another route (R6). The service's own parser lets
//! unquoted keys pass (R7), and so does this one; other leniencies are unknown and so refused (U13).

use std::borrow::Cow;

/// One step of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// `.name` or `['name']`.
    Key(Box<str>),
    /// `[3]`.
    Index(usize),
}

/// The text is not JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotJson;

/// Arrays and objects within each other. Ours, the usual one of JSON parsers: it bounds the stack.
const DEPTH_MAX: usize = 128;

/// The value at `path`, as it stands in the text; the last one if a key is repeated.
///
/// # Errors
/// [`NotJson`] if anything in the text is malformed, wherever the path leads.
pub(crate) fn lookup<'t>(text: &'t str, path: &[Step]) -> Result<Option<&'t str>, NotJson> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_space();
    let found = scanner.value(Some(path), DEPTH_MAX)?;
    scanner.skip_space();
    if scanner.at == text.len() { Ok(found) } else { Err(NotJson) }
}

/// What a value found by [`lookup`] contributes to a route key: strings without quotes, arrays as `[a, b]` (R3), numbers
/// and booleans as written. `null` counts as missing, an object stands for itself.
pub(crate) fn to_text(raw: &str) -> Cow<'_, str> {
    match raw.as_bytes().first() {
        Some(b'"') => unescape(&raw[1..raw.len() - 1]),
        Some(b'[') => Cow::Owned(array_to_text(raw)),
        Some(b'n') | None => Cow::Borrowed(""),
        Some(_) => Cow::Borrowed(raw),
    }
}

fn array_to_text(raw: &str) -> String {
    let mut scanner = Scanner { text: raw, at: 1 };
    let mut text = String::from("[");
    loop {
        scanner.skip_space();
        let start = scanner.at;
        // The text was checked before, so that the scan ends at the closing bracket and nowhere else.
        if scanner.value(None, DEPTH_MAX).is_err() {
            break;
        }
        if text.len() > 1 {
            text.push_str(", ");
        }
        text.push_str(&to_text(&raw[start..scanner.at]));
        scanner.skip_space();
        if scanner.expect(b',').is_err() {
            break;
        }
    }
    text.push(']');
    text
}

fn unescape(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        if !plain.is_empty() {
            flush(&mut units, &mut text);
            text.push_str(plain);
        }
        let kind = escape.as_bytes().get(1).copied().unwrap_or_default();
        if kind == b'u' {
            let hex = escape.get(2..6).unwrap_or_default();
            units.push(u16::from_str_radix(hex, 16).unwrap_or(0xfffd));
            rest = escape.get(6..).unwrap_or_default();
            continue;
        }
        flush(&mut units, &mut text);
        text.push(match kind {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            other => char::from(other),
        });
        rest = escape.get(2..).unwrap_or_default();
    }
    flush(&mut units, &mut text);
    text.push_str(rest);
    Cow::Owned(text)
}

/// Appends code units that stood next to each other, so that surrogate pairs come together.
fn flush(units: &mut Vec<u16>, text: &mut String) {
    text.extend(char::decode_utf16(units.drain(..)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() != Some(byte) {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }

    fn skip_while(&mut self, allowed: impl Fn(u8) -> bool) -> usize {
        let start = self.at;
        while self.peek().is_some_and(&allowed) {
            self.at += 1;
        }
        self.at - start
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Reads one value. With a path, returns what the path finds in it.
    fn value(&mut self, path: Option<&[Step]>, depth: usize) -> Result<Option<&'t str>, NotJson> {
        let start = self.at;
        let inner = match self.peek().ok_or(NotJson)? {
            b'{' => self.object(path, depth.checked_sub(1).ok_or(NotJson)?)?,
            b'[' => self.array(path, depth.checked_sub(1).ok_or(NotJson)?)?,
            scalar => {
                match scalar {
                    b'"' => self.string().map(drop)?,
                    b't' => self.word("true")?,
                    b'f' => self.word("false")?,
                    b'n' => self.word("null")?,
                    _ => self.number()?,
                }
                None
            }
        };
        Ok(if path == Some(&[]) { Some(&self.text[start..self.at]) } else { inner })
    }

    fn object(&mut self, path: Option<&[Step]>, depth: usize) -> Result<Option<&'t str>, NotJson> {
        let wanted = match path.and_then(<[Step]>::split_first) {
            Some((Step::Key(key), rest)) => Some((&**key, rest)),
            _ => None,
        };
        let mut found = None;
        self.expect(b'{')?;
        self.skip_space();
        if self.expect(b'}').is_ok() {
            return Ok(None);
        }
        loop {
            let key = self.key()?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            match wanted {
                Some((name, rest)) if name == key => found = self.value(Some(rest), depth)?,
                _ => self.value(None, depth).map(drop)?,
            }
            self.skip_space();
            if self.expect(b'}').is_ok() {
                return Ok(found);
            }
            self.expect(b',')?;
            self.skip_space();
        }
    }

    fn array(&mut self, path: Option<&[Step]>, depth: usize) -> Result<Option<&'t str>, NotJson> {
        let wanted = match path.and_then(<[Step]>::split_first) {
            Some((Step::Index(index), rest)) => Some((*index, rest)),
            _ => None,
        };
        let mut found = None;
        self.expect(b'[')?;
        self.skip_space();
        if self.expect(b']').is_ok() {
            return Ok(None);
        }
        for index in 0.. {
            match wanted {
                Some((position, rest)) if position == index => found = self.value(Some(rest), depth)?,
                _ => self.value(None, depth).map(drop)?,
            }
            self.skip_space();
            if self.expect(b']').is_ok() {
                break;
            }
            self.expect(b',')?;
            self.skip_space();
        }
        Ok(found)
    }

    /// A quoted key, or a bare one (R7).
    fn key(&mut self) -> Result<Cow<'t, str>, NotJson> {
        if self.peek() == Some(b'"') {
            return self.string().map(unescape);
        }
        let start = self.at;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-');
        if self.peek().is_some_and(|byte| byte.is_ascii_digit() || byte == b'-')
            || self.skip_while(allowed) == 0
        {
            return Err(NotJson);
        }
        Ok(Cow::Borrowed(&self.text[start..self.at]))
    }

    /// What stands between the quotes.
    fn string(&mut self) -> Result<&'t str, NotJson> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            self.skip_while(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
            match self.peek().ok_or(NotJson)? {
                b'"' => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at - 1]);
                }
                b'\\' => self.escape()?,
                _ => return Err(NotJson),
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        self.at += 1;
        match self.peek().ok_or(NotJson)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
            b'u' => {
                let digits = self.text.as_bytes().get(self.at + 1..self.at + 5).ok_or(NotJson)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(NotJson);
                }
                self.at += 5;
            }
            _ => return Err(NotJson),
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), NotJson> {
        if !self.text[self.at..].starts_with(word) {
            return Err(NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotJson> {
        let digit = |byte: u8| byte.is_ascii_digit();
        let _ = self.expect(b'-');
        if self.expect(b'0').is_err() && self.skip_while(digit) == 0 {
            return Err(NotJson);
        }
        if self.expect(b'.').is_ok() && self.skip_while(digit) == 0 {
            return Err(NotJson);
        }
        if self.peek().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'e')) {
            self.at += 1;
            if self.peek().is_some_and(|byte| matches!(byte, b'+' | b'-')) {
                self.at += 1;
            }
            if self.skip_while(digit) == 0 {
                return Err(NotJson);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of `a`, or what `serde_json` says to texts that both must refuse.
    #[track_caller]
    fn check(text: &str, expected: Result<Option<&str>, NotJson>) {
        assert_eq!(lookup(text, &[Step::Key("a".into())]), expected, "{text}");
    }

    #[test]
    fn values_are_found_as_they_stand() {
        check(r#"{"a":"x"}"#, Ok(Some(r#""x""#)));
        check(r#" { "b" : [1,{"a":2}] , "a" : { "c" : [ ] } } "#, Ok(Some(r#"{ "c" : [ ] }"#)));
        check(r#"{"a":1,"a":2}"#, Ok(Some("2")));
        check(r#"{"\u0061":true}"#, Ok(Some("true")));
        check(r#"{"b":{"a":1}}"#, Ok(None));
        check(r#"["a"]"#, Ok(None));
        check("-1.5e+3", Ok(None));
    }

    #[test]
    fn keys_may_lack_quotes() {
        check(r#"{a: "x", data: "y"}"#, Ok(Some(r#""x""#)));
        check(r#"{"b":1,a:2}"#, Ok(Some("2")));
    }

    #[test]
    fn other_texts_are_not_json() {
        for text in [
            "",
            "hello",
            "{",
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            "{'a':1}",
            "{1a:1}",
            "[1,]",
            "[1 2]",
            "01",
            "1.",
            ".5",
            "1e",
            "-",
            "tru",
            "\"open",
            "\"tab\there\"",
            r#""\x""#,
            r#""\u12g4""#,
            r#""\u12"#,
            r#"{"a":1} x"#,
            r#"{"a":1}{"#,
        ] {
            check(text, Err(NotJson));
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        check(&nested(DEPTH_MAX), Ok(None));
        check(&nested(DEPTH_MAX + 1), Err(NotJson));
        check(&"[".repeat(100_000), Err(NotJson));
    }

    #[test]
    fn strings_lose_their_quotes_and_escapes() {
        assert_eq!(to_text(r#""a\"\\\/\n\u00e4\ud83d\ude00b""#), "a\"\\/\nä😀b");
        assert_eq!(to_text(r#""\ud800x""#), "\u{fffd}x");
        assert_eq!(to_text(r#"[ "a" , 1 ,[true , "b"],{"c":1}]"#), r#"[a, 1, [true, b], {"c":1}]"#);
        assert_eq!(to_text("[]"), "[]");
        assert_eq!(to_text("null"), "");
        assert_eq!(to_text("1e2"), "1e2");
    }
}
