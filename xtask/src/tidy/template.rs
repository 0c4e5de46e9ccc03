//! The notify template against the notify program.

use std::fs;

use anyhow::{Context, Result};

use crate::command::root;

/// Every `Handler` of the template is a role that the program knows, by its name in quotes.
pub(super) fn check() -> Result<Vec<String>> {
    let template =
        fs::read_to_string(root().join("infra/template.yaml")).context("cannot read infra/template.yaml")?;
    let program = read_sources("crates/notify/src")?;
    Ok(values(&template, "Handler:")
        .filter(|role| !program.contains(&format!("\"{role}\"")))
        .map(|role| format!("infra/template.yaml has the handler {role}, which crates/notify does not know"))
        .collect())
}

fn values<'a>(template: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    template.lines().filter_map(move |line| line.trim().strip_prefix(key)).map(str::trim)
}

fn read_sources(folder: &str) -> Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(root().join(folder)).with_context(|| format!("cannot list {folder}"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        }
    }
    Ok(text)
}
