//! The notify template against the notify program.

use std::fs;

use anyhow::{Context, Result};

use crate::command::root;

/// Every `Handler` of the template is a role that the program knows, and every metric of its own that the template watches
/// is one that it prints, by their names in quotes.
pub(super) fn check() -> Result<Vec<String>> {
    let template =
        fs::read_to_string(root().join("infra/template.yaml")).context("cannot read infra/template.yaml")?;
    let program = read_sources("crates/notify/src")?;
    let unknown = |name: &&str| !program.contains(&format!("\"{name}\""));
    let handlers = values(&template, "Handler:").filter(unknown).map(|role| ("handler", role));
    let metrics = own_metrics(&template).into_iter().filter(unknown).map(|name| ("metric", name));
    Ok(handlers
        .chain(metrics)
        .map(|(kind, name)| {
            format!("infra/template.yaml has the {kind} {name}, which crates/notify does not know")
        })
        .collect())
}

/// The namespaces that are not AWS's, and the metrics that are looked up there: in an alarm as `Namespace:` and
/// `MetricName:`, in the dashboard as a list that starts with both.
fn own_metrics(template: &str) -> Vec<&str> {
    let mut own = Vec::new();
    let mut lines = template.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(namespace) = line.strip_prefix("Namespace:").map(str::trim)
            && !namespace.starts_with("AWS/")
        {
            own.push(namespace);
            own.extend(lines.next().and_then(|line| line.strip_prefix("MetricName:")).map(str::trim));
        }
        let mut words = line.strip_prefix("[\"").unwrap_or_default().split("\", \"");
        if let (Some(namespace), Some(metric)) = (words.next(), words.next())
            && namespace.contains('/')
            && !namespace.starts_with("AWS/")
        {
            own.extend([namespace, metric]);
        }
    }
    own
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_metrics_are_found_in_alarms_and_dashboards() {
        let template = "
            Namespace: AWS/Lambda
            MetricName: Errors
            Namespace: Dunlin/Notify
            MetricName: Skipped
            [\"AWS/Lambda\", \"Invocations\", \"FunctionName\", \"f\"],
            [\"Dunlin/Notify\", \"Posts\", \"FunctionName\", \"f\"]";
        assert_eq!(own_metrics(template), ["Dunlin/Notify", "Skipped", "Dunlin/Notify", "Posts"]);
    }
}
