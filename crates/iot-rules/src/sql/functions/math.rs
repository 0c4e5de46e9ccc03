use super::{Arguments, Function, Outcome, defined, function};
use crate::sql::{
    decimal::Rounding,
    number::{Arithmetic, Number},
    value::Value,
};

/// Decimal places that `trunc` keeps at most.
const PLACES_MAX: i128 = 34;

pub(super) const ALL: &[Function] = &[
    function("abs", 1..=1, |arguments| {
        defined(arguments.number(0).map(|number| Value::Number(number.abs())))
    }),
    function("acos", 1..=1, |arguments| double(arguments, f64::acos)),
    function("asin", 1..=1, |arguments| double(arguments, f64::asin)),
    function("atan", 1..=1, |arguments| double(arguments, f64::atan)),
    function("atan2", 2..=2, |arguments| doubles(arguments, f64::atan2)),
    function("bitand", 2..=2, |arguments| bits(arguments, |left, right| left & right)),
    function("bitnot", 1..=1, |arguments| defined(arguments.int(0).map(|int| Value::int(bitnot(int))))),
    function("bitor", 2..=2, |arguments| bits(arguments, |left, right| left | right)),
    function("bitxor", 2..=2, |arguments| bits(arguments, |left, right| left ^ right)),
    function("ceil", 1..=1, |arguments| whole(arguments, Rounding::Up)),
    function("cos", 1..=1, |arguments| double(arguments, f64::cos)),
    function("cosh", 1..=1, |arguments| double(arguments, f64::cosh)),
    function("exp", 1..=1, |arguments| double(arguments, f64::exp)),
    function("floor", 1..=1, |arguments| whole(arguments, Rounding::Down)),
    function("ln", 1..=1, |arguments| double(arguments, f64::ln)),
    function("log", 1..=1, |arguments| double(arguments, f64::log10)),
    function("mod", 2..=2, remainder),
    function("power", 2..=2, |arguments| doubles(arguments, f64::powf)),
    function("remainder", 2..=2, remainder),
    // Half away from zero, as the examples have it: -1.5 becomes -2.
    function("round", 1..=1, |arguments| whole(arguments, Rounding::Nearest)),
    function("sign", 1..=1, |arguments| defined(arguments.number(0).map(|number| Value::int(number.sign())))),
    function("sin", 1..=1, |arguments| double(arguments, f64::sin)),
    function("sinh", 1..=1, |arguments| double(arguments, f64::sinh)),
    function("sqrt", 1..=1, |arguments| double(arguments, f64::sqrt)),
    function("tan", 1..=1, |arguments| double(arguments, f64::tan)),
    function("tanh", 1..=1, |arguments| double(arguments, f64::tanh)),
    function("trunc", 2..=2, trunc),
];

/// A function of double precision; what is imaginary or infinite is undefined.
fn double<'v>(arguments: &mut Arguments<'_, 'v>, function: fn(f64) -> f64) -> Outcome<'v> {
    let result = arguments.number(0).and_then(|number| Number::from_double(function(number.to_double())));
    defined(result.map(Value::Number))
}

fn doubles<'v>(arguments: &mut Arguments<'_, 'v>, function: fn(f64, f64) -> f64) -> Outcome<'v> {
    let (Some(left), Some(right)) = (arguments.number(0), arguments.number(1)) else {
        return Ok(Value::Undefined);
    };
    defined(Number::from_double(function(left.to_double(), right.to_double())).map(Value::Number))
}

fn bits<'v>(arguments: &mut Arguments<'_, 'v>, operation: fn(i128, i128) -> i128) -> Outcome<'v> {
    let (Some(left), Some(right)) = (arguments.int(0), arguments.int(1)) else { return Ok(Value::Undefined) };
    Ok(Value::int(operation(left, right)))
}

/// Within the number's own width: the functions page has `bitnot(13)` = 2. A negative number has no such width.
fn bitnot(int: i128) -> i128 {
    match int {
        0 => 1,
        1.. => int ^ (i128::MAX >> (int.leading_zeros() - 1)),
        _ => !int,
    }
}

fn whole<'v>(arguments: &mut Arguments<'_, 'v>, rounding: Rounding) -> Outcome<'v> {
    defined(arguments.number(0).map(|number| Value::Number(number.to_whole(rounding))))
}

fn remainder<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let (Some(left), Some(right)) = (arguments.number(0), arguments.number(1)) else {
        return Ok(Value::Undefined);
    };
    defined(left.arithmetic(Arithmetic::Remainder, right).map(Value::Number))
}

fn trunc<'v>(arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
    let (Some(number), Some(places)) = (arguments.number(0), arguments.int_within(1, 0..=PLACES_MAX)) else {
        return Ok(Value::Undefined);
    };
    Ok(Value::Number(number.truncated(u8::try_from(places).unwrap_or(0))))
}
