//! Topic rules: a statement, and below it a message's payload.

use dunlin_iot_rules::sql::{Message, Statement, Template};

use super::parts;
use crate::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "rule_sql",
    run,
    words: &[
        b"SELECT ",
        b"* ",
        b"VALUE ",
        b" AS x",
        b" FROM 'things/#'",
        b" WHERE ",
        b"SET @a = ",
        b"@a",
        b"(",
        b")",
        b"[",
        b"]",
        b"{'k': ",
        b"}",
        b"'",
        b"\"",
        b".",
        b",",
        b" AND ",
        b" OR ",
        b"NOT ",
        b" = ",
        b" <> ",
        b" IN ",
        b"CASE ",
        b"WHEN ",
        b"THEN ",
        b"ELSE ",
        b"END",
        b"cast(x AS Int)",
        b"topic(1)",
        b"timestamp()",
        b"encode(*, 'base64')",
        b"decode(",
        b"regexp_matches(s, '",
        b"parse_time('yyyy', 1)",
        b"get(arr, 0)",
        b"substring(",
        b"concat(",
        b"1e300",
        b"-2.5",
        b"9999999999999999999999999999999999",
        b"NULL",
        b"true",
        b"${topic()}",
        b"\n---\n",
        b"{\"a\":",
        b"[1,2]",
        b"\xf0\x9f\x98\x80",
        b"\\ud800",
        b"\0",
    ],
    input_bytes_max: 2_048,
};

/// Characters of a sentence about a statement.
const SENTENCE_CHARS_MAX: usize = 400;

fn run(bytes: &[u8]) {
    let [sql, payload] = parts(bytes);
    let statement = match Statement::parse(&sql) {
        Ok(statement) => statement,
        Err(error) => {
            assert!(error.to_string().chars().count() < SENTENCE_CHARS_MAX, "{error}");
            assert!(error.span().is_none_or(|span| sql.get(span).is_some()), "{error:?}");
            assert!(error.snippet().is_none_or(|snippet| snippet.lines().count() <= 2), "{error:?}");
            return;
        }
    };
    let message = Message {
        client_id: Some("sensor-7"),
        account_id: "123456789012",
        received_at_ms: 1_481_825_251_155,
        random: &|| 0x8899_aabb_ccdd_eeff,
        ..Message::new("things/one", payload.as_bytes())
    };
    let outgoing = statement.evaluate(&message).ok().flatten();
    if let Some(outgoing) = &outgoing {
        let is_readable = serde_json::from_slice::<&serde_json::value::RawValue>(&outgoing.payload).is_ok();
        assert!(!outgoing.is_json || is_readable, "{:?}", outgoing.payload);
    }
    if let Ok(template) = Template::parse(&payload, &statement) {
        let _ = template.render(&message, &outgoing.map(|outgoing| outgoing.variables).unwrap_or_default());
    }
}
