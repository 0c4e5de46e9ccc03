//! Reads a type from names with texts, such as a query: the wire has no numbers, so the fields say what a text is.

use std::{cell::RefCell, vec};

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess, Unexpected, Visitor,
        value::{Error, SeqDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::words;

/// Reads the entries, each a name and its texts in order, or says in one sentence which of them does not fit.
pub(crate) fn parse<T: DeserializeOwned>(
    what: &str,
    entries: impl IntoIterator<Item = (String, Vec<String>)>,
) -> Result<T, String> {
    let at = RefCell::new(None);
    let entries = Entries { entries: entries.into_iter(), texts: None, at: &at };
    T::deserialize(entries).map_err(|error| {
        let full = error.to_string();
        let reason = words::reason(&full);
        match at.take() {
            Some(name) => format!("{what} does not fit at `{name}`: {reason}"),
            None => format!("{what} does not fit: {reason}"),
        }
    })
}

/// The whole. It notes the name whose texts are being read, which serde's errors do not know.
struct Entries<'a, I> {
    entries: I,
    texts: Option<Texts>,
    at: &'a RefCell<Option<String>>,
}

impl<'de, I: Iterator<Item = (String, Vec<String>)>> Deserializer<'de> for Entries<'_, I> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, I: Iterator<Item = (String, Vec<String>)>> MapAccess<'de> for Entries<'_, I> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, texts)) = self.entries.next() else { return Ok(None) };
        self.texts = Some(Texts(texts));
        self.at.replace(Some(name.clone()));
        let key = seed.deserialize(StringDeserializer::<Error>::new(name))?;
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let texts = self.texts.take().ok_or_else(|| Error::custom("a value is read before its name"))?;
        let value = seed.deserialize(texts)?;
        self.at.replace(None);
        Ok(value)
    }
}

/// The texts under one name. What wants one value gets the last, as the service's own maps do (fact H21).
struct Texts(Vec<String>);

impl Texts {
    fn last(mut self) -> String {
        self.0.pop().unwrap_or_default()
    }

    fn parsed<'de, N: std::str::FromStr, V: Visitor<'de>>(
        self,
        visitor: V,
        visit: impl FnOnce(V, N) -> Result<V::Value, Error>,
    ) -> Result<V::Value, Error> {
        match self.last().parse() {
            Ok(value) => visit(visitor, value),
            Err(_) => Err(Error::invalid_value(Unexpected::Other("text"), &visitor)),
        }
    }
}

/// A number is parsed as the widest of its kind, and the visitor checks the range.
macro_rules! parsed {
    ($($method:ident as $number:ty => $visit:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.parsed::<$number, V>(visitor, V::$visit)
        })*
    };
}

impl<'de> Deserializer<'de> for Texts {
    type Error = Error;

    parsed! {
        deserialize_bool as bool => visit_bool,
        deserialize_i8 as i64 => visit_i64,
        deserialize_i16 as i64 => visit_i64,
        deserialize_i32 as i64 => visit_i64,
        deserialize_i64 as i64 => visit_i64,
        deserialize_i128 as i128 => visit_i128,
        deserialize_u8 as u64 => visit_u64,
        deserialize_u16 as u64 => visit_u64,
        deserialize_u32 as u64 => visit_u64,
        deserialize_u64 as u64 => visit_u64,
        deserialize_u128 as u128 => visit_u128,
        deserialize_f32 as f64 => visit_f64,
        deserialize_f64 as f64 => visit_f64,
        deserialize_char as char => visit_char,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.last())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let texts: vec::IntoIter<Texts> =
            self.0.into_iter().map(|text| Texts(vec![text])).collect::<Vec<_>>().into_iter();
        visitor.visit_seq(SeqDeserializer::new(texts))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.last().into_deserializer())
    }

    forward_to_deserialize_any! {
        str string bytes byte_buf unit_struct tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Texts {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        Live,
        Replay,
    }

    #[derive(Deserialize, PartialEq, Debug)]
    struct Meters(f64);

    #[derive(Deserialize, PartialEq, Debug)]
    struct Wanted {
        name: String,
        #[serde(default)]
        ids: Vec<u16>,
        since: Option<u64>,
        raw: Option<bool>,
        mode: Option<Mode>,
        above: Option<Meters>,
    }

    fn parse_wanted(query: &[(&str, &[&str])]) -> Result<Wanted, String> {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        parse("the query", query.iter().map(|(name, values)| ((*name).to_owned(), texts(values))))
    }

    #[test]
    fn texts_are_read_as_what_the_fields_want() {
        let wanted = parse_wanted(&[
            ("name", &["first", "last"]),
            ("ids", &["1", "2"]),
            ("since", &["17"]),
            ("raw", &["true"]),
            ("mode", &["replay"]),
            ("above", &["-2.5"]),
            ("other", &["x"]),
        ]);
        let expected = Wanted {
            name: "last".to_owned(),
            ids: vec![1, 2],
            since: Some(17),
            raw: Some(true),
            mode: Some(Mode::Replay),
            above: Some(Meters(-2.5)),
        };
        assert_eq!(wanted.unwrap(), expected);
        assert_eq!(parse::<Option<Wanted>>("it", []).unwrap_err(), "it does not fit: `name` is missing");
    }

    #[test]
    fn the_entry_that_does_not_fit_is_named() {
        let check = |entry: (&str, &[&str]), expected: &str| {
            assert_eq!(
                parse_wanted(&[("name", &["n"]), entry]).unwrap_err(),
                format!("the query does not fit{expected}")
            );
        };
        check(("ids", &["1", "x"]), " at `ids`: an integer from 0 to 65535 is expected");
        check(("ids", &["65536"]), " at `ids`: an integer from 0 to 65535 is expected");
        check(("since", &["-1"]), " at `since`: an integer of 0 or more is expected");
        check(("raw", &["yes"]), " at `raw`: true or false is expected");
        check(("mode", &["dead"]), " at `mode`: `live` or `replay` is expected");
        check(("above", &[""]), " at `above`: a number is expected");
        assert_eq!(parse_wanted(&[]).unwrap_err(), "the query does not fit: `name` is missing");
    }
}
