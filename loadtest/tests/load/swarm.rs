//! Swarms: what the report says is what the stack did.

use std::process::Stdio;
use std::time::Duration;

use dunlin_loadtest::report::Report;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::time::timeout;

use crate::program::{Finished, run};
use crate::stack::{Fate, Stack};

/// 60 updates of 5 devices, 12 versions each, to 20 clients with 2 devices each: 8 followers a device.
const SMALL: [&str; 16] = [
    "--users",
    "20",
    "--devices",
    "5",
    "--devices-per-user",
    "2",
    "--updates-per-second",
    "30",
    "--seconds",
    "1.5",
    "--warm-up-seconds",
    "0.5",
    "--ramp-per-second",
    "200",
    "--straggler-seconds",
    "3",
];
const UPDATES: u64 = 60;
const VERSION_LAST: u64 = 12;
const DELIVERIES: u64 = UPDATES * 8;

async fn swarm(stack: &Stack) -> (Finished, Report) {
    let finished = run(&[&["--ws", &stack.ws, "--mqtt", &stack.mqtt][..], &SMALL].concat()).await;
    let report = finished.report();
    (finished, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_update_reaches_every_follower() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let (finished, report) = swarm(&stack).await;

    assert_eq!((stack.counts().updates, stack.counts().due), (UPDATES, DELIVERIES));
    let connections = &report.connections;
    assert_eq!((connections.attempted, connections.following), (20, 20));
    assert_eq!((connections.failed, connections.dropped), (0, 0), "{:?}", connections.first_failure);
    assert_eq!((connections.connect.count, connections.request.count), (20, 20));
    assert_eq!((report.updates.planned, report.updates.published), (UPDATES, UPDATES));
    assert_eq!(report.updates.schedule_lag.count, UPDATES * 3 / 4);
    let reach = &report.reach;
    assert_eq!((reach.expected, reach.received), (DELIVERIES, DELIVERIES));
    assert_eq!((reach.duplicates, reach.gaps, reach.lost, reach.out_of_order), (0, 0, 0, 0));
    assert_eq!((reach.unexpected, reach.corrupt, reach.error_frames), (0, 0, 0));
    // A quarter of the schedule is warm-up.
    assert_eq!((report.push_warm_up.count, report.push.count), (DELIVERIES / 4, DELIVERIES * 3 / 4));
    assert_eq!(report.by_second.iter().map(|second| second.received).sum::<u64>(), DELIVERIES);
    assert_eq!(report.generator.goose_pushes + report.generator.goose_pushes_dropped, DELIVERIES);
    assert!(report.push.min_us.unwrap() > 0.0);
    assert!(report.passed, "{:?}", report.failures);
    // Whether this machine was quiet enough is not this test's matter.
    assert_eq!(finished.code, if report.valid { 0 } else { 75 }, "{}", finished.stderr);
    assert_eq!(report.valid, report.invalid_reasons.is_empty());
    assert!(finished.stderr.contains("480 of 480 pushes arrived (100.000 %)"), "{}", finished.stderr);
    // Goose prints this one itself.
    assert_eq!(finished.stdout, "20 users launched.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_and_doubled_pushes_are_counted_exactly() {
    // Every fourth connection misses version 3, three miss the last one, each fifth gets version 5 three times.
    let stack = Stack::start(|connection, version| match version {
        3 if connection % 4 == 0 => Fate::Copies(0),
        VERSION_LAST if connection < 3 => Fate::Copies(0),
        5 if connection % 5 == 0 => Fate::Copies(3),
        _ => Fate::Copies(1),
    })
    .await;
    let (finished, report) = swarm(&stack).await;

    let (reach, counts) = (&report.reach, stack.counts());
    // Two devices each: 5 × 2 versions 3, 3 × 2 last versions, 4 × 2 × 2 further copies.
    assert_eq!((counts.withheld, counts.doubled), (16, 16));
    assert_eq!((reach.gaps, reach.lost, reach.duplicates), (10, 6, 16));
    assert_eq!((reach.expected, reach.received), (DELIVERIES, DELIVERIES - 16));
    assert_eq!((reach.unexpected, reach.corrupt, reach.out_of_order), (0, 0, 0));
    assert_eq!(report.push.count + report.push_warm_up.count, DELIVERIES - 16);
    assert!(!report.passed);
    assert_eq!(report.failures.len(), 2, "{:?}", report.failures);
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert!(finished.stderr.contains("FAILED: 6 pushes were lost"), "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_is_due_nothing_after_its_end() {
    let stack = Stack::start(|connection, version| match version {
        6.. if connection == 7 => Fate::Close,
        _ => Fate::Copies(1),
    })
    .await;
    let (finished, report) = swarm(&stack).await;

    assert_eq!(report.connections.dropped, 1);
    let reason = report.connections.first_failure.as_deref().unwrap();
    assert_eq!(reason, "the server closed the connection: code 1001 going away");
    let reach = &report.reach;
    // The two devices publish one after the other: the version 6 that closed the connection was due, and by the time
    // the client knew, perhaps some of what followed.
    assert_eq!(reach.received, DELIVERIES - 14, "{reach:?}");
    assert!((1..=14).contains(&reach.lost), "{reach:?}");
    assert_eq!(reach.expected, reach.received + reach.lost, "{reach:?}");
    assert_eq!((reach.gaps, reach.duplicates), (0, 0));
    assert_eq!(finished.code, 1, "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_run_and_closes_what_is_open() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let child = Command::new(env!("CARGO_BIN_EXE_dunlin-load"))
        .args(["--ws", &stack.ws, "--mqtt", &stack.mqtt, "--users", "5", "--seconds", "600"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    stack.first_update().await;
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = timeout(Duration::from_secs(20), child.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "dunlin-load: interrupted: no report was written\n"
    );
    assert_eq!(stack.open_most(), 5);
    stack.all_closed().await;
}
