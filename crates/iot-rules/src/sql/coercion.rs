//! The conversions between types, as the tables of the data types and operators pages have them.

use std::{borrow::Cow, cmp::Ordering};

use super::{
    EvaluateError, json,
    limits::{STEP_BYTES, VALUE_DEPTH_MAX},
    meter::Meter,
    number::{Arithmetic, Number},
    value::{Type, Value},
};

/// To Decimal: numbers, and texts that are numbers.
pub(super) fn number(value: Value<'_>) -> Option<Number> {
    match value.read() {
        Value::Number(number) => Some(number),
        Value::Text(text) => Number::from_text(&text),
        _ => None,
    }
}

/// To Boolean: booleans, and the texts `true` and `false` in any case.
pub(super) fn boolean(value: Value<'_>) -> Option<bool> {
    match value.read() {
        Value::Boolean(boolean) => Some(boolean),
        Value::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// To String: everything but Null and Undefined; arrays and objects as JSON.
pub(super) fn text<'v>(value: Value<'v>, meter: &Meter) -> Result<Option<Cow<'v, str>>, EvaluateError> {
    Ok(Some(match value.read() {
        Value::Undefined | Value::Null => return Ok(None),
        Value::Boolean(boolean) => Cow::Borrowed(if boolean { "true" } else { "false" }),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Text(text) => text,
        Value::Json(json) => {
            meter.make(json.len())?;
            Cow::Owned(json::compact(&json))
        }
        collection @ (Value::Array(_) | Value::Object(_)) => {
            let mut out = Vec::new();
            collection.write(&mut out)?;
            meter.make(out.len())?;
            Cow::Owned(json::compact(&String::from_utf8_lossy(&out)))
        }
    }))
}

/// `=`: within a type; Int and Decimal are one. Undefined if either side is.
pub(super) fn equal(left: Value<'_>, right: Value<'_>, meter: &Meter) -> Result<Option<bool>, EvaluateError> {
    equal_at(left, right, meter, 0)
}

fn equal_at(
    left: Value<'_>,
    right: Value<'_>,
    meter: &Meter,
    depth: usize,
) -> Result<Option<bool>, EvaluateError> {
    if depth > VALUE_DEPTH_MAX {
        return Err(EvaluateError::Limit {
            what: "the depth of values that are compared",
            limit: VALUE_DEPTH_MAX as u64,
        });
    }
    Ok(Some(match (left.read(), right.read()) {
        (Value::Undefined, _) | (_, Value::Undefined) => return Ok(None),
        (Value::Null, Value::Null) => true,
        (Value::Boolean(left), Value::Boolean(right)) => left == right,
        (Value::Number(left), Value::Number(right)) => left.compare(right) == Ordering::Equal,
        (Value::Text(left), Value::Text(right)) => left == right,
        (left, right) if left.type_of() != right.type_of() => false,
        (left, right) if left.type_of() == Type::Array => {
            let (Some(left), Some(right)) = (left.items(meter)?, right.items(meter)?) else {
                return Ok(Some(false));
            };
            if left.len() != right.len() {
                return Ok(Some(false));
            }
            for (left, right) in left.into_iter().zip(right) {
                if equal_at(left, right, meter, depth + 1)? != Some(true) {
                    return Ok(Some(false));
                }
            }
            true
        }
        (left, right) => {
            let (Some(mut left), Some(mut right)) = (left.entries(meter)?, right.entries(meter)?) else {
                return Ok(Some(false));
            };
            if left.len() != right.len() {
                return Ok(Some(false));
            }
            left.sort_by(|(one, _), (other, _)| one.cmp(other));
            right.sort_by(|(one, _), (other, _)| one.cmp(other));
            for ((left_key, left), (right_key, right)) in left.into_iter().zip(right) {
                if left_key != right_key || equal_at(left, right, meter, depth + 1)? != Some(true) {
                    return Ok(Some(false));
                }
            }
            true
        }
    }))
}

/// `<` and the like: both sides to Decimal.
pub(super) fn order(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    Some(number(left)?.compare(number(right)?))
}

/// `value IN array`.
pub(super) fn is_in(
    value: &Value<'_>,
    array: Value<'_>,
    meter: &Meter,
) -> Result<Option<bool>, EvaluateError> {
    if value.type_of() == Type::Undefined {
        return Ok(None);
    }
    let Some(items) = array.items(meter)? else { return Ok(None) };
    let cost = STEP_BYTES
        + match value {
            Value::Text(text) | Value::Json(text) => text.len(),
            _ => 0,
        };
    for item in items {
        meter.charge(cost)?;
        if equal(value.clone(), item, meter)? == Some(true) {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

/// `+ - * / %`; `+` also joins a text with anything.
pub(super) fn arithmetic<'v>(
    left: Value<'v>,
    operation: Arithmetic,
    right: Value<'v>,
    meter: &Meter,
) -> Result<Value<'v>, EvaluateError> {
    let joins =
        operation == Arithmetic::Add && (left.type_of() == Type::Text || right.type_of() == Type::Text);
    if joins {
        let (Some(left), Some(right)) = (text(left, meter)?, text(right, meter)?) else {
            return Ok(Value::Undefined);
        };
        meter.make(left.len() + right.len())?;
        return Ok(Value::text(left + right));
    }
    let (Some(left), Some(right)) = (number(left), number(right)) else { return Ok(Value::Undefined) };
    Ok(left.arithmetic(operation, right).map_or(Value::Undefined, Value::Number))
}
