//! JSON as text: values are cut out of the payload and put into the event unchanged, so that no digit of a number is lost.

use std::{collections::HashMap, fmt};

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The payload as one value, if it is JSON.
pub(super) fn whole(payload: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(payload).ok()?;
    serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get)
}

/// The keys of an object with their values, in order; of a key that stands twice, the last. `None` if it is no object.
pub(super) fn entries(json: &str) -> Option<Vec<(String, &str)>> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(String, &'de str)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries: Vec<(String, &'de str)> = Vec::new();
            let mut places = HashMap::new();
            while let Some(key) = map.next_key::<String>()? {
                let value = map.next_value::<&'de RawValue>()?.get();
                match places.get(&key) {
                    Some(&place) => {
                        let (_, old): &mut (String, &str) = &mut entries[place];
                        *old = value;
                    }
                    None => {
                        places.insert(key.clone(), entries.len());
                        entries.push((key, value));
                    }
                }
            }
            Ok(entries)
        }
    }
    serde_json::Deserializer::from_str(json).deserialize_map(Entries).ok()
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
            while let Some(key) = map.next_key::<String>()? {
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

/// A JSON string.
pub(super) fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text() {
        let json = r#" {"a": 1.50, "b" :{"c":[1, 2]}, "a":1e400, "\u0064": "\u00e9"} "#;
        let json = whole(json.as_bytes()).unwrap();
        let entries: Vec<_> = entries(json).unwrap();
        let expected = [("a", "1e400"), ("b", r#"{"c":[1, 2]}"#), ("d", r#""\u00e9""#)];
        assert!(entries.iter().map(|(key, value)| (key.as_str(), *value)).eq(expected), "{entries:?}");
        assert_eq!(get(json, "a"), Some("1e400"));
        assert_eq!(get(get(json, "b").unwrap(), "c"), Some("[1, 2]"));
        assert_eq!(get(json, "c"), None);
        assert_eq!(get("[1]", "c"), None);
    }

    #[test]
    fn what_is_not_json() {
        for payload in [&b""[..], b" ", b"{", b"{\"a\":}", b"{} {}", b"nope", b"\xff", b"\"\xff\""] {
            assert_eq!(whole(payload), None, "{payload:?}");
        }
        for payload in ["1", "[1]", "null", "\"a\""] {
            assert_eq!(whole(payload.as_bytes()), Some(payload));
            assert_eq!(entries(payload), None);
        }
    }

    #[test]
    fn deep_nesting_is_no_recursion() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(60_000), "]".repeat(60_000));
        assert!(whole(deep.as_bytes()).is_some());
        assert_eq!(get(&deep, "a").map(str::len), Some(120_001));
    }
}
