use std::borrow::Cow;

use super::{Arguments, Function, Outcome, function, too_large};
use crate::sql::{
    EvaluateError,
    limits::{REGEX_COMPILE_BYTES, VALUE_BYTES_MAX},
    regexp::Pattern,
    value::Value,
};

pub(super) const ALL: &[Function] = &[
    function("regexp_matches", 2..=2, |arguments| {
        with_pattern(arguments, |_, pattern, text| Ok(Value::Boolean(pattern.is_match(text))))
    }),
    function("regexp_replace", 3..=3, |arguments| with_pattern(arguments, replace)),
    function("regexp_substr", 2..=2, |arguments| {
        with_pattern(arguments, |_, pattern, text| {
            Ok(pattern.find(text).map_or(Value::Undefined, |found| Value::text(found.to_owned())))
        })
    }),
];

type Run<'s, 'v> = fn(&mut Arguments<'s, 'v>, &Pattern, &str) -> Outcome<'v>;

/// Runs with the expression that is the second argument, compiled with the statement or now.
fn with_pattern<'s, 'v>(arguments: &mut Arguments<'s, 'v>, run: Run<'s, 'v>) -> Outcome<'v> {
    let Some(text) = arguments.text(0)? else { return Ok(Value::Undefined) };
    let compiled;
    let pattern = match arguments.pattern {
        Some(pattern) => pattern,
        None => match compile(arguments)? {
            Some(pattern) => {
                compiled = pattern;
                &compiled
            }
            None => return Ok(Value::Undefined),
        },
    };
    arguments.meter.charge(pattern.cost(&text))?;
    run(arguments, pattern, &text)
}

fn compile(arguments: &mut Arguments<'_, '_>) -> Result<Option<Pattern>, EvaluateError> {
    let Some(pattern): Option<Cow<'_, str>> = arguments.text(1)? else { return Ok(None) };
    arguments.meter.charge(REGEX_COMPILE_BYTES + pattern.len())?;
    Ok(Pattern::new(&pattern).ok())
}

fn replace<'v>(arguments: &mut Arguments<'_, 'v>, pattern: &Pattern, text: &str) -> Outcome<'v> {
    let Some(replacement) = arguments.text(2)?.and_then(|with| pattern.replacement(&with)) else {
        return Ok(Value::Undefined);
    };
    let replaced = pattern.replace(text, &replacement, VALUE_BYTES_MAX).ok_or_else(too_large)?;
    arguments.meter.make(replaced.len())?;
    Ok(Value::text(replaced))
}
