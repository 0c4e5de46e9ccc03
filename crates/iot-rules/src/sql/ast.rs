//! What a statement says, parsed.

use super::{
    functions::Function,
    number::{Arithmetic, Number},
    regexp::Pattern,
};

/// `SELECT … FROM … WHERE …`, at the top or nested.
#[derive(Debug, Clone)]
pub(super) struct Select<From> {
    pub(super) output: Output,
    pub(super) from: From,
    pub(super) condition: Option<Expression>,
}

/// A nested query's rows.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) source: Box<Expression>,
    /// What `AS` calls a row.
    pub(super) alias: Option<String>,
}

/// What a `SELECT` makes of a row.
#[derive(Debug, Clone)]
pub(super) enum Output {
    /// `SELECT *` alone: the row as it is.
    Row,
    /// `SELECT VALUE x`: any value.
    Value(Box<Expression>),
    /// An object.
    Items(Items),
}

/// A `SELECT` list.
#[derive(Debug, Clone)]
pub(super) struct Items {
    pub(super) list: Vec<Item>,
    /// Whether no key is named twice, so that nothing of the list replaces another part of it.
    pub(super) distinct: bool,
}

/// One entry of a `SELECT` list.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// `*`, or `a.b.*`: the entries of an object.
    Spread(Expression),
    /// A value under a key, or, with a dotted alias, under keys inside one another.
    Named(Vec<String>, Expression),
}

/// What computes a value.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    /// `*`: the message's payload, in a nested query the row.
    All,
    /// A key of the payload or the row, and keys inside it.
    Path(Vec<String>),
    /// A variable of the `SET` clause, by its place.
    Variable(usize),
    /// Keys inside a value.
    Member(Box<Expression>, Vec<String>),
    Array(Vec<Expression>),
    Object(Vec<(String, Expression)>),
    Not(Box<Expression>),
    Negate(Box<Expression>),
    /// Operators of one precedence, from left to right. Flat, so that a long chain does not nest.
    Chain(Box<Expression>, Vec<(Operator, Expression)>),
    Case(Box<Case>),
    Cast(Box<Expression>, CastType),
    Call(Box<Call>),
    Query(Box<Select<Rows>>),
    Exists(Box<Select<Rows>>),
}

/// `CASE subject WHEN … THEN … ELSE … END`.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) subject: Expression,
    pub(super) branches: Vec<(Expression, Expression)>,
    pub(super) otherwise: Option<Expression>,
}

/// A function and what it is called with.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) function: &'static Function,
    pub(super) arguments: Vec<Expression>,
    /// A regular expression that stands in the statement as a text.
    pub(super) pattern: Option<Pattern>,
}

/// What stands between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Arithmetic(Arithmetic),
}

/// What `cast` makes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CastType {
    Text,
    Int,
    Decimal,
    Boolean,
}

impl Expression {
    /// Whether the value can only be found in a payload that is JSON.
    pub(super) fn reads_payload(&self) -> bool {
        let any = |expressions: &[Self]| expressions.iter().any(Self::reads_payload);
        match self {
            Self::All | Self::Path(_) => true,
            Self::Null | Self::Boolean(_) | Self::Number(_) | Self::Text(_) | Self::Variable(_) => false,
            Self::Member(of, _) | Self::Not(of) | Self::Negate(of) | Self::Cast(of, _) => of.reads_payload(),
            Self::Array(items) => any(items),
            Self::Object(entries) => entries.iter().any(|(_, value)| value.reads_payload()),
            Self::Chain(first, rest) => {
                first.reads_payload() || rest.iter().any(|(_, next)| next.reads_payload())
            }
            Self::Case(case) => {
                case.subject.reads_payload()
                    || case.branches.iter().any(|(when, then)| when.reads_payload() || then.reads_payload())
                    || case.otherwise.as_ref().is_some_and(Self::reads_payload)
            }
            // `encode(*, …)` takes the payload's bytes, whatever they are (S7).
            Self::Call(call) if call.encodes_payload() => false,
            Self::Call(call) => any(&call.arguments),
            // Names inside a nested query are those of its rows.
            Self::Query(select) | Self::Exists(select) => select.from.source.reads_payload(),
        }
    }
}

impl Call {
    /// Whether this is `encode(*, 'base64')`.
    pub(super) fn encodes_payload(&self) -> bool {
        self.function.name == "encode" && matches!(self.arguments.first(), Some(Expression::All))
    }
}
