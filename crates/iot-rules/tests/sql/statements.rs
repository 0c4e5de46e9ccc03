//! What follows from the documentation for whole statements, where its examples do not go.

use crate::case::{
    Case,
    Expected::{self, *},
    check_cases, outcome,
};

const READING: &[u8] =
    br#"{"t":21.50,"n":9007199254740993,"device":{"id":"x","tags":["a", "b"]},"ok":true,"none":null}"#;
const ROWS: &[u8] =
    br#"{"limit":2,"rows":[{"k":1,"v":{"w":"a"}},{"k":2},{"k":3,"v":{"w":"c"}},5,null,"x"],"one":{"k":9}}"#;

#[test]
fn statements() {
    check_cases(CASES);
}

/// The notify app's rule, word for word as in its template.
#[test]
fn the_notify_rule() {
    let sql = "SELECT *, topic(2) AS device_id, timestamp() AS received_at FROM 'devices/+/parameters'";
    assert!(include_str!("../../../../infra/template.yaml").contains(sql));
    for (payload, expected) in [
        (
            r#"{"version":7,"payload":{"value":{"temperature":21.5}}}"#,
            r#"{"version":7,"payload":{"value":{"temperature":21.5}},"device_id":"dev-1","received_at":1481825251155}"#,
        ),
        (r#"{"device_id":"forged","received_at":0}"#, r#"{"device_id":"dev-1","received_at":1481825251155}"#),
    ] {
        assert_eq!(
            outcome(sql, "devices/dev-1/parameters", payload.as_bytes()),
            Ok(format!("event {expected}"))
        );
    }
}

/// `SELECT {…} FROM 'devices/+/state'` is written out in each row: it is what a template has.
const fn case(
    page: &'static str,
    name: &'static str,
    sql: &'static str,
    payload: &'static [u8],
    expected: Expected,
) -> Case {
    Case { name, sql, topic: "devices/dev-1/state", payload, expected, page }
}

const SELECT: &str = "iot-sql-select.html";
const JSON: &str = "iot-sql-json.html";
const TYPES: &str = "iot-sql-data-types.html";
const WHERE: &str = "iot-sql-where.html";
const SET: &str = "iot-sql-set.html";
const NESTED: &str = "iot-sql-nested-queries.html";
const BINARY: &str = "binary-payloads.html";

pub(crate) const CASES: &[Case] = &[
    case(
        SELECT,
        "a path keeps the payload's digits",
        "SELECT t, n FROM 'devices/+/state'",
        READING,
        Event(r#"{"t":21.50,"n":9007199254740993}"#),
    ),
    case(
        SELECT,
        "an alias without AS",
        "SELECT t temperature FROM 'devices/+/state'",
        READING,
        Event(r#"{"temperature":21.50}"#),
    ),
    case(
        SELECT,
        "an alias in quotes",
        "SELECT t AS 'the temperature' FROM 'devices/+/state'",
        READING,
        Event(r#"{"the temperature":21.50}"#),
    ),
    case(
        SELECT,
        "an alias that is a keyword",
        "SELECT t AS end, ok AS all FROM 'devices/+/state'",
        READING,
        Event(r#"{"end":21.50,"all":true}"#),
    ),
    case(
        SELECT,
        "the last key names a path",
        "SELECT device.id FROM 'devices/+/state'",
        READING,
        Event(r#"{"id":"x"}"#),
    ),
    case(
        SELECT,
        "undefined is left out",
        "SELECT gone, t FROM 'devices/+/state'",
        READING,
        Event(r#"{"t":21.50}"#),
    ),
    case(
        SELECT,
        "nothing is left",
        "SELECT gone, t.gone, device.tags.gone FROM 'devices/+/state'",
        READING,
        Event("{}"),
    ),
    case(
        SELECT,
        "null is not undefined",
        "SELECT none FROM 'devices/+/state'",
        READING,
        Event(r#"{"none":null}"#),
    ),
    case(
        SELECT,
        "keywords in any case",
        "sElEcT t FrOm 'devices/+/state' wHeRe ok",
        READING,
        Event(r#"{"t":21.50}"#),
    ),
    case(
        SELECT,
        "over several lines",
        "SELECT t,\n\t*\r\nFROM 'devices/+/state'\n",
        br#"{"t":1}"#,
        Event(r#"{"t":1}"#),
    ),
    case(
        SELECT,
        "the filter in double quotes",
        "SELECT t FROM \"devices/+/state\"",
        READING,
        Event(r#"{"t":21.50}"#),
    ),
    case(
        SELECT,
        "a named item wins over a key of the payload",
        "SELECT *, 2 AS b FROM 'devices/+/state'",
        br#"{"a":1,"b":1,"c":1}"#,
        Event(r#"{"a":1,"c":1,"b":2}"#),
    ),
    case(
        SELECT,
        "also where * comes last",
        "SELECT 2 AS b, * FROM 'devices/+/state'",
        br#"{"a":1,"b":1,"c":1}"#,
        Event(r#"{"a":1,"c":1,"b":2}"#),
    ),
    case(
        SELECT,
        "an undefined item replaces nothing",
        "SELECT *, gone AS a FROM 'devices/+/state'",
        br#"{"a":1}"#,
        Event(r#"{"a":1}"#),
    ),
    case(
        SELECT,
        "adding to an empty object",
        "SELECT *, 1 AS b, gone AS c, 2 AS d FROM 'devices/+/state'",
        b" { } ",
        Event(r#"{ "b":1,"d":2}"#),
    ),
    case(
        SELECT,
        "of a doubled key the last value",
        "SELECT *, 1 AS c FROM 'devices/+/state'",
        br#"{"a":1,"b":2,"a":3}"#,
        Event(r#"{"a":3,"b":2,"c":1}"#),
    ),
    case(
        SELECT,
        "of a doubled key the last value, by path",
        "SELECT a FROM 'devices/+/state'",
        br#"{"a":1,"b":2,"a":3}"#,
        Event(r#"{"a":3}"#),
    ),
    case(
        SELECT,
        "an escaped key is the same key",
        "SELECT *, 1 AS ab FROM 'devices/+/state'",
        br#"{"a\u0062":2}"#,
        Event(r#"{"ab":1}"#),
    ),
    case(
        SELECT,
        "of two items with one name the later",
        "SELECT t AS x, ok AS x FROM 'devices/+/state'",
        READING,
        Event(r#"{"x":true}"#),
    ),
    case(
        SELECT,
        "a nested value inside * stays",
        "SELECT *, 1 AS x FROM 'devices/+/state'",
        br#"{"a":{"b":{}}}"#,
        Event(r#"{"a":{"b":{}},"x":1}"#),
    ),
    case(
        SELECT,
        "the entries of an object inside",
        "SELECT device.*, t FROM 'devices/+/state'",
        READING,
        Event(r#"{"id":"x","tags":["a", "b"],"t":21.50}"#),
    ),
    case(
        SELECT,
        "the entries of no object",
        "SELECT t.*, ok FROM 'devices/+/state'",
        READING,
        Event(r#"{"ok":true}"#),
    ),
    case(
        SELECT,
        "VALUE of an object",
        "SELECT VALUE device FROM 'devices/+/state'",
        READING,
        Event(r#"{"id":"x","tags":["a", "b"]}"#),
    ),
    case(SELECT, "VALUE of an expression", "SELECT VALUE t * 2 FROM 'devices/+/state'", READING, Event("43")),
    case(
        SELECT,
        "VALUE of everything",
        "SELECT VALUE * FROM 'devices/+/state'",
        b" [1, 2] ",
        Event("[1, 2]"),
    ),
    case(SELECT, "VALUE of null", "SELECT VALUE none FROM 'devices/+/state'", READING, Event("null")),
    case(
        SELECT,
        "a key named value",
        "SELECT value, value.x AS y, value + 1 AS z FROM 'devices/+/state'",
        br#"{"value":1}"#,
        Event(r#"{"value":1,"z":2}"#),
    ),
    case(
        SELECT,
        "an object around everything",
        "SELECT VALUE {'message': *, 'at': timestamp(),} FROM 'devices/+/state'",
        br#"{"a":1}"#,
        Event(r#"{"message":{"a":1},"at":1481825251155}"#),
    ),
    // JSON extensions
    case(
        JSON,
        "dotted aliases share their first key",
        "SELECT t AS r.t, ok AS r.state.ok, none AS q FROM 'devices/+/state'",
        READING,
        Event(r#"{"r":{"t":21.50,"state":{"ok":true}},"q":null}"#),
    ),
    case(JSON, "keys are case sensitive", "SELECT T FROM 'devices/+/state'", READING, Event("{}")),
    case(
        JSON,
        "keys in other scripts",
        "SELECT größe, 名.字 FROM 'devices/+/state'",
        "{\"größe\":1,\"名\":{\"字\":2}}".as_bytes(),
        Event("{\"größe\":1,\"字\":2}"),
    ),
    case(
        JSON,
        "keys named like functions",
        "SELECT timestamp, topic.length FROM 'devices/+/state'",
        br#"{"timestamp":1,"topic":{"length":2}}"#,
        Event(r#"{"timestamp":1,"length":2}"#),
    ),
    case(
        JSON,
        "keys named like keywords, after a dot",
        "SELECT a.from, a.end FROM 'devices/+/state'",
        br#"{"a":{"from":1,"end":2}}"#,
        Event(r#"{"from":1,"end":2}"#),
    ),
    case(
        JSON,
        "a payload that is an array has no keys",
        "SELECT a FROM 'devices/+/state'",
        b"[1]",
        Event("{}"),
    ),
    case(
        JSON,
        "one that is null neither",
        "SELECT a, topic(2) AS d FROM 'devices/+/state'",
        b"null",
        Event(r#"{"d":"dev-1"}"#),
    ),
    // data types
    case(
        TYPES,
        "34 digits are kept",
        "SELECT a + 1 AS b FROM 'devices/+/state'",
        br#"{"a":1234567890123456789012345678901233}"#,
        Event(r#"{"b":1234567890123456789012345678901234}"#),
    ),
    case(
        TYPES,
        "decimals are exact",
        "SELECT a + 0.2 AS b FROM 'devices/+/state'",
        br#"{"a":0.1}"#,
        Event(r#"{"b":0.3}"#),
    ),
    case(
        TYPES,
        "a number beyond the largest Decimal can be passed on but not be used",
        "SELECT a, a + 1 AS b FROM 'devices/+/state'",
        br#"{"a":1e1000}"#,
        Event(r#"{"a":1e1000}"#),
    ),
    case(
        TYPES,
        "undefined inside an object",
        "SELECT {'a': gone, 'b': 1} AS o, [gone, 1] AS l FROM 'devices/+/state'",
        b"{}",
        Event(r#"{"o":{"b":1},"l":[1]}"#),
    ),
    // WHERE
    case(
        WHERE,
        "a bare boolean",
        "SELECT 1 AS f FROM 'devices/+/state' WHERE ok",
        READING,
        Event(r#"{"f":1}"#),
    ),
    case(
        WHERE,
        "a text that means true",
        "SELECT 1 AS f FROM 'devices/+/state' WHERE a",
        br#"{"a":"TRUE"}"#,
        Event(r#"{"f":1}"#),
    ),
    case(WHERE, "a number is not true", "SELECT 1 AS f FROM 'devices/+/state' WHERE t", READING, NoMatch),
    case(WHERE, "null is not true", "SELECT 1 AS f FROM 'devices/+/state' WHERE none", READING, NoMatch),
    case(
        WHERE,
        "undefined is not true",
        "SELECT 1 AS f FROM 'devices/+/state' WHERE gone = 1",
        READING,
        NoMatch,
    ),
    case(
        WHERE,
        "nor is its opposite",
        "SELECT 1 AS f FROM 'devices/+/state' WHERE NOT gone = 1",
        READING,
        NoMatch,
    ),
    case(WHERE, "aliases are not seen", "SELECT t AS x FROM 'devices/+/state' WHERE x > 1", READING, NoMatch),
    case(
        WHERE,
        "the topic decides",
        "SELECT 1 AS f FROM 'devices/+/state' WHERE topic(2) = 'dev-1'",
        b"not json",
        Event(r#"{"f":1}"#),
    ),
    case(
        WHERE,
        "AND binds tighter than OR",
        "SELECT 1 AS f FROM 'devices/+/state' WHERE ok OR ok AND NOT ok",
        READING,
        Event(r#"{"f":1}"#),
    ),
    case(
        WHERE,
        "parentheses bind tightest",
        "SELECT 1 AS f FROM 'devices/+/state' WHERE (ok OR ok) AND NOT ok",
        READING,
        NoMatch,
    ),
    case(
        WHERE,
        "NOT binds looser than a comparison",
        "SELECT 1 AS f FROM 'devices/+/state' WHERE NOT t = 1",
        READING,
        Event(r#"{"f":1}"#),
    ),
    case(
        WHERE,
        "a nested query as a condition",
        "SELECT 1 AS f FROM 'devices/+/state' WHERE get((SELECT VALUE k FROM rows WHERE k > 2), 0) = 3",
        ROWS,
        Event(r#"{"f":1}"#),
    ),
    // SET
    case(
        SET,
        "variables build on each other",
        "SET @a = 50, @b = @a + 1 SELECT @a, @b AS more FROM 'devices/+/state' WHERE @b > @a",
        b"{}",
        Event(r#"{"a":50,"more":51}"#),
    ),
    case(
        SET,
        "a variable that is undefined",
        "SET @a = gone SELECT isUndefined(@a) AS u, @a FROM 'devices/+/state'",
        b"{}",
        Event(r#"{"u":true}"#),
    ),
    case(
        SET,
        "a member of a variable names the item",
        "SET @o = {'name': 'x'} SELECT @o.name FROM 'devices/+/state'",
        b"{}",
        Event(r#"{"name":"x"}"#),
    ),
    case(
        SET,
        "evaluated once",
        "SET @id = newuuid() SELECT @id = @id AS same FROM 'devices/+/state'",
        b"{}",
        Event(r#"{"same":true}"#),
    ),
    case(
        SET,
        "seen inside nested queries",
        "SET @limit = limit SELECT (SELECT VALUE k FROM rows WHERE k >= @limit) AS ks FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"ks":[2,3]}"#),
    ),
    case(
        SET,
        "with a payload that is no JSON",
        "SET @t = topic(2) SELECT @t AS t FROM 'devices/+/state'",
        b"\xff",
        Event(r#"{"t":"dev-1"}"#),
    ),
    case(
        SET,
        "that needs JSON and gets none",
        "SET @t = t SELECT 1 AS one FROM 'devices/+/state'",
        b"\xff",
        NotJson,
    ),
    // nested queries
    case(
        NESTED,
        "rows without the key are left out",
        "SELECT (SELECT VALUE k FROM rows) AS ks FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"ks":[1,2,3]}"#),
    ),
    case(
        NESTED,
        "an object for each row",
        "SELECT (SELECT k FROM rows) AS ks FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"ks":[{"k":1},{"k":2},{"k":3},{},{},{}]}"#),
    ),
    case(
        NESTED,
        "the rows themselves",
        "SELECT (SELECT * FROM rows WHERE k > 1) AS ks FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"ks":[{"k":2},{"k":3,"v":{"w":"c"}}]}"#),
    ),
    case(
        NESTED,
        "rows with more",
        "SELECT (SELECT *, k * 10 AS ten FROM rows WHERE k > 1) AS ks FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"ks":[{"k":2,"ten":20},{"k":3,"v":{"w":"c"},"ten":30}]}"#),
    ),
    case(
        NESTED,
        "paths inside rows",
        "SELECT (SELECT VALUE v.w FROM rows) AS ws FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"ws":["a","c"]}"#),
    ),
    case(
        NESTED,
        "an alias for the row",
        "SELECT (SELECT VALUE r.k FROM rows AS r WHERE r.k < 3) AS ks FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"ks":[1,2]}"#),
    ),
    case(
        NESTED,
        "plain rows by their alias",
        "SELECT (SELECT VALUE r FROM rows AS r WHERE r > 4) AS rs FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"rs":[5]}"#),
    ),
    case(
        NESTED,
        "of an object, its own result",
        "SELECT (SELECT VALUE k FROM one) AS k, (SELECT k FROM one) AS o FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"k":9,"o":{"k":9}}"#),
    ),
    case(
        NESTED,
        "of an object that the condition excludes",
        "SELECT (SELECT k FROM one WHERE k > 9) AS o FROM 'devices/+/state'",
        ROWS,
        Event("{}"),
    ),
    case(
        NESTED,
        "of what is neither",
        "SELECT (SELECT k FROM limit) AS o, (SELECT k FROM gone) AS p FROM 'devices/+/state'",
        ROWS,
        Event("{}"),
    ),
    case(
        NESTED,
        "queries in queries",
        "SELECT (SELECT VALUE (SELECT VALUE w FROM v) FROM rows) AS ws FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"ws":["a","c"]}"#),
    ),
    case(
        NESTED,
        "from a query",
        "SELECT (SELECT VALUE ten FROM (SELECT k * 10 AS ten FROM rows) WHERE ten > 10) AS ts FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"ts":[20,30]}"#),
    ),
    case(
        NESTED,
        "from a literal",
        "SELECT (SELECT VALUE a FROM [{'a': 1}, {'a': limit}]) AS l FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"l":[1,2]}"#),
    ),
    case(
        NESTED,
        "from decoded JSON",
        "SELECT (SELECT VALUE a FROM decode(x, 'base64')) AS l FROM 'devices/+/state'",
        br#"{"x":"W3siYSI6MX0sIHsiYSI6Mn1d"}"#,
        Event(r#"{"l":[1,2]}"#),
    ),
    case(
        NESTED,
        "each row encoded",
        "SELECT (SELECT VALUE encode(*, 'base64') FROM rows WHERE k = 2) AS l FROM 'devices/+/state'",
        ROWS,
        Event(r#"{"l":["eyJrIjoyfQ=="]}"#),
    ),
    // binary payloads
    case(
        BINARY,
        "JSON with space around it passes as it came",
        "SELECT * FROM 'devices/+/state'",
        b" {\"a\" : 1 }\n",
        Event(" {\"a\" : 1 }\n"),
    ),
    case(BINARY, "an array passes as JSON", "SELECT * FROM 'devices/+/state'", b"[1]", Event("[1]")),
    case(BINARY, "a number does not count as JSON", "SELECT * FROM 'devices/+/state'", b"80", Raw(b"80")),
    case(BINARY, "nothing at all", "SELECT * FROM 'devices/+/state'", b"", Raw(b"")),
    case(BINARY, "text", "SELECT * FROM 'devices/+/state'", b"hello", Raw(b"hello")),
    case(
        BINARY,
        "text encoded",
        "SELECT encode(*, 'base64') AS data FROM 'devices/+/state'",
        b"hello",
        Event(r#"{"data":"aGVsbG8="}"#),
    ),
    case(
        BINARY,
        "nothing encoded",
        "SELECT encode(*, 'base64') AS data FROM 'devices/+/state'",
        b"",
        Event(r#"{"data":""}"#),
    ),
    case(
        BINARY,
        "JSON is encoded as it came",
        "SELECT encode(*, 'base64') AS data FROM 'devices/+/state'",
        b" {}",
        Event(r#"{"data":"IHt9"}"#),
    ),
    case(BINARY, "a key needs JSON", "SELECT a FROM 'devices/+/state'", b"nope", NotJson),
    case(
        BINARY,
        "so does a key in a function",
        "SELECT upper(a) AS b FROM 'devices/+/state'",
        b"nope",
        NotJson,
    ),
    case(BINARY, "so does * as a value", "SELECT {'m': *} AS b FROM 'devices/+/state'", b"nope", NotJson),
    case(BINARY, "so does VALUE *", "SELECT VALUE * FROM 'devices/+/state'", b"nope", NotJson),
    case(BINARY, "half a JSON", "SELECT a FROM 'devices/+/state'", br#"{"a":1"#, NotJson),
    case(BINARY, "two JSONs", "SELECT a FROM 'devices/+/state'", br#"{"a":1}{}"#, NotJson),
    case(BINARY, "no UTF-8", "SELECT a FROM 'devices/+/state'", b"{\"a\":\"\xff\"}", NotJson),
    case(BINARY, "* with more needs an object", "SELECT *, 1 AS a FROM 'devices/+/state'", b"[1]", NotJson),
];
