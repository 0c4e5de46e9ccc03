//! Functions in other languages, with the standard libraries of these alone: nothing about the stack is Rust.

use std::{os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;

use crate::{client::Client, stack::Stack};

#[cfg(feature = "python3")]
#[tokio::test]
async fn a_function_in_python() {
    let code = ("function.py", include_str!("languages/function.py"));
    answers_posts_and_fails("exec python3 -I function.py", code, "python").await;
}

#[cfg(feature = "node")]
#[tokio::test]
async fn a_function_in_javascript() {
    let code = ("function.mjs", include_str!("languages/function.mjs"));
    answers_posts_and_fails("exec node function.mjs", code, "javascript").await;
}

async fn answers_posts_and_fails(command: &str, code: (&str, &str), language: &str) {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    std::fs::write(&template, include_str!("languages/template.yaml")).unwrap();
    place(&folder.path().join(".build/function"), command, code);
    let stack = Stack::up(&template, &[]);
    let mut client = Client::connect(&stack).await;

    client.send(r#"{"action":"echo","text":"grüß \"dich\""}"#).await;
    let echo = json!({"action": "echo", "text": "grüß \"dich\"", "language": language});
    assert_eq!(client.json().await, echo);

    client.send(r#"{"action":"post","text":"über @connections"}"#).await;
    let post = json!({"action": "post", "text": "über @connections", "language": language});
    assert_eq!(client.json().await, post);

    client.send(r#"{"action":"fail"}"#).await;
    assert_eq!(client.json().await["message"], "Internal server error");
    client.send(r#"{"action":"echo","after":"the failure"}"#).await;
    assert_eq!(client.json().await["after"], "the failure");
}

/// Writes the code into `folder`, with a `bootstrap` that runs `command` there.
fn place(folder: &Path, command: &str, code: (&str, &str)) {
    std::fs::create_dir_all(folder).unwrap();
    let (name, text) = code;
    std::fs::write(folder.join(name), text).unwrap();
    let bootstrap = folder.join("bootstrap");
    std::fs::write(&bootstrap, format!("#!/bin/sh\n{command}\n")).unwrap();
    std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755)).unwrap();
}
