//! Who may depend on whom (ARCHITECTURE.md, "Arrows"), normal and dev dependencies alike.

use anyhow::{Context, Result};

use crate::command::metadata;

/// Each package of the workspace and the packages of the workspace that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("dunlin-events", &[]),
    ("dunlin-handler", &["dunlin-events"]),
    ("dunlin-lambda", &["dunlin-handler", "dunlin-events"]),
    ("dunlin-connection-store", &["dunlin-events"]),
    ("dunlin-connection-store-dynamodb", &["dunlin-connection-store", "dunlin-events"]),
    ("dunlin-management", &["dunlin-events"]),
    ("dunlin-management-aws", &["dunlin-management", "dunlin-events"]),
    ("dunlin-fanout", &["dunlin-connection-store", "dunlin-management", "dunlin-events"]),
    (
        "dunlin-notify",
        &[
            "dunlin-handler",
            "dunlin-lambda",
            "dunlin-fanout",
            "dunlin-connection-store",
            "dunlin-connection-store-dynamodb",
            "dunlin-management",
            "dunlin-management-aws",
            "dunlin-events",
        ],
    ),
    ("dunlin-example-echo", &["dunlin-handler", "dunlin-lambda", "dunlin-events"]),
    (
        "dunlin-example-rooms",
        &[
            "dunlin-handler",
            "dunlin-lambda",
            "dunlin-fanout",
            "dunlin-connection-store",
            "dunlin-connection-store-dynamodb",
            "dunlin-management",
            "dunlin-management-aws",
            "dunlin-events",
        ],
    ),
    ("dunlin-stack", &["dunlin-events"]),
    ("dunlin-gateway", &["dunlin-events"]),
    ("dunlin-lambda-host", &["dunlin-events"]),
    ("dunlin-iot-rules", &["dunlin-events"]),
    (
        "dunlin-local",
        &["dunlin-stack", "dunlin-gateway", "dunlin-lambda-host", "dunlin-iot-rules", "dunlin-events"],
    ),
    ("dunlin-bench-data", &["dunlin-connection-store", "dunlin-events"]),
    ("dunlin-stats", &[]),
    ("dunlin-report", &[]),
    ("dunlin-loadtest", &["dunlin-events", "dunlin-report", "dunlin-stats"]),
    ("dunlin-conformance", &["dunlin-events", "dunlin-management", "dunlin-management-aws"]),
    ("xtask", &["dunlin-report", "dunlin-stats"]),
];

/// Packages that may depend on anything: they look at the others from outside.
const OUTSIDE: &[&str] = &["dunlin-tests", "dunlin-benches", "dunlin-paths", "dunlin-fuzz"];

/// Dependencies from outside the workspace that only some packages may know.
const CONFINED: &[(&str, &[&str])] = &[
    ("lambda_runtime", &["dunlin-lambda", "dunlin-conformance"]),
    ("aws-sdk-dynamodb", &["dunlin-connection-store-dynamodb"]),
    ("aws-sdk-apigatewaymanagement", &["dunlin-management-aws"]),
    ("goose", &["dunlin-loadtest"]),
    ("mqtt5", &["dunlin-iot-rules", "dunlin-loadtest", "dunlin-tests"]),
];

pub(super) fn check() -> Result<Vec<String>> {
    let packages = metadata()?["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut faults = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let allowed = ARROWS.iter().find(|(from, _)| *from == name).map(|(_, to)| *to);
        if allowed.is_none() && !OUTSIDE.contains(&name) {
            faults.push(format!("{name} is not in the table of arrows: add it to xtask/src/tidy/arrows.rs"));
            continue;
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().unwrap_or_default();
            let inside = dependency["path"].is_string();
            if inside && allowed.is_some_and(|allowed| !allowed.contains(&to)) {
                faults.push(format!("{name} may not depend on {to}; a new arrow is a change of the design"));
            }
            if CONFINED.iter().any(|(what, who)| *what == to && !who.contains(&name)) {
                faults.push(format!("{name} may not depend on {to}: another crate keeps that knowledge"));
            }
        }
    }
    Ok(faults)
}
