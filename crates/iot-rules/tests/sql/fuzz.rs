//! Seeded noise: statements that a grammar makes, and statements and payloads of the tables with their bytes changed. None
//! may panic, take long, or say something endless.

use std::time::{Duration, Instant};

use dunlin_iot_rules::sql::{Statement, Template};
use fastrand::Rng;

use crate::{
    case::{PAYLOAD, with_message},
    documented, expressions, functions, refused, statements,
};

/// Cases of each kind.
const CASES: u64 = 2_000;

/// Far above what one takes on a busy machine without optimization; a case that hangs is longer.
const CASE_TIME_MAX: Duration = Duration::from_secs(20);

const TOPIC: &str = "things/myThings/thingOne";

/// Runs a statement on a payload; whether it was one.
fn run(seed: u64, sql: &str, payload: &[u8]) -> bool {
    let started = Instant::now();
    let parsed = Statement::parse(sql);
    if let Err(error) = &parsed {
        assert!(error.to_string().chars().count() < 400, "seed {seed}: {error}");
        assert!(error.span().is_none_or(|span| sql.get(span).is_some()), "seed {seed}: {error:?} in {sql}");
        assert!(error.snippet().is_none_or(|snippet| snippet.lines().count() <= 2), "seed {seed}: {error:?}");
    }
    if let Ok(statement) = &parsed {
        with_message(TOPIC, payload, |message| {
            if let Ok(Some(outgoing)) = statement.evaluate(message) {
                let readable =
                    serde_json::from_slice::<&serde_json::value::RawValue>(&outgoing.payload).is_ok();
                assert!(!outgoing.is_json || readable, "seed {seed}: {sql} made {:?}", outgoing.payload);
            }
        });
    }
    let template =
        parsed.as_ref().ok().and_then(|statement| Template::parse(sql, statement).ok().zip(Some(statement)));
    if let Some((template, statement)) = template {
        with_message(TOPIC, payload, |message| {
            let variables = statement.evaluate(message).ok().flatten().map(|outgoing| outgoing.variables);
            let _ = template.render(message, &variables.unwrap_or_default());
        });
    }
    let took = started.elapsed();
    assert!(took < CASE_TIME_MAX, "seed {seed} took {took:?}: {sql}");
    parsed.is_ok()
}

#[test]
fn grown_statements_never_panic() {
    let mut parsed = 0;
    for seed in 0..CASES {
        let mut grammar = Grammar { rng: Rng::with_seed(seed), left: 40 };
        let sql = grammar.statement();
        parsed += u64::from(run(seed, &sql, PAYLOAD.as_bytes()));
    }
    // The grammar is to make statements that run, or it tests the parser's refusals only.
    assert!(parsed > CASES / 2, "{parsed}");
}

#[test]
fn changed_statements_never_panic() {
    let known: Vec<&str> = documented::CASES
        .iter()
        .chain(statements::CASES)
        .map(|case| case.sql)
        .chain(refused::ROWS.iter().map(|(sql, _)| *sql))
        .collect();
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let one = known[rng.usize(..known.len())];
        let sql = changed(&mut rng, one, &known);
        run(seed, &sql, PAYLOAD.as_bytes());
    }
}

#[test]
fn changed_payloads_never_panic() {
    let groups: Vec<_> = expressions::GROUPS.iter().chain(functions::GROUPS).collect();
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let group = groups[rng.usize(..groups.len())];
        let (expression, _) = group.rows[rng.usize(..group.rows.len())];
        let payload = changed(&mut rng, PAYLOAD, &["[[[", "1e999", "\\ud800", "\u{0}", "null", "-", "{}"]);
        let mut payload = payload.into_bytes();
        if rng.u8(..4) == 0 && !payload.is_empty() {
            let place = rng.usize(..payload.len());
            payload[place] = rng.u8(..);
        }
        run(seed, &format!("SELECT *, {expression} AS x FROM 'things/#'"), &payload);
    }
}

/// A text with parts cut, doubled, moved, or taken from others.
fn changed(rng: &mut Rng, text: &str, others: &[&str]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..rng.usize(1..=4) {
        let place = rng.usize(..=characters.len());
        let length = rng.usize(..=8.min(characters.len() - place));
        match rng.u8(..6) {
            0 => drop(characters.drain(place..place + length)),
            1 => {
                let copy: Vec<char> = characters[place..place + length].to_vec();
                let at = rng.usize(..=characters.len());
                characters.splice(at..at, copy);
            }
            2 => characters.insert(
                place,
                *rng.choice(&[
                    '(', ')', '\'', '"', '.', ',', '*', '@', '\u{0}', 'é', '💥', '-', '[', '{', '}', '$',
                ])
                .unwrap(),
            ),
            3 => {
                let other: Vec<char> = rng.choice(others).unwrap().chars().collect();
                let from = rng.usize(..=other.len());
                let to = rng.usize(from..=other.len());
                characters.splice(place..place, other[from..to].iter().copied());
            }
            4 => characters.truncate(place),
            _ => characters.extend(std::iter::repeat_n(rng.char('!'..='~'), rng.usize(..200))),
        }
        characters.truncate(2_000);
    }
    characters.into_iter().collect()
}

struct Grammar {
    rng: Rng,
    /// Expressions that may still be made; then only the smallest ones.
    left: usize,
}

impl Grammar {
    fn statement(&mut self) -> String {
        let set = if self.rng.bool() { format!("SET @a = {} ", self.expression()) } else { String::new() };
        let variable = if set.is_empty() { "1 AS v" } else { "@a AS v" };
        let output = match self.rng.u8(..6) {
            0 => "*".to_owned(),
            1 => format!("VALUE {}", self.expression()),
            2 => format!("*, {} AS x", self.expression()),
            3 => format!("{} AS x, {variable}", self.expression()),
            4 => format!("obj.*, {} AS x.y", self.expression()),
            _ => format!("{} AS i, {} AS x.z, *", self.expression(), self.expression()),
        };
        let condition = if self.rng.bool() { format!(" WHERE {}", self.expression()) } else { String::new() };
        format!("{set}SELECT {output} FROM 'things/#'{condition}")
    }

    fn expression(&mut self) -> String {
        let Some(left) = self.left.checked_sub(1) else { return self.leaf() };
        self.left = left;
        match self.rng.u8(..14) {
            0..=2 => self.leaf(),
            3 => format!("({})", self.expression()),
            4 => format!("[{}, {}]", self.expression(), self.expression()),
            5 => format!("{{'k': {}, 'i': {}}}", self.expression(), self.expression()),
            6 => format!("NOT ({})", self.expression()),
            7 => format!(
                "CASE {} WHEN {} THEN {} ELSE {} END",
                self.leaf(),
                self.expression(),
                self.expression(),
                self.leaf()
            ),
            8 => {
                let to = *self.rng.choice(&["Int", "Decimal", "String", "Boolean"]).unwrap();
                format!("cast({} AS {to})", self.expression())
            }
            9 => format!("(SELECT VALUE {} FROM {} AS r)", self.expression(), self.leaf()),
            10 => format!(
                "(SELECT *, {} AS q FROM {} WHERE {})",
                self.expression(),
                self.expression(),
                self.leaf()
            ),
            11 => self.call(),
            _ => {
                let operator = *self
                    .rng
                    .choice(&["+", "-", "*", "/", "%", "=", "<>", "<", ">=", "AND", "OR", "IN"])
                    .unwrap();
                format!("({}) {operator} ({})", self.expression(), self.expression())
            }
        }
    }

    /// A function with two, one or no arguments of any type.
    fn call(&mut self) -> String {
        let two = [
            "atan2",
            "bitand",
            "bitor",
            "bitxor",
            "concat",
            "endswith",
            "get",
            "get_or_default",
            "indexof",
            "lpad",
            "mod",
            "nanvl",
            "power",
            "regexp_matches",
            "regexp_substr",
            "rpad",
            "startswith",
            "substring",
            "trunc",
            "parse_time",
            "time_to_epoch",
        ];
        let one = [
            "abs",
            "acos",
            "bitnot",
            "ceil",
            "chr",
            "cosh",
            "exp",
            "floor",
            "isNull",
            "isUndefined",
            "length",
            "ln",
            "lower",
            "ltrim",
            "md2",
            "md5",
            "numbytes",
            "round",
            "rtrim",
            "sha512",
            "sign",
            "sqrt",
            "tan",
            "topic",
            "trim",
            "upper",
            "get_user_properties",
        ];
        let none = [
            "accountid",
            "clientid",
            "newuuid",
            "principal",
            "rand",
            "sourceip",
            "sql_version",
            "timestamp",
            "topic",
            "traceid",
        ];
        match self.rng.u8(..5) {
            0 => format!("{}()", self.rng.choice(&none).unwrap()),
            1 | 2 => format!("{}({})", self.rng.choice(&one).unwrap(), self.expression()),
            3 => format!("replace({}, {}, {})", self.expression(), self.leaf(), self.expression()),
            _ => {
                // A literal would be checked, and mostly refused, where a pattern stands.
                let name = *self.rng.choice(&two).unwrap();
                format!("{name}(({}), (s + {}))", self.expression(), self.leaf())
            }
        }
    }

    fn leaf(&mut self) -> String {
        let leaves = [
            "i",
            "d",
            "s",
            "n",
            "yes",
            "nothing",
            "arr",
            "obj",
            "obj.b.c",
            "gone",
            "empty",
            "r",
            "r.k",
            "1",
            "-2.5",
            "1e300",
            "9999999999999999999999999999999999",
            "'x'",
            "''",
            "'12'",
            "NULL",
            "true",
            "[]",
            "{}",
        ];
        (*self.rng.choice(&leaves).unwrap()).to_owned()
    }
}
