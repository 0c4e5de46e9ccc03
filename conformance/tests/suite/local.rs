//! The local stack does what the service does, as far as it says so.

use std::path::Path;

use dunlin_conformance::{Verdict, cases, local::deviation, report::Report, run};

use crate::stack::{Stack, TEMPLATE};

#[tokio::test(flavor = "multi_thread")]
async fn the_local_stack_does_what_the_service_does() {
    let stack = Stack::start(TEMPLATE).await;
    let outcomes = run(&stack.site, cases::all(), |_| ()).await;
    let report = Report { target: "local", is_local: true, outcomes: &outcomes };
    for outcome in &outcomes {
        let as_expected = match &outcome.verdict {
            Verdict::Passed => deviation(outcome.case.id).is_none(),
            Verdict::Failed { .. } => deviation(outcome.case.id).is_some(),
            Verdict::Skipped(_) => false,
        };
        assert!(as_expected, "{} ended with {:?}", outcome.case.id, outcome.verdict);
    }

    // The page that the task writes.
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs").join("conformance.md");
    let current = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        current == report.to_page(),
        "docs/conformance.md is out of date: run `cargo xtask conformance --write-docs`"
    );
    stack.stop().await;
}
