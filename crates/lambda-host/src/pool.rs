use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::limits::ENVIRONMENTS_STARTING_MAX;

pub(crate) type EnvironmentId = u64;

/// Who is where among the environments of one function, and which invocations wait for one. It decides and does
/// nothing: no process, no clock, no task.
///
/// `E` is an environment, `W` an invocation that waits. How many may wait is not decided here: whoever waits holds a
/// [`Slot`](crate::concurrency::Slot).
pub(crate) struct Pool<E, W> {
    environments_max: usize,
    /// Invocations that one environment takes at a time.
    concurrency: usize,
    settle_wait_max: Duration,
    members: HashMap<EnvironmentId, Member<E>>,
    /// Environments that wait for an event, the most recently used last: that one is taken next, so that the surplus of a
    /// burst stands idle and is ended.
    open: Vec<EnvironmentId>,
    queue: VecDeque<W>,
    last_id: EnvironmentId,
    retired: bool,
}

/// An invocation that waits.
pub(crate) trait Waiting {
    /// Nobody wants its answer any more.
    fn is_abandoned(&self) -> bool;
}

struct Member<E> {
    place: Place<E>,
    /// Invocations that it is at.
    running: usize,
    stop: CancellationToken,
}

enum Place<E> {
    Starting,
    /// It waits for an event.
    Open(E),
    /// It takes no more for now.
    Busy,
    /// It takes more and has not yet asked for it, since then.
    Settling(Instant),
}

/// What an environment that asks for an event is to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Next<W> {
    Serve(W),
    Wait,
    End,
}

/// Where an environment is, for whoever looks on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Starting,
    Idle,
    Busy,
}

impl<E> Member<E> {
    /// It has been handed an invocation.
    fn begin(&mut self, concurrency: usize, now: Instant) {
        self.running += 1;
        self.place = if self.running < concurrency { Place::Settling(now) } else { Place::Busy };
    }
}

impl<E: Clone, W: Waiting> Pool<E, W> {
    pub(crate) fn new(environments_max: usize, concurrency: usize, settle_wait_max: Duration) -> Self {
        Self {
            environments_max,
            concurrency,
            settle_wait_max,
            members: HashMap::new(),
            open: Vec::new(),
            queue: VecDeque::new(),
            last_id: 0,
            retired: false,
        }
    }

    /// The environment that waits for an event and was used last; one invocation of it counts as running from now on.
    pub(crate) fn take_open(&mut self, now: Instant) -> Option<(EnvironmentId, E)> {
        while let Some(id) = self.open.pop() {
            let Some(member) = self.members.get_mut(&id) else { continue };
            if let Place::Open(environment) = &member.place {
                let environment = environment.clone();
                member.begin(self.concurrency, now);
                return Some((id, environment));
            }
        }
        None
    }

    /// Puts an invocation at the end of the queue.
    pub(crate) fn enqueue(&mut self, waiting: W) {
        self.queue.push_back(waiting);
    }

    /// Puts an invocation back that could not be handed over.
    pub(crate) fn enqueue_first(&mut self, waiting: W) {
        self.queue.push_front(waiting);
    }

    /// Forgets those that nobody waits for any more.
    pub(crate) fn drop_abandoned(&mut self) {
        self.queue.retain(|waiting| !waiting.is_abandoned());
    }

    /// Whether somebody waits for an environment.
    pub(crate) fn is_wanted(&mut self) -> bool {
        self.drop_abandoned();
        !self.queue.is_empty()
    }

    /// The invocation that has waited longest.
    pub(crate) fn dequeue(&mut self) -> Option<W> {
        while let Some(waiting) = self.queue.pop_front() {
            if !waiting.is_abandoned() {
                return Some(waiting);
            }
        }
        None
    }

    /// Takes one invocation out of the queue; `None` if it is not there any more.
    pub(crate) fn withdraw(&mut self, is_it: impl Fn(&W) -> bool) -> Option<W> {
        let at = self.queue.iter().position(is_it)?;
        self.queue.remove(at)
    }

    /// An environment asks for an event.
    pub(crate) fn ready(&mut self, id: EnvironmentId, environment: &E, now: Instant) -> Next<W> {
        if !self.members.contains_key(&id) {
            return Next::End;
        }
        let waiting = self.dequeue();
        let Some(member) = self.members.get_mut(&id) else { return Next::End };
        if let Some(waiting) = waiting {
            member.begin(self.concurrency, now);
            return Next::Serve(waiting);
        }
        if !self.retired {
            member.place = Place::Open(environment.clone());
            self.open.push(id);
            return Next::Wait;
        }
        if member.running > 0 {
            member.place = Place::Busy;
            return Next::Wait;
        }
        self.members.remove(&id);
        Next::End
    }

    /// An environment has ended an invocation, or did not take what it was handed. Unless it is open for another one it is
    /// expected to ask soon. `true`: it is not needed any more.
    pub(crate) fn finished(&mut self, id: EnvironmentId, now: Instant) -> bool {
        let Some(member) = self.members.get_mut(&id) else { return false };
        member.running = member.running.saturating_sub(1);
        if matches!(member.place, Place::Busy) {
            member.place = Place::Settling(now);
        }
        if self.retired && member.running == 0 && self.queue.is_empty() {
            self.remove(id);
            return true;
        }
        false
    }

    /// Whether invocations wait while an environment may be about to ask for one: then whoever asks has to look
    /// again after `settle_wait_max`.
    pub(crate) fn depends_on_settling(&self) -> bool {
        !self.queue.is_empty()
            && self.members.values().any(|member| matches!(member.place, Place::Settling(_)))
    }

    /// Makes room for one more environment, if the queue is longer than what is about to come free.
    pub(crate) fn start(
        &mut self,
        now: Instant,
        stop: impl FnOnce() -> CancellationToken,
    ) -> Option<(EnvironmentId, CancellationToken)> {
        let (mut starting, mut settling) = (0, 0);
        for member in self.members.values() {
            match member.place {
                Place::Starting => starting += 1,
                Place::Settling(since) if now.duration_since(since) < self.settle_wait_max => {
                    settling += self.concurrency.saturating_sub(member.running);
                }
                _ => {}
            }
        }
        let wanted = self.queue.len() > starting * self.concurrency + settling
            && starting < ENVIRONMENTS_STARTING_MAX
            && self.members.len() < self.environments_max;
        if !wanted {
            return None;
        }
        self.last_id += 1;
        let stop = stop();
        self.members.insert(self.last_id, Member { place: Place::Starting, running: 0, stop: stop.clone() });
        Some((self.last_id, stop))
    }

    /// Forgets an environment, and says whether it was there and still starting.
    pub(crate) fn remove(&mut self, id: EnvironmentId) -> bool {
        self.open.retain(|&open| open != id);
        self.members.remove(&id).is_some_and(|member| matches!(member.place, Place::Starting))
    }

    /// Forgets an environment if nobody is using it, also one that never asked for more after its last answer.
    pub(crate) fn remove_unused(&mut self, id: EnvironmentId) -> bool {
        let unused = self.members.get(&id).is_some_and(|member| {
            member.running == 0 && matches!(member.place, Place::Open(_) | Place::Settling(_))
        });
        if unused {
            self.remove(id);
        }
        unused
    }

    /// Lets go of everything idle, and of every other environment once its queue is served.
    pub(crate) fn retire(&mut self) {
        self.retired = true;
        for id in std::mem::take(&mut self.open) {
            if self.members.get(&id).is_some_and(|member| member.running == 0)
                && let Some(member) = self.members.remove(&id)
            {
                member.stop.cancel();
            }
        }
    }

    /// Drops every waiting invocation, which tells those who wait.
    pub(crate) fn clear_queue(&mut self) {
        self.queue.clear();
    }

    pub(crate) fn standing(&self, id: EnvironmentId) -> Option<Standing> {
        self.members.get(&id).map(|member| match member.place {
            Place::Starting => Standing::Starting,
            Place::Open(_) if member.running == 0 => Standing::Idle,
            Place::Open(_) | Place::Busy | Place::Settling(_) => Standing::Busy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE_WAIT: Duration = Duration::from_millis(20);

    #[derive(Debug, PartialEq)]
    struct Call(&'static str);

    impl Waiting for Call {
        fn is_abandoned(&self) -> bool {
            self.0 == "abandoned"
        }
    }

    fn pool(environments_max: usize) -> Pool<&'static str, Call> {
        Pool::new(environments_max, 1, SETTLE_WAIT)
    }

    fn start(pool: &mut Pool<&'static str, Call>, now: Instant) -> Option<EnvironmentId> {
        pool.start(now, CancellationToken::new).map(|(id, _)| id)
    }

    #[test]
    fn one_environment_starts_for_each_that_waits_up_to_the_bounds() {
        let now = Instant::now();
        let mut pool = pool(ENVIRONMENTS_STARTING_MAX + 1);
        assert_eq!(start(&mut pool, now), None);
        for _ in 0..ENVIRONMENTS_STARTING_MAX + 9 {
            pool.enqueue(Call("call"));
        }
        let started: Vec<_> = std::iter::from_fn(|| start(&mut pool, now)).collect();
        assert_eq!(started.len(), ENVIRONMENTS_STARTING_MAX);
        assert_eq!(pool.ready(started[0], &"a", now), Next::Serve(Call("call")));
        assert!(start(&mut pool, now).is_some(), "one has finished starting");
        assert_eq!(pool.ready(started[1], &"b", now), Next::Serve(Call("call")));
        assert_eq!(start(&mut pool, now), None, "no more than the maximum");
    }

    #[test]
    fn the_most_recently_used_is_taken_first() {
        let now = Instant::now();
        let mut pool = pool(8);
        pool.enqueue(Call("abandoned"));
        pool.enqueue(Call("abandoned"));
        let (a, b) = (start(&mut pool, now).unwrap(), start(&mut pool, now).unwrap());
        assert_eq!(pool.ready(a, &"a", now), Next::Wait);
        assert_eq!(pool.ready(b, &"b", now), Next::Wait);
        assert_eq!(pool.take_open(now), Some((b, "b")));
        assert!(!pool.remove_unused(b));
        assert!(pool.remove_unused(a));
        assert_eq!(pool.take_open(now), None);
    }

    #[test]
    fn a_settling_environment_spares_a_start_for_a_while() {
        let now = Instant::now();
        let mut pool = pool(8);
        pool.enqueue(Call("one"));
        let id = start(&mut pool, now).unwrap();
        assert_eq!(pool.ready(id, &"a", now), Next::Serve(Call("one")));
        assert!(!pool.finished(id, now));
        assert!(!pool.depends_on_settling());
        assert_eq!(pool.take_open(now), None);
        pool.enqueue(Call("two"));
        assert!(pool.depends_on_settling());
        assert_eq!(start(&mut pool, now + SETTLE_WAIT - Duration::from_millis(1)), None);
        assert!(start(&mut pool, now + SETTLE_WAIT).is_some());
        assert!(pool.remove_unused(id), "one that never asks again is not kept for ever");
        assert_eq!(pool.ready(id, &"a", now), Next::End);
    }

    #[test]
    fn a_late_word_of_settling_does_not_hide_an_idle_environment() {
        let now = Instant::now();
        let mut pool = pool(8);
        pool.enqueue(Call("one"));
        let id = start(&mut pool, now).unwrap();
        assert_eq!(pool.ready(id, &"a", now), Next::Serve(Call("one")));
        assert_eq!(pool.ready(id, &"a", now), Next::Wait);
        assert!(!pool.finished(id, now));
        assert_eq!(pool.take_open(now), Some((id, "a")));
    }

    #[test]
    fn the_queue_can_be_left() {
        let mut pool = pool(1);
        pool.enqueue(Call("call"));
        assert_eq!(pool.withdraw(|call| call.0 == "other"), None);
        assert_eq!(pool.withdraw(|call| call.0 == "call"), Some(Call("call")));
        pool.enqueue(Call("abandoned"));
        assert!(!pool.is_wanted());
    }

    #[test]
    fn an_environment_that_takes_several_at_a_time_is_filled_before_another_one_starts() {
        let now = Instant::now();
        let mut pool = Pool::new(8, 2, SETTLE_WAIT);
        for call in ["one", "two", "three"] {
            pool.enqueue(Call(call));
        }
        let (a, _) = pool.start(now, CancellationToken::new).unwrap();
        assert!(pool.start(now, CancellationToken::new).is_some(), "two of three fit into the first");
        assert!(pool.start(now, CancellationToken::new).is_none());
        assert_eq!(pool.ready(a, &"a", now), Next::Serve(Call("one")));
        assert_eq!(pool.ready(a, &"a", now), Next::Serve(Call("two")));
        assert_eq!(pool.dequeue(), Some(Call("three")));
        // Room that is about to come is waited for.
        let mut other = Pool::new(8, 3, SETTLE_WAIT);
        other.enqueue(Call("one"));
        let (c, _) = other.start(now, CancellationToken::new).unwrap();
        assert_eq!(other.ready(c, &"c", now), Next::Serve(Call("one")));
        other.enqueue(Call("two"));
        other.enqueue(Call("three"));
        assert!(other.start(now, CancellationToken::new).is_none());
        assert!(other.start(now + SETTLE_WAIT, CancellationToken::new).is_some());
        // One of two has ended: the environment is open, and yet not unused.
        assert!(!pool.finished(a, now));
        assert_eq!(pool.ready(a, &"a", now), Next::Wait);
        assert_eq!(pool.standing(a), Some(Standing::Busy));
        assert!(!pool.remove_unused(a));
        pool.retire();
        assert!(pool.finished(a, now), "the last one of a retired function");
        assert_eq!(pool.standing(a), None);
    }

    #[test]
    fn a_retired_function_serves_its_queue_and_ends() {
        let now = Instant::now();
        let mut pool = pool(2);
        pool.enqueue(Call("one"));
        let (id, stop) = pool.start(now, CancellationToken::new).unwrap();
        pool.retire();
        assert_eq!(pool.ready(id, &"a", now), Next::Serve(Call("one")));
        assert!(!stop.is_cancelled());
        assert!(pool.finished(id, now));
        assert_eq!(pool.ready(id, &"a", now), Next::End);
        assert_eq!(pool.standing(id), None);
    }
}
