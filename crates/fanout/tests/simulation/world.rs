//! A world drawn from a seed: who follows, how the service and the store behave, what passes are made, and when.

use std::sync::{Arc, Mutex};

use dunlin_connection_store::{ConnectionStore as _, MemoryStore, ShardCount, Timestamp, Topic};
use dunlin_events::ConnectionId;
use dunlin_fanout::{Checkpoint, Fanout, FanoutConfig, Update};
use fastrand::Rng;
use tokio::runtime::Builder;
use tokio::time::{Duration, Instant, sleep_until};

use crate::parts::{PASS, SimManagement, SimStore, join};
use crate::trace::{Event, Id, PassPlan, Trace};

/// The wall clock at the beginning.
pub(crate) const NOW: Timestamp = Timestamp::from_epoch_ms(1_760_000_000_000);

/// Most connections that follow from the start in most worlds; in one of ten they are several times as many.
const FOLLOWERS_MAX: usize = 20;

/// Longest time that a pass is given.
const GIVEN_MAX: Duration = Duration::from_secs(6);

/// How often a pass that was cut short is gone on with.
const RESUMES_MAX: u32 = 3;

pub(crate) fn topic() -> Topic {
    "dev-1".parse().unwrap()
}

pub(crate) fn connection_id(id: Id) -> ConnectionId {
    format!("c{id:04}").parse().unwrap()
}

pub(crate) fn number_of(id: &ConnectionId) -> Id {
    id.as_str()[1..].parse().unwrap()
}

/// What the parts of a world share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) random: Rng,
    pub(crate) began_at: Instant,
    pub(crate) trace: Trace,
    pub(crate) followers: Vec<Follower>,
    pub(crate) service: Service,
    pub(crate) faults: StoreFaults,
}

/// One connection, as the service knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Follower {
    pub(crate) temper: Temper,
    /// Since when it exists; negative times are not needed, so an age stands in for those.
    pub(crate) age: Duration,
    /// Posts before this moment of the world find nobody (fact C8).
    pub(crate) established_at: Duration,
    pub(crate) is_dead: bool,
    /// Posts that the service still takes after the death, before it notices (fact C9).
    pub(crate) accepts: u32,
    pub(crate) attempts: u32,
}

/// How the service answers for a connection that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temper {
    Fine,
    Forbidden,
    /// 429 or 5xx this many times first.
    Stumbling(u32),
    /// Always 429: reads too slowly (fact C3).
    Slow,
    /// Hangs for as long as the client waits.
    Stuck,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    pub(crate) latency_max_ms: u64,
    pub(crate) client_timeout: Duration,
    pub(crate) hints: bool,
    /// Tokens a second, the most of them, those there are, and when that was so; `None` without a quota.
    pub(crate) quota: Option<(f64, f64, f64, Duration)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreFaults {
    pub(crate) latency_max_ms: u64,
    /// Percent of the calls.
    pub(crate) page_fails: u32,
    pub(crate) page_crawls: u32,
    pub(crate) page_is_short: u32,
    pub(crate) prune_fails: u32,
    pub(crate) prune_hangs: u32,
    pub(crate) commit_fails: u32,
}

/// Something that happens to a connection while passes are made.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Join,
    Leave,
    Die,
}

impl World {
    pub(crate) fn now(&self) -> Duration {
        self.began_at.elapsed()
    }

    pub(crate) fn note(&mut self, event: Event) {
        let at = self.now();
        self.trace.push(at, event);
    }

    pub(crate) fn rolls(&mut self, percent: u32) -> bool {
        percent > 0 && self.random.u32(0..100) < percent
    }

    fn draw(random: Rng) -> Self {
        let mut random = random;
        let calm = random.u32(0..4) == 0;
        let mut percent = |most: u32| if calm { 0 } else { random.u32(0..=most) };
        let faults = StoreFaults {
            latency_max_ms: 0,
            page_fails: percent(30),
            page_crawls: percent(10),
            page_is_short: percent(50),
            prune_fails: percent(30),
            prune_hangs: percent(5),
            commit_fails: percent(4),
        };
        let latency_max_ms = if random.u32(0..4) == 0 { 0 } else { random.u64(1..30) };
        let faults = StoreFaults { latency_max_ms, ..faults };
        let quota = (!calm && random.u32(0..4) == 0).then(|| {
            let burst = f64::from(random.u32(1..30));
            (f64::from(random.u32(5..200)), burst, burst, Duration::ZERO)
        });
        let service = Service {
            // In some worlds nothing takes any time.
            latency_max_ms: if random.u32(0..8) == 0 { 0 } else { random.u64(1..400) },
            client_timeout: Duration::from_millis(random.u64(100..4_000)),
            hints: random.bool(),
            quota,
        };
        let trace = Trace::default();
        let began_at = Instant::now();
        Self { random, began_at, trace, followers: Vec::new(), service, faults }
    }

    /// Draws one connection; trouble is how likely it is to be no fine one, in percent.
    fn draw_follower(&mut self, trouble: u32, began_at: Duration) -> Follower {
        let random = &mut self.random;
        let temper = match random.u32(0..100) {
            roll if roll >= trouble => Temper::Fine,
            roll if roll % 6 == 0 => Temper::Forbidden,
            roll if roll % 6 == 1 => Temper::Stuck,
            roll if roll % 6 == 2 => Temper::Slow,
            roll => Temper::Stumbling(roll % 5 + 1),
        };
        let is_young = random.u32(0..8) == 0 || !began_at.is_zero();
        let age = Duration::from_millis(match is_young {
            true if began_at.is_zero() => random.u64(0..2_500),
            true => random.u64(0..200),
            false => 60_000,
        });
        let until_two_seconds = Duration::from_secs(2).saturating_sub(age).as_millis();
        let unestablished = u64::try_from(until_two_seconds).unwrap() * random.u64(0..100) / 100;
        let is_dead = random.u32(0..100) < trouble / 3;
        Follower {
            temper,
            age,
            established_at: if is_young {
                began_at + Duration::from_millis(unestablished)
            } else {
                Duration::ZERO
            },
            is_dead,
            accepts: if random.u32(0..4) == 0 { random.u32(1..3) } else { 0 },
            attempts: 0,
        }
    }
}

/// Runs the world of this seed to its end.
pub(crate) fn run(seed: u64) -> Trace {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(live(Rng::with_seed(seed)))
}

async fn live(mut random: Rng) -> Trace {
    let world = Arc::new(Mutex::new(World::draw(random.fork())));
    let store = Arc::new(MemoryStore::new());
    let shards = if random.bool() { 1 } else { random.u16(1..6) };
    store.grow_shards(&topic(), ShardCount::new(shards).unwrap()).await.unwrap();
    let trouble = if random.bool() { random.u32(0..30) } else { random.u32(0..100) };
    let crowd = if random.u32(0..10) == 0 { 5 } else { 1 };
    for _ in 0..random.usize(0..crowd * FOLLOWERS_MAX) {
        let follower = world.lock().unwrap().draw_follower(trouble, Duration::ZERO);
        join(&world, &store, follower).await;
    }
    let config = FanoutConfig {
        posts_in_flight_max: random.usize(1..20),
        retries_waiting_max: random.usize(1..30),
        page_subscribers_max: random.usize(1..60),
    };
    world.lock().unwrap().trace.window = config.posts_in_flight_max;
    let engine = Fanout::with_config(
        SimStore { inner: Arc::clone(&store), world: Arc::clone(&world) },
        SimManagement { world: Arc::clone(&world) },
        config,
    )
    .unwrap();
    let passes: Vec<_> =
        (0..random.usize(1..4)).map(|_| passes_of_one_update(&engine, &world, random.fork())).collect();
    let fates = fates(&world, &store, random.fork(), trouble);
    futures_util::join!(futures_util::future::join_all(passes), fates);
    drop(engine);
    Arc::into_inner(world).unwrap().into_inner().unwrap().trace
}

/// One pass, and those that go on where it was cut short.
async fn passes_of_one_update(
    engine: &Fanout<SimStore, SimManagement>,
    world: &Mutex<World>,
    mut random: Rng,
) {
    let began_at = world.lock().unwrap().began_at;
    sleep_until(began_at + Duration::from_millis(random.u64(0..3_000) * random.u64(0..2))).await;
    let version = random.u64(1..4);
    let message_bytes = if random.u32(0..20) == 0 { 32 * 1024 + 1 } else { 20 };
    // A frame tells its version by its first digit.
    let payload = bytes::Bytes::from(version.to_string().repeat(message_bytes));
    let mut from: Option<Checkpoint> = None;
    for _ in 0..=random.u32(0..=RESUMES_MAX) {
        let now = Instant::now();
        let most = u64::try_from(GIVEN_MAX.as_millis()).unwrap();
        let given = Duration::from_millis(random.u64(1..most));
        let pass = {
            let mut world = world.lock().unwrap();
            world.trace.passes.push(PassPlan { version, message_bytes, given, from: from.clone() });
            let pass = world.trace.passes.len() - 1;
            world.note(Event::PassBegan { pass });
            pass
        };
        let update = Update {
            topic: topic(),
            version,
            payload: payload.clone(),
            now: NOW + (now - began_at),
            deadline: now + given,
            seed: random.u64(..),
        };
        let result = PASS
            .scope(pass, async {
                match from.take() {
                    None => engine.publish(update).await,
                    Some(checkpoint) => engine.resume(update, checkpoint).await,
                }
            })
            .await;
        let report = result.ok().map(Box::new);
        from = report.as_ref().and_then(|report| report.checkpoint.clone());
        world.lock().unwrap().note(Event::PassEnded { pass, report });
        if from.is_none() {
            break;
        }
    }
}

/// Connections come, leave in good order, and die unnoticed.
async fn fates(world: &Mutex<World>, store: &MemoryStore, mut random: Rng, trouble: u32) {
    let began_at = world.lock().unwrap().began_at;
    let mut moments: Vec<_> = (0..random.usize(0..10)).map(|_| random.u64(0..4_000)).collect();
    moments.sort_unstable();
    for moment in moments {
        let moment = Duration::from_millis(moment);
        sleep_until(began_at + moment).await;
        let living = world.lock().unwrap().followers.len();
        let fate = match random.u32(0..3) {
            _ if living == 0 => Fate::Join,
            0 => Fate::Join,
            1 => Fate::Leave,
            _ => Fate::Die,
        };
        let id = if living == 0 { 0 } else { random.usize(0..living) };
        match fate {
            Fate::Join => {
                if random.u32(0..4) == 0 {
                    let count = ShardCount::new(random.u16(1..9)).unwrap();
                    store.grow_shards(&topic(), count).await.unwrap();
                }
                let follower = world.lock().unwrap().draw_follower(trouble, moment);
                join(world, store, follower).await;
            }
            Fate::Leave => {
                store.remove(&connection_id(id)).await.unwrap();
                let mut world = world.lock().unwrap();
                world.followers[id].is_dead = true;
                world.note(Event::Died { id });
                world.note(Event::Left { id });
            }
            Fate::Die => {
                let mut world = world.lock().unwrap();
                world.followers[id].is_dead = true;
                world.note(Event::Died { id });
            }
        }
    }
}
