//! JSONPath, in the dialect of `$input.path` and `$input.json`.
//!
//! Children by name, index, slice, list and wildcard, descendants, and filters that compare. A path that can lead to one
//! place only gives what is there, any other a list of what was found.

mod parse;

use super::{
    ITEMS_MAX,
    value::{DEPTH_MAX, Value},
};

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
