//! Round trips and memory.

use dunlin_loadtest::cost::CostReport;
use dunlin_loadtest::report::{EchoReport, IdleReport};

use crate::program::run;
use crate::stack::{Fate, Stack};

#[tokio::test(flavor = "multi_thread")]
async fn echo_is_measured_beside_a_bare_server() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let finished = run(&["echo", "--ws", &stack.ws, "--count", "250", "--block", "50", "--bare"]).await;
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let report: EchoReport = finished.report();
    let bare = report.bare.unwrap();
    assert_eq!((report.target.count, bare.count), (250, 250));
    assert!(report.first_us > 0.0);
    let ratio = report.target.p50_us.unwrap() / bare.p50_us.unwrap();
    assert!((report.ratio_p50.unwrap() - ratio).abs() < 0.001);
    assert!(report.ratio_paired.unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_with_other_bytes_is_no_echo() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let message = r#"{"action":"echo","text":"{n}"}"#;
    let finished = run(&["echo", "--ws", &stack.ws, "--message", message]).await;
    finished.refused(1, r#"answered message 1 with `{"type":"echo","text":"0000000001"}` instead of"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_held_together() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let pid = std::process::id().to_string();
    let finished = run(&["idle", "--ws", &stack.ws, "--connections", "300", "--pid", &pid]).await;
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let report: IdleReport = finished.report();
    assert_eq!((report.connections, report.pid), (300, std::process::id()));
    assert_eq!(stack.open_most(), 300);
    // Other tests allocate in this process too; the formula is what can be checked.
    let difference = report.rss_anon_after_bytes as f64 - report.rss_anon_before_bytes as f64;
    assert!((report.bytes_per_connection - difference / 300.0).abs() < 1e-6);

    let gone = run(&["idle", "--ws", &stack.ws, "--connections", "1", "--pid", "4194304"]).await;
    gone.refused(64, "/proc/4194304/status");
}

#[tokio::test]
async fn the_cost_of_a_message_is_measured_beside_bare_readers() {
    let finished = run(&["cost", "--connections", "5", "--per-second", "20", "--seconds", "2"]).await;
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    let report: CostReport = finished.report();
    assert_eq!((report.connections, report.messages), (5, 200));
    let ratio = report.swarm_us_per_message / report.bare_us_per_message;
    assert!(report.bare_us_per_message > 0.0 && (report.ratio - ratio).abs() < 0.001, "{report:?}");
}
