//! Where a thread runs. For a round trip of microseconds it decides everything whether the kernel wakes the other side on the
//! same core or on another one, so both sides of a pair get the same places.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// One of two cores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Server,
    Client,
}

/// Keeps this thread in a place until it is dropped.
pub(crate) struct Stay(Option<CpuSet>);

impl Stay {
    /// Does nothing on a machine that has not two cores for us.
    pub(crate) fn on(place: Place) -> Self {
        Stay(stay_on(place))
    }

    /// Keeps this thread there until it ends.
    pub(crate) fn for_good(self) {
        std::mem::forget(self);
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(allowed) = &self.0 {
            // Where it fails the thread stays where it is, which harms no figure.
            let _ = sched_setaffinity(None, allowed);
        }
    }
}

/// Returns where the thread was allowed to run before.
fn stay_on(place: Place) -> Option<CpuSet> {
    let allowed = sched_getaffinity(None).ok()?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let (first, second) = (cores.next()?, cores.next()?);
    let mut one = CpuSet::new();
    one.set(if place == Place::Server { first } else { second });
    sched_setaffinity(None, &one).ok()?;
    Some(allowed)
}
