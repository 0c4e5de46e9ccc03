//! What a row is, and the only place that calls the library.

use dunlin_iot_rules::sql::{EvaluateError, Message, Properties, Statement};

/// Where the rows' pages are.
const GUIDE: &str = "https://docs.aws.amazon.com/iot/latest/developerguide/";

/// A statement, what it is given, and what comes of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) payload: &'static [u8],
    pub(crate) expected: Expected,
    /// The page that says so, below the developer guide.
    pub(crate) page: &'static str,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Expected {
    /// An outgoing payload that is JSON.
    Event(&'static str),
    /// The message's own bytes, which are no JSON.
    Raw(&'static [u8]),
    /// `WHERE` is not true, or the filter does not fit.
    NoMatch,
    /// The payload is not what the statement needs.
    NotJson,
}

/// Expressions of one page, each as `SELECT VALUE …` of the same payload. An empty result is Undefined.
pub(crate) struct Group {
    pub(crate) page: &'static str,
    pub(crate) payload: &'static str,
    pub(crate) rows: &'static [(&'static str, &'static str)],
}

/// What expressions look at.
pub(crate) const PAYLOAD: &str = r#"{"i":7,"d":2.5,"s":"abc","n":"12","yes":true,"no":false,"nothing":null,"arr":[1,"two",3.5,null],"obj":{"a":1,"b":{"c":"x"}},"empty":[]}"#;

/// 53 of these bits make `rand()` 0.5; as an id they are version 4 with the fixed bits set.
const RANDOM: u128 = 0x8000_0000_0000_0000_8899_aabb_ccdd_eeff;

pub(crate) const USER: [(&str, &str); 3] =
    [("some key", "some value"), ("other key", "other value"), ("some key", "again")];

/// Who the rows' messages are from.
pub(crate) fn with_message<T>(topic: &str, payload: &[u8], run: impl FnOnce(&Message<'_>) -> T) -> T {
    let user = USER.map(|(key, value)| (key.to_owned(), value.to_owned()));
    run(&Message {
        client_id: Some("sensor-7"),
        principal: Some("ABCD1EFG3HIJK2LMNOP5"),
        source_ip: Some("192.0.2.7".parse().unwrap()),
        trace_id: Some("12345678-1234-1234-1234-123456789012"),
        account_id: "123456789012",
        received_at_ms: 1_481_825_251_155,
        random: &|| RANDOM,
        properties: Properties {
            payload_is_utf8: true,
            content_type: Some("text/plain"),
            response_topic: Some("answers/7"),
            correlation_data: Some(b"cid"),
            user: &user,
        },
        ..Message::new(topic, payload)
    })
}

pub(crate) fn outcome(sql: &str, topic: &str, payload: &[u8]) -> Result<String, String> {
    let statement = Statement::parse(sql).map_err(|error| format!("refused: {error}"))?;
    if !statement.matches(topic) {
        return Ok("no match".to_owned());
    }
    with_message(topic, payload, |message| match statement.evaluate(message) {
        Ok(Some(outgoing)) if outgoing.is_json => {
            Ok(format!("event {}", String::from_utf8_lossy(&outgoing.payload)))
        }
        Ok(Some(outgoing)) => Ok(format!("raw {:?}", outgoing.payload)),
        Ok(None) => Ok("no match".to_owned()),
        Err(EvaluateError::NotJson { .. }) => Ok("not json".to_owned()),
        Err(error) => Err(error.to_string()),
    })
}

/// Runs every row, prints those that fail with their page.
#[track_caller]
pub(crate) fn check_cases(cases: &[Case]) {
    let failed: Vec<_> = cases.iter().filter_map(failure).collect();
    assert!(failed.is_empty(), "{} of {} rows failed\n{}", failed.len(), cases.len(), failed.join("\n"));
}

fn failure(case: &Case) -> Option<String> {
    let Case { name, sql, topic, payload, expected, page } = case;
    let wanted = match expected {
        Expected::Event(event) => format!("event {event}"),
        Expected::Raw(raw) => format!("raw {raw:?}"),
        Expected::NoMatch => "no match".to_owned(),
        Expected::NotJson => "not json".to_owned(),
    };
    let found = outcome(sql, topic, payload);
    (found.as_deref() != Ok(&wanted)).then(|| {
        let payload = String::from_utf8_lossy(payload);
        format!(
            "{name}\n  {sql}\n  {topic} {payload}\n  expected {wanted}\n  found    {found:?}\n  {GUIDE}{page}"
        )
    })
}

#[track_caller]
pub(crate) fn check_groups(groups: &[Group]) {
    let mut failed = Vec::new();
    for Group { page, payload, rows } in groups {
        for (expression, expected) in *rows {
            let sql = format!("SELECT VALUE {expression} FROM 'things/+/thingOne'");
            let found = outcome(&sql, "things/myThings/thingOne", payload.as_bytes());
            // What is undefined makes an empty payload.
            let wanted = if expected.is_empty() { "raw []".to_owned() } else { format!("event {expected}") };
            if found.as_deref() != Ok(&wanted) {
                failed.push(format!(
                    "{expression}\n  expected {wanted}\n  found    {found:?}\n  {GUIDE}{page}"
                ));
            }
        }
    }
    assert!(failed.is_empty(), "{} rows failed\n{}", failed.len(), failed.join("\n"));
}
