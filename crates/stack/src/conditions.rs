//! Conditions: expressions over parameters that decide what the stack has.

use crate::{
    error::{Fault, Outcome},
    intrinsics::Scope,
    node::{Kind, Node},
    source::Span,
};

/// Conditions that refer to one another in a row, and depth of one expression: ours.
const DEPTH_MAX: usize = 64;

/// Operands of `Fn::And` and `Fn::Or`: the service's own limits.
const OPERANDS: std::ops::RangeInclusive<usize> = 2..=10;

impl Scope<'_> {
    /// What the condition `name` comes to; `at` is where it is asked for.
    pub(crate) fn condition(&self, name: &str, at: Span) -> Outcome<bool> {
        let Some(expression) = self.conditions.get(name) else {
            return Err(Fault::at(at, format!("there is no condition {name} in the section Conditions")));
        };
        match self.decided.borrow().get(name) {
            Some(Some(decided)) => return Ok(*decided),
            Some(None) => {
                let message = format!("the condition {name} refers to itself, perhaps by way of others");
                return Err(Fault::at(at, message));
            }
            None => {}
        }
        if self.condition_depth.get() >= DEPTH_MAX {
            let message =
                format!("more than {DEPTH_MAX} conditions refer to one another in a row; use fewer");
            return Err(Fault::at(at, message));
        }
        self.decided.borrow_mut().insert(name.to_owned(), None);
        self.condition_depth.set(self.condition_depth.get() + 1);
        let decided = self.boolean(expression);
        self.condition_depth.set(self.condition_depth.get() - 1);
        match &decided {
            Ok(decided) => self.decided.borrow_mut().insert(name.to_owned(), Some(*decided)),
            Err(_) => self.decided.borrow_mut().remove(name),
        };
        decided
    }

    /// Finds what is wrong with any of the conditions, whether the stack needs it or not. One that cannot be decided counts
    /// as true from then on, so that the fault is told once.
    pub(crate) fn decide_all(&self) {
        let mut names: Vec<_> = self.conditions.iter().map(|(name, node)| (node.at.line, name)).collect();
        names.sort_unstable();
        for (_, name) in names {
            let at = self.conditions[name].at;
            if self.findings.keep(self.condition(name, at)).is_none() {
                self.decided.borrow_mut().insert(name.clone(), Some(true));
            }
        }
    }

    fn boolean(&self, node: &Node) -> Outcome<bool> {
        let usage = || {
            let message = "a condition is one of Fn::Equals, Fn::And, Fn::Or, Fn::Not, or Condition with the name of another";
            Fault::at(node.at, message)
        };
        let [entry] = node.entries() else { return Err(usage()) };
        let operands = entry.value.items();
        let count = |wanted: std::ops::RangeInclusive<usize>| {
            if wanted.contains(&operands.len()) {
                return Ok(());
            }
            let (low, high) = (wanted.start(), wanted.end());
            let wanted = if low == high { low.to_string() } else { format!("{low} to {high}") };
            let message = format!("{} takes a list of {wanted} values", entry.key);
            Err(Fault::at(entry.value.at, message))
        };
        match entry.key.as_str() {
            "Condition" => match entry.value.as_text() {
                Some(name) => self.condition(name, entry.value.at),
                None => Err(usage()),
            },
            "Fn::Equals" => {
                count(2..=2)?;
                let [left, right] = [self.evaluate(&operands[0])?, self.evaluate(&operands[1])?];
                Ok(match (left, right) {
                    (Some(left), Some(right)) => same(&left, &right),
                    (left, right) => left.is_none() && right.is_none(),
                })
            }
            "Fn::Not" => {
                count(1..=1)?;
                Ok(!self.boolean(&operands[0])?)
            }
            "Fn::And" => {
                count(OPERANDS)?;
                operands.iter().try_fold(true, |all, operand| Ok(self.boolean(operand)? && all))
            }
            "Fn::Or" => {
                count(OPERANDS)?;
                operands.iter().try_fold(false, |any, operand| Ok(self.boolean(operand)? || any))
            }
            _ => Err(usage()),
        }
    }
}

/// Whether both have the same texts in the same places.
fn same(left: &Node, right: &Node) -> bool {
    match (&left.kind, &right.kind) {
        (Kind::Text(left), Kind::Text(right)) => left.value == right.value,
        (Kind::Seq(left), Kind::Seq(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Kind::Map(left), Kind::Map(right)) => {
            left.len() == right.len()
                && left.iter().all(|entry| {
                    right.iter().any(|other| other.key == entry.key && same(&entry.value, &other.value))
                })
        }
        _ => false,
    }
}
