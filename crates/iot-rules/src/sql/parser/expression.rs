use super::{Kind, Parser};
use crate::sql::{
    SqlError,
    ast::{Case, CastType, Expression, Operator},
    error::clipped,
    number::{Arithmetic, Number},
};

/// How tightly operators bind, from loosest to tightest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
}

impl Parser<'_> {
    /// Any expression. One level deeper than what it stands in.
    pub(super) fn expression(&mut self) -> Result<Expression, SqlError> {
        self.deeper(|parser| parser.bound(Binding::Or))
    }

    /// An expression whose operators bind at least that tightly.
    fn bound(&mut self, least: Binding) -> Result<Expression, SqlError> {
        let mut left = if least <= Binding::Not && self.word("NOT") {
            Expression::Not(Box::new(self.deeper(|parser| parser.bound(Binding::Not))?))
        } else {
            self.unary()?
        };
        // Each turn takes one run of operators of the same precedence, tighter ones before looser ones.
        while let Some((_, binding)) = self.operator()?.filter(|(_, binding)| *binding >= least) {
            let mut rest = Vec::new();
            while let Some((operator, _)) = self.operator()?.filter(|(_, next)| *next == binding) {
                self.next();
                rest.push((operator, self.tighter(binding)?));
            }
            left = Expression::Chain(Box::new(left), rest);
        }
        Ok(left)
    }

    /// The operand to the right of an operator.
    fn tighter(&mut self, than: Binding) -> Result<Expression, SqlError> {
        match than {
            Binding::Or => self.bound(Binding::And),
            Binding::And => self.bound(Binding::Not),
            Binding::Not | Binding::Comparison => self.bound(Binding::Sum),
            Binding::Sum => self.bound(Binding::Product),
            Binding::Product => self.unary(),
        }
    }

    /// The operator that is next, not taken yet.
    fn operator(&self) -> Result<Option<(Operator, Binding)>, SqlError> {
        Ok(Some(match self.peek() {
            Kind::Symbol(symbol) => match *symbol {
                "=" => (Operator::Equal, Binding::Comparison),
                "<>" | "!=" => (Operator::NotEqual, Binding::Comparison),
                "<" => (Operator::Less, Binding::Comparison),
                "<=" => (Operator::LessOrEqual, Binding::Comparison),
                ">" => (Operator::Greater, Binding::Comparison),
                ">=" => (Operator::GreaterOrEqual, Binding::Comparison),
                "+" => (Operator::Arithmetic(Arithmetic::Add), Binding::Sum),
                "-" => (Operator::Arithmetic(Arithmetic::Subtract), Binding::Sum),
                "*" => (Operator::Arithmetic(Arithmetic::Multiply), Binding::Product),
                "/" => (Operator::Arithmetic(Arithmetic::Divide), Binding::Product),
                "%" => (Operator::Arithmetic(Arithmetic::Remainder), Binding::Product),
                "||" => {
                    return Err(
                        self.error(self.span(), "|| is not IoT SQL; write a + b or concat(a, b) for texts")
                    );
                }
                _ => return Ok(None),
            },
            Kind::Word(_) if self.is_word("AND") => (Operator::And, Binding::And),
            Kind::Word(_) if self.is_word("OR") => (Operator::Or, Binding::Or),
            Kind::Word(_) if self.is_word("IN") => (Operator::In, Binding::Comparison),
            Kind::Word(_) if self.is_word("NOT") => {
                return Err(self.error(self.span(), "NOT stands before a whole condition; write NOT a IN b"));
            }
            Kind::Word(word) => {
                match ["LIKE", "BETWEEN", "IS"].iter().find(|foreign| word.eq_ignore_ascii_case(foreign)) {
                    Some(foreign) => return Err(self.foreign(foreign)),
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        }))
    }

    fn unary(&mut self) -> Result<Expression, SqlError> {
        if !self.symbol("-") {
            return self.postfix();
        }
        if let Kind::Number(text) = *self.peek() {
            let number = self.number(&format!("-{text}"))?;
            self.next();
            return Ok(Expression::Number(number));
        }
        Ok(Expression::Negate(Box::new(self.deeper(Self::unary)?)))
    }

    /// A value, and keys inside it.
    fn postfix(&mut self) -> Result<Expression, SqlError> {
        let start = self.span().start;
        let value = self.primary()?;
        let mut keys = Vec::new();
        while matches!(self.peek(), Kind::Symbol(".")) && !matches!(self.peek_at(1), Kind::Symbol("*")) {
            self.next();
            let Kind::Word(key) = *self.peek() else {
                let message =
                    format!("{} is not a key that can follow a dot; write get(object, 'key')", self.found());
                return Err(self.error(self.span(), message));
            };
            self.next();
            keys.push(key.to_owned());
        }
        if matches!(self.peek(), Kind::Symbol("[")) {
            return Err(self.error(self.span(), "IoT SQL has no a[0]; write get(a, 0)"));
        }
        let end = self.tokens[self.at - 1].span.end;
        match value {
            value if keys.is_empty() => Ok(value),
            Expression::Path(mut path) => {
                path.append(&mut keys);
                Ok(Expression::Path(path))
            }
            Expression::Text(_) | Expression::Number(_) => {
                let message = "a text has no keys inside it; names stand without quotes, and other keys are read with \
                    get(object, 'key')";
                Err(self.error(start..end, message))
            }
            value => Ok(Expression::Member(Box::new(value), keys)),
        }
    }

    fn primary(&mut self) -> Result<Expression, SqlError> {
        let span = self.span();
        match self.peek().clone() {
            Kind::Text(text) => {
                self.next();
                Ok(Expression::Text(text))
            }
            Kind::Number(text) => {
                let number = self.number(text)?;
                self.next();
                Ok(Expression::Number(number))
            }
            Kind::Variable(name) => {
                let Some(variable) = self.variables.iter().position(|known| known == name) else {
                    let name = clipped(name);
                    let message = format!(
                        "@{name} is not set before; write SET @{name} = … at the start of the statement"
                    );
                    return Err(self.error(span, message));
                };
                self.next();
                Ok(Expression::Variable(variable))
            }
            Kind::Symbol("(") => {
                self.next();
                let inner = if self.word("SELECT") {
                    Expression::Query(Box::new(self.deeper(Self::query)?))
                } else {
                    self.expression()?
                };
                if matches!(self.peek(), Kind::Symbol(",")) {
                    return Err(self.error(self.span(), "a list stands in brackets, as in IN [1, 2]"));
                }
                self.expect(")", "after an expression in parentheses")?;
                Ok(inner)
            }
            Kind::Symbol("[") => {
                self.needs_2016("an array", span)?;
                self.next();
                Ok(Expression::Array(self.list("]", Self::value)?))
            }
            Kind::Symbol("{") => {
                self.needs_2016("an object", span)?;
                self.next();
                Ok(Expression::Object(self.list("}", Self::entry)?))
            }
            Kind::Word(word) => self.named(word),
            Kind::Symbol("*") => Err(self.error(
                span,
                "* stands alone in a SELECT list, as a whole argument, or as a value of an object",
            )),
            _ => Err(self.error(span, format!("expected a value, found {}", self.found()))),
        }
    }

    /// A keyword, a call, or a path.
    fn named(&mut self, word: &str) -> Result<Expression, SqlError> {
        let span = self.span();
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        let called = matches!(self.peek_at(1), Kind::Symbol("("));
        if is("CASE") {
            self.next();
            return self.case();
        }
        if is("EXISTS") && called {
            self.next();
            self.next();
            if !self.word("SELECT") {
                return Err(self.error(
                    self.span(),
                    "EXISTS takes a nested query, as in EXISTS (SELECT * FROM readings)",
                ));
            }
            let query = self.deeper(Self::query)?;
            self.expect(")", "after a nested query")?;
            return Ok(Expression::Exists(Box::new(query)));
        }
        if called {
            return self.call(word);
        }
        for keyword in
            ["SELECT", "FROM", "WHERE", "AS", "AND", "OR", "NOT", "IN", "WHEN", "THEN", "ELSE", "END", "SET"]
        {
            if is(keyword) {
                let message = format!(
                    "expected a value, found {word}; a key of that name is read with get(*, '{word}')"
                );
                return Err(self.error(span, message));
            }
        }
        self.next();
        Ok(match () {
            () if is("NULL") => Expression::Null,
            () if is("TRUE") => Expression::Boolean(true),
            () if is("FALSE") => Expression::Boolean(false),
            () => Expression::Path(vec![word.to_owned()]),
        })
    }

    /// From after `CASE` to after `END`.
    fn case(&mut self) -> Result<Expression, SqlError> {
        if self.is_word("WHEN") {
            let message = "CASE compares one value in IoT SQL; write CASE condition WHEN true THEN … END";
            return Err(self.error(self.span(), message));
        }
        let subject = self.expression()?;
        let mut branches = Vec::new();
        while self.word("WHEN") {
            let when = self.expression()?;
            if !self.word("THEN") {
                return Err(self.error(self.span(), format!("expected THEN, found {}", self.found())));
            }
            branches.push((when, self.expression()?));
        }
        if branches.is_empty() {
            return Err(
                self.error(self.span(), format!("CASE has at least one WHEN; found {}", self.found()))
            );
        }
        let otherwise = if self.word("ELSE") { Some(self.expression()?) } else { None };
        if !self.word("END") {
            return Err(self.error(self.span(), format!("CASE ends with END; found {}", self.found())));
        }
        Ok(Expression::Case(Box::new(Case { subject, branches, otherwise })))
    }

    /// From after `cast(` to before its parenthesis.
    pub(super) fn cast(&mut self) -> Result<Expression, SqlError> {
        let value = self.value()?;
        if !self.word("AS") {
            return Err(self.error(
                self.span(),
                format!("cast takes a type, as in cast(a AS Int); found {}", self.found()),
            ));
        }
        let span = self.span();
        let name = self.found().to_ascii_lowercase();
        let (to, since_2016) = match name.as_str() {
            "string" | "nvarchar" | "text" | "ntext" | "varchar" => (CastType::Text, false),
            "int" | "integer" => (CastType::Int, false),
            "double" => (CastType::Decimal, false),
            "decimal" => (CastType::Decimal, true),
            "bool" | "boolean" => (CastType::Boolean, true),
            _ => {
                let message =
                    format!("{} is no type; there are String, Int, Decimal and Boolean", self.found());
                return Err(self.error(span, message));
            }
        };
        if since_2016 {
            self.needs_2016("cast to this type", span)?;
        }
        self.next();
        Ok(Expression::Cast(Box::new(value), to))
    }

    /// An expression, or `*`, where that may stand.
    pub(super) fn value(&mut self) -> Result<Expression, SqlError> {
        if matches!(self.peek(), Kind::Symbol("*"))
            && matches!(self.peek_at(1), Kind::Symbol("," | ")" | "]" | "}"))
        {
            self.next();
            return Ok(Expression::All);
        }
        self.expression()
    }

    /// `'key': value`.
    fn entry(&mut self) -> Result<(String, Expression), SqlError> {
        let key = match self.peek() {
            Kind::Text(text) => text.clone(),
            _ => {
                let message =
                    format!("a key of an object stands in quotes, as in {{'a': 1}}; found {}", self.found());
                return Err(self.error(self.span(), message));
            }
        };
        self.next();
        self.expect(":", "after a key of an object")?;
        Ok((key, self.value()?))
    }

    /// Entries with commas between them, up to and with `close`. A last comma is let pass, as the service does.
    pub(super) fn list<T>(
        &mut self,
        close: &str,
        mut one: impl FnMut(&mut Self) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let mut entries = Vec::new();
        while !self.symbol(close) {
            entries.push(one(self)?);
            if !self.symbol(",") {
                self.expect(close, "at the end of a list")?;
                break;
            }
        }
        Ok(entries)
    }

    fn number(&self, text: &str) -> Result<Number, SqlError> {
        let whole = if let Some(fraction) = text.strip_prefix('.') {
            format!("0.{fraction}")
        } else {
            text.to_owned()
        };
        Number::from_json(&whole)
            .ok_or_else(|| self.error(self.span(), "this number is too large; a Decimal is below 1E1000"))
    }
}
