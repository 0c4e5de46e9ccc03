//! What a run will do, decided before it starts: when who connects, says something and leaves, and when which topic is
//! updated. Everything random comes from the scenario's seed, so that all processes of a run make the same plan, and
//! each does its share of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::scenario::{Arrivals, Life, Scenario};

/// Topics of a run: their number has five digits in the topic's name.
pub(crate) const TOPICS_MAX: usize = 100_000;

/// Updates of a run, and messages of a run: schedules are held in memory.
pub(crate) const EVENTS_MAX: usize = 2_000_000;

/// Sessions of a run.
pub(crate) const SESSIONS_MAX: usize = 1_000_000;

/// Phases of a run: each holds its histograms.
pub(crate) const PHASES_MAX: usize = 60;

/// Between the last arrival of the ramp and the end of its phase: connects and subscriptions are under way.
const RAMP_REST: Duration = Duration::from_secs(1);

/// A client that has left may still wait for pushes and for its close; another session takes its place so much later.
const SLOT_REST_NS: u64 = 3_000_000_000;

/// Which part of a run this process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// From 0.
    pub index: u32,
    /// Processes in all.
    pub of: u32,
}

impl Share {
    /// All of it.
    pub const WHOLE: Share = Share { index: 0, of: 1 };

    fn has(self, number: usize) -> bool {
        number % self.of as usize == self.index as usize
    }
}

/// A part of the schedule with one load.
#[derive(Clone, Debug)]
pub(crate) struct PlannedPhase {
    pub(crate) name: String,
    pub(crate) measured: bool,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    /// Rates are multiplied with it; 0 in the ramp.
    pub(crate) factor: f64,
}

/// One connection's life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    /// Counts all sessions of the run; decides which topics it follows.
    pub(crate) user: u32,
    /// The client of this process that plays it.
    pub(crate) slot: u32,
    pub(crate) arrive_ns: u64,
    pub(crate) leave_ns: u64,
}

/// What happens at a time of the schedule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Event {
    /// Index into [`Plan::sessions`].
    Arrive(u32),
    /// Number of an update.
    Update(u32),
    /// Index into the scenario's messages, and the message's number.
    Message(u16, u32),
    /// This client's connection is cut.
    Cut(u32),
    /// Index into [`Plan::sessions`].
    Leave(u32),
}

/// A scenario with its schedule. Times count from its start.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) run: u32,
    pub(crate) share: Share,
    pub(crate) phases: Vec<PlannedPhase>,
    /// This process's.
    pub(crate) sessions: Vec<Session>,
    /// Clients that this process needs for them.
    pub(crate) slots: usize,
    /// Intended times of all updates of the run, rising.
    updates_ns: Vec<u64>,
    /// This process's events, rising.
    pub(crate) timeline: Vec<(u64, Event)>,
    pub(crate) end_ns: u64,
}

impl Plan {
    pub(crate) fn new(scenario: Scenario, run: u32, share: Share) -> Plan {
        let phases = phases(&scenario);
        let end_ns = phases.last().map_or(0, |phase| phase.end_ns);
        let mut rng = fastrand::Rng::with_seed(scenario.seed);
        let mut sessions = sessions(&scenario, &phases, end_ns, &mut rng);
        sessions.sort_by_key(|session| session.arrive_ns);
        let mut number = 0;
        sessions.retain_mut(|session| {
            session.user = number;
            number += 1;
            share.has(session.user as usize)
        });
        let slots = seat(&mut sessions);
        let updates_ns = match &scenario.updates {
            Some(updates) => schedule(&phases, updates.per_second, updates.arrivals, &mut rng),
            None => Vec::new(),
        };
        let mut timeline: Vec<(u64, Event)> = Vec::new();
        for (index, session) in (0..).zip(&sessions) {
            timeline.push((session.arrive_ns, Event::Arrive(index)));
            timeline.push((session.leave_ns, Event::Leave(index)));
        }
        let own = |number: &(u32, u64)| share.has(number.0 as usize);
        timeline
            .extend((0..).zip(updates_ns.iter().copied()).filter(own).map(|(n, at)| (at, Event::Update(n))));
        for (kind, messages) in (0..).zip(&scenario.messages) {
            let Some(per_second) = messages.per_second else { continue };
            let times = schedule(&phases, per_second, messages.arrivals, &mut rng);
            timeline.extend((0..).zip(times).filter(own).map(|(n, at)| (at, Event::Message(kind, n))));
        }
        if let Some(storm) = scenario.storm {
            let hold = phases.iter().find(|phase| phase.measured).map_or(0, |phase| phase.start_ns);
            let hit = (0..slots as u32).filter(|_| rng.f64() < storm.share);
            timeline.extend(hit.map(|slot| (hold + to_ns(storm.after.as_secs_f64()), Event::Cut(slot))));
        }
        timeline.sort_unstable();
        Plan { scenario, run, share, phases, sessions, slots, updates_ns, timeline, end_ns }
    }

    /// By phase: connects, messages and updates of this process that were planned before a time.
    pub(crate) fn planned(&self, until_ns: u64) -> Vec<[u64; 3]> {
        let mut planned = vec![[0; 3]; self.phases.len()];
        for (at, event) in self.timeline.iter().take_while(|(at, _)| *at < until_ns) {
            let what = match event {
                Event::Arrive(_) => 0,
                Event::Message(..) => 1,
                Event::Update(_) => 2,
                Event::Cut(_) | Event::Leave(_) => continue,
            };
            planned[self.phase_of(*at)][what] += 1;
        }
        planned
    }

    /// The phase that a time of the schedule lies in; what comes after the end belongs to the last one.
    pub(crate) fn phase_of(&self, offset_ns: u64) -> usize {
        self.phases.partition_point(|phase| phase.end_ns <= offset_ns).min(self.phases.len() - 1)
    }

    pub(crate) fn topics(&self) -> usize {
        self.scenario.updates.as_ref().map_or(0, |updates| updates.topics)
    }

    /// Topics take turns.
    pub(crate) fn topic_of(&self, update: u32) -> u32 {
        update % self.topics() as u32
    }

    /// Versions of a topic count from 1.
    pub(crate) fn version_of(&self, update: u32) -> u32 {
        update / self.topics() as u32 + 1
    }

    /// The number of an update by its topic and version, if there is such a one.
    pub(crate) fn update_of(&self, topic: u32, version: u32) -> Option<u32> {
        let number =
            (version.checked_sub(1)? as usize).checked_mul(self.topics())?.checked_add(topic as usize)?;
        (number < self.updates_ns.len()).then_some(number as u32)
    }

    pub(crate) fn update_ns(&self, update: u32) -> u64 {
        self.updates_ns[update as usize]
    }

    /// How many versions of a topic were intended before a time.
    pub(crate) fn versions_before(&self, topic: u32, offset_ns: u64) -> u32 {
        let (topics, topic) = (self.topics(), topic as usize);
        let before = self.updates_ns.partition_point(|&at| at < offset_ns);
        // Numbers below `before` that are `topic` modulo `topics`.
        (before.saturating_sub(topic)).div_ceil(topics) as u32
    }

    /// Whether this process sends an update.
    pub(crate) fn is_own(&self, update: u32) -> bool {
        self.share.has(update as usize)
    }

    /// The topics of a user; its slots are the positions in this list.
    pub(crate) fn followed(&self, user: u32) -> impl Iterator<Item = u32> + use<'_> {
        let (each, topics) = (self.scenario.users.topics_each, self.topics());
        (0..each).map(move |slot| ((user as usize * each + slot) % topics) as u32)
    }

    /// The position of a topic in a user's list, found without looking anything up.
    pub(crate) fn position(&self, user: u32, topic: u32) -> Option<usize> {
        let (each, topics) = (self.scenario.users.topics_each, self.topics());
        if topic as usize >= topics {
            return None;
        }
        let position = (topic as usize + topics - (user as usize * each) % topics) % topics;
        (position < each).then_some(position)
    }

    /// A topic's name: valid as a device id, a path and a JSON string, and new in each run.
    pub(crate) fn topic_name(&self, topic: u32) -> String {
        format!("load-{:08x}-{topic:05}", self.run)
    }
}

fn phases(scenario: &Scenario) -> Vec<PlannedPhase> {
    let ramp =
        Duration::from_secs_f64(scenario.users.count as f64 / scenario.users.connects_per_second) + RAMP_REST;
    let mut phases: Vec<PlannedPhase> = Vec::new();
    let mut add = |name: &str, length: Duration, measured: bool, factor: f64| {
        let start_ns = phases.last().map_or(0, |phase| phase.end_ns);
        let end_ns = start_ns + to_ns(length.as_secs_f64());
        phases.push(PlannedPhase { name: name.to_owned(), measured, start_ns, end_ns, factor });
    };
    add("ramp", ramp, false, 0.0);
    if !scenario.warm_up.is_zero() {
        add("warm-up", scenario.warm_up, false, 1.0);
    }
    match (scenario.steps, scenario.storm) {
        (Some(steps), _) => {
            for step in 0..steps.count_max {
                let factor = steps.factor.powi(step.cast_signed());
                add(&format!("step {}", step + 1), scenario.hold, true, factor);
            }
        }
        (None, Some(storm)) => {
            if !storm.after.is_zero() {
                add("hold", storm.after, true, 1.0);
            }
            add("storm", scenario.hold.saturating_sub(storm.after), true, 1.0);
        }
        (None, None) => add("hold", scenario.hold, true, 1.0),
    }
    phases
}

/// All sessions of a run; their numbers come later.
fn sessions(
    scenario: &Scenario,
    phases: &[PlannedPhase],
    end_ns: u64,
    rng: &mut fastrand::Rng,
) -> Vec<Session> {
    let users = &scenario.users;
    let ramp_s = users.count as f64 / users.connects_per_second;
    let loaded_ns = phases.first().map_or(0, |ramp| ramp.end_ns);
    let life_s = |rng: &mut fastrand::Rng| match users.life {
        Life::Run | Life::TwoHours => None,
        Life::Constant(life) => Some(life.as_secs_f64()),
        Life::Exponential(mean) => Some(exponential(rng, mean.as_secs_f64())),
    };
    let session = |arrive_ns: u64, leave_ns: u64| Session {
        user: 0,
        slot: 0,
        arrive_ns,
        leave_ns: leave_ns.min(end_ns),
    };
    let mut sessions: Vec<Session> = (0..users.count)
        .map(|number| {
            // Poisson arrivals of a given number are that many uniform ones.
            let at = match users.arrivals {
                Arrivals::Constant => number as f64 / users.connects_per_second,
                Arrivals::Poisson => rng.f64() * ramp_s,
            };
            // Those who are there at the start are somewhere in their lives.
            let left = match users.life {
                Life::Constant(life) => Some(rng.f64() * life.as_secs_f64()),
                _ => life_s(rng),
            };
            session(to_ns(at), left.map_or(end_ns, |left| loaded_ns + to_ns(left)))
        })
        .collect();
    let mean = match users.life {
        Life::Run | Life::TwoHours => return sessions,
        Life::Constant(life) | Life::Exponential(life) => life.as_secs_f64(),
    };
    // As many come as leave, whatever the target does.
    let gap = mean / users.count as f64;
    let mut at = loaded_ns as f64 / 1e9;
    while sessions.len() < SESSIONS_MAX {
        at += match users.arrivals {
            Arrivals::Constant => gap,
            Arrivals::Poisson => exponential(rng, gap),
        };
        if to_ns(at) >= end_ns {
            break;
        }
        let life = life_s(rng).unwrap_or(mean);
        sessions.push(session(to_ns(at), to_ns(at + life)));
    }
    sessions
}

/// Gives each session a client that is free by then, and returns how many clients that takes.
fn seat(sessions: &mut [Session]) -> usize {
    let mut free: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    let mut slots = 0;
    for session in sessions {
        session.slot = match free.peek() {
            Some(&Reverse((at, slot))) if at <= session.arrive_ns => {
                free.pop();
                slot
            }
            _ => {
                slots += 1;
                slots - 1
            }
        };
        free.push(Reverse((session.leave_ns + SLOT_REST_NS, session.slot)));
    }
    slots as usize
}

/// Times of something over the phases with load.
fn schedule(
    phases: &[PlannedPhase],
    per_second: f64,
    arrivals: Arrivals,
    rng: &mut fastrand::Rng,
) -> Vec<u64> {
    let mut times = Vec::new();
    for phase in phases.iter().filter(|phase| phase.factor > 0.0) {
        let (start, end) = (phase.start_ns as f64 / 1e9, phase.end_ns as f64 / 1e9);
        let gap = 1.0 / (per_second * phase.factor);
        match arrivals {
            // From the index, so that no rounding adds up.
            Arrivals::Constant => {
                let count = ((end - start) / gap).round() as u64;
                times.extend((0..count).map(|number| to_ns(start + number as f64 * gap)));
            }
            Arrivals::Poisson => {
                let mut at = start + exponential(rng, gap);
                while at < end && times.len() < 2 * EVENTS_MAX {
                    times.push(to_ns(at));
                    at += exponential(rng, gap);
                }
            }
        }
    }
    times
}

fn exponential(rng: &mut fastrand::Rng, mean: f64) -> f64 {
    // 1 - f64() is in (0, 1]: its logarithm is finite.
    -(1.0 - rng.f64()).ln() * mean
}

fn to_ns(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::scenario::tests::scenario;

    fn plan(changes: &[&str]) -> Plan {
        Plan::new(scenario(changes), 0x0123_abcd, Share::WHOLE)
    }

    #[test]
    fn a_constant_schedule_has_equal_gaps_over_warm_up_and_hold() {
        let plan = plan(&[]);
        // Ten users at 50 a second and a second of rest; then 4 s with five updates a second.
        assert_eq!(
            plan.phases.iter().map(|phase| phase.name.as_str()).collect::<Vec<_>>(),
            ["ramp", "warm-up", "hold"]
        );
        assert_eq!(plan.updates_ns.len(), 20);
        assert!(plan.updates_ns.windows(2).all(|pair| pair[1] - pair[0] == 200_000_000));
        assert_eq!(plan.planned(u64::MAX), [[10, 0, 0], [0, 0, 5], [0, 0, 15]]);
        assert_eq!(plan.phase_of(plan.update_ns(4)), 1);
        assert_eq!(plan.phase_of(plan.update_ns(5)), 2);
        assert_eq!(plan.phase_of(u64::MAX), 2);
    }

    #[test]
    fn a_poisson_schedule_keeps_its_rate_and_its_seed() {
        let changes = ["updates.arrivals=poisson", "updates.per_second=500", "phases.hold=19s"];
        let (first, again) = (plan(&changes), plan(&changes));
        assert_eq!(first.timeline, again.timeline);
        assert!(first.updates_ns.is_sorted());
        assert_ne!(first.updates_ns, plan(&[&changes[..], &["seed=8"]].concat()).updates_ns);
        // 10,000 expected, standard deviation 100.
        assert!((9_500..10_500).contains(&first.updates_ns.len()), "{}", first.updates_ns.len());
    }

    #[test]
    fn topics_take_turns_and_count_their_versions() {
        let plan = plan(&["updates.topics=3"]);
        for (update, topic, version) in [(0, 0, 1), (2, 2, 1), (3, 0, 2), (19, 1, 7)] {
            assert_eq!((plan.topic_of(update), plan.version_of(update)), (topic, version));
            assert_eq!(plan.update_of(topic, version), Some(update));
        }
        assert_eq!((plan.update_of(2, 7), plan.update_of(0, 0)), (None, None));
        for topic in 0..3 {
            for offset in [0, plan.update_ns(0), plan.update_ns(0) + 1, plan.update_ns(10), u64::MAX] {
                let counted =
                    (0..20).filter(|&u| plan.topic_of(u) == topic && plan.update_ns(u) < offset).count();
                assert_eq!(plan.versions_before(topic, offset) as usize, counted, "{topic} {offset}");
            }
        }
    }

    #[test]
    fn a_position_is_that_in_the_users_list() {
        let plan = plan(&["updates.topics=5", "users.topics_each=3"]);
        for user in 0..9 {
            let followed: Vec<_> = plan.followed(user).collect();
            for topic in 0..6 {
                let position = followed.iter().position(|&followed| followed == topic);
                assert_eq!(plan.position(user, topic), position, "user {user}, topic {topic}");
            }
        }
    }

    #[test]
    fn sessions_that_end_are_followed_by_as_many() {
        let changes = [
            "users.count=100",
            "users.connects_per_second=1000",
            "users.life=exponential 2s",
            "phases.hold=40s",
        ];
        let plan = plan(&changes);
        let mut open = 0i64;
        let mut most = 0;
        for (_, event) in &plan.timeline {
            match event {
                Event::Arrive(_) => open += 1,
                Event::Leave(_) => open -= 1,
                _ => {}
            }
            most = most.max(open);
        }
        assert_eq!(open, 0);
        // A Poisson number of mean 100.
        assert!((100..150).contains(&most), "{most}");
        // 100 + 50 a second over 41 s, standard deviation 45.
        assert!((1_950..2_350).contains(&plan.sessions.len()), "{}", plan.sessions.len());
        assert!(plan.slots < plan.sessions.len());
        let mut by_slot = plan.sessions;
        by_slot.sort_by_key(|session| (session.slot, session.arrive_ns));
        for pair in by_slot.windows(2).filter(|pair| pair[0].slot == pair[1].slot) {
            assert!(pair[0].leave_ns + SLOT_REST_NS <= pair[1].arrive_ns);
        }
    }

    #[test]
    fn shares_add_up_to_the_whole() {
        let changes = ["users.life=exponential 1s", "updates.arrivals=poisson"];
        let whole = plan(&changes);
        let parts: Vec<Plan> =
            (0..3).map(|index| Plan::new(scenario(&changes), 0x0123_abcd, Share { index, of: 3 })).collect();
        let sum = |count: fn(&Plan) -> usize| parts.iter().map(count).sum::<usize>();
        assert_eq!(sum(|plan| plan.sessions.len()), whole.sessions.len());
        assert_eq!(sum(|plan| plan.timeline.len()), whole.timeline.len());
        assert!(parts.iter().all(|part| part.updates_ns == whole.updates_ns));
    }

    #[test]
    fn steps_grow_and_storms_cut() {
        let plan = plan(&["steps.count_max=3", "steps.factor=2.0"]);
        assert_eq!(
            plan.planned(u64::MAX).iter().map(|planned| planned[2]).collect::<Vec<_>>(),
            [0, 5, 15, 30, 60]
        );
        let plan = super::tests::plan(&["storm.after=1s", "users.reconnect_within=1s"]);
        let cuts = plan.timeline.iter().filter(|(_, event)| matches!(event, Event::Cut(_))).count();
        assert_eq!((cuts, plan.phases[3].name.as_str()), (10, "storm"));
    }
}
