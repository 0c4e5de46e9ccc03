//! The object that a `SELECT` list makes. Keys of `*` come first, then named items; a named item wins over a key of the
//! same name wherever `*` stands, and of two items with one name the later.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use super::{
    EvaluateError,
    ast::{Expression, Item, Items},
    evaluate::{Names, Outcome},
    json,
    limits::VALUE_BYTES_MAX,
    payload::Payload,
    value::{Entries, Value, once},
};

/// Items up to which names are compared one by one: far above the few columns that a rule adds.
const FEW_ITEMS: usize = 64;

/// The outgoing payload of a rule's own `SELECT` list.
pub(super) fn event<'v>(names: Names<'_, 'v>, items: &'v Items) -> Result<Vec<u8>, EvaluateError> {
    let whole = items.list.iter().filter(|item| matches!(item, Item::Spread(Expression::All))).count();
    match &names.scope.payload {
        Payload::Object { text, entries } if whole == 1 => {
            if let Some(event) = appended(names, items, text, entries)? {
                return Ok(event);
            }
        }
        Payload::Object { .. } => {}
        Payload::Unread | Payload::Other(_) if whole == 0 => {}
        Payload::Unread | Payload::Other(_) => {
            let problem = "it is no object, and the statement adds entries to it".to_owned();
            return Err(EvaluateError::NotJson { problem });
        }
    }
    let mut out = Vec::new();
    object(names, items)?.write(&mut out)?;
    Ok(out)
}

/// The payload with the named items after its own entries, if no key of either stands twice. Most rules that add something
/// are like that, and their payload is copied as it is.
fn appended<'v>(
    names: Names<'_, 'v>,
    items: &'v Items,
    payload: &str,
    entries: &json::Entries<'v>,
) -> Result<Option<Vec<u8>>, EvaluateError> {
    if !items.distinct || items.list.len() > FEW_ITEMS {
        return Ok(None);
    }
    let mut named: Vec<(&str, &Expression)> = Vec::with_capacity(items.list.len());
    for item in &items.list {
        match item {
            Item::Spread(Expression::All) => {}
            Item::Named(path, value) if path.len() == 1 => {
                let name = path[0].as_str();
                names.scope.meter.charge(entries.len())?;
                if entries.iter().any(|(key, _)| key == name) {
                    return Ok(None);
                }
                named.push((name, value));
            }
            Item::Spread(_) | Item::Named(..) => return Ok(None),
        }
    }
    if json::repeats(entries) {
        return Ok(None);
    }
    let inside = payload.trim_end_matches('}').len().max(payload.len() - 1);
    let mut out = Vec::with_capacity(payload.len() + 64 * named.len());
    out.extend_from_slice(&payload.as_bytes()[..inside]);
    let mut separated = entries.is_empty();
    for (name, value) in named {
        let value = names.value(value)?;
        if matches!(value, Value::Undefined) {
            continue;
        }
        if !std::mem::take(&mut separated) {
            out.push(b',');
        }
        json::write_string(name, &mut out);
        out.push(b':');
        value.write(&mut out)?;
    }
    out.push(b'}');
    if out.len() > VALUE_BYTES_MAX { Err(super::functions::too_large()) } else { Ok(Some(out)) }
}

/// The object of any `SELECT` list.
pub(super) fn object<'v>(names: Names<'_, 'v>, items: &'v Items) -> Outcome<'v> {
    let meter = &names.scope.meter;
    let mut spread = Entries::new();
    let mut named = Entries::new();
    let mut places = HashMap::new();
    for item in &items.list {
        match item {
            Item::Spread(value) => spread.extend(names.value(value)?.entries(meter)?.unwrap_or_default()),
            Item::Named(path, value) => {
                let value = names.value(value)?.defined();
                let (Some(value), Some((name, inner))) = (value, path.split_first()) else { continue };
                let next = named.len();
                let place = if items.distinct { next } else { *places.entry(name.as_str()).or_insert(next) };
                if place == next {
                    named.push((Cow::Borrowed(name.as_str()), Value::Undefined));
                }
                meter.charge(inner.len())?;
                insert(&mut named[place].1, inner, value);
            }
        }
    }
    if !spread.is_empty() {
        let taken: HashSet<&str> = named.iter().map(|(key, _)| key.as_ref()).collect();
        spread = once(spread);
        spread.retain(|(key, _)| !taken.contains(key.as_ref()));
    }
    spread.append(&mut named);
    Ok(Value::Object(spread))
}

/// Puts a value under keys inside one another.
fn insert<'v>(into: &mut Value<'v>, path: &'v [String], value: Value<'v>) {
    let Some((key, inner)) = path.split_first() else {
        *into = value;
        return;
    };
    if !matches!(into, Value::Object(_)) {
        *into = Value::Object(Vec::new());
    }
    let Value::Object(entries) = into else { return };
    let place = entries.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
        entries.push((Cow::Borrowed(key.as_str()), Value::Undefined));
        entries.len() - 1
    });
    insert(&mut entries[place].1, inner, value);
}
