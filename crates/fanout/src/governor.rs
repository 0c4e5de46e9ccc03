//! What all passes of one engine share: places in the window, and the pace.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dunlin_management::{ManagementError, ManagementErrorKind, PostOutcome};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::pace::{Pace, Signal};

/// A connection that was throttled this often in a pass and still is reads too slowly, as far as anyone can tell (fact C3),
/// and says nothing more about the quota.
pub const SLOW_READER_THROTTLED: u32 = 2;

/// Governs the posts to one management endpoint. The account's quota is one (section 7.1), so all passes of a process
/// share the window and the pace; other processes are met in the 429s that they cause.
#[derive(Debug)]
pub(crate) struct Governor {
    window: Semaphore,
    posts_in_flight_max: usize,
    /// Passes that wait for a place.
    queued: AtomicUsize,
    pace: Mutex<Pace>,
    /// Whether there is a limit, for those who would lock the pace only to find none.
    is_paced: AtomicBool,
}

/// A place in the window, given back when it is dropped.
pub(crate) type Place<'a> = SemaphorePermit<'a>;

struct Queued<'a>(&'a AtomicUsize);

impl Governor {
    pub(crate) fn new(posts_in_flight_max: usize) -> Self {
        Self {
            window: Semaphore::new(posts_in_flight_max),
            posts_in_flight_max,
            queued: AtomicUsize::new(0),
            pace: Mutex::new(Pace::new(Instant::now())),
            is_paced: AtomicBool::new(false),
        }
    }

    pub(crate) fn posts_in_flight_max(&self) -> usize {
        self.posts_in_flight_max
    }

    /// A place, if one is free and nobody waits for it.
    pub(crate) fn try_place(&self) -> Option<Place<'_>> {
        self.window.try_acquire().ok()
    }

    /// A place, in the order of asking. Nobody else's pass waits longer than for one post.
    pub(crate) async fn place(&self) -> Place<'_> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let _queued = Queued(&self.queued);
        self.window.acquire().await.expect("the window is never closed")
    }

    /// Whether whoever holds a place should give it back after the post under way.
    pub(crate) fn is_contended(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0
    }

    /// Reserves the next turn: when a post may begin.
    pub(crate) fn reserve(&self, now: Instant) -> Instant {
        if !self.is_paced.load(Ordering::Relaxed) {
            return now;
        }
        let mut pace = self.pace();
        let turn = pace.reserve(now);
        self.is_paced.store(pace.per_s(now).is_some(), Ordering::Relaxed);
        turn
    }

    /// Takes a turn if one may be had at once.
    pub(crate) fn try_take(&self, now: Instant) -> bool {
        !self.is_paced.load(Ordering::Relaxed) || self.pace().try_take(now)
    }

    /// The rate in posts per second, `None` while nothing limits it.
    pub(crate) fn per_s(&self, now: Instant) -> Option<f64> {
        self.pace().per_s(now)
    }

    /// Learns from the answer to a post that began then, to a connection that was throttled so often before.
    pub(crate) fn answered(
        &self,
        began_at: Instant,
        now: Instant,
        result: &Result<PostOutcome, ManagementError>,
        throttled_before: u32,
    ) {
        let signal = match result.as_ref().map_err(ManagementError::kind) {
            Err(ManagementErrorKind::Throttled) if throttled_before >= SLOW_READER_THROTTLED => return,
            Err(ManagementErrorKind::Throttled) => Signal::Throttled,
            // Perhaps no service answered at all.
            Err(ManagementErrorKind::Unavailable) => return,
            _ => Signal::Served,
        };
        let mut pace = self.pace();
        if pace.answered(began_at, now, signal) {
            self.is_paced.store(true, Ordering::Relaxed);
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        // Every change of the pace is one assignment or a count, so the state behind a poisoned lock is whole.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn places_go_to_those_who_wait_in_the_order_of_asking() {
        let governor = Governor::new(2);
        let (first, second) = (governor.try_place().unwrap(), governor.try_place().unwrap());
        assert!(governor.try_place().is_none() && !governor.is_contended());
        let mut waits = pin!(governor.place());
        assert!(poll!(&mut waits).is_pending() && governor.is_contended());
        drop(first);
        assert!(governor.try_place().is_none(), "it is promised to the one who waits");
        let third = waits.await;
        assert!(!governor.is_contended());
        drop((second, third));
        assert!(governor.try_place().is_some());
    }

    #[tokio::test]
    async fn whoever_stops_waiting_is_not_waited_for() {
        let governor = Governor::new(1);
        let held = governor.try_place().unwrap();
        {
            let mut waits = pin!(governor.place());
            assert!(poll!(&mut waits).is_pending());
        }
        assert!(!governor.is_contended());
        drop(held);
        assert!(governor.try_place().is_some());
    }
}
