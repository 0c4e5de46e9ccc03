use super::{Arguments, Function, Outcome, function};
use crate::sql::value::{Type, Value};

pub(super) const ALL: &[Function] = &[
    function("get_or_default", 1..=2, |arguments| or_else(arguments, 1)).since_2016(),
    function("isnull", 1..=1, |arguments| Ok(Value::Boolean(is(arguments, Type::Null)))),
    function("isundefined", 1..=1, |arguments| Ok(Value::Boolean(is(arguments, Type::Undefined))))
        .since_2016(),
    // There is no NaN here: what would be one is undefined.
    function("nanvl", 2..=2, |arguments| or_else(arguments, 1)),
    function("sql_version", 0..=0, |arguments| Ok(Value::text(arguments.version.as_str()))),
];

fn is(arguments: &mut Arguments<'_, '_>, wanted: Type) -> bool {
    arguments.value(0).type_of() == wanted
}

/// The first argument, or the other one if that is null or undefined.
fn or_else<'v>(arguments: &mut Arguments<'_, 'v>, other: usize) -> Outcome<'v> {
    let value = arguments.value(0);
    Ok(match value.type_of() {
        Type::Undefined | Type::Null => arguments.value(other),
        _ => value,
    })
}
