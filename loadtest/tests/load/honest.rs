//! The swarm against a target that freezes, drops, doubles and reorders: the report must find each figure.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dunlin_loadtest::measured::Metric;

use crate::program::play;
use crate::stack::{Fate, Stack};
use crate::swarm::{at, reach, small, times};

/// How long the target freezes.
const FREEZE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_and_every_fault_show_in_the_figures() {
    static DELIVERY: AtomicU64 = AtomicU64::new(0);
    // Of a thousand deliveries ten are dropped, five doubled, and twenty kept back until the next one has gone.
    let stack = Stack::start(|_, _| match DELIVERY.fetch_add(1, Ordering::SeqCst) % 1_000 {
        delivery if delivery % 100 == 17 => Fate::Copies(0),
        delivery if delivery % 200 == 33 => Fate::Copies(2),
        delivery if delivery % 50 == 5 => Fate::After,
        _ => Fate::Copies(1),
    })
    .await;
    let [target, broker] = at(&stack);
    // 40 updates a second for 8 s to 8 followers each.
    let scenario = small(&stack).replace("per_second = 30", "per_second = 40");
    let freezing = async {
        stack.updates(120).await;
        stack.freeze(FREEZE).await;
    };
    let arguments = [&target[..], &broker, "--seconds=7.5"];
    let (finished, ()) = tokio::join!(play(&scenario, &arguments), freezing);
    let measured = finished.measured();
    let (reach, counts) = (reach(&measured), stack.counts());

    // Counts are exact.
    assert_eq!(reach.expected, counts.due, "{}", finished.stderr);
    assert_eq!(counts.due, 320 * 8);
    assert!(counts.withheld >= 20 && counts.doubled >= 10 && counts.reordered >= 30, "{counts:?}");
    assert_eq!((reach.lost, reach.duplicates), (counts.withheld, counts.doubled));
    assert_eq!(reach.received, counts.due - counts.withheld);
    assert_eq!(reach.out_of_order, counts.reordered);

    // A schedule that the freeze stopped would have one slow push per client. An open one has those of two seconds of
    // eight, evenly between nothing and two seconds: late are those above one second, an eighth of all.
    let late = reach.late as f64 / reach.received as f64;
    assert!((0.09..0.25).contains(&late), "{late} {reach:?}");
    let pushes = times(&measured, Metric::Push).0;
    let longest = Duration::from_nanos(pushes.max());
    assert!(longest >= FREEZE.mul_f64(0.9), "{longest:?}");
    let p90 = Duration::from_nanos(pushes.value_at_quantile(0.9));
    assert!(p90 >= Duration::from_millis(900), "{p90:?}");
}
