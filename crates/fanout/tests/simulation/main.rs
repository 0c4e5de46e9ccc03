//! Many seeded worlds on a paused clock: audiences, answers, faults and bounds drawn at random, and what must hold in all
//! of them. A failing seed prints its trace; `DUNLIN_SEED=17 cargo test -p dunlin-fanout --test simulation` runs that one alone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod broken;
mod invariants;
mod parts;
mod trace;
mod world;

use std::env;

use dunlin_fanout::Commit;
use trace::{Event, Outcome, Trace};

/// Worlds in every run.
const SEEDS: u64 = 10_000;

/// How many of the worlds had what.
#[derive(Debug, Default)]
struct Coverage {
    complete: u64,
    cut_short: u64,
    blind: u64,
    resumed: u64,
    older: u64,
    repeated: u64,
    failed: u64,
    at_once: u64,
    gone: u64,
    pruned: u64,
    dropped: u64,
    paced: u64,
}

#[test]
fn in_every_world_the_invariants_hold() {
    let only = env::var("DUNLIN_SEED").ok().map(|seed| seed.parse().unwrap());
    let mut coverage = Coverage::default();
    for seed in only.map_or(0..SEEDS, |seed: u64| seed..seed + 1) {
        let trace = world::run(seed);
        coverage.add(&trace);
        if let Err((invariant, why)) = invariants::check_all(&trace) {
            panic!(
                "seed {seed}: {invariant}: {why}\n{trace}\n\
                 to run only this one: DUNLIN_SEED={seed} cargo test -p dunlin-fanout --test simulation"
            );
        }
    }
    println!("{coverage:#?}");
    if only.is_none() {
        coverage.check();
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..50 {
        assert_eq!(world::run(seed).to_string(), world::run(seed).to_string(), "seed {seed}");
    }
}

impl Coverage {
    fn add(&mut self, trace: &Trace) {
        let posts = trace.posts();
        let had = |wanted: &dyn Fn(&Event) -> bool| trace.entries.iter().any(|entry| wanted(&entry.event));
        self.gone += u64::from(posts.iter().any(|post| post.outcome == Some(Outcome::Gone)));
        self.dropped += u64::from(posts.iter().any(|post| post.outcome.is_none()));
        self.pruned += u64::from(had(&|event| matches!(event, Event::Pruned { .. })));
        self.resumed += u64::from(trace.passes.iter().any(|plan| plan.from.is_some()));
        let mut under_way = 0;
        self.at_once += u64::from(trace.entries.iter().any(|entry| {
            match entry.event {
                Event::PassBegan { .. } => under_way += 1,
                Event::PassEnded { .. } => under_way -= 1,
                _ => {}
            }
            under_way > 1
        }));
        let reports: Vec<_> = (0..trace.passes.len()).map(|pass| trace.report(pass)).collect();
        self.failed += u64::from(reports.contains(&None));
        for report in reports.into_iter().flatten() {
            self.complete += u64::from(report.is_complete());
            self.cut_short += u64::from(report.skipped > 0);
            self.blind += u64::from(!report.enumerated && !report.is_older());
            self.older += u64::from(report.is_older());
            self.repeated += u64::from(report.commit == Commit::Repeated);
            self.paced += u64::from(report.posts_per_s_max.is_some());
        }
    }

    /// The worlds are varied enough to mean something.
    fn check(&self) {
        let Self { complete, cut_short, blind, resumed, older, repeated, .. } = *self;
        let Self { failed, at_once, gone, pruned, dropped, paced, .. } = *self;
        for (what, worlds) in [
            ("complete", complete),
            ("cut short", cut_short),
            ("not enumerated", blind),
            ("resumed", resumed),
            ("older", older),
            ("repeated", repeated),
            ("failed", failed),
            ("at once", at_once),
            ("gone", gone),
            ("pruned", pruned),
            ("dropped", dropped),
            ("paced", paced),
        ] {
            assert!(worlds > SEEDS / 100, "only {worlds} were {what}: {self:?}");
        }
    }
}
