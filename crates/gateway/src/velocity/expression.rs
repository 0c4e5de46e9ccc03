//! Expressions: what stands in the parentheses of directives and methods.

use super::{
    TemplateError,
    ast::{Expression, Operator},
    parse::{Parser, template_at_depth},
};

/// Operators by how loosely they bind, the loosest first, in symbols and words.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("or", Operator::Or)],
    &[("&&", Operator::And), ("and", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("eq", Operator::Equal),
        ("ne", Operator::NotEqual),
    ],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
        ("le", Operator::LessOrEqual),
        ("ge", Operator::GreaterOrEqual),
        ("lt", Operator::Less),
        ("gt", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
];

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Expression, TemplateError> {
        self.deeper(|parser| parser.level(0))
    }

    fn level(&mut self, level: usize) -> Result<Expression, TemplateError> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        loop {
            self.skip_space();
            let Some(operator) = self.operator(operators) else { return Ok(left) };
            let right = self.level(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        for (token, operator) in operators {
            let Some(after) = self.rest().strip_prefix(token) else { continue };
            let word = token.starts_with(|c: char| c.is_ascii_alphabetic());
            if word && after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
                continue;
            }
            self.at += token.len();
            return Some(*operator);
        }
        None
    }

    fn unary(&mut self) -> Result<Expression, TemplateError> {
        self.skip_space();
        if self.take("!") || self.word("not") {
            return Ok(Expression::Not(Box::new(self.deeper(Self::unary)?)));
        }
        if self.rest().starts_with('-') && !self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) {
            self.at += 1;
            return Ok(Expression::Negative(Box::new(self.deeper(Self::unary)?)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expression, TemplateError> {
        let rest = self.rest();
        match rest.as_bytes().first() {
            None => Err(self.error("ends where a value is expected")),
            Some(b'$') => match self.reference()? {
                Some(reference) => Ok(Expression::Reference(reference)),
                None => Err(self.error("a $ without a name is no value")),
            },
            Some(b'\'') => Ok(Expression::Text(self.quoted('\'')?.into())),
            Some(b'"') => self.interpolated(),
            Some(b'(') => {
                self.at += 1;
                let inner = self.expression()?;
                self.expect(")", "( is not closed")?;
                Ok(inner)
            }
            Some(b'[') => self.list_or_range(),
            Some(b'{') => self.map(),
            Some(b'0'..=b'9' | b'-') => self.number(),
            Some(_) if self.word("true") => Ok(Expression::Bool(true)),
            Some(_) if self.word("false") => Ok(Expression::Bool(false)),
            Some(_) => Err(self
                .error("is no value; a value is a $reference, a text in quotes, a number, a list or a map")),
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(word) else { return false };
        if after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return false;
        }
        self.at += word.len();
        true
    }

    /// A text in quotes; a doubled quote is one.
    fn quoted(&mut self, quote: char) -> Result<String, TemplateError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(end) = self.rest().find(quote) else {
                self.at = start;
                return Err(self.error(format!("{quote} is not closed")));
            };
            text.push_str(&self.rest()[..end]);
            self.at += end + 1;
            if !self.rest().starts_with(quote) {
                return Ok(text);
            }
            self.at += 1;
            text.push(quote);
        }
    }

    /// A text in double quotes is a template of its own.
    fn interpolated(&mut self) -> Result<Expression, TemplateError> {
        let start = self.at;
        let text = self.quoted('"')?;
        if !text.contains(['$', '#', '\\']) {
            return Ok(Expression::Text(text.into()));
        }
        // The place inside is lost with the doubled quotes; where the text starts is near enough.
        let block = template_at_depth(&text, self.depth);
        block.map(Expression::Interpolated).map_err(|error| TemplateError { at: start, ..error })
    }

    fn list_or_range(&mut self) -> Result<Expression, TemplateError> {
        self.at += 1;
        self.skip_space();
        if self.take("]") {
            return Ok(Expression::List(Vec::new()));
        }
        let first = self.expression()?;
        self.skip_space();
        if self.take("..") {
            let last = self.expression()?;
            self.expect("]", "[ is not closed")?;
            return Ok(Expression::Range(Box::new(first), Box::new(last)));
        }
        let mut items = vec![first];
        if self.take(",") {
            items.extend(self.list("]", "[ is not closed")?);
        } else {
            self.expect("]", "[ is not closed")?;
        }
        Ok(Expression::List(items))
    }

    fn map(&mut self) -> Result<Expression, TemplateError> {
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            self.skip_space();
            if self.take("}") {
                return Ok(Expression::Map(entries));
            }
            if !entries.is_empty() {
                self.expect(",", "{ is not closed")?;
            }
            let key = self.expression()?;
            self.expect(":", "a key of a map needs a : and a value")?;
            entries.push((key, self.expression()?));
        }
    }

    /// Values with commas between them, up to and with `close`.
    pub(super) fn list(&mut self, close: &str, problem: &str) -> Result<Vec<Expression>, TemplateError> {
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.take(close) {
                return Ok(items);
            }
            if !items.is_empty() {
                self.expect(",", problem)?;
            }
            items.push(self.expression()?);
        }
    }

    fn number(&mut self) -> Result<Expression, TemplateError> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut end = digits(usize::from(bytes[0] == b'-'));
        let mut float = false;
        // `1..3` is a range, not a number with a point.
        if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            float = true;
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let exponent = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            if bytes.get(exponent).is_some_and(u8::is_ascii_digit) {
                float = true;
                end = digits(exponent);
            }
        }
        let number = match (float, &rest[..end]) {
            (true, text) => text.parse().ok().map(Expression::Float),
            (false, text) => text.parse().ok().map(Expression::Int),
        };
        let number = number.ok_or_else(|| self.error(format!("{} is no number", &rest[..end])))?;
        self.at += end;
        Ok(number)
    }
}
