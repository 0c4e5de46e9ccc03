use std::{cell::RefCell, fmt, fmt::Write as _, rc::Rc};

use indexmap::IndexMap;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// A value of the language. Lists and maps are shared, not copied, as they are in Java: `$list.add(…)` changes the list
/// for everyone who refers to it.
#[derive(Clone, Debug, Default)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(List),
    Map(Map),
    /// One of the objects that the service supplies.
    Object(Object),
}

pub(super) type List = Rc<RefCell<Vec<Value>>>;
pub(super) type Map = Rc<RefCell<IndexMap<Rc<str>, Value>>>;

/// What the service supplies beside data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Input,
    Util,
}

/// Arrays and objects within each other that are read, printed or compared: ours, the usual one of JSON parsers. A list
/// that holds itself would otherwise have no end.
pub(super) const DEPTH_MAX: usize = 128;

impl Value {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Value::Text(text.into())
    }

    pub(super) fn list(values: Vec<Value>) -> Self {
        Value::List(Rc::new(RefCell::new(values)))
    }

    pub(super) fn map(entries: impl IntoIterator<Item = (Rc<str>, Value)>) -> Self {
        Value::Map(Rc::new(RefCell::new(entries.into_iter().collect())))
    }

    /// Only `false` and what is not there are false; an empty text is true.
    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Value::Null | Value::Bool(false))
    }

    /// As `==` compares: numbers by value, values of one kind by value, others by their texts.
    pub(super) fn equals(&self, other: &Value) -> bool {
        self.equals_within(other, DEPTH_MAX)
    }

    fn equals_within(&self, other: &Value, depth: usize) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return false };
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::List(a), Value::List(b)) => {
                Rc::ptr_eq(a, b) || {
                    let (a, b) = (a.borrow(), b.borrow());
                    a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.equals_within(b, depth))
                }
            }
            (Value::Map(a), Value::Map(b)) => {
                Rc::ptr_eq(a, b) || {
                    let (a, b) = (a.borrow(), b.borrow());
                    a.len() == b.len()
                        && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| a.equals_within(b, depth)))
                }
            }
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => a.total_cmp(&b).is_eq(),
                _ => a.to_string() == b.to_string(),
            },
        }
    }

    /// The value of a number.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "as Java compares a long with a double")]
            Value::Int(int) => Some(*int as f64),
            Value::Float(float) => Some(*float),
            _ => None,
        }
    }

    /// As compact JSON; what is nested deeper than [`DEPTH_MAX`] is `null`.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(&Nested { value: self, depth: DEPTH_MAX }).unwrap_or_default()
    }

    /// The same, not printed.
    pub(super) fn to_serde(&self) -> serde_json::Value {
        serde_json::to_value(Nested { value: self, depth: DEPTH_MAX }).unwrap_or_default()
    }

    pub(super) fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// As the service prints it: texts as they are, arrays as JSON, maps as Java does. Null is for the caller to decide.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self, f, DEPTH_MAX)
    }
}

fn print(value: &Value, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    let Some(depth) = depth.checked_sub(1) else { return f.write_str("…") };
    match value {
        Value::Null => f.write_str("null"),
        Value::Bool(bool) => write!(f, "{bool}"),
        Value::Int(int) => write!(f, "{int}"),
        Value::Float(float) => f.write_str(&java_double(*float)),
        Value::Text(text) => f.write_str(text),
        Value::List(_) => f.write_str(&value.to_json()),
        Value::Map(map) => {
            f.write_char('{')?;
            for (index, (key, value)) in map.borrow().iter().enumerate() {
                if index > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{key}=")?;
                print(value, f, depth)?;
            }
            f.write_char('}')
        }
        Value::Object(Object::Input) => f.write_str("$input"),
        Value::Object(Object::Util) => f.write_str("$util"),
    }
}

/// `Double.toString`: at least one digit after the point, and an exponent for the very large and the very small.
fn java_double(float: f64) -> String {
    let size = float.abs();
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{float:?}");
    }
    let text = format!("{float:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

/// A value within others, and how deep it may still go.
struct Nested<'a> {
    value: &'a Value,
    depth: usize,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(depth) = self.depth.checked_sub(1) else { return serializer.serialize_unit() };
        match self.value {
            Value::Null | Value::Object(_) => serializer.serialize_unit(),
            Value::Bool(bool) => serializer.serialize_bool(*bool),
            Value::Int(int) => serializer.serialize_i64(*int),
            Value::Float(float) => serializer.serialize_f64(*float),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(list) => {
                serializer.collect_seq(list.borrow().iter().map(|value| Nested { value, depth }))
            }
            Value::Map(map) => serializer
                .collect_map(map.borrow().iter().map(|(key, value)| (&**key, Nested { value, depth }))),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FromJson)
    }
}

struct FromJson;

impl<'de> Visitor<'de> for FromJson {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Value, E> {
        Ok(Value::Bool(bool))
    }

    fn visit_i64<E>(self, int: i64) -> Result<Value, E> {
        Ok(Value::Int(int))
    }

    fn visit_u64<E>(self, int: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "numbers beyond a long are doubles")]
        Ok(i64::try_from(int).map_or(Value::Float(int as f64), Value::Int))
    }

    fn visit_f64<E>(self, float: f64) -> Result<Value, E> {
        Ok(Value::Float(float))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::list(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = IndexMap::new();
        while let Some((key, value)) = entries.next_entry::<String, Value>()? {
            map.insert(Rc::from(key), value);
        }
        Ok(Value::Map(Rc::new(RefCell::new(map))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_the_service_prints_them() {
        for (json, printed) in [
            (r#""text""#, "text"),
            ("1", "1"),
            ("1.50", "1.5"),
            ("2.0", "2.0"),
            ("12345678.9", "1.23456789E7"),
            ("1e20", "1.0E20"),
            ("0.0001", "1.0E-4"),
            (r#"["a",1,[true,null]]"#, r#"["a",1,[true,null]]"#),
            (r#"{"z":1,"a":{"b":["c"]}}"#, r#"{z=1, a={b=["c"]}}"#),
        ] {
            assert_eq!(Value::from_json(json).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn json_keeps_its_order() {
        let json = r#"{"z":1,"a":[{"y":null,"b":-2.5}],"big":18446744073709551615}"#;
        let printed = r#"{"z":1,"a":[{"y":null,"b":-2.5}],"big":1.8446744073709552e+19}"#;
        assert_eq!(Value::from_json(json).unwrap().to_json(), printed);
    }

    /// A list can be put into itself; it has an end all the same.
    #[test]
    fn a_list_within_itself_ends() {
        let list = Value::list(vec![Value::Int(1)]);
        let Value::List(items) = &list else { panic!() };
        items.borrow_mut().push(list.clone());
        assert!(list.to_string().len() < 10 * DEPTH_MAX);
        assert!(list.equals(&list.clone()));
        items.borrow_mut().clear();
    }

    #[test]
    fn equality() {
        let json = |text| Value::from_json(text).unwrap();
        for (a, b, equal) in [
            ("1", "1.0", true),
            ("1", "\"1\"", true),
            ("\"a\"", "\"a\"", true),
            ("\"a\"", "\"A\"", false),
            ("null", "null", true),
            ("null", "\"\"", false),
            ("[1,{\"a\":2}]", "[1,{\"a\":2}]", true),
            ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true),
            ("{\"a\":1}", "{\"a\":1,\"b\":2}", false),
        ] {
            assert_eq!(json(a).equals(&json(b)), equal, "{a} == {b}");
        }
    }
}
