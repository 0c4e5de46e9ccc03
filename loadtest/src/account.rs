//! What one follower was due and what it got, exactly: a bit for each version of each device that it follows.

/// How a push fits into what came before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// New, and newer than all before it.
    Newest,
    /// New, but after a newer version of its device.
    Late,
    /// Had before.
    Duplicate,
    /// Never published.
    Unexpected,
}

/// The deliveries of one connection.
#[derive(Debug)]
pub(crate) struct Account {
    slots: Vec<Slot>,
    version_max: u32,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    /// Bit `v - 1` is set once version `v` is there. It grows with the versions that come.
    seen: Vec<u64>,
    newest: u32,
    received: u64,
    duplicates: u64,
    late: u64,
}

/// Sums over deliveries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) expected: u64,
    pub(crate) received: u64,
    pub(crate) duplicates: u64,
    pub(crate) late: u64,
    /// Missing, with a newer version after them.
    pub(crate) gaps: u64,
    /// Missing, with nothing newer after them.
    pub(crate) lost: u64,
}

impl Account {
    /// An account of `slots` devices whose versions are 1 to `version_max`.
    pub(crate) fn new(slots: usize, version_max: u32) -> Account {
        Account { slots: vec![Slot::default(); slots], version_max }
    }

    /// Books a push.
    pub(crate) fn arrive(&mut self, slot: usize, version: u64) -> Arrival {
        let Ok(version) = u32::try_from(version) else { return Arrival::Unexpected };
        if version == 0 || version > self.version_max {
            return Arrival::Unexpected;
        }
        let slot = &mut self.slots[slot];
        let (word, bit) = ((version - 1) as usize / 64, 1u64 << ((version - 1) % 64));
        if slot.seen.len() <= word {
            slot.seen.resize(word + 1, 0);
        }
        if slot.seen[word] & bit != 0 {
            slot.duplicates += 1;
            return Arrival::Duplicate;
        }
        slot.seen[word] |= bit;
        slot.received += 1;
        if version < slot.newest {
            slot.late += 1;
            return Arrival::Late;
        }
        slot.newest = version;
        Arrival::Newest
    }

    /// Closes the books, given how many versions of each slot's device were published while it was followed.
    pub(crate) fn settle(&self, published: impl Iterator<Item = u32>) -> Tally {
        let mut tally = Tally::default();
        for (slot, published) in self.slots.iter().zip(published) {
            // What arrived was published, even if the publisher had not counted it yet when the connection ended.
            let published = published.max(slot.newest);
            let missing_after = u64::from(published - slot.newest);
            let missing = u64::from(published) - slot.received;
            tally.expected += u64::from(published);
            tally.received += slot.received;
            tally.duplicates += slot.duplicates;
            tally.late += slot.late;
            tally.gaps += missing - missing_after;
            tally.lost += missing_after;
        }
        tally
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.expected += other.expected;
        self.received += other.received;
        self.duplicates += other.duplicates;
        self.late += other.late;
        self.gaps += other.gaps;
        self.lost += other.lost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arrivals: &[u64], published: u32, expected: Tally) {
        let mut account = Account::new(1, 200);
        for &version in arrivals {
            account.arrive(0, version);
        }
        assert_eq!(account.settle([published].into_iter()), expected, "{arrivals:?} of {published}");
    }

    #[test]
    fn missing_versions_are_gaps_or_lost() {
        check(&[1, 2, 3], 3, Tally { expected: 3, received: 3, ..Tally::default() });
        check(&[1, 3], 3, Tally { expected: 3, received: 2, gaps: 1, ..Tally::default() });
        check(&[1, 2], 3, Tally { expected: 3, received: 2, lost: 1, ..Tally::default() });
        check(&[2], 4, Tally { expected: 4, received: 1, gaps: 1, lost: 2, ..Tally::default() });
        check(&[], 2, Tally { expected: 2, lost: 2, ..Tally::default() });
        check(&[], 0, Tally::default());
    }

    #[test]
    fn duplicates_and_late_ones_are_counted_once_each() {
        check(&[1, 1, 1], 1, Tally { expected: 1, received: 1, duplicates: 2, ..Tally::default() });
        check(&[3, 1, 2], 3, Tally { expected: 3, received: 3, late: 2, ..Tally::default() });
        // A copy of an old version is a duplicate, not late.
        check(&[1, 2, 1], 2, Tally { expected: 2, received: 2, duplicates: 1, ..Tally::default() });
    }

    #[test]
    fn versions_beyond_the_first_word_are_kept_apart() {
        let all: Vec<u64> = (1..=200).collect();
        check(&all, 200, Tally { expected: 200, received: 200, ..Tally::default() });
        check(
            &[64, 65, 65, 128],
            128,
            Tally { expected: 128, received: 3, duplicates: 1, gaps: 125, ..Tally::default() },
        );
    }

    #[test]
    fn a_version_that_no_device_had_is_unexpected() {
        let mut account = Account::new(1, 5);
        for version in [0, 6, u64::MAX] {
            assert_eq!(account.arrive(0, version), Arrival::Unexpected);
        }
        assert_eq!(account.settle([0].into_iter()), Tally::default());
    }

    #[test]
    fn an_arrival_proves_that_it_was_published() {
        check(&[1, 2], 1, Tally { expected: 2, received: 2, ..Tally::default() });
    }
}
