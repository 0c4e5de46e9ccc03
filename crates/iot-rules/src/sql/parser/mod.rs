//! From a text to a statement, by recursive descent; the depth is bounded.

mod call;
mod expression;

use std::{borrow::Cow, collections::HashSet, ops::Range};

use super::{
    SqlError, TopicFilter, Version,
    ast::{Expression, Item, Items, Output, Rows, Select},
    error::clipped,
    lexer::{Kind, Token, tokens},
    limits::{EXPRESSION_DEPTH_MAX, SQL_CHARS_MAX, VARIABLE_CHARS_MAX, VARIABLES_MAX},
};

/// A whole statement.
#[derive(Debug, Clone)]
pub(super) struct Parsed {
    /// The values of the `SET` clause.
    pub(super) values: Vec<Expression>,
    /// Their names.
    pub(super) names: Vec<String>,
    /// Without a filter, only Basic Ingest reaches the rule.
    pub(super) select: Select<Option<TopicFilter>>,
}

/// Parses a statement.
pub(super) fn statement(text: &str, version: Version) -> Result<Parsed, SqlError> {
    // More bytes than characters is allowed; counting is needed only where it could matter.
    if text.len() > SQL_CHARS_MAX && text.chars().count() > SQL_CHARS_MAX {
        return Err(SqlError::general(format!("the statement has more than {SQL_CHARS_MAX} characters")));
    }
    let mut parser = Parser::new(text, 0, version, &[])?;
    let values = parser.variables()?;
    let select_span = parser.span();
    if !parser.word("SELECT") {
        return Err(
            parser.error(select_span, "a rule is one statement: SELECT … FROM 'topic/filter' WHERE …")
        );
    }
    let output = parser.output()?;
    let from = if parser.word("FROM") { Some(parser.filter()?) } else { None };
    let condition = parser.condition()?;
    parser.end()?;
    Ok(Parsed { values, names: parser.variables, select: Select { output, from, condition } })
}

/// Parses the expression of a template: the bytes of `text` from `start` on.
pub(super) fn expression(
    text: &str,
    start: usize,
    version: Version,
    variables: &[String],
) -> Result<Expression, SqlError> {
    let mut parser = Parser::new(text, start, version, variables)?;
    let expression = parser.expression()?;
    match parser.peek() {
        Kind::End => Ok(expression),
        _ => {
            let message = format!("the expression ends before {}; is an operator missing", parser.found());
            Err(parser.error(parser.span(), message))
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    at: usize,
    depth: usize,
    /// Regular expressions that are compiled so far.
    patterns: usize,
    version: Version,
    /// Names that are set so far.
    variables: Vec<String>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, start: usize, version: Version, variables: &[String]) -> Result<Self, SqlError> {
        let tokens = tokens(text, start)?;
        Ok(Self { text, tokens, at: 0, depth: 0, patterns: 0, version, variables: variables.to_vec() })
    }

    /// `SET @a = …, @b = …`.
    fn variables(&mut self) -> Result<Vec<Expression>, SqlError> {
        let mut values = Vec::new();
        if !self.word("SET") {
            return Ok(values);
        }
        loop {
            let span = self.span();
            let &Kind::Variable(name) = self.peek() else {
                return Err(self.error(span, "SET takes variables, as in SET @limit = 50"));
            };
            if name.chars().count() > VARIABLE_CHARS_MAX {
                let message = format!("the name of a variable has at most {VARIABLE_CHARS_MAX} characters");
                return Err(self.error(span, message));
            }
            if self.variables.iter().any(|known| known == name) {
                return Err(
                    self.error(span, format!("@{name} is set twice; a variable keeps its first value"))
                );
            }
            if values.len() == VARIABLES_MAX {
                return Err(self.error(span, format!("SET has at most {VARIABLES_MAX} variables")));
            }
            self.next();
            self.expect("=", "after the name of a variable")?;
            values.push(self.expression()?);
            self.variables.push(name.to_owned());
            if !self.symbol(",") {
                return Ok(values);
            }
        }
    }

    /// What stands between `SELECT` and `FROM`.
    fn output(&mut self) -> Result<Output, SqlError> {
        let names_a_key = self.is_word_at(1, "AS") || self.is_word_at(1, "FROM");
        if self.is_word("DISTINCT")
            && matches!(self.peek_at(1), Kind::Word(_) | Kind::Symbol("*"))
            && !names_a_key
        {
            return Err(self.foreign("DISTINCT"));
        }
        if let Some(value) = self.select_value()? {
            return Ok(value);
        }
        let mut items = Vec::new();
        let mut alone = true;
        loop {
            let item = self.item()?;
            alone &= matches!(item, Item::Spread(Expression::All)) && items.is_empty();
            items.push(item);
            if !self.symbol(",") {
                break;
            }
        }
        Ok(if alone { Output::Row } else { Output::Items(distinct(items)) })
    }

    /// `SELECT VALUE x` is the bare value, but `SELECT value, x` names a key.
    fn select_value(&mut self) -> Result<Option<Output>, SqlError> {
        if !self.is_word("VALUE") {
            return Ok(None);
        }
        let is_value = match self.peek_at(1) {
            Kind::Symbol("*") => {
                matches!(self.peek_at(2), Kind::End | Kind::Symbol(")")) || self.is_word_at(2, "FROM")
            }
            Kind::Symbol(symbol) => matches!(*symbol, "(" | "[" | "{" | "-"),
            Kind::Word(word) => {
                let ends_a_key = ["AS", "FROM", "WHERE", "AND", "OR", "IN"];
                !ends_a_key.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
            }
            Kind::Text(_) | Kind::Number(_) | Kind::Variable(_) => true,
            Kind::End => false,
        };
        if !is_value {
            return Ok(None);
        }
        let (start, subtracts) = (self.at, matches!(self.peek_at(1), Kind::Symbol("-")));
        self.next();
        let value = if self.symbol("*") { Expression::All } else { self.expression()? };
        // `SELECT value - 1 AS x`: only what follows tells it from `SELECT VALUE -1`.
        if subtracts && (self.is_word("AS") || matches!(self.peek(), Kind::Symbol(","))) {
            self.at = start;
            return Ok(None);
        }
        Ok(Some(Output::Value(Box::new(value))))
    }

    fn item(&mut self) -> Result<Item, SqlError> {
        let start = self.span().start;
        if matches!(self.peek(), Kind::Symbol("*")) {
            self.next();
            return Ok(Item::Spread(Expression::All));
        }
        let value = self.expression()?;
        if self.symbol(".") {
            self.expect("*", "at the end of a path with a dot")?;
            return Ok(Item::Spread(value));
        }
        let end = self.tokens[self.at - 1].span.end;
        let named = self.word("AS");
        if named || matches!(self.peek(), Kind::Word(word) if !is_clause(word)) {
            return Ok(Item::Named(self.alias()?, value));
        }
        let name = match &value {
            Expression::Path(keys) | Expression::Member(_, keys) => keys.last().cloned(),
            Expression::Variable(variable) => self.variables.get(*variable).cloned(),
            _ => None,
        };
        match name {
            Some(name) => Ok(Item::Named(vec![name], value)),
            None => {
                let text = clipped(&self.text[start..end]);
                let message = format!(
                    "this item needs a key in the outgoing payload; write {text} AS name, or SELECT VALUE \
                     {text} for it alone"
                );
                Err(self.error(start..end, message))
            }
        }
    }

    /// A key, or keys with dots between them: `AS color.red`.
    fn alias(&mut self) -> Result<Vec<String>, SqlError> {
        let mut keys = Vec::new();
        loop {
            match self.peek() {
                Kind::Word(word) => keys.push((*word).to_owned()),
                Kind::Text(text) if keys.is_empty() => keys.push(text.clone()),
                _ => return Err(self.error(self.span(), format!("AS takes a name, not {}", self.found()))),
            }
            self.next();
            if keys.len() > EXPRESSION_DEPTH_MAX {
                let message = format!("AS nests deeper than {EXPRESSION_DEPTH_MAX} keys");
                return Err(self.error(self.tokens[self.at - 1].span.clone(), message));
            }
            if !self.symbol(".") {
                return Ok(keys);
            }
        }
    }

    fn filter(&mut self) -> Result<TopicFilter, SqlError> {
        let span = self.span();
        let Kind::Text(filter) = self.peek() else {
            return Err(self.error(
                span,
                "a rule reads FROM one topic filter in quotes, such as FROM 'devices/+/state'",
            ));
        };
        let filter = TopicFilter::parse(filter).map_err(|error| self.error(span, error.message()))?;
        self.next();
        Ok(filter)
    }

    fn condition(&mut self) -> Result<Option<Expression>, SqlError> {
        if self.word("WHERE") { Ok(Some(self.expression()?)) } else { Ok(None) }
    }

    /// A nested query, from after its `SELECT` to before its parenthesis.
    fn query(&mut self) -> Result<Select<Rows>, SqlError> {
        self.needs_2016("a nested SELECT", self.tokens[self.at - 1].span.clone())?;
        let output = self.output()?;
        if !self.word("FROM") {
            return Err(
                self.error(self.span(), format!("a nested SELECT has a FROM; found {}", self.found()))
            );
        }
        if let Kind::Text(_) = self.peek() {
            return Err(self.error(
                self.span(),
                "a nested SELECT reads FROM an array or object of the message, not from a topic",
            ));
        }
        let source = Box::new(self.expression()?);
        let alias = match self.word("AS").then(|| self.peek().clone()) {
            Some(Kind::Word(alias)) => {
                self.next();
                Some(alias.to_owned())
            }
            Some(_) => return Err(self.error(self.span(), format!("AS takes a name, not {}", self.found()))),
            None => None,
        };
        let condition = self.condition()?;
        Ok(Select { output, from: Rows { source, alias }, condition })
    }

    /// Nothing may follow a statement.
    fn end(&mut self) -> Result<(), SqlError> {
        let span = self.span();
        match self.peek() {
            Kind::End => Ok(()),
            Kind::Symbol(";") => Err(self.error(span, "a rule is one statement, without a ; at its end")),
            Kind::Symbol(",") => Err(self.error(span, "a rule reads FROM one topic filter")),
            Kind::Word(word) => {
                let foreign = [
                    "GROUP", "ORDER", "LIMIT", "HAVING", "JOIN", "UNION", "WITH", "OFFSET", "LIKE",
                    "BETWEEN", "IS", "AS",
                ];
                match foreign.iter().find(|keyword| word.eq_ignore_ascii_case(keyword)) {
                    Some(keyword) => Err(self.foreign(keyword)),
                    None => Err(self.error(
                        span,
                        format!(
                            "the statement ends before {}; is an operator or a comma missing",
                            self.found()
                        ),
                    )),
                }
            }
            _ => Err(self.error(
                span,
                format!("the statement ends before {}; is an operator or a comma missing", self.found()),
            )),
        }
    }

    /// SQL that is not the service's.
    fn foreign(&self, keyword: &str) -> SqlError {
        let instead = match keyword {
            "LIKE" => "; write regexp_matches(value, 'pattern'), startswith or endswith",
            "BETWEEN" => "; write a >= 1 AND a <= 2",
            "IS" => "; write isNull(value) or isUndefined(value)",
            "AS" => "; a topic filter has no other name",
            _ => "; a rule has SET, SELECT, FROM and WHERE",
        };
        self.error(self.span(), format!("{keyword} is not IoT SQL{instead}"))
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        if self.depth == EXPRESSION_DEPTH_MAX {
            let message = format!(
                "an expression nests deeper than {EXPRESSION_DEPTH_MAX} levels; move a part of it to SET @name = …"
            );
            return Err(self.error(self.span(), message));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn needs_2016(&self, what: &str, span: Range<usize>) -> Result<(), SqlError> {
        if self.version >= Version::V2016_03_23 {
            return Ok(());
        }
        let message = format!(
            "{what} needs SQL version 2016-03-23, and this rule has {}; set AwsIotSqlVersion",
            self.version.as_str()
        );
        Err(self.error(span, message))
    }

    fn peek(&self) -> &Kind<'t> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Kind<'t> {
        self.tokens.get(self.at + ahead).map_or(&Kind::End, |token| &token.kind)
    }

    /// The place of the next token.
    fn span(&self) -> Range<usize> {
        self.tokens[self.at].span.clone()
    }

    /// Moves past a token; the end stays.
    fn next(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn is_word(&self, keyword: &str) -> bool {
        self.is_word_at(0, keyword)
    }

    fn is_word_at(&self, ahead: usize, keyword: &str) -> bool {
        matches!(self.peek_at(ahead), Kind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// Takes a keyword, if it is next.
    fn word(&mut self, keyword: &str) -> bool {
        let found = self.is_word(keyword);
        if found {
            self.next();
        }
        found
    }

    /// Takes a symbol, if it is next.
    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Kind::Symbol(next) if *next == symbol);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, symbol: &str, place: &str) -> Result<(), SqlError> {
        if self.symbol(symbol) {
            return Ok(());
        }
        Err(self.error(self.span(), format!("expected {symbol} {place}, found {}", self.found())))
    }

    /// The next token, for a message.
    fn found(&self) -> Cow<'t, str> {
        match self.peek() {
            Kind::End => Cow::Borrowed("the end"),
            _ => clipped(&self.text[self.span()]),
        }
    }

    fn error(&self, span: Range<usize>, message: impl Into<String>) -> SqlError {
        SqlError::at(self.text, span, message)
    }
}

/// A list, with whether its keys are distinct.
fn distinct(list: Vec<Item>) -> Items {
    let mut seen = HashSet::new();
    let distinct = list.iter().all(|item| match item {
        Item::Spread(_) => true,
        Item::Named(keys, _) => keys.first().is_some_and(|key| seen.insert(key.as_str())),
    });
    Items { list, distinct }
}

/// Whether a word after an item begins something else than its name.
fn is_clause(word: &str) -> bool {
    [
        "FROM", "WHERE", "LIKE", "BETWEEN", "IS", "NOT", "GROUP", "ORDER", "LIMIT", "THEN", "WHEN", "ELSE",
        "END",
    ]
    .iter()
    .any(|keyword| word.eq_ignore_ascii_case(keyword))
}
