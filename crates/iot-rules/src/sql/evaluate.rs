//! What the expressions of a statement are worth for one message.

use std::{borrow::Cow, cmp::Ordering};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    EvaluateError, Message, Version,
    ast::{Call, Case, CastType, Expression, Operator, Output, Rows, Select},
    coercion,
    decimal::Rounding,
    functions::Arguments,
    limits::STEP_BYTES,
    meter::Meter,
    number::{Arithmetic, Number},
    output,
    payload::Payload,
    value::{Type, Value, once},
};

/// A value, or the bound that its evaluation reached.
pub(super) type Outcome<'v> = Result<Value<'v>, EvaluateError>;

/// One message under evaluation.
pub(super) struct Scope<'v> {
    pub(super) message: &'v Message<'v>,
    pub(super) version: Version,
    pub(super) payload: Payload<'v>,
    pub(super) variables: Vec<Value<'v>>,
    pub(super) meter: Meter,
}

/// What names refer to: the payload, or a row of a nested query.
#[derive(Clone, Copy)]
pub(super) struct Names<'s, 'v> {
    pub(super) scope: &'s Scope<'v>,
    pub(super) row: Option<&'s Row<'v>>,
}

/// A row of a nested query.
pub(super) struct Row<'v> {
    value: Value<'v>,
    alias: Option<&'v str>,
}

impl<'v> Scope<'v> {
    pub(super) fn names(&self) -> Names<'_, 'v> {
        Names { scope: self, row: None }
    }
}

impl<'s, 'v> Names<'s, 'v> {
    fn meter(self) -> &'s Meter {
        &self.scope.meter
    }

    /// The parser bounds the depth.
    pub(super) fn value(self, expression: &'v Expression) -> Outcome<'v> {
        self.meter().charge(STEP_BYTES)?;
        Ok(match expression {
            Expression::Null => Value::Null,
            Expression::Boolean(boolean) => Value::Boolean(*boolean),
            Expression::Number(number) => Value::Number(*number),
            Expression::Text(text) => Value::text(text.as_str()),
            Expression::All => return self.all(),
            Expression::Path(keys) => return self.path(keys),
            Expression::Variable(place) => match self.scope.variables.get(*place) {
                Some(value) => return self.copy(value),
                None => Value::Undefined,
            },
            Expression::Member(value, keys) => return self.keys(self.value(value)?, keys),
            Expression::Array(items) => {
                Value::Array(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            Expression::Object(entries) => {
                let entry =
                    |(key, value): &'v (String, _)| Ok((Cow::Borrowed(key.as_str()), self.value(value)?));
                Value::Object(once(entries.iter().map(entry).collect::<Result<_, _>>()?))
            }
            Expression::Not(condition) => coercion::boolean(self.value(condition)?)
                .map_or(Value::Undefined, |truth| Value::Boolean(!truth)),
            Expression::Negate(number) => {
                let negated = coercion::number(self.value(number)?)
                    .and_then(|number| Number::Int(0).arithmetic(Arithmetic::Subtract, number));
                negated.map_or(Value::Undefined, Value::Number)
            }
            Expression::Chain(first, rest) => return self.chain(first, rest),
            Expression::Case(case) => return self.case(case),
            Expression::Cast(value, to) => return self.cast(self.value(value)?, *to),
            Expression::Call(call) => return self.call(call),
            Expression::Query(query) => return self.query(query),
            Expression::Exists(query) => Value::Boolean(match self.query(query)? {
                Value::Undefined => false,
                Value::Array(rows) => !rows.is_empty(),
                _ => true,
            }),
        })
    }

    /// Whether a condition is true; undefined is not.
    pub(super) fn holds(self, condition: Option<&'v Expression>) -> Result<bool, EvaluateError> {
        match condition {
            Some(condition) => Ok(coercion::boolean(self.value(condition)?) == Some(true)),
            None => Ok(true),
        }
    }

    /// `*`: all of the payload or of the row.
    fn all(self) -> Outcome<'v> {
        match self.row {
            Some(row) => self.copy(&row.value),
            None => Ok(self.scope.payload.text().map_or(Value::Undefined, Value::json)),
        }
    }

    fn path(self, keys: &'v [String]) -> Outcome<'v> {
        let Some((first, rest)) = keys.split_first() else { return Ok(Value::Undefined) };
        let value = match self.row {
            Some(row) if row.alias == Some(first) => self.copy(&row.value)?,
            Some(row) => self.copy(&row.value)?.get(first, self.meter())?,
            None => self.scope.payload.get(first).map_or(Value::Undefined, Value::json),
        };
        self.keys(value, rest)
    }

    fn keys(self, mut value: Value<'v>, keys: &[String]) -> Outcome<'v> {
        for key in keys {
            value = value.get(key, self.meter())?;
        }
        Ok(value)
    }

    /// A copy costs what is copied.
    fn copy(self, value: &Value<'v>) -> Outcome<'v> {
        self.meter().charge(value.copy_bytes())?;
        Ok(value.clone())
    }

    fn chain(self, first: &'v Expression, rest: &'v [(Operator, Expression)]) -> Outcome<'v> {
        let mut left = self.value(first)?;
        for (operator, right) in rest {
            left = self.apply(left, *operator, self.value(right)?)?;
        }
        Ok(left)
    }

    fn apply(self, left: Value<'v>, operator: Operator, right: Value<'v>) -> Outcome<'v> {
        let meter = self.meter();
        let ordered = |left, right, holds: fn(Ordering) -> bool| coercion::order(left, right).map(holds);
        let truth = match operator {
            Operator::And => both(left, right, |left, right| left && right),
            Operator::Or => both(left, right, |left, right| left || right),
            Operator::Equal => coercion::equal(left, right, meter)?,
            Operator::NotEqual => coercion::equal(left, right, meter)?.map(|equal| !equal),
            Operator::Less => ordered(left, right, Ordering::is_lt),
            Operator::LessOrEqual => ordered(left, right, Ordering::is_le),
            Operator::Greater => ordered(left, right, Ordering::is_gt),
            Operator::GreaterOrEqual => ordered(left, right, Ordering::is_ge),
            Operator::In => coercion::is_in(&left.read(), right, meter)?,
            Operator::Arithmetic(operation) => return coercion::arithmetic(left, operation, right, meter),
        };
        Ok(truth.map_or(Value::Undefined, Value::Boolean))
    }

    fn case(self, case: &'v Case) -> Outcome<'v> {
        let subject = self.value(&case.subject)?.read();
        if subject.type_of() == Type::Undefined {
            return Ok(Value::Undefined);
        }
        for (when, then) in &case.branches {
            let when = self.value(when)?;
            if coercion::equal(self.copy(&subject)?, when, self.meter())? == Some(true) {
                return self.value(then);
            }
        }
        case.otherwise.as_ref().map_or(Ok(Value::Undefined), |otherwise| self.value(otherwise))
    }

    /// As the casting rules of the functions page have it.
    fn cast(self, value: Value<'v>, to: CastType) -> Outcome<'v> {
        let value = value.read();
        let number = |value| match value {
            Value::Boolean(boolean) => Some(Number::Int(boolean.into())),
            value => coercion::number(value),
        };
        let cast = match to {
            CastType::Text => coercion::text(value, self.meter())?.map(Value::Text),
            CastType::Int => number(value).map(|number| Value::Number(number.to_whole(Rounding::Down))),
            CastType::Decimal => {
                number(value).map(|number| Value::Number(Number::Decimal(number.into_decimal())))
            }
            CastType::Boolean => match value {
                Value::Number(number) => Some(Value::Boolean(number.sign() != 0)),
                value => coercion::boolean(value).map(Value::Boolean),
            },
        };
        Ok(cast.unwrap_or(Value::Undefined))
    }

    fn call(self, call: &'v Call) -> Outcome<'v> {
        if call.encodes_payload() {
            return self.encoded();
        }
        let values: Result<_, EvaluateError> =
            call.arguments.iter().map(|argument| Ok(self.value(argument)?.read())).collect();
        call.function.call(&mut Arguments {
            values: values?,
            message: self.scope.message,
            version: self.scope.version,
            meter: self.meter(),
            pattern: call.pattern.as_ref(),
        })
    }

    /// `encode(*, 'base64')`: the payload byte for byte, whatever it is.
    fn encoded(self) -> Outcome<'v> {
        let payload = match self.row {
            Some(row) => {
                let mut text = Vec::new();
                row.value.write(&mut text)?;
                Cow::Owned(text)
            }
            None => Cow::Borrowed(self.scope.message.payload),
        };
        self.meter().make(payload.len().div_ceil(3) * 4)?;
        Ok(Value::text(STANDARD.encode(payload)))
    }

    /// Of an array, an array with what the query makes of each item that its condition holds for; of an object, what it
    /// makes of that.
    fn query(self, query: &'v Select<Rows>) -> Outcome<'v> {
        let source = self.value(&query.from.source)?;
        let alias = query.from.alias.as_deref();
        if source.type_of() == Type::Object {
            return self.row(query, Row { value: source, alias });
        }
        let Some(items) = source.items(self.meter())? else { return Ok(Value::Undefined) };
        let mut rows = Vec::new();
        for value in items {
            self.meter().charge(STEP_BYTES)?;
            match self.row(query, Row { value, alias })? {
                Value::Undefined => {}
                row => rows.push(row),
            }
        }
        Ok(Value::Array(rows))
    }

    fn row(self, query: &'v Select<Rows>, row: Row<'v>) -> Outcome<'v> {
        let names = Names { row: Some(&row), ..self };
        if !names.holds(query.condition.as_ref())? {
            return Ok(Value::Undefined);
        }
        match &query.output {
            Output::Row => names.all(),
            Output::Value(value) => names.value(value),
            Output::Items(items) => output::object(names, items),
        }
    }
}

fn both(left: Value<'_>, right: Value<'_>, join: fn(bool, bool) -> bool) -> Option<bool> {
    Some(join(coercion::boolean(left)?, coercion::boolean(right)?))
}
