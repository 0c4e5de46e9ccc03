//! Which route a message takes (section 2.1).

mod expression;
mod json;

pub(crate) use expression::SelectionExpression;
