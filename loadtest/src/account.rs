//! What one connection was due and what it got, exactly: a bit for each version of each topic that it follows.

use crate::measured::Reach;
use crate::plan::Plan;

/// How a push fits into what came before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// Due, and newer than all before it.
    Newest,
    /// Due, but after a newer version of its topic.
    OutOfOrder,
    /// Had before.
    Duplicate,
    /// Published before the connection followed, after it left, or said by itself: no delivery.
    NotDue,
}

/// The deliveries of one connection.
#[derive(Debug, Default)]
pub(crate) struct Account {
    slots: Vec<Slot>,
    /// Position and version, from 0, of what it said itself: seen, and no delivery.
    waived: Vec<(usize, u32)>,
}

/// One topic. Versions are counted from 0 here, the first is 0.
#[derive(Debug)]
struct Slot {
    topic: u32,
    /// First version that is due.
    from: u32,
    /// First that is not due any more.
    until: u32,
    /// First that has no newer one.
    newest: u32,
    received: u32,
    /// Bit `v - from`.
    seen: Bits,
}

/// A word without an allocation, and more if it takes more.
#[derive(Debug, Default)]
struct Bits {
    first: u64,
    rest: Vec<u64>,
}

impl Bits {
    fn word(&mut self, index: usize) -> &mut u64 {
        if index == 0 {
            return &mut self.first;
        }
        if self.rest.len() < index {
            self.rest.resize(index, 0);
        }
        &mut self.rest[index - 1]
    }

    /// Sets a bit; `false` if it was set.
    fn set(&mut self, bit: u32) -> bool {
        let word = self.word(bit as usize / 64);
        let mask = 1u64 << (bit % 64);
        let new = *word & mask == 0;
        *word |= mask;
        new
    }

    fn has(&self, bit: u32) -> bool {
        let word = match bit as usize / 64 {
            0 => self.first,
            index => self.rest.get(index - 1).copied().unwrap_or(0),
        };
        word & (1u64 << (bit % 64)) != 0
    }
}

/// Which updates were not published after all.
pub(crate) trait Published {
    /// Whether an update of the plan left.
    fn was(&self, update: u32) -> bool;
    /// Whether all of this process's up to now have: then nothing needs looking up.
    fn all(&self) -> bool;
}

impl Account {
    /// An account of a user who follows its topics from a time of the schedule on.
    pub(crate) fn new(plan: &Plan, user: u32, from_ns: u64) -> Account {
        let slots = plan.followed(user).map(|topic| Slot {
            topic,
            from: plan.versions_before(topic, from_ns),
            until: u32::MAX,
            newest: 0,
            received: 0,
            seen: Bits::default(),
        });
        Account { slots: slots.collect(), waived: Vec::new() }
    }

    /// What is intended from a time on is not due any more.
    pub(crate) fn end(&mut self, plan: &Plan, until_ns: u64) {
        for slot in &mut self.slots {
            slot.until = slot.until.min(plan.versions_before(slot.topic, until_ns)).max(slot.from);
        }
    }

    /// A version, from 1, is not due to this connection: it said it itself.
    pub(crate) fn waive(&mut self, position: usize, version: u32) {
        let slot = &mut self.slots[position];
        if (slot.from..slot.until).contains(&(version - 1)) && slot.seen.set(version - 1 - slot.from) {
            slot.received += 1;
            self.waived.push((position, version - 1));
        }
    }

    /// Books a push of a version, from 1, that the plan has.
    pub(crate) fn arrive(&mut self, position: usize, version: u32) -> Arrival {
        let slot = &mut self.slots[position];
        let version = version - 1;
        if !(slot.from..slot.until).contains(&version) {
            return Arrival::NotDue;
        }
        if !slot.seen.set(version - slot.from) {
            return Arrival::Duplicate;
        }
        slot.received += 1;
        if version < slot.newest {
            return Arrival::OutOfOrder;
        }
        slot.newest = version + 1;
        Arrival::Newest
    }

    /// Whether everything that was due is there. Only after [`Account::end`].
    pub(crate) fn is_complete(&self, published: &impl Published, plan: &Plan) -> bool {
        self.slots.iter().all(|slot| {
            slot.received >= slot.until - slot.from
                || !published.all()
                    && (slot.from..slot.until)
                        .all(|v| slot.seen.has(v - slot.from) || !was(slot, v, published, plan))
        })
    }

    /// Closes the books: what was due and is lost, by phase. What was received is counted when it comes.
    pub(crate) fn settle(&self, plan: &Plan, published: &impl Published) -> Vec<(usize, Reach)> {
        let mut reaches: Vec<(usize, Reach)> = Vec::new();
        for (position, slot) in self.slots.iter().enumerate() {
            for version in slot.from..slot.until {
                if self.waived.contains(&(position, version)) {
                    continue;
                }
                let seen = slot.seen.has(version - slot.from);
                let Some(update) = plan.update_of(slot.topic, version + 1) else { break };
                // What arrived was published, whatever the publisher knows.
                if !seen && !published.was(update) {
                    continue;
                }
                let phase = plan.phase_of(plan.update_ns(update));
                let at = match reaches.iter().position(|(known, _)| *known == phase) {
                    Some(at) => at,
                    None => {
                        reaches.push((phase, Reach::default()));
                        reaches.len() - 1
                    }
                };
                let reach = &mut reaches[at].1;
                reach.expected += 1;
                if !seen {
                    reach.lost += 1;
                    reach.behind += u64::from(version >= slot.newest);
                }
            }
        }
        reaches
    }
}

fn was(slot: &Slot, version: u32, published: &impl Published, plan: &Plan) -> bool {
    plan.update_of(slot.topic, version + 1).is_some_and(|update| published.was(update))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Share;
    use crate::scenario::tests::scenario;

    struct AllBut(&'static [u32]);

    impl Published for AllBut {
        fn was(&self, update: u32) -> bool {
            !self.0.contains(&update)
        }
        fn all(&self) -> bool {
            self.0.is_empty()
        }
    }

    /// One topic with `versions` versions, five a second, the first at 1.2 s.
    fn plan(versions: u32) -> Plan {
        let hold = format!("phases.hold={}s", f64::from(versions) / 5.0 - 1.0);
        Plan::new(scenario(&["updates.topics=1", &hold]), 1, Share::WHOLE)
    }

    #[track_caller]
    fn check(arrivals: &[u32], versions: u32, but: &'static [u32], expected: Reach) {
        let plan = plan(versions);
        let mut account = Account::new(&plan, 0, 0);
        for &version in arrivals {
            account.arrive(0, version);
        }
        account.end(&plan, u64::MAX);
        let mut sum = Reach::default();
        account.settle(&plan, &AllBut(but)).into_iter().for_each(|(_, reach)| sum += reach);
        assert_eq!(sum, expected, "{arrivals:?} of {versions}");
        assert_eq!(account.is_complete(&AllBut(but), &plan), sum.lost == 0);
    }

    fn reach(expected: u64, lost: u64, behind: u64) -> Reach {
        Reach { expected, lost, behind, ..Reach::default() }
    }

    #[test]
    fn missing_versions_are_lost_and_perhaps_behind() {
        let all: Vec<u32> = (1..=200).collect();
        check(&all, 200, &[], reach(200, 0, 0));
        check(&all[..199], 200, &[], reach(200, 1, 1));
        check(&[1, 2, 4, 5, 6, 7, 8, 9, 10], 10, &[], reach(10, 1, 0));
        check(&[], 10, &[], reach(10, 10, 10));
        check(&[64, 65, 128], 130, &[], reach(130, 127, 2));
    }

    #[test]
    fn what_was_not_published_is_not_due() {
        check(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 10, &[9], reach(9, 0, 0));
        // An arrival proves that it was published.
        check(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 10, &[9], reach(10, 0, 0));
    }

    #[test]
    fn arrivals_are_told_apart() {
        let plan = plan(20);
        let mut account = Account::new(&plan, 0, plan.update_ns(4) + 1);
        let arrivals = [5, 6, 8, 7, 7, 8, 20].map(|version| account.arrive(0, version));
        use Arrival::{Duplicate, Newest, NotDue, OutOfOrder};
        assert_eq!(arrivals, [NotDue, Newest, Newest, OutOfOrder, Duplicate, Duplicate, Newest]);
        account.end(&plan, plan.update_ns(9));
        assert_eq!(account.arrive(0, 10), NotDue);
        let lost: u64 = account.settle(&plan, &AllBut(&[])).iter().map(|(_, reach)| reach.lost).sum();
        // 9 of 6 to 9.
        assert_eq!(lost, 1);
    }

    #[test]
    fn what_it_said_itself_is_waived() {
        let plan = plan(10);
        let mut account = Account::new(&plan, 0, 0);
        account.waive(0, 3);
        for version in [1, 2, 4, 5, 6, 7, 8, 9, 10] {
            assert_eq!(account.arrive(0, version), Arrival::Newest);
        }
        account.end(&plan, u64::MAX);
        assert!(account.is_complete(&AllBut(&[]), &plan));
        let expected: u64 = account.settle(&plan, &AllBut(&[])).iter().map(|(_, reach)| reach.expected).sum();
        assert_eq!(expected, 9);
    }
}
