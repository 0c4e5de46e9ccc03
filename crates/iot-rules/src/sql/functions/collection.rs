use super::{Arguments, Function, Outcome, defined, function};
use crate::sql::{
    EvaluateError, coercion,
    limits::{STEP_BYTES, TRANSFORM_BYTES_MAX},
    value::{Type, Value},
};

pub(super) const ALL: &[Function] =
    &[function("get", 2..=2, get), function("transform", 3..=3, transform).since_2016()];

/// An item of an array, a character of a text, or a value of an object.
fn get<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let (collection, place) = (arguments.value(0), arguments.value(1));
    match collection.type_of() {
        Type::Object => match place {
            Value::Text(key) => collection.get(&key, arguments.meter).map(Value::read),
            _ => Ok(Value::Undefined),
        },
        Type::Array => {
            let index = index(place);
            let Some(items) = collection.items(arguments.meter)? else { return Ok(Value::Undefined) };
            defined(index.and_then(|index| items.into_iter().nth(index)))
        }
        Type::Text => {
            let (Value::Text(text), Some(index)) = (collection, index(place)) else {
                return Ok(Value::Undefined);
            };
            arguments.meter.charge(text.len())?;
            defined(text.chars().nth(index).map(|character| Value::text(character.to_string())))
        }
        _ => Ok(Value::Undefined),
    }
}

fn index(place: Value<'_>) -> Option<usize> {
    usize::try_from(coercion::number(place)?.to_int()?).ok()
}

/// `transform("enrichArray", object, array)`: each object of the array with the object's entries. Where a key is in both,
/// the object's value is taken; the service does not say.
fn transform<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let meter = arguments.meter;
    let (mode, object, array) = (arguments.value(0), arguments.value(1), arguments.value(2));
    if !matches!(&mode, Value::Text(mode) if mode == "enrichArray") {
        return Ok(Value::Undefined);
    }
    let (Some(additions), Some(items)) = (object.entries(meter)?, array.items(meter)?) else {
        return Ok(Value::Undefined);
    };
    let mut enriched = Vec::with_capacity(items.len());
    let mut bytes = 0;
    for item in items {
        let Some(mut entries) = item.entries(meter)? else { return Ok(Value::Undefined) };
        meter.charge(entries.len().saturating_mul(additions.len()))?;
        entries.retain(|(key, _)| !additions.iter().any(|(added, _)| added == key));
        entries.extend(additions.iter().cloned());
        let entries = Value::Object(entries);
        bytes += size(&entries)?;
        meter.charge(STEP_BYTES)?;
        if bytes > TRANSFORM_BYTES_MAX {
            return Err(EvaluateError::Limit {
                what: "the size of what transform returns, in bytes,",
                limit: TRANSFORM_BYTES_MAX as u64,
            });
        }
        enriched.push(entries);
    }
    Ok(Value::Array(enriched))
}

fn size(value: &Value<'_>) -> Result<usize, EvaluateError> {
    let mut out = Vec::new();
    value.write(&mut out)?;
    Ok(out.len())
}
