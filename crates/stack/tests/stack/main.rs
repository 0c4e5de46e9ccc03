//! The crate as its callers use it: whole templates in, stacks or sentences out.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod authorizers;
mod bad_input;
mod conditions;
mod domains;
mod functions;
mod guards;
mod hostile;
mod integrations;
mod intrinsics;
mod nested;
mod notify;
mod parameters;
mod resources;
mod rules;
mod sam;
mod told;

use std::path::Path;

use dunlin_stack::{Parameters, Problem, Stack};

/// Where the templates of these tests would lie.
const PATH: &str = "/app/template.yaml";

fn parse(template: &str) -> Stack {
    Stack::parse(Path::new(PATH), template, &Parameters::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// The one problem of a template: `line: message`, or `message`.
#[track_caller]
fn refusal(template: &str) -> String {
    let problems = refusals(template);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.into_iter().next().unwrap()
}

/// Every problem of a template, without its column.
#[track_caller]
fn refusals(template: &str) -> Vec<String> {
    let error = Stack::parse(Path::new(PATH), template, &Parameters::default()).unwrap_err();
    let sentence = |problem: &Problem| {
        assert_eq!(problem.file(), Path::new(PATH));
        match problem.line() {
            Some(line) => format!("{line}: {}", problem.message()),
            None => problem.message().to_owned(),
        }
    };
    error.problems().iter().map(sentence).collect()
}

/// What is left out: `line N: sentence` each.
fn notes(stack: &Stack) -> Vec<String> {
    stack.notes.iter().map(|note| format!("line {}: {}", note.at.line, note.message)).collect()
}
