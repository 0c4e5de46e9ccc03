/// What an item of `SELECT`, or a part of `WHERE`, computes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// JSON text.
    Literal(String),
    /// Keys from the payload's top level inwards.
    Path(Vec<String>),
    /// The whole topic.
    Topic,
    /// One level of the topic, from 1.
    TopicLevel(usize),
    Timestamp,
    ClientId,
    NewUuid,
    /// The payload as it came, in base64.
    EncodedPayload,
    IsUndefined(Box<Expression>),
    IsNull(Box<Expression>),
    Compare(Comparison, Box<Expression>, Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Expression {
    /// Whether the value can only be found in a payload that is JSON.
    pub(super) fn reads_json(&self) -> bool {
        match self {
            Self::Path(_) => true,
            Self::IsUndefined(inner) | Self::IsNull(inner) | Self::Not(inner) => inner.reads_json(),
            Self::Compare(_, left, right) | Self::And(left, right) | Self::Or(left, right) => {
                left.reads_json() || right.reads_json()
            }
            Self::Literal(_)
            | Self::Topic
            | Self::TopicLevel(_)
            | Self::Timestamp
            | Self::ClientId
            | Self::NewUuid
            | Self::EncodedPayload => false,
        }
    }
}
