/// A template, or the inside of a block.
pub(super) type Block = Vec<Node>;

/// One piece of a template.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Node {
    /// Printed as it is.
    Text(Box<str>),
    /// Printed as what it refers to.
    Reference(Reference),
    /// `#set($x = 1)`
    Set(Reference, Expression),
    /// The branches with their conditions, and what is printed if none is true.
    If(Vec<(Expression, Block)>, Block),
    /// `#foreach($item in $list)`
    ForEach { item: Box<str>, list: Expression, body: Block },
    /// `#break`: ends the innermost loop.
    Break,
    /// `#stop` and `#return`: end the template.
    Stop,
}

/// `$name.property[0].method("a")`
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Reference {
    pub(super) name: Box<str>,
    pub(super) steps: Vec<Step>,
    /// `$!name`: prints nothing, rather than itself, if there is nothing.
    pub(super) quiet: bool,
    /// As it stands in the template.
    pub(super) source: Box<str>,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Step {
    Property(Box<str>),
    Method(Box<str>, Vec<Expression>),
    Index(Expression),
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Expression {
    Bool(bool),
    Int(i64),
    Float(f64),
    /// `'as it is'`
    Text(Box<str>),
    /// `"with $references"`
    Interpolated(Block),
    List(Vec<Expression>),
    /// `[1..3]`
    Range(Box<Expression>, Box<Expression>),
    Map(Vec<(Expression, Expression)>),
    Reference(Reference),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
