//! The functions of rule SQL, by name. Each returns Undefined for arguments that it cannot convert, as the functions page
//! says of all of them.

mod collection;
mod hash;
mod math;
mod message;
mod regexp;
mod text;
mod time;
mod types;

use std::{borrow::Cow, ops::RangeInclusive};

use super::{
    EvaluateError, Message, Version, coercion, limits::VALUE_BYTES_MAX, meter::Meter, number::Number,
    regexp::Pattern, value::Value,
};

/// A function of the service.
#[derive(Debug)]
pub(super) struct Function {
    /// In lower case; calls may write it in any.
    pub(super) name: &'static str,
    /// How many arguments.
    pub(super) takes: RangeInclusive<usize>,
    pub(super) since: Version,
    run: for<'s, 'v> fn(&mut Arguments<'s, 'v>) -> Outcome<'v>,
}

type Outcome<'v> = Result<Value<'v>, EvaluateError>;

/// What a function is called with, and what else it may look at.
pub(super) struct Arguments<'s, 'v> {
    pub(super) values: Vec<Value<'v>>,
    pub(super) message: &'v Message<'v>,
    pub(super) version: Version,
    pub(super) meter: &'s Meter,
    /// Compiled with the statement, if it is a literal.
    pub(super) pattern: Option<&'v Pattern>,
}

/// The function of that name in lower case.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    groups().flatten().find(|function| function.name == name)
}

/// The function whose name is like that.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let near = groups().flatten().map(|function| (distance(function.name, name), function.name)).min()?;
    (near.0 <= 2 && 3 * near.0 <= name.len()).then_some(near.1)
}

fn groups() -> impl Iterator<Item = &'static [Function]> {
    [math::ALL, text::ALL, regexp::ALL, hash::ALL, types::ALL, collection::ALL, time::ALL, message::ALL]
        .into_iter()
}

/// Edits between two names; both are short.
fn distance(one: &str, other: &str) -> usize {
    if other.len() > 30 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, from) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], place + 1);
        for (next, to) in other.bytes().enumerate() {
            let substituted = diagonal + usize::from(from != to);
            diagonal = row[next + 1];
            row[next + 1] = substituted.min(diagonal + 1).min(row[next] + 1);
        }
    }
    row[other.len()]
}

impl Function {
    pub(super) fn call<'v>(&self, arguments: &mut Arguments<'_, 'v>) -> Outcome<'v> {
        (self.run)(arguments)
    }
}

impl<'v> Arguments<'_, 'v> {
    /// The argument itself, once.
    fn value(&mut self, place: usize) -> Value<'v> {
        self.values
            .get_mut(place)
            .map_or(Value::Undefined, |value| std::mem::replace(value, Value::Undefined))
    }

    /// The argument as a Decimal or Int.
    fn number(&mut self, place: usize) -> Option<Number> {
        coercion::number(self.value(place))
    }

    /// The argument rounded down to an Int.
    fn int(&mut self, place: usize) -> Option<i128> {
        self.number(place)?.to_int()
    }

    /// The argument rounded down to an Int within a range.
    fn int_within(&mut self, place: usize, range: RangeInclusive<i128>) -> Option<i128> {
        let number = self.number(place)?;
        // One that has more than 34 digits is far outside of any range.
        let beyond = if number.sign() < 0 { *range.start() } else { *range.end() };
        Some(number.to_int().unwrap_or(beyond).clamp(*range.start(), *range.end()))
    }

    /// The argument as a String.
    fn text(&mut self, place: usize) -> Result<Option<Cow<'v, str>>, EvaluateError> {
        coercion::text(self.value(place), self.meter)
    }
}

/// Joins texts, if the result is not too large.
fn join(parts: &[&str], meter: &Meter) -> Result<String, EvaluateError> {
    meter.make(parts.iter().map(|part| part.len()).sum())?;
    Ok(parts.concat())
}

pub(super) fn too_large() -> EvaluateError {
    EvaluateError::Limit { what: "the size of a value, in bytes,", limit: VALUE_BYTES_MAX as u64 }
}

/// A value, or Undefined.
fn defined<'v>(value: Option<Value<'v>>) -> Outcome<'v> {
    Ok(value.unwrap_or(Value::Undefined))
}

const fn function(
    name: &'static str,
    takes: RangeInclusive<usize>,
    run: for<'s, 'v> fn(&mut Arguments<'s, 'v>) -> Outcome<'v>,
) -> Function {
    Function { name, takes, since: Version::V2015_10_08, run }
}

impl Function {
    /// Says that the function came with SQL version 2016-03-23.
    const fn since_2016(mut self) -> Self {
        self.since = Version::V2016_03_23;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_in_lower_case() {
        let mut names: Vec<_> = groups().flatten().map(|function| function.name).collect();
        assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_misspelt_name_is_told() {
        for (name, near) in [
            ("flor", Some("floor")),
            ("timestmap", Some("timestamp")),
            ("lenght", Some("length")),
            ("nothing", None),
            ("", None),
        ] {
            assert_eq!(nearest(name), near, "{name}");
        }
    }
}
