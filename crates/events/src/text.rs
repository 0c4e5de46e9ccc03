use std::{borrow::Cow, fmt, ops::Deref};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A string that borrows from the parsed bytes where it can.
///
/// `Option<Cow<str>>` in a derived type always copies, since serde borrows only for a bare `Cow` field; this type
/// borrows wherever it stands.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// Reads a JSON string that a parser has skipped. In one buffer from the start: the parser's own grows as it reads,
    /// and is then copied.
    pub(crate) fn from_json(json: &'a str) -> Result<Self, serde_json::Error> {
        let quoted = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match quoted {
            Some(plain) if !plain.contains('\\') => Ok(Text::from(plain)),
            quoted => match quoted.and_then(unescaped) {
                Some(text) => Ok(Text::from(text)),
                None => serde_json::from_str(json),
            },
        }
    }
}

impl Text<'_> {
    /// The same text, owning its bytes.
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }

    /// The text as a `String`, copied only if it was borrowed.
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }
}

/// A text without its escapes of one letter; `None` if it has others. A body is mostly quoted JSON, with an escape each few
/// bytes: a plain loop over a copy outruns any search for the next one.
fn unescaped(quoted: &str) -> Option<String> {
    let mut text = quoted.as_bytes().to_vec();
    let (mut read, mut written) = (0, 0);
    while read < text.len() {
        let mut byte = text[read];
        if byte == b'\\' {
            read += 1;
            byte = match *text.get(read)? {
                b'b' => 0x08,
                b'f' => 0x0c,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                same @ (b'"' | b'\\' | b'/') => same,
                _ => return None,
            };
        }
        text[written] = byte;
        read += 1;
        written += 1;
    }
    text.truncate(written);
    String::from_utf8(text).ok()
}

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Text(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text(Cow::Owned(text))
    }
}

impl<'a> From<Text<'a>> for Cow<'a, str> {
    fn from(text: Text<'a>) -> Self {
        text.0
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text::from(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text::from(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text::from(text))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_strings_read_as_the_parser_reads_them() {
        for json in [
            r#""""#,
            r#""plain é""#,
            r#""{\"a\":[\"ü\\\\\",1]}""#,
            r#""\b\f\n\r\t\/\\""#,
            r#""a\u00e9\ud83d\ude00\n""#,
            r#""\ud83d""#,
            r#""\x""#,
            "17",
            "[]",
            "null",
        ] {
            let parsed = serde_json::from_str::<String>(json).ok();
            assert_eq!(Text::from_json(json).ok().map(Text::into_string), parsed, "{json}");
        }
        assert!(matches!(Text::from_json(r#""plain""#).unwrap().0, Cow::Borrowed("plain")));
    }
}
