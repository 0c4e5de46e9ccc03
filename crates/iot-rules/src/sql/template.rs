use super::{EvaluateError, Message, SqlError, Statement, Variables};

/// A text of an action with `${expression}` in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Expression(Box<Statement>),
}

impl Template {
    /// Parses a template. Its expressions see the message, and the variables of `statement`, but none of its aliases.
    ///
    /// # Errors
    /// If an expression is not one, or is not closed, or names a variable that `statement` does not set.
    pub fn parse(text: &str, _statement: &Statement) -> Result<Self, SqlError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            parts.push(Part::Text(before.to_owned()));
            let (expression, after) = after
                .split_once('}')
                .ok_or_else(|| SqlError::new("${ is not closed; an expression ends with }"))?;
            parts.push(Part::Expression(Box::new(Statement::parse(&format!(
                "SELECT {expression} AS x FROM 'x'"
            ))?)));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts })
    }

    /// The text for one message.
    ///
    /// # Errors
    /// If an expression has no result for this message.
    pub fn render(&self, message: &Message<'_>, _variables: &Variables) -> Result<String, EvaluateError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Expression(statement) => {
                    if let Some(outgoing) = statement.evaluate(message)? {
                        let value: serde_json::Value =
                            serde_json::from_slice(&outgoing.payload).unwrap_or_default();
                        match &value["x"] {
                            serde_json::Value::Null => {}
                            serde_json::Value::String(part) => text.push_str(part),
                            other => text.push_str(&other.to_string()),
                        }
                    }
                }
            }
        }
        Ok(text)
    }
}
