use super::{
    EvaluateError, Message, SqlError, Statement, Variables, Version, ast::Expression, coercion,
    evaluate::Scope, limits::VALUE_BYTES_MAX, meter::Meter, parser, payload::Payload, value::Value,
};

/// A text of an action with substitution templates in it: `${expression}`.
///
/// ```
/// use dunlin_iot_rules::sql::{Message, Statement, Template};
///
/// let statement = Statement::parse("SET @day = parse_time('yyyy-MM-dd', timestamp()) SELECT * FROM 'devices/+/state'")?;
/// let template = Template::parse("archive/${topic(2)}/${@day}", &statement)?;
/// let message = Message { received_at_ms: 1_721_807_239_020, ..Message::new("devices/dev-1/state", b"{}") };
/// let outgoing = statement.evaluate(&message)?.expect("there is no condition");
/// assert_eq!(template.render(&message, &outgoing.variables)?, "archive/dev-1/2024-07-24");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Template {
    version: Version,
    parts: Vec<Part>,
    reads_payload: bool,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Expression(Box<Expression>),
}

impl Template {
    /// Parses a template. Its expressions see the message and the variables of `statement`, but none of its aliases.
    ///
    /// # Errors
    /// If an expression is not one, or is not closed, or names a variable that `statement` does not set.
    pub fn parse(text: &str, statement: &Statement) -> Result<Self, SqlError> {
        let version = statement.version();
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(start) = text[at..].find("${").map(|found| at + found) {
            if start > at {
                parts.push(Part::Text(text[at..start].to_owned()));
            }
            let end = end(text, start + 2).ok_or_else(|| {
                SqlError::at(text, start..start + 2, "this ${ is not closed; an expression ends with }")
            })?;
            let expression =
                parser::expression(&text[..end], start + 2, version, statement.variable_names())?;
            parts.push(Part::Expression(Box::new(expression)));
            at = end + 1;
        }
        if at < text.len() {
            parts.push(Part::Text(text[at..].to_owned()));
        }
        let reads_payload = parts
            .iter()
            .any(|part| matches!(part, Part::Expression(expression) if expression.reads_payload()));
        Ok(Self { version, parts, reads_payload })
    }

    /// The text for one message. What is undefined or null is an empty text.
    ///
    /// # Errors
    /// If an expression looks inside a payload that is not JSON, or the text is too large.
    pub fn render(&self, message: &Message<'_>, variables: &Variables) -> Result<String, EvaluateError> {
        let payload = if self.reads_payload { Payload::read(message.payload)? } else { Payload::Unread };
        let variables =
            variables.0.iter().map(|value| value.as_deref().map_or(Value::Undefined, Value::json)).collect();
        let scope = Scope { message, version: self.version, payload, variables, meter: Meter::new() };
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Expression(expression) => {
                    let value = scope.names().value(expression)?;
                    text.push_str(&coercion::text(value, &scope.meter)?.unwrap_or_default());
                }
            }
            scope.meter.charge(text.len().min(VALUE_BYTES_MAX))?;
        }
        Ok(text)
    }
}

/// Where the expression that starts there ends: at the first `}` outside of quotes and of other braces.
fn end(text: &str, start: usize) -> Option<usize> {
    let mut quote = None;
    let mut open = 0_usize;
    for (at, byte) in text.bytes().enumerate().skip(start) {
        match (quote, byte) {
            (Some(opened), byte) if byte == opened => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'{') => open += 1,
            (None, b'}') if open == 0 => return Some(at),
            (None, b'}') => open -= 1,
            (None, _) => {}
        }
    }
    None
}
