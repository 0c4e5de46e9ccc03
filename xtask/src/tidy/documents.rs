//! The documents against the tree.

use std::fs;

use anyhow::{Context, Result};

use crate::command::{metadata, root};

/// Commands that the README's first screen promises.
const PROMISED: [&str; 3] = ["cargo xtask bench", "cargo xtask test", "cargo xtask up"];

pub(super) fn check() -> Result<Vec<String>> {
    let read =
        |name: &str| fs::read_to_string(root().join(name)).with_context(|| format!("cannot read {name}"));
    let (readme, architecture) = (read("README.md")?, read("ARCHITECTURE.md")?);
    let mut faults: Vec<String> = PROMISED
        .iter()
        .filter(|command| !readme.contains(**command))
        .map(|command| format!("README.md does not show `{command}`"))
        .collect();
    for package in metadata()?["packages"].as_array().into_iter().flatten() {
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        let Some(folder) = manifest
            .strip_prefix(&*root().to_string_lossy())
            .and_then(|path| path.strip_suffix("/Cargo.toml"))
            .map(|path| path.trim_start_matches('/'))
        else {
            continue;
        };
        let short = folder.strip_prefix("crates/").unwrap_or(folder);
        if !architecture.contains(short) {
            faults.push(format!("ARCHITECTURE.md does not mention {folder}"));
        }
    }
    Ok(faults)
}
