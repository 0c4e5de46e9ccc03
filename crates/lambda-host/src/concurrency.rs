use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// How many invocations may be under way at the same time: of a function that reserves some, or of all the others
/// together.
pub(crate) struct Bound {
    max: AtomicUsize,
    taken: AtomicUsize,
}

/// One of them. Dropping it makes room for the next.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Bound>);

impl Bound {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max: AtomicUsize::new(max), taken: AtomicUsize::new(0) })
    }

    /// A lower bound than what is taken refuses newcomers and takes nothing away.
    pub(crate) fn set_max(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    pub(crate) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    pub(crate) fn take(self: &Arc<Self>) -> Option<Slot> {
        let room = |taken: usize| (taken < self.max()).then_some(taken + 1);
        // Nothing else is ordered by the count.
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(Slot(Arc::clone(self)))
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.taken.load(Ordering::Relaxed), self.max())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_back() {
        let bound = Bound::new(2);
        let one = bound.take().unwrap();
        let _two = bound.take().unwrap();
        assert!(bound.take().is_none());
        drop(one);
        let _three = bound.take().unwrap();
        bound.set_max(1);
        assert!(bound.take().is_none());
        assert!(Bound::new(0).take().is_none());
    }
}
