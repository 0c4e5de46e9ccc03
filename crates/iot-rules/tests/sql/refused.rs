//! Statements that cannot be rules: one clear sentence each, with its place.

use dunlin_iot_rules::sql::Statement;

#[test]
fn what_is_refused_says_what_to_write() {
    let mut failed = Vec::new();
    for (sql, expected) in ROWS {
        match Statement::parse(sql) {
            Ok(_) => failed.push(format!("{sql}\n  expected {expected}\n  was taken")),
            Err(error) if error.to_string() != *expected => {
                failed.push(format!("{sql}\n  expected {expected}\n  found    {error}"));
            }
            Err(_) => {}
        }
    }
    assert!(failed.is_empty(), "{} of {} rows failed\n{}", failed.len(), ROWS.len(), failed.join("\n"));
}

/// A statement, and what is said about it.
pub(crate) const ROWS: &[(&str, &str)] = &[
    ("", "a rule is one statement: SELECT … FROM 'topic/filter' WHERE … (at column 1)"),
    ("DELETE FROM a", "a rule is one statement: SELECT … FROM 'topic/filter' WHERE … (at column 1)"),
    ("SELECT", "expected a value, found the end (at column 7)"),
    (
        "SELECT FROM 'a'",
        "expected a value, found FROM; a key of that name is read with get(*, 'FROM') (at column 8)",
    ),
    (
        "SELECT a, FROM 'a'",
        "expected a value, found FROM; a key of that name is read with get(*, 'FROM') (at column 11)",
    ),
    (
        "SELECT * FROM",
        "a rule reads FROM one topic filter in quotes, such as FROM 'devices/+/state' (at column 14)",
    ),
    (
        "SELECT * FROM a",
        "a rule reads FROM one topic filter in quotes, such as FROM 'devices/+/state' (at column 15)",
    ),
    ("SELECT temp FROM topic/#", "the character '#' means nothing here (at column 24)"),
    ("SELECT * FROM 'a', 'b'", "a rule reads FROM one topic filter (at column 18)"),
    (
        "SELECT * FROM (SELECT * FROM 'a')",
        "a rule reads FROM one topic filter in quotes, such as FROM 'devices/+/state' (at column 15)",
    ),
    ("SELECT * FROM 'a/#/b'", "in \"a/#/b\" the # is not last; it can only end a filter (at column 15)"),
    ("SELECT * FROM ''", "FROM names no topic filter (at column 15)"),
    ("SELECT * FROM 'a' WHERE", "expected a value, found the end (at column 24)"),
    (
        "SELECT * FROM 'a' WHERE (a = 1",
        "expected ) after an expression in parentheses, found the end (at column 31)",
    ),
    (
        "SELECT * FROM 'a' WHERE a = 1)",
        "the statement ends before ); is an operator or a comma missing (at column 30)",
    ),
    ("SELECT * FROM 'a' WHERE a = = 1", "expected a value, found = (at column 29)"),
    (
        "SELECT * FROM 'a' WHERE a b",
        "the statement ends before b; is an operator or a comma missing (at column 27)",
    ),
    ("SELECT * FROM 'a", "a text starts with ' and has no ' at its end (at column 15)"),
    ("SELECT * FROM 'a';", "a rule is one statement, without a ; at its end (at column 18)"),
    (
        "SELECT * FROM 'a' LIMIT 1",
        "LIMIT is not IoT SQL; a rule has SET, SELECT, FROM and WHERE (at column 19)",
    ),
    (
        "SELECT * FROM 'a' GROUP BY b",
        "GROUP is not IoT SQL; a rule has SET, SELECT, FROM and WHERE (at column 19)",
    ),
    (
        "SELECT * FROM 'a' WHERE b ORDER BY b",
        "ORDER is not IoT SQL; a rule has SET, SELECT, FROM and WHERE (at column 27)",
    ),
    (
        "SELECT * FROM 'a' UNION SELECT * FROM 'b'",
        "UNION is not IoT SQL; a rule has SET, SELECT, FROM and WHERE (at column 19)",
    ),
    ("SELECT * FROM 'a' AS b", "AS is not IoT SQL; a topic filter has no other name (at column 19)"),
    (
        "SELECT DISTINCT a FROM 'a'",
        "DISTINCT is not IoT SQL; a rule has SET, SELECT, FROM and WHERE (at column 8)",
    ),
    (
        "SELECT * FROM 'a' WHERE a LIKE 'b%'",
        "LIKE is not IoT SQL; write regexp_matches(value, 'pattern'), startswith or endswith (at column 27)",
    ),
    (
        "SELECT * FROM 'a' WHERE a BETWEEN 1 AND 2",
        "BETWEEN is not IoT SQL; write a >= 1 AND a <= 2 (at column 27)",
    ),
    (
        "SELECT * FROM 'a' WHERE a IS NULL",
        "IS is not IoT SQL; write isNull(value) or isUndefined(value) (at column 27)",
    ),
    ("SELECT * FROM 'a' WHERE a IN (1, 2)", "a list stands in brackets, as in IN [1, 2] (at column 32)"),
    (
        "SELECT * FROM 'a' WHERE a NOT IN [1]",
        "NOT stands before a whole condition; write NOT a IN b (at column 27)",
    ),
    ("SELECT a[0] AS t FROM 'a'", "IoT SQL has no a[0]; write get(a, 0) (at column 9)"),
    (
        "SELECT a || b AS t FROM 'a'",
        "|| is not IoT SQL; write a + b or concat(a, b) for texts (at column 10)",
    ),
    (
        "SELECT a & b AS t FROM 'a'",
        "the character '&' means nothing here; write AND, or bitand(a, b) (at column 10)",
    ),
    (
        "SELECT a – b AS t FROM 'a'",
        "the character '–' means nothing here; the sign for minus is - (at column 10)",
    ),
    (
        "SELECT `a` FROM 'a'",
        "the character '`' means nothing here; names are not quoted, and a text is quoted with ' or \" (at column 8)",
    ),
    ("SELECT a -- note\nFROM 'a'", "IoT SQL has no comments; leave it out (at column 10)"),
    ("SELECT a.0 FROM 'a'", "0 is not a key that can follow a dot; write get(object, 'key') (at column 10)"),
    (
        "SELECT a.'b' FROM 'a'",
        "'b' is not a key that can follow a dot; write get(object, 'key') (at column 10)",
    ),
    (
        "SELECT \"a\".b FROM 'a'",
        "a text has no keys inside it; names stand without quotes, and other keys are read with get(object, 'key') (at column 8)",
    ),
    (
        "SELECT topic(2) FROM 'a'",
        "this item needs a key in the outgoing payload; write topic(2) AS name, or SELECT VALUE topic(2) for it alone (at column 8)",
    ),
    (
        "SELECT 1 FROM 'a'",
        "this item needs a key in the outgoing payload; write 1 AS name, or SELECT VALUE 1 for it alone (at column 8)",
    ),
    ("SELECT a AS 1 FROM 'a'", "AS takes a name, not 1 (at column 13)"),
    (
        "SELECT CASE WHEN a > 1 THEN 2 END AS t FROM 'a'",
        "CASE compares one value in IoT SQL; write CASE condition WHEN true THEN … END (at column 13)",
    ),
    ("SELECT CASE a END AS t FROM 'a'", "CASE has at least one WHEN; found END (at column 15)"),
    ("SELECT CASE a WHEN 1 END AS t FROM 'a'", "expected THEN, found END (at column 22)"),
    ("SELECT CASE a WHEN 1 THEN 2 AS t FROM 'a'", "CASE ends with END; found AS (at column 29)"),
    ("SELECT cast(a) AS t FROM 'a'", "cast takes a type, as in cast(a AS Int); found ) (at column 14)"),
    (
        "SELECT cast(a AS Date) AS t FROM 'a'",
        "Date is no type; there are String, Int, Decimal and Boolean (at column 18)",
    ),
    ("SELECT flor(a) AS t FROM 'a'", "there is no function flor; is it floor (at column 8)"),
    ("SELECT count(a) AS t FROM 'a'", "there is no function count (at column 8)"),
    (
        "SELECT floor(a, 1) AS t FROM 'a'",
        "floor takes 1 argument, not 2; on the service such a call is always undefined (at column 8)",
    ),
    (
        "SELECT timestamp(1) AS t FROM 'a'",
        "timestamp takes no arguments, not 1; on the service such a call is always undefined (at column 8)",
    ),
    (
        "SELECT substring(a) AS t FROM 'a'",
        "substring takes 2 to 3 arguments, not 1; on the service such a call is always undefined (at column 8)",
    ),
    (
        "SELECT get_dynamodb('t', 'k', a, 'r').b AS t FROM 'a'",
        "get_dynamodb asks another service, which no local stack has; publish the value with the message, or let the function of the rule read it (at column 8)",
    ),
    (
        "SELECT aws_lambda('f', *) AS t FROM 'a'",
        "aws_lambda asks another service, which no local stack has; publish the value with the message, or let the function of the rule read it (at column 8)",
    ),
    (
        "SELECT * FROM 'a' WHERE get_thing_shadow('t', 'r').a = 1",
        "get_thing_shadow asks another service, which no local stack has; publish the value with the message, or let the function of the rule read it (at column 25)",
    ),
    (
        "SELECT get_secret('s') AS a FROM 'a'",
        "get_secret asks another service, which no local stack has; publish the value with the message, or let the function of the rule read it (at column 8)",
    ),
    (
        "SELECT get_registry_data('DescribeThing', 't', 'r') AS a FROM 'a'",
        "get_registry_data asks another service, which no local stack has; publish the value with the message, or let the function of the rule read it (at column 8)",
    ),
    (
        "SELECT machinelearning_predict('m', 'r', *) AS a FROM 'a'",
        "machinelearning_predict asks another service, which no local stack has; publish the value with the message, or let the function of the rule read it (at column 8)",
    ),
    (
        "SELECT encode(a, 'hex') AS t FROM 'a'",
        "encode takes the scheme 'base64' as its second argument (at column 15)",
    ),
    (
        "SELECT decode(a, b) AS t FROM 'a'",
        "decode takes the scheme 'base64' as its second argument (at column 15)",
    ),
    (
        "SELECT decode(a, 'proto') AS t FROM 'a'",
        "decode(…, 'proto', …) reads a descriptor from S3, which no local stack has; decode it in the function of the rule (at column 15)",
    ),
    (
        "SELECT decode(a, 'proto', 'bucket', 'key', 'file', 'Message') AS t FROM 'a'",
        "decode(…, 'proto', …) reads a descriptor from S3, which no local stack has; decode it in the function of the rule (at column 15)",
    ),
    (
        "SELECT get_mqtt_property(a) AS t FROM 'a'",
        "get_mqtt_property takes one of the texts 'content_type', 'format_indicator', 'response_topic' and 'correlation_data' (at column 26)",
    ),
    (
        "SELECT regexp_matches(a, '(?=x)') AS t FROM 'a'",
        "this is no regular expression that can be run here: look-around, including look-ahead and look-behind, is not supported (at column 23)",
    ),
    (
        "SELECT regexp_substr(a, '(a') AS t FROM 'a'",
        "this is no regular expression that can be run here: unclosed group (at column 22)",
    ),
    (
        "SELECT parse_time('yyyy-qq', 0) AS t FROM 'a'",
        "the time pattern \"yyyy-qq\" has the letter q, which stands for nothing here; there are GCYxweEyDMdaKhHkmsSzZ (at column 19)",
    ),
    (
        "SELECT time_to_epoch(a, 'yyyy-[MM') AS t FROM 'a'",
        "the time pattern \"yyyy-[MM\" has a bracket that is not closed (at column 22)",
    ),
    (
        "SELECT {a: 1} AS t FROM 'a'",
        "a key of an object stands in quotes, as in {'a': 1}; found a (at column 9)",
    ),
    ("SELECT {'a' 1} AS t FROM 'a'", "expected : after a key of an object, found 1 (at column 13)"),
    ("SELECT [1 2] AS t FROM 'a'", "expected ] at the end of a list, found 2 (at column 11)"),
    (
        "SELECT * + 1 AS t FROM 'a'",
        "the statement ends before +; is an operator or a comma missing (at column 10)",
    ),
    (
        "SELECT 2 * * AS t FROM 'a'",
        "* stands alone in a SELECT list, as a whole argument, or as a value of an object (at column 12)",
    ),
    (
        "SELECT @a FROM 'a'",
        "@a is not set before; write SET @a = … at the start of the statement (at column 8)",
    ),
    ("SET a = 1 SELECT a FROM 'a'", "SET takes variables, as in SET @limit = 50 (at column 5)"),
    (
        "SET @a = @a SELECT @a FROM 'a'",
        "@a is not set before; write SET @a = … at the start of the statement (at column 10)",
    ),
    (
        "SET @a = 1, @a = 2 SELECT @a FROM 'a'",
        "@a is set twice; a variable keeps its first value (at column 13)",
    ),
    ("SET @a 1 SELECT @a FROM 'a'", "expected = after the name of a variable, found 1 (at column 8)"),
    (
        "SET @a=1,@b=1,@c=1,@d=1,@e=1,@f=1,@g=1,@h=1,@i=1,@j=1,@k=1 SELECT @a FROM 'a'",
        "SET has at most 10 variables (at column 55)",
    ),
    ("SELECT (SELECT a) AS t FROM 'a'", "a nested SELECT has a FROM; found ) (at column 17)"),
    (
        "SELECT (SELECT a FROM 'b') AS t FROM 'a'",
        "a nested SELECT reads FROM an array or object of the message, not from a topic (at column 23)",
    ),
    (
        "SELECT * FROM 'a' WHERE EXISTS (a)",
        "EXISTS takes a nested query, as in EXISTS (SELECT * FROM readings) (at column 33)",
    ),
    ("SELECT 1e1000 AS t FROM 'a'", "this number is too large; a Decimal is below 1E1000 (at column 8)"),
    ("SELECT a,\n  b ? c\nFROM 'a'", "the character '?' means nothing here (at line 2, column 5)"),
];

#[test]
fn an_error_can_be_shown_with_its_place() {
    let error =
        Statement::parse("SELECT a,\n  upper(b) AS b,\n  get_secret('x') AS s\nFROM 'a'").unwrap_err();
    assert_eq!(error.line_and_column(), Some((3, 3)));
    assert_eq!(error.span(), Some(29..39));
    assert_eq!(error.snippet().unwrap(), "  get_secret('x') AS s\n  ^^^^^^^^^^");
    assert!(error.to_string().ends_with(" (at line 3, column 3)"));
}

#[test]
fn a_rule_without_from_is_for_basic_ingest_alone() {
    let statement = Statement::parse("SELECT *").unwrap();
    assert!(statement.filter().is_none() && !statement.matches("a"));
}
