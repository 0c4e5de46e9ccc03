use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};

use crate::Text;

/// String to string, in the order of the wire: headers, query parameters, stage variables.
pub type TextMap<'a> = OrderedMap<'a, Text<'a>>;

/// String to list of strings: the `multiValue…` form of the same.
pub type ListMap<'a> = OrderedMap<'a, Vec<Text<'a>>>;

/// A JSON object that keeps the order of its keys. Small by nature, so a look-up walks it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrderedMap<'a, V>(Vec<(Text<'a>, V)>);

impl<'a, V> OrderedMap<'a, V> {
    /// An empty map.
    pub fn new() -> Self {
        OrderedMap(Vec::new())
    }

    /// Appends an entry; a caller who may repeat a key uses [`get_mut`](Self::get_mut) first.
    pub fn push(&mut self, key: impl Into<Text<'a>>, value: V) {
        self.0.push((key.into(), value));
    }

    /// The value under exactly this key; the last one if the wire repeated it.
    pub fn get(&self, key: &str) -> Option<&V> {
        self.iter().rfind(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The value under this key whatever its case, as header names are compared.
    pub fn get_ignore_case(&self, key: &str) -> Option<&V> {
        self.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }

    /// The value under exactly this key, to change.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        self.0.iter_mut().rfind(|(name, _)| **name == *key).map(|(_, value)| value)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &V)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V> Default for OrderedMap<'_, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, K: Into<Text<'a>>, V> FromIterator<(K, V)> for OrderedMap<'a, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        OrderedMap(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}

impl<V: Serialize> Serialize for OrderedMap<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for OrderedMap<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor<'a, V>(PhantomData<OrderedMap<'a, V>>);
        impl<'de: 'a, 'a, V: Deserialize<'de>> Visitor<'de> for MapVisitor<'a, V> {
            type Value = OrderedMap<'a, V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut map = OrderedMap::new();
                while let Some(entry) = access.next_entry()? {
                    map.0.push(entry);
                }
                Ok(map)
            }
        }
        deserializer.deserialize_map(MapVisitor(PhantomData))
    }
}
