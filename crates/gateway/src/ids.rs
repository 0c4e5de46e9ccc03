use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use dunlin_events::opaque_id;

/// Makes ids in the service's form (E2): sorted roughly by time, never repeated while the clock does not go back by more than the ids
/// of a millisecond, and reproducible from the seed.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    made: AtomicU64,
}

/// The bytes behind an id.
pub(crate) type IdBytes = [u8; 11];

/// The end that a connection's id and the ids of its messages share (E2).
pub(crate) type Suffix = [u8; 3];

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Ids { seed, made: AtomicU64::new(0) }
    }

    /// The id of a new connection, and the end that its messages' ids get.
    pub(crate) fn connection(&self, now_ms: u64) -> (IdBytes, Suffix) {
        let suffix = self.random_suffix();
        (self.next(now_ms, suffix), suffix)
    }

    /// The id of a message.
    pub(crate) fn message(&self, now_ms: u64, suffix: Suffix) -> String {
        opaque_id(self.next(now_ms, suffix))
    }

    /// The id of an event or a refusal.
    pub(crate) fn request(&self, now_ms: u64) -> String {
        let suffix = self.random_suffix();
        opaque_id(self.next(now_ms, suffix))
    }

    /// A new trace header value: `Root=1-{seconds}-{96 bits}`, all in hexadecimal (H20).
    pub(crate) fn trace(&self, now_ms: u64) -> String {
        let (high, low) = (self.random(), self.random());
        format!("Root=1-{:08x}-{:08x}{low:016x}", (now_ms / 1000) as u32, high as u32)
    }

    /// Five bytes of time, three of a count, three of the suffix.
    fn next(&self, now_ms: u64, suffix: Suffix) -> IdBytes {
        let count = self.seed.wrapping_add(self.made.fetch_add(1, Relaxed)).to_be_bytes();
        let time = now_ms.to_be_bytes();
        let mut id = [0; 11];
        id[..5].copy_from_slice(&time[3..]);
        id[5..8].copy_from_slice(&count[5..]);
        id[8..].copy_from_slice(&suffix);
        id
    }

    fn random_suffix(&self) -> Suffix {
        let [first, second, third, ..] = self.random().to_be_bytes();
        [first, second, third]
    }

    /// SplitMix64 over the seed and the count.
    fn random(&self) -> u64 {
        let count = self.made.fetch_add(1, Relaxed);
        let mut mixed = self.seed.wrapping_add(count.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use dunlin_events::ConnectionId;

    use super::*;

    #[test]
    fn ids_have_the_services_form_and_do_not_repeat() {
        let ids = Ids::new(u64::MAX);
        let (connection, suffix) = ids.connection(1_721_807_234_120);
        let connection = ConnectionId::from_bytes(connection);
        assert!(connection.is_service_form());
        let message = ids.message(1_721_807_234_120, suffix);
        // E2: 3 bytes are the last 4 characters of 15 and the padding.
        assert_eq!(message[12..], connection.as_str()[12..]);
        let made: HashSet<String> = (0..10_000).map(|_| ids.request(1_721_807_234_120)).collect();
        assert_eq!(made.len(), 10_000);
        assert_ne!(made.iter().next().unwrap()[12..], message[12..]);
    }

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (one, other) = (Ids::new(7), Ids::new(7));
        assert_eq!(one.connection(1), other.connection(1));
        assert_eq!(one.trace(1_721_807_234_120), other.trace(1_721_807_234_120));
        assert!(one.trace(1_721_807_298_120).starts_with("Root=1-66a0b1c2-"));
        assert_eq!(one.trace(0).len(), "Root=1-66a0b1c2-0123456789abcdef01234567".len());
    }
}
