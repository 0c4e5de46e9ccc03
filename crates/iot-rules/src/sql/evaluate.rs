use std::{borrow::Cow, cmp::Ordering};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    Message, Statement,
    expression::{Comparison, Expression},
    json,
};

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Evaluation {
    /// A JSON object.
    Event(String),
    /// `WHERE` is not true of it.
    Skipped,
    /// The statement needs JSON, or an object for `*`, and the payload is none (S7).
    Unreadable,
}

pub(super) fn statement(statement: &Statement, message: &Message<'_>) -> Evaluation {
    let Statement { all, items, condition, .. } = statement;
    let reads_json = *all
        || items.iter().any(|item| item.value.reads_json())
        || condition.as_ref().is_some_and(Expression::reads_json);
    let payload = if reads_json { json::whole(message.payload) } else { None };
    let entries = match (reads_json, payload, all) {
        (true, None, _) => return Evaluation::Unreadable,
        (true, Some(payload), true) => match json::entries(payload) {
            Some(entries) => entries,
            None => return Evaluation::Unreadable,
        },
        _ => Vec::new(),
    };
    let scope = Scope { message, payload };
    if let Some(condition) = condition
        && scope.value(condition).as_deref() != Some("true")
    {
        return Evaluation::Skipped;
    }
    let values: Vec<_> =
        items.iter().filter_map(|item| Some((item.name.as_str(), scope.value(&item.value)?))).collect();
    let mut event = Event::new();
    for (key, value) in &entries {
        // A named item wins over a key of the same name, wherever `*` stands.
        if values.iter().all(|(name, _)| name != key) {
            event.push(key, value);
        }
    }
    for (place, (name, value)) in values.iter().enumerate() {
        if values[place + 1..].iter().all(|(later, _)| later != name) {
            event.push(name, value);
        }
    }
    Evaluation::Event(event.finish())
}

/// A JSON object under construction.
struct Event(String);

impl Event {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn push(&mut self, key: &str, value: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&json::string(key));
        self.0.push(':');
        self.0.push_str(value);
    }

    fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

struct Scope<'m> {
    message: &'m Message<'m>,
    payload: Option<&'m str>,
}

impl<'m> Scope<'m> {
    /// JSON text; `None` is undefined. The parser bounds the depth.
    fn value<'v>(&self, expression: &'v Expression) -> Option<Cow<'v, str>>
    where
        'm: 'v,
    {
        let message = self.message;
        Some(match expression {
            Expression::Literal(json) => Cow::Borrowed(json.as_str()),
            Expression::Path(keys) => {
                let mut value = self.payload?;
                for key in keys {
                    value = json::get(value, key)?;
                }
                Cow::Borrowed(value)
            }
            Expression::Topic => json::string(message.topic).into(),
            Expression::TopicLevel(level) => {
                json::string(message.topic.split('/').nth(level.checked_sub(1)?)?).into()
            }
            Expression::Timestamp => message.received_at_ms.to_string().into(),
            Expression::ClientId => json::string(message.client_id.unwrap_or("n/a")).into(),
            Expression::NewUuid => json::string(&uuid((message.random)())).into(),
            Expression::EncodedPayload => json::string(&STANDARD.encode(message.payload)).into(),
            Expression::IsUndefined(inner) => boolean(self.value(inner).is_none()),
            Expression::IsNull(inner) => boolean(self.value(inner).as_deref() == Some("null")),
            Expression::Compare(comparison, left, right) => {
                boolean(compare(*comparison, &self.parsed(left)?, &self.parsed(right)?)?)
            }
            Expression::And(left, right) => boolean(self.truth(left)? & self.truth(right)?),
            Expression::Or(left, right) => {
                let (left, right) = (self.truth(left)?, self.truth(right)?);
                boolean(left | right)
            }
            Expression::Not(inner) => boolean(!self.truth(inner)?),
        })
    }

    fn parsed(&self, expression: &Expression) -> Option<Value> {
        serde_json::from_str(&self.value(expression)?).ok()
    }

    fn truth(&self, expression: &Expression) -> Option<bool> {
        match self.parsed(expression)? {
            Value::Bool(value) => Some(value),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }
}

fn boolean(value: bool) -> Cow<'static, str> {
    Cow::Borrowed(if value { "true" } else { "false" })
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> Option<bool> {
    let order = || Some(number(left)?.compare(number(right)?));
    match comparison {
        Comparison::Equal => Some(equal(left, right)),
        Comparison::NotEqual => Some(!equal(left, right)),
        Comparison::Less => Some(order()? == Ordering::Less),
        Comparison::LessOrEqual => Some(order()? != Ordering::Greater),
        Comparison::Greater => Some(order()? == Ordering::Greater),
        Comparison::GreaterOrEqual => Some(order()? != Ordering::Less),
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Number(_) | Value::String(_), Value::Number(_) | Value::String(_)) => {
            match (number(left), number(right)) {
                (Some(left), Some(right)) => left.compare(right) == Ordering::Equal,
                _ => false,
            }
        }
        _ => left == right,
    }
}

/// Whole numbers stay exact; a device's counter may be beyond what a double holds.
#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Real(f64),
}

fn number(value: &Value) -> Option<Number> {
    let text = match value {
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::String(text) => Cow::Borrowed(text.trim()),
        _ => return None,
    };
    if let Ok(whole) = text.parse() {
        return Some(Number::Whole(whole));
    }
    text.parse().ok().filter(|real: &f64| real.is_finite()).map(Number::Real)
}

impl Number {
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => left.cmp(&right),
            // Finite by construction, so the total order is the usual one but for the sign of zero.
            (left, right) => (left.real() + 0.0).total_cmp(&(right.real() + 0.0)),
        }
    }

    fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
        }
    }
}

/// A version 4 UUID of these random bits.
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID_BITS: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;

    fn evaluate(sql: &str, payload: &[u8]) -> Evaluation {
        let statement = Statement::parse(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        super::statement(
            &statement,
            &Message {
                client_id: Some("pump \"7\""),
                received_at_ms: 1_721_807_239_020,
                random: &|| UUID_BITS,
                ..Message::new("devices/dev-1/parameters", payload)
            },
        )
    }

    #[test]
    fn events() {
        let reading =
            r#"{"t":21.50,"n":9007199254740993,"device":{"id":"x","tags":["a", "b"]},"ok":true,"none":null}"#;
        for (select, expected) in [
            ("*", reading),
            ("t", r#"{"t":21.50}"#),
            ("t AS temperature", r#"{"temperature":21.50}"#),
            ("t temperature", r#"{"temperature":21.50}"#),
            ("n, t", r#"{"n":9007199254740993,"t":21.50}"#),
            ("device", r#"{"device":{"id":"x","tags":["a", "b"]}}"#),
            ("device.id", r#"{"id":"x"}"#),
            ("device.tags AS tags", r#"{"tags":["a", "b"]}"#),
            ("\"device\".\"id\" AS \"the id\"", r#"{"the id":"x"}"#),
            ("none", r#"{"none":null}"#),
            // undefined items are left out
            ("gone", "{}"),
            ("gone, t", r#"{"t":21.50}"#),
            ("device.gone", "{}"),
            ("t.gone", "{}"),
            ("device.tags.gone", "{}"),
            // functions
            ("topic() AS topic", r#"{"topic":"devices/dev-1/parameters"}"#),
            (
                "topic(1) AS a, topic(2) AS b, topic(3) AS c",
                r#"{"a":"devices","b":"dev-1","c":"parameters"}"#,
            ),
            ("topic(4) AS gone", "{}"),
            ("timestamp() AS at", r#"{"at":1721807239020}"#),
            ("clientid() AS client", r#"{"client":"pump \"7\""}"#),
            ("ClientId() AS client", r#"{"client":"pump \"7\""}"#),
            ("newuuid() AS id", r#"{"id":"00112233-4455-4677-8899-aabbccddeeff"}"#),
            ("isUndefined(gone) AS a, isUndefined(none) AS b", r#"{"a":true,"b":false}"#),
            ("isNull(none) AS a, isNull(gone) AS b, isNull(t) AS c", r#"{"a":true,"b":false,"c":false}"#),
            // literals
            ("1 AS a, 1.5 AS b, -2 AS c, .5 AS d, 007 AS e", r#"{"a":1,"b":1.5,"c":-2,"d":0.5,"e":7.0}"#),
            ("'it''s \"x\"' AS a, true AS b, null AS c", r#"{"a":"it's \"x\"","b":true,"c":null}"#),
            // comparisons are values too
            ("t > 20 AS warm, ok = false AS off", r#"{"warm":true,"off":false}"#),
            ("gone > 20 AS warm", "{}"),
            // of two items with one name the later stands
            ("t AS x, ok AS x", r#"{"x":true}"#),
        ] {
            let sql = format!("SELECT {select} FROM 'devices/+/parameters'");
            assert_eq!(evaluate(&sql, reading.as_bytes()), Evaluation::Event(expected.to_owned()), "{sql}");
        }
    }

    /// The keys of `*` first, then the named ones; a named one wins whatever the order.
    #[test]
    fn a_named_item_wins_over_a_key_of_the_payload() {
        for (select, payload, expected) in [
            ("*, 2 AS b", r#"{"a":1,"b":1,"c":1}"#, r#"{"a":1,"c":1,"b":2}"#),
            ("2 AS b, *", r#"{"a":1,"b":1,"c":1}"#, r#"{"a":1,"c":1,"b":2}"#),
            ("*, a.b AS a", r#"{"a":{"b":5}}"#, r#"{"a":5}"#),
            ("*, gone AS a", r#"{"a":1}"#, r#"{"a":1}"#),
            ("*, 1 AS b", "{}", r#"{"b":1}"#),
            ("*", r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            ("*", r#" { "a" : [ 1 ] } "#, r#"{"a":[ 1 ]}"#),
        ] {
            let sql = format!("SELECT {select} FROM 'x'");
            assert_eq!(
                evaluate(&sql, payload.as_bytes()),
                Evaluation::Event(expected.to_owned()),
                "{sql} {payload}"
            );
        }
    }

    #[test]
    fn conditions() {
        let payload = br#"{"t":21.5,"n":"40","s":"abc","big":9007199254740993,"ok":true,"text":"TRUE","none":null,"o":{"a":[1]}}"#;
        for (condition, fires) in [
            ("t = 21.5", true),
            ("t = 21.50", true),
            ("t <> 21.5", false),
            ("t != 20", true),
            ("t > 21.5", false),
            ("t >= 21.5", true),
            ("t < 22", true),
            ("t <= 21", false),
            ("20 < t", true),
            ("big = 9007199254740993", true),
            ("big = 9007199254740992", false),
            ("big > 9007199254740992", true),
            // a text that is a number
            ("n = 40", true),
            ("n > 39.5", true),
            ("n = '40'", true),
            ("s = 'abc'", true),
            ("s = 'ABC'", false),
            ("s > 1", false),
            ("NOT s > 1", false),
            ("s < 'b'", false),
            // types differ
            ("s = 1", false),
            ("s <> 1", true),
            ("ok = 'true'", false),
            ("none = null", true),
            ("o.a = o.a", true),
            // undefined is not true, nor is its opposite
            ("gone = 1", false),
            ("gone <> 1", false),
            ("NOT gone = 1", false),
            ("gone", false),
            ("isUndefined(gone)", true),
            ("NOT isUndefined(gone)", false),
            ("ok OR gone", false),
            ("gone OR ok", false),
            // logic
            ("ok", true),
            ("text", false),
            ("NOT ok", false),
            ("ok AND t > 20", true),
            ("ok AND t > 22", false),
            ("t > 22 OR n = 40", true),
            ("text AND ok", true),
            ("s AND ok", false),
            ("t > 22 AND ok OR n = 40", true),
            ("t > 22 AND (ok OR n = 40)", false),
            ("NOT (t > 22 OR s = 'x')", true),
            // functions
            ("topic(2) = 'dev-1'", true),
            ("topic(9) = 'dev-1'", false),
            ("timestamp() > 1721807239019", true),
            ("isNull(none) AND NOT isNull(t)", true),
        ] {
            let sql = format!("SELECT 1 AS fired FROM 'x' WHERE {condition}");
            let expected =
                if fires { Evaluation::Event(r#"{"fired":1}"#.to_owned()) } else { Evaluation::Skipped };
            assert_eq!(evaluate(&sql, payload), expected, "{condition}");
        }
    }

    /// S7: `*` and paths need JSON; what does not look inside takes anything.
    #[test]
    fn payloads_that_are_not_json() {
        let event = |text: &str| Evaluation::Event(text.to_owned());
        for (select, payload, expected) in [
            ("*", &b"nope"[..], Evaluation::Unreadable),
            ("*", b"", Evaluation::Unreadable),
            ("*", b"\xff\x00", Evaluation::Unreadable),
            ("*", b"[1]", Evaluation::Unreadable),
            ("*", b"5", Evaluation::Unreadable),
            ("a", b"nope", Evaluation::Unreadable),
            ("a", b"[1]", event("{}")),
            ("topic(2) AS d", b"nope", event(r#"{"d":"dev-1"}"#)),
            ("encode(*, 'base64') AS data", b"\xff\x00", event(r#"{"data":"/wA="}"#)),
            ("encode(*, 'base64') AS data", b"", event(r#"{"data":""}"#)),
        ] {
            let sql = format!("SELECT {select} FROM 'x'");
            assert_eq!(evaluate(&sql, payload), expected, "{sql} {payload:?}");
        }
        assert_eq!(evaluate("SELECT 1 AS a FROM 'x' WHERE b = 1", b"nope"), Evaluation::Unreadable);
    }

    /// The notify app's rule, word for word as in its template.
    #[test]
    fn the_notify_rule() {
        let sql = "SELECT *, topic(2) AS device_id, timestamp() AS received_at FROM 'devices/+/parameters'";
        let template = include_str!("../../../../infra/template.yaml");
        assert!(template.contains(sql));
        for (payload, expected) in [
            (
                r#"{"version":7,"payload":{"value":{"temperature":21.5}}}"#,
                r#"{"version":7,"payload":{"value":{"temperature":21.5}},"device_id":"dev-1","received_at":1721807239020}"#,
            ),
            (
                r#"{"device_id":"forged","received_at":0}"#,
                r#"{"device_id":"dev-1","received_at":1721807239020}"#,
            ),
        ] {
            assert_eq!(evaluate(sql, payload.as_bytes()), Evaluation::Event(expected.to_owned()));
        }
    }
}
