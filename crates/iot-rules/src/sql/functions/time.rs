use super::{Arguments, Function, Outcome, defined, function};
use crate::sql::{time, value::Value};

/// Characters of a pattern: ours, to bound what comes of one.
const PATTERN_BYTES_MAX: usize = 1_024;

pub(super) const ALL: &[Function] = &[
    function("parse_time", 2..=3, parse_time).since_2016(),
    function("time_to_epoch", 2..=2, time_to_epoch).since_2016(),
];

/// `parse_time(pattern, milliseconds[, zone])`: despite its name it writes a text.
fn parse_time<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let zoned = arguments.values.len() > 2;
    let (Some(pattern), Some(at)) = (arguments.text(0)?, arguments.int(1)) else {
        return Ok(Value::Undefined);
    };
    let Some(zone) = (if zoned { arguments.text(2)? } else { Some("UTC".into()) }) else {
        return Ok(Value::Undefined);
    };
    arguments.meter.charge(pattern.len() * 16)?;
    if pattern.len() > PATTERN_BYTES_MAX {
        return Ok(Value::Undefined);
    }
    let text = i64::try_from(at).ok().and_then(|at| time::format::format(&pattern, at, &zone));
    defined(text.map(Value::text))
}

fn time_to_epoch<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let (Some(text), Some(pattern)) = (arguments.text(0)?, arguments.text(1)?) else {
        return Ok(Value::Undefined);
    };
    arguments.meter.charge(pattern.len() * 16 + text.len())?;
    if pattern.len() > PATTERN_BYTES_MAX {
        return Ok(Value::Undefined);
    }
    defined(time::parse::parse(&text, &pattern).map(Value::int))
}
