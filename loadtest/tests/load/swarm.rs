//! Swarms: what the report says is what the stack did.

use dunlin_loadtest::measured::{Measured, Metric, Model, Offered, Reach, Times};
use rustix::process::{Pid, Signal, kill_process};

use crate::program::{play, shipped, start};
use crate::stack::{Fate, Stack};

/// 60 updates of 5 topics, 12 versions each, to 20 clients with 2 topics each: 8 followers a topic.
pub(crate) fn small(stack: &Stack) -> String {
    format!(
        r#"
description = "small"
target = "{}"
thresholds = ["lost == 0", "duplicates == 0", "errors == 0"]
straggler_wait = "4s"
[users]
count = 20
connects_per_second = 100
topics_each = 2
[updates]
topics = 5
per_second = 30
arrivals = "constant"
[phases]
warm_up = "500ms"
hold = "1.5s"
# at {}
"#,
        shipped("apps/notify.toml"),
        stack.ws
    )
}

/// The stack's addresses, as arguments.
pub(crate) fn at(stack: &Stack) -> [String; 2] {
    [format!("--target={}", stack.ws), format!("--set=target.cause.mqtt.broker={}", stack.mqtt)]
}

const UPDATES: u64 = 60;
const VERSION_LAST: u64 = 12;
const DELIVERIES: u64 = UPDATES * 8;

/// Deliveries of all phases.
pub(crate) fn reach(measured: &Measured) -> Reach {
    let mut sum = Reach::default();
    measured.phases.iter().for_each(|phase| sum += phase.reach);
    sum
}

/// Times of a metric over all phases.
pub(crate) fn times(measured: &Measured, metric: Metric) -> Times {
    let mut sum = Times::default();
    let series = measured.phases.iter().flat_map(|phase| &phase.series);
    series.filter(|series| series.name.metric == metric).for_each(|series| sum.add(&series.times));
    sum
}

/// An exit code that says nothing of how busy this machine was.
#[track_caller]
pub(crate) fn ended(code: i32, measured: &Measured, expected: i32) {
    assert_eq!(code, if measured.is_valid() { expected } else { 4 }, "{:?}", measured.thresholds);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_update_reaches_every_follower() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let [target, broker] = at(&stack);
    let finished = play(&small(&stack), &[&target, &broker]).await;
    let measured = finished.measured();

    assert_eq!((stack.counts().updates, stack.counts().due), (UPDATES, DELIVERIES));
    assert_eq!(stack.open_most(), 20);
    let names: Vec<&str> = measured.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(names, ["ramp", "warm-up", "hold"]);
    assert_eq!(
        reach(&measured),
        Reach { expected: DELIVERIES, received: DELIVERIES, late: reach(&measured).late, ..Reach::default() }
    );
    let hold = &measured.phases[2];
    // A quarter of the schedule is warm-up.
    assert_eq!((hold.reach.expected, hold.measured), (DELIVERIES * 3 / 4, true));
    let updates = hold.rates.iter().find(|rate| rate.what == Offered::Updates).unwrap();
    assert_eq!((updates.planned, updates.done), (45, 45));
    assert!((updates.offered_per_second.unwrap() - 30.0).abs() < 0.1, "{updates:?}");
    assert_eq!(
        (times(&measured, Metric::Push).0.len(), times(&measured, Metric::Connect).0.len()),
        (DELIVERIES, 20)
    );
    assert_eq!((times(&measured, Metric::Response).0.len(), times(&measured, Metric::Tls).0.len()), (20, 0));
    assert!(times(&measured, Metric::FirstByte).0.max() <= times(&measured, Metric::Upgrade).0.max());
    assert_eq!(measured.seconds.iter().map(|second| second.pushes).sum::<u64>(), DELIVERIES);
    assert_eq!(measured.errors, []);
    assert!(measured.is_met(), "{:?}", measured.thresholds);
    assert_eq!((measured.run.model, measured.ended_early.clone()), (Model::Open, None));
    ended(finished.code, &measured, 0);
    assert!(finished.stderr.contains("480 of 480 pushes arrived (100.000 %)"), "{}", finished.stderr);
    assert!(finished.stdout.is_empty() || finished.stdout == "20 users launched.\n", "{}", finished.stdout);
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
    let [target, broker] = at(&stack);
    let finished = play(&small(&stack), &[&target, &broker]).await;
    let measured = finished.measured();

    let (reach, counts) = (reach(&measured), stack.counts());
    // Two topics each: 5 × 2 versions 3, 3 × 2 last versions, 4 × 2 × 2 further copies.
    assert_eq!((counts.withheld, counts.doubled), (16, 16));
    assert_eq!((reach.lost, reach.behind, reach.duplicates), (16, 6, 16));
    assert_eq!((reach.expected, reach.received, reach.out_of_order), (DELIVERIES, DELIVERIES - 16, 0));
    let missed: Vec<&str> = measured
        .thresholds
        .iter()
        .filter(|verdict| !verdict.met)
        .map(|verdict| verdict.threshold.as_str())
        .collect();
    assert_eq!(missed, ["lost == 0", "duplicates == 0"]);
    ended(finished.code, &measured, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_is_due_nothing_after_its_end() {
    let stack = Stack::start(|connection, version| match version {
        6.. if connection == 7 => Fate::Close,
        _ => Fate::Copies(1),
    })
    .await;
    let [target, broker] = at(&stack);
    let finished = play(&small(&stack), &[&target, &broker]).await;
    let measured = finished.measured();

    let [error] = &measured.errors[..] else { panic!("{:?}", measured.errors) };
    assert_eq!((error.during.as_str(), error.kind.as_str(), error.count), ("session", "close 1001", 1));
    assert_eq!(error.first, "the server closed the connection: code 1001 going away");
    let reach = reach(&measured);
    // The two topics are updated one after the other: the version 6 that closed the connection was due, and by the
    // time the client knew, perhaps some of what followed.
    assert_eq!(reach.received, DELIVERIES - 14, "{reach:?}");
    assert!((1..=14).contains(&reach.lost), "{reach:?}");
    assert_eq!(reach.expected, reach.received + reach.lost, "{reach:?}");
    ended(finished.code, &measured, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_run_with_a_report_of_what_there_was() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let [target, broker] = at(&stack);
    let playing = start(&small(&stack), &[&target, &broker, "--seconds=600"]);
    stack.first_update().await;
    let pid = Pid::from_raw(playing.child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let finished = playing.end().await;
    assert_eq!(finished.code, 130, "{}", finished.stderr);
    let measured = finished.measured();
    assert_eq!(measured.ended_early.as_deref(), Some("interrupted"));
    assert!(reach(&measured).received > 0);
    assert!(finished.stderr.contains("ended early: interrupted"), "{}", finished.stderr);
    stack.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_measure_one_run() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let [target, broker] = at(&stack);
    let finished = play(&small(&stack), &[&target, &broker, "--processes=3"]).await;
    let measured = finished.measured();
    assert_eq!((measured.run.processes, measured.run.users), (3, 20), "{}", finished.stderr);
    assert_eq!((stack.counts().updates, stack.open_most()), (UPDATES, 20));
    let reach = reach(&measured);
    assert_eq!((reach.expected, reach.received, reach.duplicates), (DELIVERIES, DELIVERIES, 0));
    // Pushes of what another process published are timed too: the clock is one.
    assert_eq!(times(&measured, Metric::Push).0.len(), DELIVERIES);
    assert_eq!(measured.generator.untimed_pushes, 0);
    ended(finished.code, &measured, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_cuts_everybody_and_everybody_comes_back() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let [target, broker] = at(&stack);
    let storm = ["--set=storm.after=500ms", "--set=users.reconnect_within=500ms"];
    let finished = play(&small(&stack), &[&[&target[..], &broker, "--seconds=4"][..], &storm].concat()).await;
    let measured = finished.measured();
    assert_eq!(times(&measured, Metric::Connect).0.len(), 40, "{}", finished.stderr);
    let reach = reach(&measured);
    // What was under way when the connections broke may be lost; what came after they were back may not.
    assert!(reach.lost <= 40 && reach.received > 400, "{reach:?}");
    assert_eq!(measured.errors, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_come_and_go_and_miss_nothing() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let [target, broker] = at(&stack);
    let churn = ["--set=users.life=exponential 700ms", "--seconds=3"];
    let finished = play(&small(&stack), &[&[&target[..], &broker][..], &churn].concat()).await;
    let measured = finished.measured();
    let connects = times(&measured, Metric::Connect).0.len();
    assert!(connects > 40, "{connects}");
    let reach = reach(&measured);
    assert!(reach.expected > 0);
    assert_eq!((reach.lost, reach.duplicates), (0, 0), "{reach:?} {}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_model_sends_when_it_was_answered_and_says_so_first() {
    let stack = Stack::start(|_, _| Fate::Copies(1)).await;
    let scenario = std::fs::read_to_string(shipped("echo.toml")).unwrap();
    let scenario = scenario.replace("apps/echo.toml", &shipped("apps/echo.toml"));
    let finished = play(&scenario, &[&format!("--target={}", stack.ws), "--seconds=2"]).await;
    let measured = finished.measured();
    assert_eq!(measured.run.model, Model::Closed);
    assert!(finished.stderr.lines().any(|line| line.starts_with("closed model: ")), "{}", finished.stderr);
    let answers = times(&measured, Metric::Response).0;
    assert!(answers.len() > 10, "{}", finished.stderr);
    assert_eq!(measured.errors, []);
    // Nothing was scheduled that the messages could be late of, nor offered.
    assert!(measured.generator.lag.iter().all(|lag| lag.what != Offered::Messages));
    let rates = measured.phases.iter().flat_map(|phase| &phase.rates);
    let mut messages = rates.filter(|rate| rate.what == Offered::Messages);
    assert!(messages.all(|rate| rate.offered_per_second.is_none()));
}
