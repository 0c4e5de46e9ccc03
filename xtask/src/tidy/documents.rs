//! The documents against the tree.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::command::{metadata, root};

/// Commands that the README's first screen promises.
const PROMISED: [&str; 3] = ["cargo xtask bench", "cargo xtask test", "cargo xtask up"];

/// Where documents are: these folders with all below them, and the root by itself.
const FOLDERS: [&str; 10] =
    ["benches", "conformance", "crates", "docs", "examples", "fuzz", "infra", "loadtest", "tests", "xtask"];

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
    for document in documents()? {
        let text = fs::read_to_string(&document)?;
        let folder = document.parent().unwrap_or(root());
        let name = document.strip_prefix(root()).unwrap_or(&document).display();
        let broken = links(&text).filter(|link| !folder.join(link).exists());
        faults.extend(broken.map(|link| format!("{name} links to {link}, which is not there")));
    }
    faults.extend(doubled_decisions()?);
    Ok(faults)
}

/// Every document of the tree.
fn documents() -> Result<Vec<PathBuf>> {
    let mut found = in_folder(root())?.1;
    let mut folders: Vec<PathBuf> = FOLDERS.map(|folder| root().join(folder)).into();
    while let Some(folder) = folders.pop() {
        let (below, documents) = in_folder(&folder)?;
        folders.extend(below);
        found.extend(documents);
    }
    found.sort();
    Ok(found)
}

/// The folders and the documents in a folder, without hidden ones.
fn in_folder(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut folders, mut documents) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        } else if name.to_string_lossy().ends_with(".md") {
            documents.push(entry.path());
        }
    }
    Ok((folders, documents))
}

/// The targets in the tree that a document links to, without what stands behind `#`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let inside = targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    inside.map(|target| target.split('#').next().unwrap_or_default().trim()).filter(|path| !path.is_empty())
}

/// Decisions are cited by their number.
fn doubled_decisions() -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(root().join("docs/decisions"))
        .context("cannot list docs/decisions")?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    let number = |name: &str| name.split('-').next().map(str::to_owned);
    let doubled = names.windows(2).filter(|pair| number(&pair[0]) == number(&pair[1]));
    Ok(doubled
        .map(|pair| format!("docs/decisions has {} and {}: one number each", pair[0], pair[1]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_into_the_tree_are_found() {
        let text =
            "[a](b.md), [c](../d/e.md#part)\n[f](https://g.example/h) ![i](j.svg) [k](#l) f(x) [m](n\n)";
        assert_eq!(links(text).collect::<Vec<_>>(), ["b.md", "../d/e.md", "j.svg", "n"]);
    }
}
