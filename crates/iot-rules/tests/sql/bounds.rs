//! Statements and payloads that are made to cost: one clear sentence, in bounded time and memory.

use dunlin_iot_rules::sql::{EvaluateError, Message, Statement, limits};

fn evaluate(sql: &str, payload: &str) -> Result<String, EvaluateError> {
    let statement = Statement::parse(sql).unwrap_or_else(|error| panic!("{error}"));
    let outgoing = statement.evaluate(&Message::new("a", payload.as_bytes()))?;
    Ok(outgoing.map(|outgoing| String::from_utf8(outgoing.payload).unwrap()).unwrap_or_default())
}

#[track_caller]
fn beyond(sql: &str, payload: &str, bound: u64) {
    match evaluate(sql, payload) {
        Err(EvaluateError::Limit { limit, .. }) => assert_eq!(limit, bound),
        other => panic!("{:.200?}", other.map(|text| text.len())),
    }
}

/// 10,000 characters of everything that a statement can be long with.
#[test]
fn a_statement_of_10_000_characters_runs_or_says_why_not() {
    let fill = |from: &str, part: &str, to: &str| {
        let count = (10_000 - from.len() - to.len()) / part.len();
        format!("{from}{}{to}", part.repeat(count))
    };
    for (sql, expected) in [
        (fill("SELECT 1 AS a FROM 'a' WHERE true", " AND true", ""), r#"{"a":1}"#),
        (fill("SELECT 1 AS a FROM 'a' WHERE x", " OR false", ""), ""),
        (fill("SELECT 0", " + 1", " AS a FROM 'a'"), r#"{"a":2494}"#),
        (fill("SELECT a", ", a", " FROM 'a'"), r#"{"a":5}"#),
        (fill("SELECT length('", "x", "') AS a FROM 'a'"), r#"{"a":9969}"#),
        (fill("SELECT 1 AS ", "a", " FROM 'a'"), ""),
        (fill("SELECT CASE a", " WHEN 1 THEN 2", " ELSE 3 END AS a FROM 'a'"), r#"{"a":3}"#),
        (fill("SELECT length(concat('x'", ", 'x'", ")) AS a FROM 'a'"), r#"{"a":1993}"#),
        (fill("SELECT a", ".a", " FROM 'a'"), "{}"),
        (fill("SELECT 1 AS a FROM 'a' WHERE 5 IN [1", ", 1", "]"), ""),
        (fill("SELECT 1 AS a FROM 'a' WHERE ", "\n", "true"), r#"{"a":1}"#),
    ] {
        assert!((9_980..=10_000).contains(&sql.len()), "{} {:.60}", sql.len(), sql);
        match evaluate(&sql, r#"{"a":5}"#) {
            Ok(event) if expected.is_empty() => {
                assert!(event.len() < 20_000, "{event:.100}");
            }
            Ok(event) => assert_eq!(event, expected, "{sql:.60}"),
            Err(error) => panic!("{error}: {sql:.60}"),
        }
    }
    for sql in [
        fill("SELECT ", "(", "1 FROM 'a'"),
        fill("SELECT ", "[", "1 FROM 'a'"),
        fill("SELECT ", "- ", "1 FROM 'a'"),
        fill("SELECT ", "NOT ", "1 FROM 'a'"),
        fill("SELECT ", "abs(", "1 FROM 'a'"),
        fill("SELECT ", "{'a':", "1 FROM 'a'"),
        fill("SELECT ", "(SELECT VALUE ", "1 FROM 'a'"),
        fill("SELECT ", "CASE ", "1 FROM 'a'"),
        fill("SELECT ", "cast(", "1 FROM 'a'"),
        fill("SELECT 1 AS a FROM 'a' WHERE ", "EXISTS (SELECT * FROM (", ""),
    ] {
        let error = Statement::parse(&sql).unwrap_err();
        let expected = "an expression nests deeper than 64 levels; move a part of it to SET @name = …";
        assert_eq!(error.message(), expected, "{sql:.60}");
        assert!(error.snippet().unwrap().len() < 400);
    }
    let error = Statement::parse(&fill("SELECT a AS x", ".x", " FROM 'a'")).unwrap_err();
    assert_eq!(error.message(), "AS nests deeper than 64 keys");
    let error =
        Statement::parse(&fill("SELECT * FROM 'a' WHERE a", " OR regexp_matches(b, '.')", "")).unwrap_err();
    assert_eq!(
        error.message(),
        "a statement has at most 100 regular expressions; use fewer, with alternatives in them"
    );
    for part in
        ["'", "\"", "@", "#", "SELECT ", "a ", "\u{0}", "💥", ")", "; ", "FROM ", "--", "1e", ".", "a.", "$"]
    {
        let error = Statement::parse(&fill("SELECT ", part, "")).unwrap_err();
        assert!(error.to_string().chars().count() < 250, "{error}");
        assert!(error.snippet().is_none_or(|snippet| snippet.chars().count() < 250));
    }
}

/// The worst nesting that is allowed, through every level of the grammar, on a test's own small stack.
#[test]
fn the_deepest_statement_fits_the_stack() {
    for (open, close) in [
        ("(", ")"),
        ("(true OR false AND NOT 1 = 2 + 3 * ", ")"),
        ("abs(1 + 2 * ", ")"),
        ("{'a': [", "]}"),
        ("CASE 1 WHEN 2 THEN 3 ELSE ", " END"),
        ("get_or_default(true OR true AND 1 < 1 - 1 * ", ")"),
        ("(SELECT VALUE 1 + ", " FROM a)"),
    ] {
        let deepest = (1..=limits::EXPRESSION_DEPTH_MAX)
            .rev()
            .map(|depth| format!("SELECT {}1{} AS x FROM 'a'", open.repeat(depth), close.repeat(depth)))
            .find_map(|sql| Statement::parse(&sql).ok());
        let statement = deepest.unwrap_or_else(|| panic!("{open}"));
        statement.evaluate(&Message::new("a", br#"{"a":{"a":1}}"#)).unwrap();
    }
}

#[test]
fn a_statement_has_the_size_of_a_rule() {
    let long = format!("SELECT 1 AS a FROM 'a'{}", " ".repeat(limits::SQL_CHARS_MAX));
    assert_eq!(
        Statement::parse(&long).unwrap_err().to_string(),
        format!("the statement has more than {} characters", limits::SQL_CHARS_MAX)
    );
    let fits = format!("SELECT '{}' AS a FROM 'a'", "ä".repeat(limits::SQL_CHARS_MAX - 25));
    assert!(Statement::parse(&fits).is_ok());
    let name = "n".repeat(limits::VARIABLE_CHARS_MAX);
    assert!(Statement::parse(&format!("SET @{name} = 1 SELECT @{name} FROM 'a'")).is_ok());
    assert_eq!(
        Statement::parse(&format!("SET @{name}n = 1 SELECT 1 AS a FROM 'a'")).unwrap_err().message(),
        "the name of a variable has at most 64 characters"
    );
}

#[test]
fn nested_queries_over_large_arrays_end() {
    let many = format!("{{\"a\":[{}1]}}", "1,".repeat(30_000));
    let nested =
        "SELECT (SELECT VALUE (SELECT VALUE (SELECT VALUE 1 FROM @a) FROM @a) FROM @a) AS x FROM 'a'";
    beyond(&format!("SET @a = a {nested}"), &many, limits::WORK_BYTES_MAX);
    // One pass is well within.
    assert!(evaluate("SELECT (SELECT VALUE x + 1 FROM a AS x) AS x FROM 'a'", &many).is_ok());
}

#[test]
fn texts_do_not_grow_without_bound() {
    let payload = format!("{{\"s\":\"{}\",\"e\":\"\"}}", "x".repeat(100_000));
    beyond("SELECT replace(s, 'x', s) AS x FROM 'a'", &payload, limits::VALUE_BYTES_MAX as u64);
    beyond("SELECT replace(s, e, s) AS x FROM 'a'", &payload, limits::VALUE_BYTES_MAX as u64);
    beyond("SELECT regexp_replace(s, 'x', s) AS x FROM 'a'", &payload, limits::VALUE_BYTES_MAX as u64);
    beyond("SELECT regexp_replace(s, '', s) AS x FROM 'a'", &payload, limits::VALUE_BYTES_MAX as u64);
    beyond(
        "SET @a = s+s, @b = @a+@a, @c = @b+@b, @d = @c+@c, @e = @d+@d SELECT @e FROM 'a'",
        &payload,
        limits::VALUE_BYTES_MAX as u64,
    );
    let list = "[@a,@a,@a,@a,@a,@a,@a,@a,@a,@a]";
    let doubling = (b'b'..=b'j').map(|name| {
        let (name, before) = (char::from(name), char::from(name - 1));
        format!(", @{name} = {}", list.replace("@a", &format!("@{before}")))
    });
    let sql = format!("SET @a = [1]{} SELECT length(@j) AS x FROM 'a'", doubling.collect::<String>());
    beyond(&sql, "{}", limits::WORK_BYTES_MAX);
    let rows = format!("{{\"o\":{{\"k\":\"{}\"}},\"a\":[{}{{}}]}}", "x".repeat(10_000), "{},".repeat(100));
    beyond("SELECT transform('enrichArray', o, a) AS x FROM 'a'", &rows, limits::TRANSFORM_BYTES_MAX as u64);
}

#[test]
fn computed_expressions_are_compiled_a_bounded_number_of_times() {
    let many = format!("{{\"p\":\"(a{{1,50}}){{1,20}}\",\"a\":[{}\"x\"]}}", "\"aaaa\",".repeat(20_000));
    beyond(
        "SET @p = p SELECT (SELECT VALUE regexp_matches(x, @p) FROM a AS x) AS x FROM 'a'",
        &many,
        limits::WORK_BYTES_MAX,
    );
    // A computed one that is too large is no expression.
    assert_eq!(
        evaluate("SELECT regexp_matches('a', '(a{1000})' + '{1000}') AS x FROM 'a'", "{}").unwrap(),
        "{}"
    );
}

#[test]
fn deep_payloads_are_passed_on_but_not_looked_into_without_end() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(60_000), "]".repeat(60_000));
    assert_eq!(evaluate("SELECT * FROM 'a'", &deep).unwrap(), deep);
    assert_eq!(evaluate("SELECT a FROM 'a'", &deep).unwrap(), deep);
    assert_eq!(evaluate("SELECT length(a) AS n FROM 'a'", &deep).unwrap(), r#"{"n":120001}"#);
    beyond("SELECT a = a AS same FROM 'a'", &deep, limits::VALUE_DEPTH_MAX as u64);
    beyond("SELECT a IN [a] AS same FROM 'a'", &deep, limits::VALUE_DEPTH_MAX as u64);
}

#[test]
fn numbers_do_not_grow_without_bound() {
    let digits = "9".repeat(100_000);
    let payload = format!(
        "{{\"n\":{digits},\"f\":0.{digits},\"e\":1e{digits},\"s\":\"{digits}\",\"t\":\"1e-{digits}\"}}"
    );
    for expression in [
        "n + 1",
        "f * f",
        "e + 1",
        "abs(s)",
        "abs(t)",
        "floor(n)",
        "power(9, 9e300)",
        "1e999 * 1e999",
        "1e-999 * 1e-999",
        "trunc(1e999, 34) % 7",
    ] {
        let event = evaluate(&format!("SELECT {expression} AS x FROM 'a'"), &payload).unwrap();
        assert!(event.len() < 60, "{expression}: {event:.100}");
    }
}
