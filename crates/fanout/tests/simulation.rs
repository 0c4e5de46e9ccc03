//! Many seeded worlds: audiences, answers, faults and bounds drawn at random, and what must hold in all of them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use dunlin_connection_store::{ConnectionStore as _, ShardCount, StoreErrorKind};
use dunlin_events::ConnectionId;
use dunlin_fanout::{Fanout, FanoutConfig, Report, Update};
use dunlin_management::{Answer, FakeManagement, ManagementErrorKind, PostOutcome};
use support::{FaultyStore, NOW, ago, follower, id, topic, update};
use tokio::time::{Duration, Instant};

const SEEDS: u64 = 500;

/// How a connection answers for as long as the world lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temper {
    Fine,
    Gone,
    Forbidden,
    /// Fails this many times first.
    Stumbling(u32),
    Stuck,
}

struct World {
    engine: Fanout<FaultyStore, FakeManagement>,
    config: FanoutConfig,
    tempers: BTreeMap<ConnectionId, Temper>,
    young: BTreeSet<ConnectionId>,
    update: Update,
}

impl World {
    async fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let store = FaultyStore {
            latency: Duration::from_millis(random.u64(0..30)),
            page_fails_every: random.u32(0..6),
            page_failure: Some(match random.u32(0..4) {
                0 => StoreErrorKind::Internal,
                _ => StoreErrorKind::Throttled,
            }),
            prune_hangs: random.u8(..) < 20,
            ..FaultyStore::default()
        };
        if random.bool() {
            store.grow_shards(&topic(), ShardCount::new(random.u16(1..5)).unwrap()).await.unwrap();
        }
        let mut tempers = BTreeMap::new();
        let mut young = BTreeSet::new();
        let trouble = if random.bool() { 0 } else { random.u32(0..100) };
        for n in 0..random.usize(0..150) {
            let is_young = random.u32(0..10) == 0;
            // By a clock ahead of this one, so that it stays young for the whole pass.
            let ahead = NOW + Duration::from_secs(10);
            follower(&store, n, if is_young { ahead } else { ago(Duration::from_secs(60)) }).await;
            if is_young {
                young.insert(id(n));
            }
            let temper = match random.u32(0..100) {
                roll if roll >= trouble => Temper::Fine,
                roll if roll % 5 == 0 => Temper::Forbidden,
                roll if roll % 5 == 1 => Temper::Stuck,
                roll if roll % 5 == 2 => Temper::Gone,
                roll => Temper::Stumbling(roll % 7),
            };
            tempers.insert(id(n), temper);
        }
        let (answers, slowness_ms) = (tempers.clone(), random.u64(1..400));
        let management = FakeManagement::responding(move |id, before| {
            let temper = answers[id];
            // Spread by connection and attempt, the same in every run of a seed.
            let spread = id.as_str().bytes().map(u64::from).sum::<u64>() * 31 + u64::from(before) * 17;
            let answer = match temper {
                Temper::Gone => Answer::gone(),
                Temper::Forbidden => Answer::failed(ManagementErrorKind::Forbidden),
                Temper::Stuck => return Answer::delivered().after(Duration::from_secs(3_600)),
                Temper::Stumbling(failures) if before < failures => Answer::failed(match before % 2 {
                    0 => ManagementErrorKind::Throttled,
                    _ => ManagementErrorKind::Unavailable,
                }),
                Temper::Fine | Temper::Stumbling(_) => Answer::delivered(),
            };
            answer.after(Duration::from_millis(spread % slowness_ms))
        });
        let config = FanoutConfig {
            posts_in_flight_max: random.usize(0..20),
            retries_waiting_max: random.usize(0..30),
            deadline_margin: Duration::from_millis(random.u64(0..400)),
            page_subscribers_max: random.usize(0..60),
        };
        let mut update = update(1, Duration::from_millis(random.u64(1..6_000)));
        update.seed = seed;
        Self { engine: Fanout::new(store, management, config.clone()), config, tempers, young, update }
    }

    fn answered(&self, outcome: PostOutcome) -> Vec<ConnectionId> {
        let posts = self.engine.management().posts().into_iter();
        posts.filter(|post| post.outcome == Ok(outcome)).map(|post| post.connection_id).collect()
    }
}

/// Everyone found is counted once; if enumeration came to its end, that is everyone there is.
fn check_everyone_is_accounted_for(world: &World, report: &Report) {
    let all = world.tempers.len() as u64;
    if report.enumerated {
        assert_eq!(report.subscribers(), all);
    } else {
        assert!(report.subscribers() <= all);
    }
    assert_eq!(report.delivered, world.answered(PostOutcome::Delivered).len() as u64);
    assert_eq!(report.gone, world.answered(PostOutcome::Gone).len() as u64);
    assert!(report.posts >= world.engine.management().posts().len() as u64);
}

/// Nobody gets the update twice from one pass, and nobody who was gone or refused is posted to again.
fn check_nobody_is_posted_to_needlessly(world: &World) {
    for outcome in [PostOutcome::Delivered, PostOutcome::Gone] {
        let answered = world.answered(outcome);
        assert_eq!(answered.iter().collect::<BTreeSet<_>>().len(), answered.len(), "{outcome:?} once");
    }
    let mut posts: BTreeMap<ConnectionId, u32> = BTreeMap::new();
    for post in world.engine.management().posts() {
        *posts.entry(post.connection_id).or_default() += 1;
    }
    for (id, posts) in posts {
        let most = match world.tempers[&id] {
            Temper::Stumbling(failures) => failures + 1,
            _ => 1,
        };
        assert!(posts <= most, "{id} was posted to {posts} times");
    }
}

/// Only connections that were gone and not young are removed from the store.
async fn check_only_the_gone_are_pruned(world: &World, report: &Report) {
    let mut missing = 0;
    for (id, temper) in &world.tempers {
        if world.engine.store().connection(id, NOW).await.unwrap().is_none() {
            assert_eq!(*temper, Temper::Gone, "{id}");
            assert!(!world.young.contains(id), "{id} may only be being established");
            missing += 1;
        }
    }
    assert!(report.pruned <= missing, "{} of {missing}", report.pruned);
    let gone: BTreeSet<_> = world.answered(PostOutcome::Gone).into_iter().collect();
    let old = gone.difference(&world.young).count() as u64;
    let ended_early = Instant::now() + Duration::from_secs(1) < world.update.deadline;
    if ended_early && !world.engine.store().prune_hangs {
        assert_eq!(report.pruned, old, "with time left, all are pruned");
    }
}

#[tokio::test(start_paused = true)]
async fn in_every_world_the_bounds_and_the_counts_hold() {
    let (mut complete, mut cut_short, mut blind) = (0, 0, 0);
    for seed in 0..SEEDS {
        let world = World::new(seed).await;
        let (start, deadline) = (Instant::now(), world.update.deadline);
        let result = world.engine.publish(world.update.clone()).await;
        // Shown when the test fails.
        println!("seed {seed}: {result:?}");
        assert!(Instant::now() <= deadline, "the report comes before the deadline");
        assert!(start + Duration::from_secs(6) >= deadline);
        let Ok(report) = result else { continue };
        check_everyone_is_accounted_for(&world, &report);
        check_nobody_is_posted_to_needlessly(&world);
        let window = world.config.posts_in_flight_max.max(1);
        assert!(world.engine.management().in_flight_max() <= window, "the window is never exceeded");
        check_only_the_gone_are_pruned(&world, &report).await;
        complete += u32::from(report.is_complete());
        cut_short += u32::from(report.skipped > 0);
        blind += u32::from(!report.enumerated);
    }
    // The worlds are varied enough to mean something.
    assert!(complete > 50 && cut_short > 50 && blind > 50, "{complete} {cut_short} {blind}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_trace() {
    let run = async |seed| {
        let world = World::new(seed).await;
        let start = Instant::now();
        let report = world.engine.publish(world.update.clone()).await.ok();
        let posts = world.engine.management().posts().into_iter();
        let posts: Vec<_> =
            posts.map(|post| (post.connection_id, post.outcome, post.began_at - start)).collect();
        (report, posts, world.engine.store().pages.load(Ordering::Relaxed))
    };
    for seed in 0..20 {
        assert_eq!(run(seed).await, run(seed).await, "seed {seed}");
    }
}
