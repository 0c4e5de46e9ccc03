use std::{borrow::Cow, collections::HashMap, mem, rc::Rc};

use indexmap::IndexMap;

use super::{
    ITERATIONS_MAX, Kept, OUTPUT_BYTES_MAX, RenderError, STEPS_MAX,
    ast::{Block, Expression, Node, Operator, Reference, Step},
    inputs::{Input, Inputs, argument},
    methods, util,
    value::{Object, Value},
};

/// The variable whose parts are looked up one by one.
const CONTEXT: &str = "context";

/// The variables that the service supplies; a reference that starts at one prints nothing where there is nothing.
const SUPPLIED: [&str; 4] = ["input", "context", "stageVariables", "util"];

/// One evaluation of a template.
pub(super) struct Renderer<'a> {
    input: Input<'a>,
    /// Those of the template, and of the service's those that have been looked at as a whole.
    variables: HashMap<Box<str>, Value>,
    /// What was put into `$context`, or looked at in it, as long as nobody looks at the whole of it.
    context: IndexMap<Box<str>, Value>,
    steps: usize,
}

/// How a block ended.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Stop,
}

impl<'a> Renderer<'a> {
    pub(super) fn new(inputs: &'a Inputs<'a>) -> Self {
        Renderer { input: Input::new(inputs), variables: HashMap::new(), context: IndexMap::new(), steps: 0 }
    }

    pub(super) fn run(mut self, block: &Block) -> Result<String, RenderError> {
        let mut out = String::new();
        self.block(block, &mut out)?;
        Ok(out)
    }

    /// Also returns `$context` as the template leaves it.
    pub(super) fn run_keeping_context(mut self, block: &Block) -> Result<(String, Kept), RenderError> {
        let mut out = String::new();
        self.block(block, &mut out)?;
        let kept = match self.variables.get(CONTEXT) {
            Some(context) => Kept::Whole(context.to_serde()),
            None => {
                let changes = self.context.iter();
                Kept::Changes(changes.map(|(name, value)| (name.to_string(), value.to_serde())).collect())
            }
        };
        Ok((out, kept))
    }

    fn block(&mut self, block: &Block, out: &mut String) -> Result<Flow, RenderError> {
        for node in block {
            self.step()?;
            match node {
                Node::Text(text) => push(out, text)?,
                Node::Reference(reference) => {
                    let value = self.reference(reference)?;
                    push(out, &printed(reference, &value))?;
                }
                Node::Set(target, value) => {
                    let value = self.value(value)?;
                    self.assign(target, value)?;
                }
                Node::If(branches, otherwise) => {
                    let mut chosen = otherwise;
                    for (condition, body) in branches {
                        if self.value(condition)?.is_true() {
                            chosen = body;
                            break;
                        }
                    }
                    let flow = self.block(chosen, out)?;
                    if flow != Flow::On {
                        return Ok(flow);
                    }
                }
                Node::ForEach { item, list, body } => {
                    let list = self.value(list)?;
                    if self.for_each(item, &list, body, out)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                Node::Break => return Ok(Flow::Break),
                Node::Stop => return Ok(Flow::Stop),
            }
        }
        Ok(Flow::On)
    }

    fn for_each(
        &mut self,
        item: &str,
        list: &Value,
        body: &Block,
        out: &mut String,
    ) -> Result<Flow, RenderError> {
        // A copy, so that the body may change the list.
        let items: Vec<Value> = match list {
            Value::List(list) => list.borrow().clone(),
            Value::Map(map) => map.borrow().values().cloned().collect(),
            _ => return Ok(Flow::On),
        };
        if items.len() > ITERATIONS_MAX {
            return Err(RenderError::Limit { what: "rounds of one #foreach", limit: ITERATIONS_MAX });
        }
        let names = [item, "foreach", "velocityCount", "velocityHasNext"];
        let before = names.map(|name| self.variables.get(name).cloned());
        let count = items.len();
        let mut flow = Flow::On;
        for (index, value) in items.into_iter().enumerate() {
            let at = i64::try_from(index).unwrap_or(i64::MAX);
            let has_next = Value::Bool(index + 1 < count);
            let state = Value::map([
                (Rc::from("index"), Value::Int(at)),
                (Rc::from("count"), Value::Int(at + 1)),
                (Rc::from("first"), Value::Bool(index == 0)),
                (Rc::from("last"), Value::Bool(index + 1 == count)),
                (Rc::from("hasNext"), has_next.clone()),
            ]);
            for (name, value) in names.into_iter().zip([value, state, Value::Int(at + 1), has_next]) {
                self.variables.insert(name.into(), value);
            }
            flow = self.block(body, out)?;
            if flow != Flow::On {
                break;
            }
        }
        for (name, value) in names.into_iter().zip(before) {
            match value {
                Some(value) => self.variables.insert(name.into(), value),
                None => self.variables.remove(name),
            };
        }
        Ok(flow)
    }

    fn assign(&mut self, target: &Reference, value: Value) -> Result<(), RenderError> {
        let Some((last, steps)) = target.steps.split_last() else {
            // As in Velocity, nothing cannot be assigned: the variable keeps what it had.
            if !matches!(value, Value::Null) {
                self.variables.insert(target.name.clone(), value);
            }
            return Ok(());
        };
        if let (CONTEXT, [], Step::Property(name)) = (&*target.name, steps, last)
            && !self.variables.contains_key(CONTEXT)
        {
            self.context.insert(name.clone(), value);
            return Ok(());
        }
        let holder = self.walk(&target.name, steps)?;
        match (last, &holder) {
            (Step::Property(name), Value::Map(_)) => {
                methods::call(&holder, "put", &[Value::text(&**name), value])?;
            }
            (Step::Index(index), Value::Map(_)) => {
                let key = self.value(index)?;
                methods::call(&holder, "put", &[key, value])?;
            }
            (Step::Index(index), Value::List(_)) => {
                let at = self.value(index)?;
                methods::call(&holder, "set", &[at, value])?;
            }
            _ => {}
        }
        Ok(())
    }

    fn reference(&mut self, reference: &Reference) -> Result<Value, RenderError> {
        self.walk(&reference.name, &reference.steps)
    }

    fn walk(&mut self, name: &str, steps: &[Step]) -> Result<Value, RenderError> {
        let (mut value, steps) = match (self.variables.get(name), name, steps) {
            (Some(value), ..) => (value.clone(), steps),
            (None, CONTEXT, [Step::Property(property), rest @ ..]) => {
                self.step()?;
                (self.of_context(property), rest)
            }
            (None, ..) => (self.supplied(name), steps),
        };
        if matches!(value, Value::Null) {
            return Ok(value);
        }
        for step in steps {
            self.step()?;
            value = match step {
                Step::Property(name) => self.property(&value, name),
                Step::Index(index) => {
                    let index = self.value(index)?;
                    methods::index(&value, &index)
                }
                Step::Method(name, arguments) => {
                    let arguments = self.values(arguments)?;
                    self.method(&value, name, &arguments)?
                }
            };
            if matches!(value, Value::Null) {
                break;
            }
        }
        Ok(value)
    }

    /// `$context.name`. What can be changed within is kept, so that it stays changed.
    fn of_context(&mut self, name: &str) -> Value {
        if let Some(value) = self.context.get(name) {
            return value.clone();
        }
        let value = self.input.of_context(name).unwrap_or_default();
        if matches!(value, Value::List(_) | Value::Map(_)) {
            self.context.insert(name.into(), value.clone());
        }
        value
    }

    /// What the service supplies under this name.
    fn supplied(&mut self, name: &str) -> Value {
        let value = match name {
            "input" => return Value::Object(Object::Input),
            "util" => return Value::Object(Object::Util),
            "stageVariables" => self.input.stage_variables(),
            CONTEXT => {
                let whole = self.input.context();
                if let Value::Map(map) = &whole {
                    let changes = mem::take(&mut self.context).into_iter();
                    map.borrow_mut().extend(changes.map(|(name, value)| (Rc::from(name), value)));
                }
                whole
            }
            _ => return Value::Null,
        };
        self.variables.insert(name.into(), value.clone());
        value
    }

    fn property(&self, target: &Value, name: &str) -> Value {
        match (target, name) {
            (Value::Object(Object::Input), "body") => self.input.body_text(),
            _ => methods::property(target, name),
        }
    }

    fn method(&mut self, target: &Value, name: &str, arguments: &[Value]) -> Result<Value, RenderError> {
        self.steps += methods::cost(target, name);
        self.step()?;
        let found = match (target, name, arguments) {
            (Value::Object(Object::Input), "params", []) => self.input.params(),
            (Value::Object(Object::Input), "params", [name]) => self.input.param(&argument(name)),
            (Value::Object(Object::Input), "path", [path]) => self.input.path(&argument(path)),
            (Value::Object(Object::Input), "json", [path]) => self.input.json(&argument(path)),
            (Value::Object(Object::Util), ..) => util::call(name, arguments).unwrap_or_default(),
            _ => methods::call(target, name, arguments)?.unwrap_or_default(),
        };
        Ok(found)
    }

    fn values(&mut self, expressions: &[Expression]) -> Result<Vec<Value>, RenderError> {
        expressions.iter().map(|expression| self.value(expression)).collect()
    }

    fn value(&mut self, expression: &Expression) -> Result<Value, RenderError> {
        self.step()?;
        Ok(match expression {
            Expression::Bool(bool) => Value::Bool(*bool),
            Expression::Int(int) => Value::Int(*int),
            Expression::Float(float) => Value::Float(*float),
            Expression::Text(text) => Value::text(&**text),
            Expression::Interpolated(block) => {
                let mut out = String::new();
                self.block(block, &mut out)?;
                Value::text(out)
            }
            Expression::List(items) => Value::list(self.values(items)?),
            Expression::Range(first, last) => match (self.value(first)?, self.value(last)?) {
                (Value::Int(first), Value::Int(last)) => range(first, last)?,
                _ => Value::Null,
            },
            Expression::Map(entries) => {
                let mut pairs = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = self.value(key)?;
                    pairs.push((Rc::from(&*argument(&key)), self.value(value)?));
                }
                Value::map(pairs)
            }
            Expression::Reference(reference) => self.reference(reference)?,
            Expression::Not(inner) => Value::Bool(!self.value(inner)?.is_true()),
            Expression::Negative(inner) => match self.value(inner)? {
                Value::Int(int) => int.checked_neg().map(Value::Int).unwrap_or_default(),
                Value::Float(float) => Value::Float(-float),
                _ => Value::Null,
            },
            Expression::Binary(operator, left, right) => self.binary(*operator, left, right)?,
        })
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &Expression,
        right: &Expression,
    ) -> Result<Value, RenderError> {
        let left = self.value(left)?;
        // The right side is not looked at if the left one decides.
        match operator {
            Operator::Or if left.is_true() => return Ok(Value::Bool(true)),
            Operator::And if !left.is_true() => return Ok(Value::Bool(false)),
            _ => {}
        }
        let right = self.value(right)?;
        Ok(match operator {
            Operator::Or | Operator::And => Value::Bool(right.is_true()),
            Operator::Equal => Value::Bool(left.equals(&right)),
            Operator::NotEqual => Value::Bool(!left.equals(&right)),
            Operator::Less => compare(&left, &right, |order| order.is_lt()),
            Operator::LessOrEqual => compare(&left, &right, |order| order.is_le()),
            Operator::Greater => compare(&left, &right, |order| order.is_gt()),
            Operator::GreaterOrEqual => compare(&left, &right, |order| order.is_ge()),
            Operator::Add => match (&left, &right) {
                (Value::Text(_), _) | (_, Value::Text(_)) => {
                    methods::bounded(format!("{}{}", operand(&left), operand(&right)))?
                }
                _ => arithmetic(&left, &right, i64::checked_add, |a, b| a + b),
            },
            Operator::Subtract => arithmetic(&left, &right, i64::checked_sub, |a, b| a - b),
            Operator::Multiply => arithmetic(&left, &right, i64::checked_mul, |a, b| a * b),
            Operator::Divide => arithmetic(&left, &right, i64::checked_div, |a, b| a / b),
            Operator::Remainder => arithmetic(&left, &right, i64::checked_rem, |a, b| a % b),
        })
    }

    fn step(&mut self) -> Result<(), RenderError> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(RenderError::Limit { what: "steps", limit: STEPS_MAX });
        }
        Ok(())
    }
}

fn push(out: &mut String, text: &str) -> Result<(), RenderError> {
    if out.len() + text.len() > OUTPUT_BYTES_MAX {
        return Err(RenderError::Limit { what: "bytes", limit: OUTPUT_BYTES_MAX });
    }
    out.push_str(text);
    Ok(())
}

fn printed<'v>(reference: &'v Reference, value: &'v Value) -> Cow<'v, str> {
    match value {
        Value::Null if reference.quiet || SUPPLIED.contains(&&*reference.name) => Cow::Borrowed(""),
        Value::Null => Cow::Borrowed(&reference.source),
        other => argument(other),
    }
}

fn operand(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed("null"),
        other => argument(other),
    }
}

fn compare(left: &Value, right: &Value, holds: impl Fn(std::cmp::Ordering) -> bool) -> Value {
    let order = match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        _ => left.number().zip(right.number()).and_then(|(left, right)| left.partial_cmp(&right)),
    };
    Value::Bool(order.is_some_and(holds))
}

/// Integers stay integers; what they cannot hold, and a division by zero, is nothing.
fn arithmetic(
    left: &Value,
    right: &Value,
    ints: impl Fn(i64, i64) -> Option<i64>,
    floats: impl Fn(f64, f64) -> f64,
) -> Value {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => ints(*left, *right).map(Value::Int).unwrap_or_default(),
        _ => match left.number().zip(right.number()) {
            Some((left, right)) => Value::Float(floats(left, right)),
            None => Value::Null,
        },
    }
}

/// From the first to the last number, up or down.
fn range(first: i64, last: i64) -> Result<Value, RenderError> {
    if first.abs_diff(last) >= ITERATIONS_MAX as u64 {
        return Err(RenderError::Limit { what: "items of a range", limit: ITERATIONS_MAX });
    }
    let items: Vec<Value> = if first <= last {
        (first..=last).map(Value::Int).collect()
    } else {
        (last..=first).rev().map(Value::Int).collect()
    };
    Ok(Value::list(items))
}
