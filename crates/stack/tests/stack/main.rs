//! The crate as its callers use it: whole templates in, stacks or sentences out.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod bad_input;
mod intrinsics;
mod notify;
mod resources;

use std::path::Path;

use dunlin_stack::{Parameters, Stack};

/// Where the templates of these tests would lie.
const PATH: &str = "/app/template.yaml";

fn parse(template: &str) -> Stack {
    Stack::parse(Path::new(PATH), template, &Parameters::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// The sentence without the path: `line: message`, or `message`.
fn refusal(template: &str) -> String {
    let error = Stack::parse(Path::new(PATH), template, &Parameters::default()).unwrap_err().to_string();
    let rest = error.strip_prefix(PATH).unwrap().strip_prefix(':').unwrap();
    rest.trim_start().to_owned()
}
