//! JSON as text: values are cut out of the payload and put into the event unchanged, so that no digit of a number is lost.
//! Nothing here recurses, so nesting costs no stack.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Entries up to which keys are compared one by one; a table costs more.
const FEW_ENTRIES: usize = 16;

/// An object's entries in order, each value as its text.
pub(super) type Entries<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// The payload as one value, if it is JSON; otherwise what is wrong with it.
pub(super) fn whole(payload: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(payload)
        .map_err(|error| format!("it is not UTF-8 after byte {}", error.valid_up_to()))?;
    serde_json::from_str::<&RawValue>(text).map(RawValue::get).map_err(|error| error.to_string())
}

/// The entries of an object, those of a key that stands twice included. `None` if it is no object, or not JSON.
pub(super) fn entries(json: &str) -> Option<Entries<'_>> {
    struct All;
    impl<'de> Visitor<'de> for All {
        type Value = Entries<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::with_capacity(FEW_ENTRIES);
            while let Some(key) = map.next_key_seed(Key)? {
                entries.push((key, map.next_value::<&'de RawValue>()?.get()));
            }
            Ok(entries)
        }
    }
    let mut json = serde_json::Deserializer::from_str(json);
    let entries = json.deserialize_map(All).ok()?;
    json.end().ok().map(|()| entries)
}

/// The items of an array. `None` if it is no array.
pub(super) fn items(json: &str) -> Option<Vec<&str>> {
    struct All;
    impl<'de> Visitor<'de> for All {
        type Value = Vec<&'de str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = array.next_element::<&'de RawValue>()? {
                items.push(item.get());
            }
            Ok(items)
        }
    }
    serde_json::Deserializer::from_str(json).deserialize_seq(All).ok()
}

/// The value under `key`; of several, the last. `None` also if `json` is no object.
pub(super) fn get<'a>(json: &'a str, key: &str) -> Option<&'a str> {
    struct Find<'k>(&'k str);
    impl<'de> Visitor<'de> for Find<'_> {
        type Value = Option<&'de str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(key) = map.next_key_seed(Key)? {
                if key == self.0 {
                    found = Some(map.next_value::<&'de RawValue>()?.get());
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    serde_json::Deserializer::from_str(json).deserialize_map(Find(key)).ok().flatten()
}

/// Whether a key stands twice.
pub(super) fn repeats(entries: &Entries<'_>) -> bool {
    if entries.len() <= FEW_ENTRIES {
        return entries
            .iter()
            .enumerate()
            .any(|(place, (key, _))| entries[..place].iter().any(|(other, _)| other == key));
    }
    let mut seen = HashSet::with_capacity(entries.len());
    !entries.iter().all(|(key, _)| seen.insert(key))
}

/// A JSON string's text; borrowed if nothing in it is escaped.
pub(super) fn text(json: &str) -> Option<Cow<'_, str>> {
    Key.deserialize(&mut serde_json::Deserializer::from_str(json)).ok()
}

/// Appends a JSON string.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// The same JSON without space between its tokens.
pub(super) fn compact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut quoted = false;
    let mut escaped = false;
    text.extend(json.chars().filter(|character| {
        let keep = quoted || !character.is_ascii_whitespace();
        match character {
            '"' if !escaped => quoted = !quoted,
            '\\' if quoted && !escaped => {
                escaped = true;
                return keep;
            }
            _ => {}
        }
        escaped = false;
        keep
    }));
    text
}

/// A string, borrowed where it can be.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text() {
        let json = r#" {"a": 1.50, "b" :{"c":[1, 2]}, "a":1e400, "\u0064": "\u00e9"} "#;
        let json = whole(json.as_bytes()).unwrap();
        let all = entries(json).unwrap();
        let expected = [("a", "1.50"), ("b", r#"{"c":[1, 2]}"#), ("a", "1e400"), ("d", r#""\u00e9""#)];
        assert!(all.iter().map(|(key, value)| (key.as_ref(), *value)).eq(expected), "{all:?}");
        assert!(repeats(&all) && !repeats(&all[..2].to_vec()));
        assert_eq!(get(json, "a"), Some("1e400"));
        assert_eq!(get(get(json, "b").unwrap(), "c"), Some("[1, 2]"));
        assert_eq!(get(json, "c"), None);
        assert_eq!(get("[1]", "c"), None);
        assert_eq!(items("[ 1, [2 ,3], \"x\" ]").unwrap(), ["1", "[2 ,3]", "\"x\""]);
        assert_eq!(items("{}"), None);
        assert_eq!(text(r#""\u00e9""#).unwrap(), "é");
        assert_eq!(text(r#""\ud800""#), None);
    }

    #[test]
    fn what_is_not_json() {
        for payload in [&b""[..], b" ", b"{", b"{\"a\":}", b"{} {}", b"nope", b"\xff", b"\"\xff\""] {
            assert!(whole(payload).is_err(), "{payload:?}");
        }
        for payload in ["1", "[1]", "null", "\"a\""] {
            assert_eq!(whole(payload.as_bytes()), Ok(payload));
            assert_eq!(entries(payload), None);
        }
        assert_eq!(entries("{} {}"), None);
    }

    #[test]
    fn many_keys_are_compared_by_a_table() {
        let object = |last: usize| {
            let keys: Vec<_> = (0..100).map(|key| format!("\"k{key}\":0")).collect();
            format!("{{{},\"k{last}\":0}}", keys.join(","))
        };
        assert!(repeats(&entries(&object(50)).unwrap()));
        assert!(!repeats(&entries(&object(100)).unwrap()));
    }

    #[test]
    fn deep_nesting_is_no_recursion() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(60_000), "]".repeat(60_000));
        assert!(whole(deep.as_bytes()).is_ok());
        assert_eq!(get(&deep, "a").map(str::len), Some(120_001));
        assert_eq!(entries(&deep).unwrap().len(), 1);
        assert_eq!(compact(&deep), deep);
    }

    #[test]
    fn compact_leaves_texts_alone() {
        assert_eq!(compact(" { \"a b\" : [ 1 , \" \\\" \\\\\" ] } "), r#"{"a b":[1," \" \\"]}"#);
    }
}
