use std::sync::{Mutex, atomic::Ordering};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::rule::{Action, DeliverError, Headers, Republish, Target};

const ACCOUNT: &str = "123456789012";

/// Accepts one event per permit.
struct Gate {
    permits: Semaphore,
    events: Mutex<Vec<String>>,
}

impl Gate {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self { permits: Semaphore::new(permits), events: Mutex::default() })
    }

    fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }
}

impl RuleSink for Gate {
    fn deliver<'a>(
        &'a self,
        _rule: &'a str,
        target: Target<'a>,
        event: Bytes,
    ) -> BoxFuture<'a, Result<(), DeliverError>> {
        Box::pin(async move {
            self.permits.acquire().await.unwrap().forget();
            let (Target::Function(name) | Target::LogGroup(name) | Target::Queue(name)) = target;
            if name == "refuses" {
                return Err(DeliverError("no".to_owned()));
            }
            self.events.lock().unwrap().push(format!("{name} {}", String::from_utf8_lossy(&event)));
            Ok(())
        })
    }
}

/// Subscribers that nobody looks at.
struct Nobody;

impl Outlet for Nobody {
    fn publish(&self, _packet: PublishPacket) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn lambda(function: &str) -> Action {
    Action::Lambda { function: function.to_owned() }
}

fn rule(name: &str, sql: &str, functions: &[&str]) -> Rule {
    let actions = functions.iter().map(|function| lambda(function)).collect();
    Rule { name: name.to_owned(), sql: sql.to_owned(), actions, ..Rule::default() }
}

fn published(topic: &str, payload: impl Into<Bytes>) -> Published {
    Published {
        topic: topic.into(),
        client_id: "c".into(),
        payload: payload.into(),
        received_at_ms: 1,
        depth: 0,
    }
}

fn start(rules: &[Rule], gate: &Arc<Gate>) -> (Arc<Intake>, Worker, Arc<State>) {
    let (intake, worker) = engine(rules, ACCOUNT, Arc::clone(gate) as Arc<dyn RuleSink>).unwrap();
    let state = intake.state();
    (intake, worker, state)
}

async fn run_until_empty(worker: Worker) {
    let stop = CancellationToken::new();
    stop.cancel();
    worker.run(Arc::new(Nobody), stop).await;
}

#[tokio::test]
async fn each_rule_gets_what_it_is_about() {
    let gate = Gate::new(100);
    let rules = [
        rule("all", "SELECT * FROM '#'", &["f", "g"]),
        rule("some", "SELECT topic(2) AS d FROM 'a/+' WHERE v > 1", &["h"]),
    ];
    let (intake, worker, state) = start(&rules, &gate);
    for (topic, payload) in [("a/x", r#"{"v":1}"#), ("a/y", r#"{"v":2}"#), ("$SYS/z", r#"{"v":3}"#)] {
        assert_eq!(intake.published(published(topic, payload)), Way::Broker);
    }
    run_until_empty(worker).await;
    assert_eq!(
        gate.events(),
        [r#"f {"v":1}"#, r#"g {"v":1}"#, r#"f {"v":2}"#, r#"g {"v":2}"#, r#"h {"d":"y"}"#]
    );
    assert_eq!(state.counts(), Counts { published: 3, delivered: 5, ..Counts::default() });
}

#[tokio::test]
async fn a_bad_payload_or_a_refusing_function_stops_nothing() {
    let gate = Gate::new(100);
    let (intake, worker, state) = start(&[rule("r", "SELECT v FROM 'a'", &["refuses", "f"])], &gate);
    for payload in ["nope", r#"{"v":1}"#] {
        intake.published(published("a", payload));
    }
    run_until_empty(worker).await;
    assert_eq!(gate.events(), [r#"f {"v":1}"#]);
    assert_eq!(
        state.counts(),
        Counts { published: 2, delivered: 1, failed: 1, unreadable: 1, ..Counts::default() }
    );
}

/// Past the broker, whatever the rule's own topics are; the prefix is not part of the topic.
#[tokio::test]
async fn basic_ingest_names_its_rule() {
    let gate = Gate::new(100);
    let sql = "SELECT topic() AS t, topic(1) AS first FROM 'elsewhere'";
    let (intake, worker, state) = start(&[rule("other", sql, &["g"]), rule("named", sql, &["f"])], &gate);
    for topic in ["$aws/rules/named/a/b", "$aws/rules/named/a", "$aws/rules/nobody/a", "$aws/rules/nobody/b"]
    {
        assert_eq!(intake.published(published(topic, "{}")), Way::RuleOnly);
    }
    run_until_empty(worker).await;
    assert_eq!(gate.events(), [r#"f {"t":"a/b","first":"a"}"#, r#"f {"t":"a","first":"a"}"#]);
    assert_eq!(state.counts(), Counts { published: 4, delivered: 2, dropped: 2, ..Counts::default() });
}

/// S10: one message with every failure, and the actions in between are performed.
#[tokio::test]
async fn an_error_action_is_told_of_every_failure_once() {
    let gate = Gate::new(100);
    let republish = Republish { topic: "a/+".to_owned(), ..Republish::default() };
    let rules = [Rule {
        actions: vec![lambda("refuses"), lambda("f"), Action::Republish(republish)],
        error_action: Some(Action::Sqs { queue_url: "dead".to_owned(), base64: false }),
        ..rule("r", "SELECT v FROM 'a/b'", &[])
    }];
    let (intake, worker, state) = start(&rules, &gate);
    intake.published(published("a/b", r#"{"v":1,"w":2}"#));
    run_until_empty(worker).await;
    let events = gate.events();
    let [event, told] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event, r#"f {"v":1}"#);
    let mut told: serde_json::Value = serde_json::from_str(told.strip_prefix("dead ").unwrap()).unwrap();
    let trace = told["cloudwatchTraceId"].take();
    assert_eq!(trace.as_str().unwrap().len(), 36);
    assert_eq!(
        told,
        serde_json::json!({
            "ruleName": "r",
            "topic": "a/b",
            "cloudwatchTraceId": null,
            "clientId": "c",
            "base64OriginalPayload": "eyJ2IjoxLCJ3IjoyfQ==",
            "failures": [
                {"failedAction": "LambdaAction", "failedResource": "refuses", "errorMessage": "no"},
                {
                    "failedAction": "RepublishAction",
                    "failedResource": "a/+",
                    "errorMessage": r#"topic "a/+" is empty, or has a + or #"#,
                },
            ],
        })
    );
    assert_eq!(state.counts(), Counts { published: 1, delivered: 2, failed: 2, ..Counts::default() });
}

/// What a message puts into a header has to fit into a packet.
#[tokio::test]
async fn a_header_that_no_packet_holds_is_a_failure() {
    let gate = Gate::new(100);
    let headers = Headers { content_type: Some("${v}".to_owned()), ..Headers::default() };
    let republish = Republish { topic: "b".to_owned(), headers, ..Republish::default() };
    let rules = [Rule { actions: vec![Action::Republish(republish)], ..rule("r", "SELECT v FROM 'a'", &[]) }];
    let (intake, worker, state) = start(&rules, &gate);
    for v in ["x".repeat(65_536), "\\u0000".to_owned(), "fits".to_owned()] {
        intake.published(published("a", format!(r#"{{"v":"{v}"}}"#)));
    }
    run_until_empty(worker).await;
    assert_eq!(state.counts(), Counts { published: 3, delivered: 1, failed: 2, ..Counts::default() });
}

#[tokio::test]
async fn logs_and_queues_get_events_in_their_form() {
    let gate = Gate::new(100);
    let log = |batch| Action::CloudwatchLogs { log_group: "log".to_owned(), batch };
    let queue = |base64| Action::Sqs { queue_url: "queue".to_owned(), base64 };
    let rules = [
        Rule {
            actions: vec![log(false), queue(false), queue(true)],
            ..rule("one", "SELECT v FROM 'a'", &[])
        },
        Rule { actions: vec![log(true)], ..rule("many", "SELECT * FROM 'batch'", &[]) },
    ];
    let (intake, worker, state) = start(&rules, &gate);
    intake.published(published("a", r#"{"v":1}"#));
    intake.published(published(
        "batch",
        r#"[{"timestamp":1,"message":"first"},{"timestamp":2,"message":"second"}]"#,
    ));
    intake.published(published("batch", r#"{"v":1}"#));
    run_until_empty(worker).await;
    assert_eq!(
        gate.events(),
        [r#"log {"v":1}"#, r#"queue {"v":1}"#, "queue eyJ2IjoxfQ==", "log first", "log second"]
    );
    assert_eq!(state.counts(), Counts { published: 3, delivered: 4, failed: 1, ..Counts::default() });
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let gate = Gate::new(usize::MAX >> 4);
    let (intake, worker, state) = start(&[rule("r", "SELECT * FROM 'a'", &["f"])], &gate);
    for _ in 0..QUEUE_MESSAGES_MAX + 3 {
        intake.published(published("a", "{}"));
    }
    intake.published(published("of no rule", "{}"));
    assert_eq!(state.counts().dropped, 3);
    run_until_empty(worker).await;
    let all = QUEUE_MESSAGES_MAX as u64;
    assert_eq!(
        state.counts(),
        Counts { published: all + 4, delivered: all, dropped: 3, ..Counts::default() }
    );
    assert_eq!(state.pending_bytes.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_queue_is_bounded_in_bytes_too() {
    let gate = Gate::new(100);
    let (intake, _worker, state) = start(&[rule("r", "SELECT 1 AS a FROM 'a'", &["f"])], &gate);
    let payload = Bytes::from(vec![b' '; QUEUE_BYTES_MAX / 4]);
    for _ in 0..5 {
        intake.published(published("a", payload.clone()));
    }
    assert_eq!(state.counts().dropped, 1);
    assert_eq!(state.pending_bytes.load(Ordering::Relaxed), QUEUE_BYTES_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_never_answers_costs_its_event_only() {
    let gate = Gate::new(0);
    let (intake, worker, state) = start(&[rule("r", "SELECT * FROM 'a'", &["f"])], &gate);
    intake.published(published("a", "{}"));
    intake.published(published("a", "{}"));
    let before = tokio::time::Instant::now();
    run_until_empty(worker).await;
    assert_eq!(before.elapsed(), 2 * DELIVER_TIMEOUT);
    assert_eq!(state.counts(), Counts { published: 2, failed: 2, ..Counts::default() });
}

#[test]
fn a_rule_that_cannot_run_is_named() {
    let good = rule("good", "SELECT * FROM 'a'", &[]);
    let error = |bad: Rule| {
        let (name, error) = engine(&[good.clone(), bad], ACCOUNT, Gate::new(0)).err().unwrap();
        assert_eq!(name, "bad");
        error
    };
    assert!(matches!(error(rule("bad", "SELECT * FROM 'a' LIMIT 1", &[])), RuleError::Sql(_)));
    let eleven = error(rule("bad", "SELECT * FROM 'a'", &["f"; 11]));
    assert_eq!(eleven.to_string(), "has 11 actions; at most 10 are possible");
}

#[test]
fn topics_that_the_service_does_not_take() {
    let long = "x".repeat(257);
    for (topic, problem) in [
        ("a/b/c/d/e/f/g/h", None),
        ("$aws/rules/r/a/b/c/d/e/f/g/h", None),
        ("a/b/c/d/e/f/g/h/i", Some("8 slashes; at most 7")),
        (&long, Some("257 bytes; at most 256")),
        ("", Some("is empty")),
        ("a/#", Some("has a + or #")),
    ] {
        match (check_topic(topic), problem) {
            (Ok(()), None) => {}
            (Err(said), Some(expected)) => assert!(said.contains(expected), "{said}"),
            other => panic!("{topic}: {other:?}"),
        }
    }
}
