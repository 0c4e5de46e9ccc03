//! JSONPath, in the dialect of `$input.path` and `$input.json`.
//!
//! Children by name, index, slice, list and wildcard, descendants, and filters that compare. A path that can lead to one
//! place only gives what is there, any other a list of what was found.

use super::{
    ITEMS_MAX,
    value::{DEPTH_MAX, Value},
};

/// Characters of a path: ours.
const PATH_BYTES_MAX: usize = 4 * 1024;

#[derive(Clone, PartialEq, Debug)]
pub(super) struct JsonPath {
    segments: Vec<Segment>,
}

#[derive(Clone, PartialEq, Debug)]
enum Segment {
    Child(Selector),
    /// `..`: the value, and everything inside it.
    Descendants(Selector),
    /// `.length()`
    Length,
}

#[derive(Clone, PartialEq, Debug)]
enum Selector {
    Names(Vec<String>),
    Indexes(Vec<i64>),
    Slice(Option<i64>, Option<i64>),
    Wildcard,
    Filter(Test),
}

/// What is in `[?( … )]`: alternatives of terms that hold together.
#[derive(Clone, PartialEq, Debug)]
struct Test {
    any: Vec<Vec<Term>>,
}

#[derive(Clone, PartialEq, Debug)]
struct Term {
    negated: bool,
    path: JsonPath,
    compared: Option<(Comparison, Literal)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The longer ones first, since the shorter ones start them.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

#[derive(Clone, PartialEq, Debug)]
enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
}

impl Literal {
    fn value(&self) -> Value {
        match self {
            Literal::Null => Value::Null,
            Literal::Bool(bool) => Value::Bool(*bool),
            Literal::Int(int) => Value::Int(*int),
            Literal::Float(float) => Value::Float(*float),
            Literal::Text(text) => Value::text(text.as_str()),
        }
    }
}

impl JsonPath {
    /// None if the text is no path. One that does not start with `$` starts at the top all the same.
    pub(super) fn parse(text: &str) -> Option<Self> {
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

    /// What the path leads to.
    pub(super) fn find(&self, top: &Value) -> Option<Value> {
        let mut found = vec![top.clone()];
        for segment in &self.segments {
            let mut next = Vec::new();
            for value in &found {
                match segment {
                    Segment::Child(selector) => selector.select(value, &mut next),
                    Segment::Descendants(selector) => descend(value, selector, DEPTH_MAX, &mut next),
                    Segment::Length => next.extend(length(value)),
                }
                if next.len() > ITEMS_MAX {
                    return None;
                }
            }
            found = next;
        }
        if self.is_definite() { found.pop() } else { Some(Value::list(found)) }
    }

    /// Whether it leads to one place at most.
    fn is_definite(&self) -> bool {
        self.segments.iter().all(|segment| match segment {
            Segment::Child(Selector::Names(names)) => names.len() == 1,
            Segment::Child(Selector::Indexes(indexes)) => indexes.len() == 1,
            Segment::Length => true,
            _ => false,
        })
    }
}

impl Selector {
    fn select(&self, value: &Value, found: &mut Vec<Value>) {
        match (self, value) {
            (Selector::Names(names), Value::Map(map)) => {
                let map = map.borrow();
                found.extend(names.iter().filter_map(|name| map.get(name.as_str()).cloned()));
            }
            (Selector::Indexes(indexes), Value::List(list)) => {
                let list = list.borrow();
                let at = |index: &i64| list.get(super::methods::position(*index, list.len())?).cloned();
                found.extend(indexes.iter().filter_map(at));
            }
            (Selector::Slice(from, to), Value::List(list)) => {
                let list = list.borrow();
                let place =
                    |at: i64| super::methods::position(at, list.len()).map_or(0, |at| at.min(list.len()));
                let (from, to) = (from.map_or(0, place), to.map_or(list.len(), place));
                found.extend(list.get(from..to).into_iter().flatten().cloned());
            }
            (Selector::Wildcard, _) => children(value, |child| found.push(child)),
            (Selector::Filter(test), Value::List(_)) => children(value, |child| {
                if test.holds(&child) {
                    found.push(child);
                }
            }),
            (Selector::Filter(test), Value::Map(_)) if test.holds(value) => found.push(value.clone()),
            _ => {}
        }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        self.any.iter().any(|terms| terms.iter().all(|term| term.holds(value) != term.negated))
    }
}

impl Term {
    fn holds(&self, value: &Value) -> bool {
        let found = self.path.find(value);
        let Some((comparison, literal)) = &self.compared else { return found.is_some() };
        let Some(found) = found else { return false };
        let literal = literal.value();
        let order = || match (&found, &literal) {
            (Value::Text(found), Value::Text(literal)) => Some(found.cmp(literal)),
            _ => {
                found.number().zip(literal.number()).and_then(|(found, literal)| found.partial_cmp(&literal))
            }
        };
        match comparison {
            Comparison::Equal => same(&found, &literal),
            Comparison::NotEqual => !same(&found, &literal),
            Comparison::Less => order().is_some_and(std::cmp::Ordering::is_lt),
            Comparison::LessOrEqual => order().is_some_and(std::cmp::Ordering::is_le),
            Comparison::Greater => order().is_some_and(std::cmp::Ordering::is_gt),
            Comparison::GreaterOrEqual => order().is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

/// A text that looks like a number is none here.
fn same(found: &Value, literal: &Value) -> bool {
    matches!(found, Value::Text(_)) == matches!(literal, Value::Text(_)) && found.equals(literal)
}

fn children(value: &Value, mut visit: impl FnMut(Value)) {
    match value {
        Value::List(list) => list.borrow().iter().cloned().for_each(visit),
        Value::Map(map) => map.borrow().values().cloned().for_each(&mut visit),
        _ => {}
    }
}

fn descend(value: &Value, selector: &Selector, depth: usize, found: &mut Vec<Value>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    if found.len() > ITEMS_MAX {
        return;
    }
    selector.select(value, found);
    children(value, |child| descend(&child, selector, depth, found));
}

fn length(value: &Value) -> Option<Value> {
    let length = match value {
        Value::List(list) => list.borrow().len(),
        Value::Map(map) => map.borrow().len(),
        Value::Text(text) => text.encode_utf16().count(),
        _ => return None,
    };
    i64::try_from(length).ok().map(Value::Int)
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

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = r#"{"store":{"book":[
        {"category":"reference","title":"A","price":8.95},
        {"category":"fiction","title":"B","price":12.99},
        {"category":"fiction","title":"C","isbn":"0-553","price":8.99},
        {"category":"fiction","title":"D","isbn":"0-395","price":22.99}],
        "bicycle":{"color":"red","price":19.95}},"odd key":{"a.b":1},"none":null}"#;

    #[test]
    fn paths() {
        let store = Value::from_json(STORE).unwrap();
        for (path, found) in [
            ("$.store.bicycle.color", Some(r#""red""#)),
            ("store.bicycle.color", Some(r#""red""#)),
            ("$['store']['bicycle'][\"price\"]", Some("19.95")),
            ("$['odd key']['a.b']", Some("1")),
            ("$.none", Some("null")),
            ("$.nothing", None),
            ("$.store.book[0].title", Some(r#""A""#)),
            ("$.store.book[-1].title", Some(r#""D""#)),
            ("$.store.book[4].title", None),
            ("$.store.book[0,2].title", Some(r#"["A","C"]"#)),
            ("$.store.book[1:3].title", Some(r#"["B","C"]"#)),
            ("$.store.book[:1].title", Some(r#"["A"]"#)),
            ("$.store.book[-2:].title", Some(r#"["C","D"]"#)),
            ("$.store.book[*].price", Some("[8.95,12.99,8.99,22.99]")),
            ("$..price", Some("[8.95,12.99,8.99,22.99,19.95]")),
            ("$.store..isbn", Some(r#"["0-553","0-395"]"#)),
            ("$..book[0]['title','price']", Some(r#"["A",8.95]"#)),
            ("$.store.book[?(@.isbn)].title", Some(r#"["C","D"]"#)),
            ("$.store.book[?(!@.isbn)].title", Some(r#"["A","B"]"#)),
            ("$.store.book[?(@.price < 10)].title", Some(r#"["A","C"]"#)),
            ("$.store.book[?(@.price < 10 && @.category == 'fiction')].title", Some(r#"["C"]"#)),
            ("$.store.book[?(@.price > 20 || @.title == \"A\")].title", Some(r#"["A","D"]"#)),
            ("$.store.book.length()", Some("4")),
            ("$.store.bicycle.*", Some(r#"["red",19.95]"#)),
            ("$.store.book[?(@.nothing == 1)]", Some("[]")),
        ] {
            let path_read = JsonPath::parse(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(path_read.find(&store).map(|value| value.to_json()).as_deref(), found, "{path}");
        }
        assert_eq!(
            JsonPath::parse("$").unwrap().find(&store).unwrap().to_json().len(),
            store.to_json().len()
        );
    }

    #[test]
    fn what_is_no_path() {
        for text in [
            "",
            "$.",
            "$..",
            "$[",
            "$['a",
            "$[a]",
            "$.a b",
            "$[?(@.a == )]",
            "$[?(@.a",
            "$[?(x)]",
            "$[1",
            "$.a]",
            "$[?(@.a[?(@.b)])]",
        ] {
            assert_eq!(JsonPath::parse(text), None, "{text}");
        }
        assert_eq!(JsonPath::parse(&"$.a".repeat(2_000)), None);
    }

    #[test]
    fn what_a_path_finds_is_bounded() {
        let wide = format!("[{}1]", "1,".repeat(400));
        let nested = Value::from_json(&format!("[{}{wide}]", format!("{wide},").repeat(400))).unwrap();
        assert!(JsonPath::parse("$..*").unwrap().find(&nested).is_none());
        assert!(JsonPath::parse("$[*][*]").unwrap().find(&nested).is_none());
    }
}
