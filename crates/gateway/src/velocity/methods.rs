//! The methods that texts, numbers, lists and maps have, as their Java classes name them.

use std::{cmp::Ordering, rc::Rc};

use regex::Regex;

use super::{
    ITEMS_MAX, OUTPUT_BYTES_MAX, RenderError,
    inputs::argument,
    value::{List, Map, Value},
};

/// The size of a compiled pattern: ours.
const REGEX_BYTES_MAX: usize = 1024 * 1024;

type Outcome = Result<Option<Value>, RenderError>;

/// Bytes of a text that a method goes through in the time of one step: ours, roughly.
const BYTES_PER_STEP: usize = 256;

/// Steps that compiling a pattern takes: ours, roughly.
const STEPS_PER_PATTERN: usize = 100;

/// What a call takes beyond one step, so that the bound of steps is one of time: methods go through all of their value.
pub(super) fn cost(target: &Value, name: &str) -> usize {
    let size = match target {
        Value::Text(text) => text.len() / BYTES_PER_STEP,
        Value::List(list) => list.borrow().len(),
        Value::Map(map) => map.borrow().len(),
        _ => 0,
    };
    let is_pattern = matches!(name, "matches" | "replaceAll" | "replaceFirst" | "split");
    size + if is_pattern { STEPS_PER_PATTERN } else { 0 }
}

/// Calls a method; none if the value has no such method.
pub(super) fn call(target: &Value, name: &str, arguments: &[Value]) -> Outcome {
    match (target, name, arguments) {
        (Value::Null | Value::Object(_), ..) => Ok(None),
        (_, "toString", []) => Ok(Some(Value::text(target.to_string()))),
        (_, "equals", [other]) => Ok(Some(Value::Bool(target.equals(other)))),
        (Value::Text(text), ..) => of_text(text, name, arguments),
        (Value::List(list), ..) => of_list(list, name, arguments),
        (Value::Map(map), ..) => of_map(map, name, arguments),
        (Value::Int(_) | Value::Float(_), ..) => Ok(of_number(target, name)),
        (Value::Bool(_), ..) => Ok(None),
    }
}

/// `$map.key`, and what Java's getters give.
pub(super) fn property(target: &Value, name: &str) -> Value {
    match (target, name) {
        (Value::Map(map), _) => map.borrow().get(name).cloned().unwrap_or_default(),
        (Value::List(list), "empty") => Value::Bool(list.borrow().is_empty()),
        (Value::Text(text), "empty") => Value::Bool(text.is_empty()),
        _ => Value::Null,
    }
}

/// `$list[0]`, `$map["key"]`
pub(super) fn index(target: &Value, index: &Value) -> Value {
    match (target, index) {
        (Value::List(list), Value::Int(at)) => {
            let list = list.borrow();
            position(*at, list.len()).and_then(|at| list.get(at).cloned()).unwrap_or_default()
        }
        (Value::Map(map), key) => map.borrow().get(&*argument(key)).cloned().unwrap_or_default(),
        _ => Value::Null,
    }
}

/// A place in a list; a negative one counts from the end.
pub(super) fn position(at: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let at = if at < 0 { at.checked_add(length)? } else { at };
    usize::try_from(at).ok()
}

/// A text of a bounded size.
pub(super) fn bounded(text: String) -> Result<Value, RenderError> {
    if text.len() > OUTPUT_BYTES_MAX {
        return Err(RenderError::Limit { what: "bytes", limit: OUTPUT_BYTES_MAX });
    }
    Ok(Value::text(text))
}

fn of_text(text: &Rc<str>, name: &str, arguments: &[Value]) -> Outcome {
    let found = match (name, arguments) {
        ("length", []) => int(text.encode_utf16().count()),
        ("isEmpty", []) => Value::Bool(text.is_empty()),
        ("trim", []) => Value::text(text.trim()),
        ("toLowerCase", []) => Value::text(text.to_lowercase()),
        ("toUpperCase", []) => Value::text(text.to_uppercase()),
        ("contains", [part]) => Value::Bool(text.contains(&*argument(part))),
        ("startsWith", [part]) => Value::Bool(text.starts_with(&*argument(part))),
        ("endsWith", [part]) => Value::Bool(text.ends_with(&*argument(part))),
        ("equalsIgnoreCase", [other]) => Value::Bool(text.to_lowercase() == argument(other).to_lowercase()),
        ("compareTo", [other]) => Value::Int(match text.encode_utf16().cmp(argument(other).encode_utf16()) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }),
        ("concat", [other]) => return bounded(format!("{text}{}", argument(other))).map(Some),
        ("replace", [from, to]) => return replace(text, &argument(from), &argument(to)).map(Some),
        ("indexOf", [part]) => place(text, text.find(&*argument(part))),
        ("lastIndexOf", [part]) => place(text, text.rfind(&*argument(part))),
        ("charAt", [Value::Int(at)]) => return Ok(substring(text, *at, at.checked_add(1))),
        ("substring", [Value::Int(from)]) => return Ok(substring(text, *from, None)),
        ("substring", [Value::Int(from), Value::Int(to)]) => return Ok(substring(text, *from, Some(*to))),
        ("matches", [pattern]) => {
            let whole = regex(&format!("^(?:{})$", argument(pattern)));
            return Ok(whole.map(|regex| Value::Bool(regex.is_match(text))));
        }
        ("replaceAll", [pattern, to]) => {
            let Some(regex) = regex(&argument(pattern)) else { return Ok(None) };
            return replace_all(text, &regex, &argument(to)).map(Some);
        }
        ("replaceFirst", [pattern, to]) => {
            let Some(regex) = regex(&argument(pattern)) else { return Ok(None) };
            let to = java_replacement(&argument(to));
            return bounded(regex.replace(text, to.as_str()).into_owned()).map(Some);
        }
        ("split", [pattern]) => {
            let Some(regex) = regex(&argument(pattern)) else { return Ok(None) };
            let mut parts: Vec<&str> = regex.split(text).collect();
            // Java drops empty texts at the end, and an empty one at the start if nothing was cut off there.
            while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
                parts.pop();
            }
            if parts.len() > 1 && regex.find(text).is_some_and(|first| first.end() == 0) {
                parts.remove(0);
            }
            check_items(parts.len())?;
            Value::list(parts.into_iter().map(Value::text).collect())
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

fn of_list(list: &List, name: &str, arguments: &[Value]) -> Outcome {
    let place = |value: &Value| list.borrow().iter().position(|item| item.equals(value));
    let found = match (name, arguments) {
        ("size", []) => int(list.borrow().len()),
        ("isEmpty", []) => Value::Bool(list.borrow().is_empty()),
        ("get", [at]) => index(&Value::List(Rc::clone(list)), at),
        ("contains", [value]) => Value::Bool(place(value).is_some()),
        ("indexOf", [value]) => place(value).map_or(Value::Int(-1), int),
        ("add", [value]) => {
            check_items(list.borrow().len() + 1)?;
            list.borrow_mut().push(value.clone());
            Value::Bool(true)
        }
        ("add", [Value::Int(at), value]) => {
            let mut list = list.borrow_mut();
            check_items(list.len() + 1)?;
            match usize::try_from(*at).ok().filter(|at| *at <= list.len()) {
                Some(at) => list.insert(at, value.clone()),
                None => return Ok(None),
            }
            Value::Null
        }
        ("addAll", [Value::List(others)]) => {
            let others = others.borrow().clone();
            check_items(list.borrow().len() + others.len())?;
            list.borrow_mut().extend(others);
            Value::Bool(true)
        }
        ("set", [Value::Int(at), value]) => {
            let mut list = list.borrow_mut();
            let Some(slot) = usize::try_from(*at).ok().and_then(|at| list.get_mut(at)) else {
                return Ok(None);
            };
            std::mem::replace(slot, value.clone())
        }
        ("remove", [Value::Int(at)]) => {
            let mut list = list.borrow_mut();
            match usize::try_from(*at).ok().filter(|at| *at < list.len()) {
                Some(at) => list.remove(at),
                None => return Ok(None),
            }
        }
        ("remove", [value]) => {
            let at = place(value);
            if let Some(at) = at {
                list.borrow_mut().remove(at);
            }
            Value::Bool(at.is_some())
        }
        ("clear", []) => {
            list.borrow_mut().clear();
            Value::Null
        }
        ("subList", [Value::Int(from), Value::Int(to)]) => {
            let list = list.borrow();
            let range = usize::try_from(*from).ok().zip(usize::try_from(*to).ok());
            match range.and_then(|(from, to)| list.get(from..to)) {
                Some(part) => Value::list(part.to_vec()),
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

fn of_map(map: &Map, name: &str, arguments: &[Value]) -> Outcome {
    let found = match (name, arguments) {
        ("size", []) => int(map.borrow().len()),
        ("isEmpty", []) => Value::Bool(map.borrow().is_empty()),
        ("get", [key]) => map.borrow().get(&*argument(key)).cloned().unwrap_or_default(),
        ("getOrDefault", [key, default]) => {
            map.borrow().get(&*argument(key)).cloned().unwrap_or_else(|| default.clone())
        }
        ("containsKey", [key]) => Value::Bool(map.borrow().contains_key(&*argument(key))),
        ("containsValue", [value]) => Value::Bool(map.borrow().values().any(|held| held.equals(value))),
        ("keySet", []) => Value::list(map.borrow().keys().map(|key| Value::Text(Rc::clone(key))).collect()),
        ("values", []) => Value::list(map.borrow().values().cloned().collect()),
        ("entrySet", []) => {
            let entry = |(key, value): (&Rc<str>, &Value)| {
                Value::map([
                    (Rc::from("key"), Value::Text(Rc::clone(key))),
                    (Rc::from("value"), value.clone()),
                ])
            };
            Value::list(map.borrow().iter().map(entry).collect())
        }
        // What the entries of a map are made of.
        ("getKey", []) => map.borrow().get("key").cloned().unwrap_or_default(),
        ("getValue", []) => map.borrow().get("value").cloned().unwrap_or_default(),
        ("put", [key, value]) => {
            check_items(map.borrow().len() + 1)?;
            map.borrow_mut().insert(Rc::from(&*argument(key)), value.clone()).unwrap_or_default()
        }
        ("putAll", [Value::Map(others)]) => {
            let others = others.borrow().clone();
            check_items(map.borrow().len() + others.len())?;
            map.borrow_mut().extend(others);
            Value::Null
        }
        ("remove", [key]) => map.borrow_mut().shift_remove(&*argument(key)).unwrap_or_default(),
        ("clear", []) => {
            map.borrow_mut().clear();
            Value::Null
        }
        _ => return Ok(None),
    };
    Ok(Some(found))
}

fn of_number(number: &Value, name: &str) -> Option<Value> {
    match name {
        #[expect(clippy::cast_possible_truncation, reason = "as Java narrows a double")]
        "intValue" | "longValue" => Some(match number {
            Value::Float(float) => Value::Int(*float as i64),
            int => int.clone(),
        }),
        "doubleValue" | "floatValue" => number.number().map(Value::Float),
        _ => None,
    }
}

fn int(size: usize) -> Value {
    Value::Int(i64::try_from(size).unwrap_or(i64::MAX))
}

fn check_items(items: usize) -> Result<(), RenderError> {
    if items > ITEMS_MAX {
        Err(RenderError::Limit { what: "items of a list or map", limit: ITEMS_MAX })
    } else {
        Ok(())
    }
}

/// A place in bytes as one in UTF-16 units, which Java counts.
fn place(text: &str, bytes: Option<usize>) -> Value {
    bytes.map_or(Value::Int(-1), |bytes| int(text[..bytes].encode_utf16().count()))
}

/// By UTF-16 units, as Java counts; none beyond the text.
fn substring(text: &str, from: i64, to: Option<i64>) -> Option<Value> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let from = usize::try_from(from).ok()?;
    let to = to.map_or(Some(units.len()), |to| usize::try_from(to).ok())?;
    Some(Value::text(String::from_utf16_lossy(units.get(from..to)?)))
}

fn replace(text: &str, from: &str, to: &str) -> Result<Value, RenderError> {
    let grown = text.matches(from).count().saturating_mul(to.len());
    if grown > OUTPUT_BYTES_MAX {
        return Err(RenderError::Limit { what: "bytes", limit: OUTPUT_BYTES_MAX });
    }
    bounded(text.replace(from, to))
}

fn replace_all(text: &str, regex: &Regex, to: &str) -> Result<Value, RenderError> {
    let to = java_replacement(to);
    let grown = regex.find_iter(text).count().saturating_mul(to.len());
    if grown > OUTPUT_BYTES_MAX {
        return Err(RenderError::Limit { what: "bytes", limit: OUTPUT_BYTES_MAX });
    }
    bounded(regex.replace_all(text, to.as_str()).into_owned())
}

fn regex(pattern: &str) -> Option<Regex> {
    regex::RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build().ok()
}

/// Java's `$1` and `\$` in this crate's words: `${1}` and `$$`.
fn java_replacement(text: &str) -> String {
    let mut replacement = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => replacement.push_str("$$"),
                Some(other) => replacement.push(other),
                None => {}
            },
            '$' if chars.peek().is_some_and(char::is_ascii_digit) => {
                if let Some(group) = chars.next() {
                    replacement.extend(['$', '{', group, '}']);
                }
            }
            '$' => replacement.push_str("$$"),
            other => replacement.push(other),
        }
    }
    replacement
}
