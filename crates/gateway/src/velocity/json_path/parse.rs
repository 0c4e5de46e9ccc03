//! Reads paths.

use super::{Comparison, JsonPath, Literal, Segment, Selector, Term, Test};

/// Bytes of a path: ours.
const PATH_BYTES_MAX: usize = 4 * 1024;

/// The longer ones first, since the shorter ones start them.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl JsonPath {
    /// None if the text is no path. One that does not start with `$` starts at the top all the same.
    pub(in crate::velocity) fn parse(text: &str) -> Option<Self> {
        if text.len() > PATH_BYTES_MAX {
            return None;
        }
        let text = text.trim();
        let mut reader = Reader { rest: text.strip_prefix('$').unwrap_or(text), filters: 0 };
        if !text.starts_with('$') && !text.starts_with('[') {
            let name = reader.name()?;
            let mut path = reader.path()?;
            path.segments.insert(0, Segment::Child(Selector::Names(vec![name])));
            return reader.rest.is_empty().then_some(path);
        }
        let path = reader.path()?;
        reader.rest.is_empty().then_some(path)
    }
}

struct Reader<'t> {
    rest: &'t str,
    /// Filters within filters, which would otherwise bound nothing but the stack.
    filters: usize,
}

impl Reader<'_> {
    /// Segments up to something that is none.
    fn path(&mut self) -> Option<JsonPath> {
        let mut segments = Vec::new();
        loop {
            if self.take("..") {
                let selector = if self.rest.starts_with('[') { self.brackets()? } else { self.dotted()? };
                segments.push(Segment::Descendants(selector));
            } else if self.take(".length()") {
                segments.push(Segment::Length);
            } else if self.take(".") {
                segments.push(Segment::Child(self.dotted()?));
            } else if self.rest.starts_with('[') {
                segments.push(Segment::Child(self.brackets()?));
            } else {
                return Some(JsonPath { segments });
            }
        }
    }

    fn dotted(&mut self) -> Option<Selector> {
        if self.take("*") {
            return Some(Selector::Wildcard);
        }
        self.name().map(|name| Selector::Names(vec![name]))
    }

    fn name(&mut self) -> Option<String> {
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@')))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn brackets(&mut self) -> Option<Selector> {
        self.rest = &self.rest[1..];
        self.space();
        let selector = match self.rest.chars().next()? {
            '*' => {
                self.rest = &self.rest[1..];
                Selector::Wildcard
            }
            '?' => {
                self.rest = &self.rest[1..];
                self.space();
                if self.filters > 0 || !self.take("(") {
                    return None;
                }
                self.filters += 1;
                let test = self.test()?;
                self.filters -= 1;
                self.take(")").then_some(Selector::Filter(test))?
            }
            '\'' | '"' => {
                let mut names = vec![self.quoted()?];
                while self.comma() {
                    names.push(self.quoted()?);
                }
                Selector::Names(names)
            }
            _ => self.indexes()?,
        };
        self.space();
        self.take("]").then_some(selector)
    }

    fn indexes(&mut self) -> Option<Selector> {
        let first = self.integer();
        self.space();
        if self.take(":") {
            self.space();
            return Some(Selector::Slice(first, self.integer()));
        }
        let mut indexes = vec![first?];
        while self.comma() {
            indexes.push(self.integer()?);
        }
        Some(Selector::Indexes(indexes))
    }

    fn test(&mut self) -> Option<Test> {
        let mut any = vec![vec![self.term()?]];
        loop {
            self.space();
            if self.take("&&") {
                any.last_mut()?.push(self.term()?);
            } else if self.take("||") {
                any.push(vec![self.term()?]);
            } else {
                return Some(Test { any });
            }
        }
    }

    fn term(&mut self) -> Option<Term> {
        self.space();
        let negated = self.take("!");
        self.space();
        if !self.take("@") {
            return None;
        }
        let path = self.path()?;
        self.space();
        let comparison = COMPARISONS.into_iter().find(|(token, _)| self.take(token));
        let compared = match comparison {
            Some((_, comparison)) => {
                self.space();
                Some((comparison, self.literal()?))
            }
            None => None,
        };
        Some(Term { negated, path, compared })
    }

    fn literal(&mut self) -> Option<Literal> {
        if self.rest.starts_with(['\'', '"']) {
            return self.quoted().map(Literal::Text);
        }
        for (word, literal) in
            [("null", Literal::Null), ("true", Literal::Bool(true)), ("false", Literal::Bool(false))]
        {
            if self.take(word) {
                return Some(literal);
            }
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E')))
            .unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        number.parse().map(Literal::Int).or_else(|_| number.parse().map(Literal::Float)).ok()
    }

    fn quoted(&mut self) -> Option<String> {
        let mut chars = self.rest.char_indices();
        let (_, quote) = chars.next().filter(|(_, c)| matches!(c, '\'' | '"'))?;
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => text.push(chars.next()?.1),
                c if c == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                c => text.push(c),
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        let end = self
            .rest
            .char_indices()
            .find(|(at, c)| !(c.is_ascii_digit() || (*at == 0 && *c == '-')))
            .map_or(self.rest.len(), |(at, _)| at);
        let number = self.rest[..end].parse().ok()?;
        self.rest = &self.rest[end..];
        Some(number)
    }

    fn comma(&mut self) -> bool {
        self.space();
        let found = self.take(",");
        self.space();
        found
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}
