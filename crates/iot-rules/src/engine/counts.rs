//! What happened since the start, counted by everything that takes part.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that clients published, last wills included.
    pub published: u64,
    /// Actions that took their event.
    pub delivered: u64,
    /// Actions that failed: not accepted, or not within [`crate::DELIVER_TIMEOUT`]. Error actions included.
    pub failed: u64,
    /// Messages that fitted a rule's topic filter but whose payload is not what the rule needs, counted per rule.
    pub unreadable: u64,
    /// Messages that found the queue full, were still in it at the end, went round in a circle, or were for a rule that
    /// does not exist.
    pub dropped: u64,
}

/// The counters behind [`Counts`], and what waits for the rules.
#[derive(Default)]
pub(crate) struct State {
    pub(super) published: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) unreadable: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// Messages queued or in work.
    pub(super) pending: AtomicU64,
    pub(super) pending_bytes: AtomicUsize,
    pub(super) overflowing: AtomicBool,
}

impl State {
    pub(crate) fn counts(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            published: load(&self.published),
            delivered: load(&self.delivered),
            failed: load(&self.failed),
            unreadable: load(&self.unreadable),
            dropped: load(&self.dropped),
        }
    }

    /// Counts what will never be worked on, once both ends are gone.
    pub(crate) fn abandon_pending(&self) {
        let left = self.pending.swap(0, Ordering::Relaxed);
        self.dropped.fetch_add(left, Ordering::Relaxed);
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
