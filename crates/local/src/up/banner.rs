//! What a person sees once the stack is up: where everything is, and what to try.

use std::{fmt::Write as _, io::Write as _, time::Duration};

use dunlin_stack::Stack;

use super::ready::Ready;

/// Prints to standard output; the last line starts with `ready`.
pub(super) fn print(stack: &Stack, ready: &Ready<'_>, took: Duration) {
    let mut text = String::new();
    for api in &ready.apis {
        line(
            &mut text,
            &format!("{} at stage {}", api.logical_id, api.stage),
            &format!("{}  {}", api.ws, api.wss),
        );
        line(&mut text, "  management API", &api.management);
    }
    for domain in &ready.domains {
        line(
            &mut text,
            &format!("  as {}", domain.name),
            &format!("{}  {}  at {}", domain.ws, domain.wss, domain.address),
        );
    }
    line(
        &mut text,
        "MQTT",
        &format!("{}{}", ready.mqtt, names(" for rules ", stack.rules.iter().map(|r| &*r.name))),
    );
    let tables = names(" with tables ", stack.tables.iter().map(|table| &*table.name));
    line(&mut text, "DynamoDB", &format!("{}{tables}", ready.dynamodb));
    let functions = names(" with functions ", stack.functions.iter().map(|function| &*function.name));
    line(&mut text, "Lambda", &format!("{}{functions}", ready.lambda));
    if let Some(file) = &ready.ca_file {
        line(&mut text, "trust for wss", &file.display().to_string());
    }
    let milliseconds = took.as_secs_f64() * 1e3;
    writeln!(text, "ready in {milliseconds:.0} ms; Ctrl-C stops").expect("a String takes everything");
    let mut out = std::io::stdout().lock();
    // Nobody may be reading; the stack is up all the same.
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn line(text: &mut String, what: &str, value: &str) {
    writeln!(text, "{what:<20}  {value}").expect("a String takes everything");
}

fn names<'a>(before: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { String::new() } else { format!("  {}{}", before.trim_start(), names.join(", ")) }
}
