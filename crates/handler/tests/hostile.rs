//! Events that the service never sends: every field missing, doubled, of another type, huge, deep or broken, for each kind of
//! event; and seeded mutations of the samples. Each gets an answer or one clear sentence, and nothing panics.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{env, fmt::Write as _};

use dunlin_handler::RawEvent;
use serde_json::Value;
use support::{Kind, Outcome};

/// What a field is replaced by, as JSON text or as text that is none.
const REPLACEMENTS: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "65536",
    "18446744073709551616",
    "-9223372036854775809",
    "1e999",
    r#""""#,
    r#"" ""#,
    r#""7""#,
    r#""a/b#c""#,
    r#""$connect""#,
    r#""é\ud83d\ude00""#,
    // Half a pair of surrogates, pairs the wrong way round, no digits, and characters that JSON does not take unescaped.
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""\ud800\u0041""#,
    r#""\uZZZZ""#,
    r#""\u00""#,
    r#""\x""#,
    r#""\u0000\b\f\n\r\t\\\/""#,
    "\"\u{1}\"",
    "\"\n\"",
    "[]",
    "{}",
    r#"[1,"a",null]"#,
    r#"{"a":{"b":[]}}"#,
    r#"{"":""}"#,
    "nul",
    "NaN",
    "+1",
    "01",
    "'x'",
    "[1,]",
    "{\"a\"}",
    "\"",
    "",
];

/// Bytes of a text that is larger than any message, of other things that are merely large, and levels of what is too deep: a
/// parser that calls itself for each level would end the process.
const HUGE_BYTES: usize = 140_000;
const LARGE_BYTES: usize = 20_000;
const DEEP_LEVELS: usize = 20_000;

/// What is done to one field.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Change<'c> {
    Nothing,
    Remove,
    Double,
    Replace(&'c str),
}

/// Prints the JSON with the field at `target` changed; a path is the keys and indices that lead there.
fn print(value: &Value, path: &mut Vec<String>, target: &[String], change: Change<'_>, out: &mut String) {
    let here = path.as_slice() == target;
    if let (true, Change::Replace(text)) = (here, change) {
        out.push_str(text);
        return;
    }
    let mut members = |entries: Vec<(String, &Value)>, keys: bool, out: &mut String| {
        let mut first = true;
        for (key, value) in entries {
            path.push(key.clone());
            let times = match change {
                Change::Remove if path.as_slice() == target => 0,
                Change::Double if path.as_slice() == target => 2,
                _ => 1,
            };
            for _ in 0..times {
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                if keys {
                    write!(out, "{}:", Value::from(key.as_str())).unwrap();
                }
                print(value, path, target, change, out);
            }
            path.pop();
        }
    };
    match value {
        Value::Object(map) => {
            out.push('{');
            members(map.iter().map(|(key, value)| (key.clone(), value)).collect(), true, out);
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            members(
                list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
                false,
                out,
            );
            out.push(']');
        }
        scalar => write!(out, "{scalar}").unwrap(),
    }
}

/// The paths of all fields, the whole first.
fn paths(value: &Value, path: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
    all.push(path.clone());
    let entries: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (key, value) in entries {
        path.push(key);
        paths(value, path, all);
        path.pop();
    }
}

/// Every change of every field of the sample, with what to call it.
fn every_change(sample: &Value, mut visit: impl FnMut(&[String], Change<'_>, String)) {
    let huge_text = format!("\"{}\"", "x".repeat(HUGE_BYTES));
    let huge_escapes = format!("\"{}\"", "\\u00e9".repeat(LARGE_BYTES / 6));
    let huge_number = "9".repeat(LARGE_BYTES);
    let deep_arrays = format!("{}{}", "[".repeat(DEEP_LEVELS), "]".repeat(DEEP_LEVELS));
    let deep_objects = format!("{}1{}", "{\"a\":".repeat(DEEP_LEVELS), "}".repeat(DEEP_LEVELS));
    let many_keys: Vec<String> = (0..LARGE_BYTES / 20).map(|key| format!("\"k{key}\":\"v\"")).collect();
    let many_keys = format!("{{{}}}", many_keys.join(","));
    let large = [&huge_text, &huge_escapes, &huge_number, &deep_arrays, &deep_objects, &many_keys];

    let mut all = Vec::new();
    paths(sample, &mut Vec::new(), &mut all);
    for target in &all {
        let replacements = REPLACEMENTS.iter().copied().chain(large.iter().map(|text| text.as_str()));
        let changes = [Change::Remove, Change::Double].into_iter().chain(replacements.map(Change::Replace));
        for change in changes {
            let mut text = String::new();
            print(sample, &mut Vec::new(), target, change, &mut text);
            visit(target, change, text);
        }
    }
}

#[test]
fn the_samples_themselves_are_fine() {
    for kind in Kind::ALL {
        let sample: Value = serde_json::from_str(kind.sample()).unwrap();
        let mut text = String::new();
        print(&sample, &mut Vec::new(), &[], Change::Nothing, &mut text);
        assert_eq!(kind.send(RawEvent::new(text)), Outcome::Answered, "{kind:?}");
    }
}

#[test]
fn every_field_may_be_missing_doubled_or_something_else() {
    for kind in Kind::ALL {
        let sample: Value = serde_json::from_str(kind.sample()).unwrap();
        let (mut answered, mut refused) = (0, 0);
        every_change(&sample, |target, change, text| {
            let case = || format!("{kind:?} {} {}", target.join("."), short(&format!("{change:?}")));
            match kind.send(RawEvent::new(text)) {
                Outcome::Answered => answered += 1,
                Outcome::Refused(sentence) => {
                    refused += 1;
                    check_sentence(&sentence, &case());
                }
                Outcome::Broken(why) => panic!("{}: {why}", case()),
            }
        });
        assert!(answered > 20 && refused > 100, "{kind:?}: {answered} answered, {refused} refused");
    }
}

#[test]
fn what_identifies_the_connection_is_needed() {
    for kind in [Kind::Connect, Kind::Message, Kind::MessageBase64, Kind::Disconnect, Kind::Authorizer] {
        let sample: Value = serde_json::from_str(kind.sample()).unwrap();
        for path in [vec!["requestContext"], vec!["requestContext", "connectionId"]] {
            let target: Vec<String> = path.iter().map(|&key| key.to_owned()).collect();
            for change in [Change::Remove, Change::Double]
                .into_iter()
                .chain(["null", "17", r#""""#, r#""a b""#, "{}", "[]"].map(Change::Replace))
            {
                let mut text = String::new();
                print(&sample, &mut Vec::new(), &target, change, &mut text);
                let Outcome::Refused(sentence) = kind.send(RawEvent::new(text)) else {
                    panic!("{kind:?} {path:?} {change:?} was answered");
                };
                assert!(
                    sentence.contains("requestContext") || sentence.contains("connectionId"),
                    "{path:?} {change:?}: {sentence}"
                );
            }
        }
    }
}

/// How many mutations are tried, and the seed of the first; `DUNLIN_MUTATION_SEED` tries one alone.
const MUTATIONS: u64 = 20_000;
const SEED: u64 = 0x5eed_0001;

#[test]
fn no_mutation_of_a_sample_breaks_anything() {
    let one = env::var("DUNLIN_MUTATION_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds = one.map_or(SEED..SEED + MUTATIONS, |seed| seed..seed + 1);
    for seed in seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        let kind = Kind::ALL[random.usize(..Kind::ALL.len())];
        let text = mutated(&mut random, kind);
        match kind.send(RawEvent::new(text.as_str())) {
            Outcome::Answered => {}
            Outcome::Refused(sentence) => check_sentence(&sentence, &format!("DUNLIN_MUTATION_SEED={seed}")),
            Outcome::Broken(why) => panic!("DUNLIN_MUTATION_SEED={seed} {kind:?}: {why}: {}", short(&text)),
        }
    }
}

/// A sample with one to eight bytes or pieces changed.
fn mutated(random: &mut fastrand::Rng, kind: Kind) -> String {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "\\ud800",
        "null",
        "true",
        "1e400",
        "-",
        "0",
        "é",
        "\u{0}",
        "\"connectionId\":",
        "\"requestContext\":",
        "\"body\":\"",
        "\"isBase64Encoded\":true",
        "\"routeKey\":\"$connect\"",
        "\"authorizer\":",
        "\"headers\":{},",
        "\"eventType\":\"MESSAGE\",",
    ];
    let mut bytes = kind.sample().as_bytes().to_vec();
    for _ in 0..random.usize(1..=8) {
        let at = random.usize(..=bytes.len());
        let end = (at + random.usize(..40)).min(bytes.len());
        match random.u8(..7) {
            0 if at < bytes.len() => bytes[at] = random.u8(..),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 => {
                let other = Kind::ALL[random.usize(..Kind::ALL.len())].sample().as_bytes();
                let from = random.usize(..other.len());
                let piece = &other[from..(from + random.usize(..80)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            4 if random.u8(..8) == 0 => bytes.truncate(at),
            _ => {
                let piece = PIECES[random.usize(..PIECES.len())];
                bytes.splice(at..end.min(at + 1), piece.bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One sentence that a person understands: short, on one line, and without Rust's words.
#[track_caller]
fn check_sentence(sentence: &str, case: &str) {
    assert!(!sentence.is_empty() && !sentence.contains('\n'), "{case}: {sentence:?}");
    assert!(sentence.chars().count() <= 300, "{case}: {} characters", sentence.chars().count());
    for word in ["struct ", "visitor", "u64", "i64", "untagged", "a sequence", "unit value", "Option"] {
        assert!(!sentence.contains(word), "{case}: {sentence}");
    }
    let starts = ["the event ", "the message ", "the query ", "the handler"];
    assert!(starts.iter().any(|start| sentence.starts_with(start)), "{case}: {sentence}");
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
