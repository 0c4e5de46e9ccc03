use std::{borrow::Cow, collections::HashMap};

use super::{
    EvaluateError, json,
    limits::{VALUE_BYTES_MAX, VALUE_DEPTH_MAX},
    meter::Meter,
    number::Number,
};

/// A value of rule SQL. What comes from the payload stays JSON text until something looks into it.
#[derive(Debug, Clone)]
pub(super) enum Value<'v> {
    /// Not a value: left out of the event.
    Undefined,
    Null,
    Boolean(bool),
    Number(Number),
    Text(Cow<'v, str>),
    Array(Vec<Value<'v>>),
    /// In order; no key stands twice.
    Object(Entries<'v>),
    /// Valid JSON, without space around it.
    Json(Cow<'v, str>),
}

/// What an object has under its keys.
pub(super) type Entries<'v> = Vec<(Cow<'v, str>, Value<'v>)>;

/// The type of a value, as `=` and the functions tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Undefined,
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

impl<'v> Value<'v> {
    pub(super) fn text(text: impl Into<Cow<'v, str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn int(int: impl Into<i128>) -> Self {
        Self::Number(Number::Int(int.into()))
    }

    /// JSON of the payload.
    pub(super) fn json(json: &'v str) -> Self {
        Self::Json(Cow::Borrowed(json))
    }

    /// The value, unless it is undefined.
    pub(super) fn defined(self) -> Option<Self> {
        if matches!(self, Self::Undefined) { None } else { Some(self) }
    }

    /// What copying it costs, in bytes.
    pub(super) fn copy_bytes(&self) -> usize {
        let own = size_of::<Self>();
        match self {
            Self::Text(Cow::Owned(text)) | Self::Json(Cow::Owned(text)) => own + text.len(),
            Self::Array(items) => own + items.iter().map(Self::copy_bytes).sum::<usize>(),
            Self::Object(entries) => {
                own + entries.iter().map(|(_, value)| own + value.copy_bytes()).sum::<usize>()
            }
            _ => own,
        }
    }

    pub(super) fn type_of(&self) -> Type {
        match self {
            Self::Undefined => Type::Undefined,
            Self::Null => Type::Null,
            Self::Boolean(_) => Type::Boolean,
            Self::Number(_) => Type::Number,
            Self::Text(_) => Type::Text,
            Self::Array(_) => Type::Array,
            Self::Object(_) => Type::Object,
            Self::Json(json) => match json.as_bytes().first() {
                Some(b'{') => Type::Object,
                Some(b'[') => Type::Array,
                Some(b'"') => Type::Text,
                Some(b't' | b'f') => Type::Boolean,
                Some(b'n') => Type::Null,
                _ => Type::Number,
            },
        }
    }

    /// The same value, with JSON read unless it is an array or object. A number that no Decimal can hold, and a text that
    /// is no Unicode, become undefined.
    pub(super) fn read(self) -> Self {
        let Self::Json(json) = &self else { return self };
        match self.type_of() {
            Type::Text => {
                let text = match json {
                    Cow::Borrowed(json) => json::text(json),
                    Cow::Owned(json) => json::text(json).map(|text| Cow::Owned(text.into_owned())),
                };
                text.map_or(Self::Undefined, Self::Text)
            }
            Type::Number => Number::from_json(json).map_or(Self::Undefined, Self::Number),
            Type::Boolean => Self::Boolean(json.starts_with('t')),
            Type::Null => Self::Null,
            Type::Undefined | Type::Array | Type::Object => self,
        }
    }

    /// The value under a key of an object; undefined for anything else.
    pub(super) fn get(self, key: &str, meter: &Meter) -> Result<Self, EvaluateError> {
        Ok(match self {
            Self::Object(entries) => {
                entries.into_iter().find(|(name, _)| name == key).map_or(Self::Undefined, |(_, value)| value)
            }
            Self::Json(json) => {
                meter.charge(json.len())?;
                match json {
                    Cow::Borrowed(json) => json::get(json, key).map_or(Self::Undefined, Self::json),
                    Cow::Owned(json) => json::get(&json, key)
                        .map_or(Self::Undefined, |value| Self::Json(Cow::Owned(value.to_owned()))),
                }
            }
            _ => Self::Undefined,
        })
    }

    /// The items of an array.
    pub(super) fn items(self, meter: &Meter) -> Result<Option<Vec<Self>>, EvaluateError> {
        Ok(match self {
            Self::Array(items) => Some(items),
            Self::Json(json) if json.starts_with('[') => {
                meter.charge(json.len())?;
                match json {
                    Cow::Borrowed(json) => {
                        json::items(json).map(|items| items.into_iter().map(Self::json).collect())
                    }
                    Cow::Owned(json) => json::items(&json).map(|items| {
                        items.into_iter().map(|item| Self::Json(Cow::Owned(item.to_owned()))).collect()
                    }),
                }
            }
            _ => None,
        })
    }

    /// The entries of an object; of a key that stands twice, the last value at the first place.
    pub(super) fn entries(self, meter: &Meter) -> Result<Option<Entries<'v>>, EvaluateError> {
        Ok(match self {
            Self::Object(entries) => Some(entries),
            Self::Json(json) if json.starts_with('{') => {
                meter.charge(json.len())?;
                match json {
                    Cow::Borrowed(json) => json::entries(json).map(|entries| {
                        once(entries.into_iter().map(|(key, value)| (key, Self::json(value))).collect())
                    }),
                    Cow::Owned(json) => json::entries(&json).map(|entries| {
                        let own = |(key, value): (Cow<'_, str>, &str)| {
                            (Cow::Owned(key.into_owned()), Self::Json(Cow::Owned(value.to_owned())))
                        };
                        once(entries.into_iter().map(own).collect())
                    }),
                }
            }
            _ => None,
        })
    }

    /// Appends the value as JSON. What is undefined is left out of arrays and objects; by itself it is nothing.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EvaluateError> {
        self.write_at(out, 0)
    }

    fn write_at(&self, out: &mut Vec<u8>, depth: usize) -> Result<(), EvaluateError> {
        if depth > VALUE_DEPTH_MAX {
            return Err(EvaluateError::Limit { what: "the depth of a value", limit: VALUE_DEPTH_MAX as u64 });
        }
        match self {
            Self::Undefined => {}
            Self::Null => out.extend_from_slice(b"null"),
            Self::Boolean(boolean) => out.extend_from_slice(if *boolean { b"true" } else { b"false" }),
            Self::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => json::write_string(text, out),
            Self::Json(json) => out.extend_from_slice(json.as_bytes()),
            Self::Array(items) => {
                out.push(b'[');
                let mut defined = items.iter().filter(|item| !matches!(item, Self::Undefined));
                if let Some(first) = defined.next() {
                    first.write_at(out, depth + 1)?;
                }
                for item in defined {
                    out.push(b',');
                    item.write_at(out, depth + 1)?;
                }
                out.push(b']');
            }
            Self::Object(entries) => {
                out.push(b'{');
                let mut first = true;
                for (key, value) in entries.iter().filter(|(_, value)| !matches!(value, Self::Undefined)) {
                    if !std::mem::take(&mut first) {
                        out.push(b',');
                    }
                    json::write_string(key, out);
                    out.push(b':');
                    value.write_at(out, depth + 1)?;
                }
                out.push(b'}');
            }
        }
        if out.len() > VALUE_BYTES_MAX {
            return Err(EvaluateError::Limit {
                what: "the size of a value, in bytes,",
                limit: VALUE_BYTES_MAX as u64,
            });
        }
        Ok(())
    }
}

/// Keeps each key once: the last value at the first place.
pub(super) fn once(entries: Entries<'_>) -> Entries<'_> {
    let mut places = HashMap::<_, usize>::with_capacity(entries.len());
    let mut kept: Entries<'_> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match places.get(&key) {
            Some(&place) => {
                kept[place].1 = value;
            }
            None => {
                places.insert(key.clone(), kept.len());
                kept.push((key, value));
            }
        }
    }
    kept
}
