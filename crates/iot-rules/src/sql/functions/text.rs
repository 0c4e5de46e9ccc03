use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Arguments, Function, Outcome, defined, function, join, too_large};
use crate::sql::{
    coercion, json,
    limits::VALUE_BYTES_MAX,
    value::{Type, Value},
};

/// Spaces that `lpad` and `rpad` add at most (functions page).
const PAD_MAX: i128 = 1_000;

/// What `ltrim` and `rtrim` remove: tabs and spaces (functions page).
const BLANKS: [char; 2] = [' ', '\t'];

pub(super) const ALL: &[Function] = &[
    function("chr", 1..=1, chr),
    function("concat", 0..=usize::MAX, concat),
    function("decode", 2..=2, decode).since_2016(),
    function("encode", 2..=2, encode).since_2016(),
    function("endswith", 2..=2, |arguments| {
        compare(arguments, |text, end| Value::Boolean(text.ends_with(end)))
    }),
    function("indexof", 2..=2, |arguments| compare(arguments, indexof)).since_2016(),
    function("length", 1..=1, |arguments| measure(arguments, |text| text.chars().count())).since_2016(),
    function("lower", 1..=1, |arguments| change(arguments, |text| Cow::Owned(text.to_lowercase()))),
    function("lpad", 2..=2, |arguments| pad(arguments, true)),
    function("ltrim", 1..=1, |arguments| cut(arguments, |text| text.trim_start_matches(BLANKS))),
    function("numbytes", 1..=1, |arguments| measure(arguments, str::len)).since_2016(),
    function("replace", 3..=3, replace),
    function("rpad", 2..=2, |arguments| pad(arguments, false)),
    function("rtrim", 1..=1, |arguments| cut(arguments, |text| text.trim_end_matches(BLANKS))),
    function("startswith", 2..=2, |arguments| {
        compare(arguments, |text, start| Value::Boolean(text.starts_with(start)))
    }),
    function("substring", 2..=3, substring),
    function("trim", 1..=1, |arguments| cut(arguments, str::trim)),
    function("upper", 1..=1, |arguments| change(arguments, |text| Cow::Owned(text.to_uppercase()))),
];

/// The ASCII character of a number.
fn chr<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let code = arguments.int(0).and_then(|code| u8::try_from(code).ok()).filter(u8::is_ascii);
    defined(code.map(|code| Value::text(char::from(code).to_string())))
}

/// Joins arrays, if there is one, or else texts, if there is one.
fn concat<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let values = std::mem::take(&mut arguments.values);
    if values.iter().any(|value| value.type_of() == Type::Array) {
        let mut joined = Vec::new();
        for value in values {
            match value.type_of() {
                Type::Array => joined.extend(value.items(arguments.meter)?.unwrap_or_default()),
                Type::Undefined => {}
                _ => joined.push(value),
            }
        }
        return Ok(Value::Array(joined));
    }
    // One argument becomes a text too: the functions page has `concat(1)` = "1".
    if values.len() > 1 && !values.iter().any(|value| value.type_of() == Type::Text) || values.is_empty() {
        return Ok(Value::Undefined);
    }
    let mut texts = Vec::with_capacity(values.len());
    for value in values {
        match coercion::text(value, arguments.meter)? {
            Some(text) => texts.push(text),
            None => return Ok(Value::Undefined),
        }
    }
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    Ok(Value::text(join(&texts, arguments.meter)?))
}

/// Null if it cannot be decoded; JSON if that is what it is.
fn decode<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let Some(text) = arguments.text(0)? else { return Ok(Value::Undefined) };
    arguments.meter.make(text.len())?;
    let decoded = STANDARD.decode(text.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(match decoded {
        None => Value::Null,
        Some(decoded) => match json::whole(decoded.as_bytes()) {
            Ok(json) => Value::Json(Cow::Owned(json.to_owned())).read(),
            Err(_) => Value::text(decoded),
        },
    })
}

fn encode<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let Some(text) = arguments.text(0)? else { return Ok(Value::Undefined) };
    arguments.meter.make(text.len() / 3 * 4 + 4)?;
    Ok(Value::text(STANDARD.encode(text.as_bytes())))
}

fn compare<'v>(arguments: &mut Arguments<'_, 'v>, compare: fn(&str, &str) -> Value<'static>) -> Outcome<'v> {
    let (Some(text), Some(part)) = (arguments.text(0)?, arguments.text(1)?) else {
        return Ok(Value::Undefined);
    };
    arguments.meter.charge(text.len())?;
    Ok(compare(&text, &part))
}

/// In characters from 0; -1 if there is none, as in Java.
fn indexof(text: &str, part: &str) -> Value<'static> {
    Value::int(text.find(part).map_or(-1, |at| text[..at].chars().count() as i128))
}

fn measure<'v>(arguments: &mut Arguments<'_, 'v>, measure: fn(&str) -> usize) -> Outcome<'v> {
    defined(arguments.text(0)?.map(|text| Value::int(measure(&text) as i128)))
}

fn change<'v>(arguments: &mut Arguments<'_, 'v>, change: fn(&str) -> Cow<'static, str>) -> Outcome<'v> {
    let Some(text) = arguments.text(0)? else { return Ok(Value::Undefined) };
    arguments.meter.make(text.len())?;
    Ok(Value::text(change(&text)))
}

fn cut<'v>(arguments: &mut Arguments<'_, 'v>, cut: fn(&str) -> &str) -> Outcome<'v> {
    let Some(text) = arguments.text(0)? else { return Ok(Value::Undefined) };
    arguments.meter.charge(text.len())?;
    Ok(match text {
        Cow::Borrowed(text) => Value::text(cut(text)),
        Cow::Owned(text) => Value::text(cut(&text).to_owned()),
    })
}

/// Adds so many spaces; it does not fill up to a width.
fn pad<'v>(arguments: &mut Arguments<'_, 'v>, left: bool) -> Outcome<'v> {
    let (Some(text), Some(spaces)) = (arguments.text(0)?, arguments.int_within(1, 0..=PAD_MAX)) else {
        return Ok(Value::Undefined);
    };
    let spaces = " ".repeat(usize::try_from(spaces).unwrap_or(0));
    let parts = if left { [spaces.as_str(), &text] } else { [&text, spaces.as_str()] };
    Ok(Value::text(join(&parts, arguments.meter)?))
}

fn replace<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let (Some(text), Some(from), Some(to)) = (arguments.text(0)?, arguments.text(1)?, arguments.text(2)?)
    else {
        return Ok(Value::Undefined);
    };
    arguments.meter.charge(text.len())?;
    let grows = to.len().saturating_sub(from.len());
    let matches = if grows == 0 { 0 } else { text.matches(&*from).count() };
    let bytes =
        matches.checked_mul(grows).and_then(|more| more.checked_add(text.len())).ok_or_else(too_large)?;
    arguments.meter.make(bytes)?;
    Ok(Value::text(text.replace(&*from, &to)))
}

/// From one place to another, in characters from 0; places outside are moved to the ends.
fn substring<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let ends = arguments.values.len() > 2;
    let end_of_all = VALUE_BYTES_MAX as i128;
    let (Some(text), Some(from)) = (arguments.text(0)?, arguments.int_within(1, 0..=end_of_all)) else {
        return Ok(Value::Undefined);
    };
    let Some(to) = (if ends { arguments.int_within(2, 0..=end_of_all) } else { Some(end_of_all) }) else {
        return Ok(Value::Undefined);
    };
    arguments.meter.make(text.len())?;
    let (from, to) = (usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0));
    Ok(Value::text(text.chars().skip(from).take(to.saturating_sub(from)).collect::<String>()))
}
