//! Each invariant on a trace that breaks it and nothing else of note: one that cannot fail proves nothing.

use dunlin_connection_store::{Shard, Timestamp};
use dunlin_fanout::{Checkpoint, Missed, Position, Report};
use dunlin_management::ManagementErrorKind;
use tokio::time::Duration;

use crate::invariants::{ALL, check_all};
use crate::trace::{Event, Id, Outcome, PassPlan, Trace};
use crate::world::{connection_id, topic};

const MS: Duration = Duration::from_millis(1);

/// One pass over four: 0 gets it at the second attempt, 1 is gone and pruned, 2 is not answered in time, 3 is refused.
fn honest() -> Trace {
    let throttled = Outcome::Failed { kind: ManagementErrorKind::Throttled, retry_after: Some(50 * MS) };
    let forbidden = Outcome::Failed { kind: ManagementErrorKind::Forbidden, retry_after: None };
    let missed = Missed {
        connection_id: connection_id(2),
        shard: Shard::new(0),
        connected_at: Timestamp::from_epoch_ms(0),
    };
    let mut report = Report { delivered: 1, gone: 1, failed: 1, skipped: 1, posts: 5, ..Report::default() };
    (report.throttled, report.pruned, report.enumerated) = (1, 1, true);
    (report.cost.messages_metered, report.cost.posted_bytes, report.cost.store_calls) = (1, 100, 3);
    report.checkpoint = Some(Checkpoint { topic: topic(), version: 1, position: None, missed: vec![missed] });
    let plan = PassPlan { version: 1, message_bytes: 20, given: 1_000 * MS, from: None };
    let mut trace = Trace { window: 2, passes: vec![plan], entries: Vec::new() };
    for id in 0..4 {
        trace.push(Duration::ZERO, Event::Joined { id, shard: 0, age: Duration::from_secs(60) });
    }
    for (at, event) in [
        (0, Event::Died { id: 1 }),
        (1, Event::PassBegan { pass: 0 }),
        (1, Event::StoreCalled { pass: 0, call: "commit_head" }),
        (2, Event::Committed { pass: 0 }),
        (2, Event::StoreCalled { pass: 0, call: "subscribers" }),
        (3, Event::StoreAnswered { pass: 0, call: "subscribers", succeeded: true }),
        (3, post(0)),
        (3, post(1)),
        (5, answer(0, throttled)),
        (6, answer(1, Outcome::Gone)),
        (6, post(2)),
        (7, post(3)),
        (8, answer(3, forbidden)),
        (60, post(0)),
        (61, answer(0, Outcome::Delivered)),
        (62, Event::StoreCalled { pass: 0, call: "prune" }),
        (62, Event::Pruned { pass: 0, id: 1 }),
        (900, Event::PostDropped { pass: 0, id: 2 }),
        (901, Event::PassEnded { pass: 0, report: Some(Box::new(report)) }),
    ] {
        trace.push(at * MS, event);
    }
    trace
}

fn post(id: Id) -> Event {
    Event::PostBegan { pass: 0, id, version: 1 }
}

fn answer(id: Id, outcome: Outcome) -> Event {
    Event::PostAnswered { pass: 0, id, outcome }
}

impl Trace {
    fn report_mut(&mut self) -> &mut Report {
        self.entries
            .iter_mut()
            .find_map(|entry| match &mut entry.event {
                Event::PassEnded { report: Some(report), .. } => Some(&mut **report),
                _ => None,
            })
            .unwrap()
    }

    /// Puts an event where it belongs by its time.
    fn insert(&mut self, at: Duration, event: Event) {
        let index = self.entries.partition_point(|entry| entry.at <= at);
        self.entries.insert(index, crate::trace::Entry { at, event });
    }

    fn remove(&mut self, unwanted: impl Fn(&Event) -> bool) {
        self.entries.retain(|entry| !unwanted(&entry.event));
    }

    /// An extra post and its answer.
    fn posts_again(&mut self, at: u32, id: Id, outcome: Outcome) {
        self.insert(at * MS, post(id));
        self.insert((at + 1) * MS, answer(id, outcome));
    }
}

#[track_caller]
fn check(invariant: &str, breaks: impl Fn(&mut Trace)) {
    let mut trace = honest();
    breaks(&mut trace);
    let (_, holds) = ALL.iter().find(|(name, _)| *name == invariant).expect("it is one of them");
    let why = holds(&trace).expect_err("the trace is broken");
    println!("{invariant}: {why}");
}

#[test]
fn an_honest_trace_breaks_none() {
    assert_eq!(check_all(&honest()), Ok(()));
}

#[test]
fn every_invariant_can_fail() {
    let name = "everyone is reached or reported";
    check(name, |trace| trace.report_mut().checkpoint = None);
    check(name, |trace| {
        // The checkpoint goes on after the one who was missed, in the shard of that one.
        let position = Some(Position { shard: Shard::new(0), after: Some("c0002".to_owned()) });
        let checkpoint = Checkpoint { topic: topic(), version: 1, position, missed: Vec::new() };
        trace.report_mut().checkpoint = Some(checkpoint);
    });
    check(name, |trace| {
        trace.remove(|event| matches!(event, Event::PostAnswered { id: 0, outcome: Outcome::Delivered, .. }));
    });
    // Found gone while it lived.
    check(name, |trace| trace.remove(|event| matches!(event, Event::Died { .. })));

    let name = "nobody is posted to after found gone";
    check(name, |trace| trace.insert(10 * MS, post(1)));

    let name = "a ghost costs one post";
    check(name, |trace| trace.posts_again(10, 1, Outcome::Gone));
    check(name, |trace| {
        let plan = trace.passes[0].clone();
        trace.passes.push(plan);
        trace.insert(70 * MS, Event::PassBegan { pass: 1 });
        trace.insert(71 * MS, Event::PostAnswered { pass: 1, id: 1, outcome: Outcome::Gone });
    });

    check("nobody gets it twice from one pass", |trace| trace.posts_again(70, 0, Outcome::Delivered));

    let name = "only subscribers are posted to";
    check(name, |trace| trace.insert(10 * MS, post(9)));
    check(name, |trace| trace.insert(Duration::ZERO, Event::Left { id: 3 }));

    let name = "only the gone are pruned";
    check(name, |trace| trace.insert(70 * MS, Event::Pruned { pass: 0, id: 3 }));
    check(name, |trace| trace.remove(|event| matches!(event, Event::Died { .. })));

    check("the window is held", |trace| trace.window = 1);

    let name = "the deadline is held";
    check(name, |trace| trace.passes[0].given = 899 * MS);
    check(name, |trace| trace.posts_again(850, 0, Outcome::Delivered));
    check(name, |trace| trace.remove(|event| matches!(event, Event::PostDropped { .. })));
    check(name, |trace| trace.remove(|event| matches!(event, Event::PassEnded { .. })));

    check("a pass is cut short only for a reason", |trace| {
        // Nobody was posted to, and yet one is left.
        trace.remove(|event| {
            matches!(event, Event::PostBegan { .. } | Event::PostAnswered { .. } | Event::PostDropped { .. })
        });
    });

    check("the service's hint is waited for", |trace| trace.insert(54 * MS, post(0)));

    let name = "a pass pushes its own version, and none that is passed";
    check(name, |trace| trace.insert(10 * MS, Event::PostBegan { pass: 0, id: 3, version: 2 }));
    check(name, |trace| {
        let plan = PassPlan { version: 2, ..trace.passes[0].clone() };
        trace.passes.push(plan);
        trace.insert(1 * MS, Event::Committed { pass: 1 });
    });

    let name = "the counts add up";
    let miscounts: [fn(&mut Report); 12] = [
        |report| report.posts += 1,
        |report| report.delivered += 1,
        |report| report.gone += 1,
        |report| report.failed -= 1,
        |report| report.throttled += 1,
        |report| report.skipped = 0,
        |report| report.pruned += 1,
        |report| report.enumerated = false,
        |report| report.cost.messages_metered *= 2,
        |report| report.cost.posted_bytes -= 20,
        |report| report.cost.store_calls -= 1,
        |report| report.gone = 0,
    ];
    for miscount in miscounts {
        check(name, |trace| miscount(trace.report_mut()));
    }
}
