use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// What the gateway has done so far, read at one moment; the numbers may be a few events apart from each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counters {
    /// Open connections.
    pub connections_now: u64,
    /// Handshakes that were answered with 101.
    pub connects_total: u64,
    /// Handshakes that were answered with anything else.
    pub refusals_total: u64,
    /// Messages received from clients.
    pub messages_in_total: u64,
    /// Messages handed to sockets: route responses, error frames and posts.
    pub messages_out_total: u64,
    /// Error frames among them (R8 to R10).
    pub error_frames_total: u64,
    /// Management calls that were answered, whatever the status.
    pub management_calls_total: u64,
    /// Management calls refused with 429: the client does not read what it gets, or the account is throttled.
    pub posts_throttled_total: u64,
    /// Route responses and error frames thrown away for the same reason.
    pub answers_dropped_total: u64,
    /// Lines of access logs thrown away, since whoever writes them could not keep up.
    pub access_lines_dropped_total: u64,
}

/// The live side of [`Counters`].
#[derive(Debug, Default)]
pub(crate) struct LiveCounters {
    pub(crate) connections_now: Counter,
    pub(crate) connects: Counter,
    pub(crate) refusals: Counter,
    pub(crate) messages_in: Counter,
    pub(crate) messages_out: Counter,
    pub(crate) error_frames: Counter,
    pub(crate) management_calls: Counter,
    pub(crate) posts_throttled: Counter,
    pub(crate) answers_dropped: Counter,
    pub(crate) access_lines_dropped: Counter,
}

impl LiveCounters {
    pub(crate) fn read(&self) -> Counters {
        Counters {
            connections_now: self.connections_now.get(),
            connects_total: self.connects.get(),
            refusals_total: self.refusals.get(),
            messages_in_total: self.messages_in.get(),
            messages_out_total: self.messages_out.get(),
            error_frames_total: self.error_frames.get(),
            management_calls_total: self.management_calls.get(),
            posts_throttled_total: self.posts_throttled.get(),
            answers_dropped_total: self.answers_dropped.get(),
            access_lines_dropped_total: self.access_lines_dropped.get(),
        }
    }
}

/// A number that only counters need: no order with any other memory.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn decrement(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
