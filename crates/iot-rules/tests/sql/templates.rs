//! Substitution templates in actions.

use dunlin_iot_rules::sql::{EvaluateError, Statement, Template};

use crate::case::{PAYLOAD, with_message};

const STATEMENT: &str = "SET @day = parse_time('yyyy-MM-dd', timestamp()), @none = gone, @id = newuuid() SELECT * FROM 'things/#'";

fn render(template: &str) -> Result<String, String> {
    let statement = Statement::parse(STATEMENT).unwrap();
    let template = Template::parse(template, &statement).map_err(|error| error.to_string())?;
    with_message("things/myThings/thingOne", PAYLOAD.as_bytes(), |message| {
        let outgoing = statement.evaluate(message).unwrap().unwrap();
        template.render(message, &outgoing.variables).map_err(|error| error.to_string())
    })
}

#[test]
fn templates_are_filled_in() {
    for (template, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("${topic()}/republish", "things/myThings/thingOne/republish"),
        ("${topic(2)}${topic(3)}", "myThingsthingOne"),
        ("device/${s}", "device/abc"),
        ("${i}-${d}-${yes}", "7-2.5-true"),
        ("${obj.b.c}", "x"),
        ("${obj}", r#"{"a":1,"b":{"c":"x"}}"#),
        ("${gone}${nothing}|", "|"),
        ("${ i + 1 }", "8"),
        ("${concat('}', \"{\", 'it''s')}", "}{it's"),
        ("${{'a': {'b': 1}}.a.b}", "1"),
        ("${parse_time(\"yyyy\", timestamp(), \"UTC\")}", "2016"),
        ("${@day}/${@none}x", "2016-12-15/x"),
        ("${@id}", "80000000-0000-4000-8899-aabbccddeeff"),
        ("$${i}", "$7"),
        ("$ { } $x", "$ { } $x"),
        ("${floor(timestamp() / 1E3)}", "1481825251"),
        ("${get((SELECT VALUE x FROM arr AS x WHERE x = 'two'), 0)}", "two"),
    ] {
        assert_eq!(render(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn what_is_no_template_says_where() {
    for (template, expected) in [
        ("a/${topic(2)", "this ${ is not closed; an expression ends with } (at column 3)"),
        ("a/${}", "expected a value, found the end (at column 5)"),
        ("a/${a b}", "the expression ends before b; is an operator missing (at column 7)"),
        ("a/${'x}", "this ${ is not closed; an expression ends with } (at column 3)"),
        (
            "a/${@other}",
            "@other is not set before; write SET @other = … at the start of the statement (at column 5)",
        ),
        (
            "a/${get_secret('x')}",
            "get_secret asks another service, which no local stack has; publish the value with the message, or let the function of the rule read it (at column 5)",
        ),
    ] {
        assert_eq!(render(template).unwrap_err(), expected, "{template}");
    }
}

/// A template that names a key cannot be filled in from a payload that is no JSON (binary payloads page).
#[test]
fn a_binary_payload_has_no_keys() {
    let statement = Statement::parse("SELECT * FROM 'a/b'").unwrap();
    with_message("a/b", b"\xff", |message| {
        let outgoing = statement.evaluate(message).unwrap().unwrap();
        let template = |text| Template::parse(text, &statement).unwrap().render(message, &outgoing.variables);
        assert!(matches!(template("device/${device_id}"), Err(EvaluateError::NotJson { .. })));
        assert_eq!(template("device/${topic(2)}"), Ok("device/b".to_owned()));
    });
}
