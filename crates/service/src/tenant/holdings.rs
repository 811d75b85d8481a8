//! What a member has of one pool, and what follows from the store's answers.

use std::collections::{BTreeMap, BTreeSet};

use outcry_store::{Lease, PoolRequest, Share};

/// The slots of one pool that are worked on here, and those to be given back.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    works: BTreeMap<u32, Work>,
    give_back: BTreeSet<u32>,
    /// Slots held as of the last answer.
    held: u32,
}

/// The work of one slot.
#[derive(Debug)]
struct Work {
    epoch: u64,
    /// It has been told to stop.
    is_stopping: bool,
    /// The slot is not held any more, at least not in this epoch.
    is_lost: bool,
}

/// What an answer of the store leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    /// Slots whose work is to stop.
    pub(super) stop: Vec<u32>,
    /// Slots whose work is to start.
    pub(super) start: Vec<Lease>,
}

/// How the end of a work came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was told to stop.
    Told,
    /// It ended by itself.
    Unasked,
}

// === impl Holdings ===

impl Holdings {
    /// What is asked of the store.
    pub(super) fn request(&self, pool: &str, slots: u32) -> PoolRequest {
        PoolRequest {
            pool: pool.to_owned(),
            slots,
            give_back: self.give_back.iter().copied().collect(),
        }
    }

    /// Whether some slots of the pool are held by others, or by nobody.
    pub(super) fn lacks(&self, slots: u32) -> bool {
        self.held < slots
    }

    /// Whether nothing is being worked on.
    pub(super) fn is_idle(&self) -> bool {
        self.works.is_empty()
    }

    /// Takes in the answer to [`Holdings::request`].
    ///
    /// A slot whose work has not ended does not start again, whatever the epoch: the next answer
    /// after its end does that.
    pub(super) fn take(&mut self, share: &Share) -> Steps {
        self.give_back.clear();
        self.held = u32::try_from(share.held.len()).unwrap_or(u32::MAX);
        let mut steps = Steps::default();
        for (slot, work) in &mut self.works {
            let is_held = |lease: &Lease| lease.slot == *slot && lease.epoch == work.epoch;
            if !share.held.iter().any(is_held) {
                work.is_lost = true;
                if !work.is_stopping {
                    work.is_stopping = true;
                    steps.stop.push(*slot);
                }
            }
        }
        let leaving = self.works.values();
        let leaving = leaving.filter(|work| work.is_stopping && !work.is_lost);
        let more = (share.surplus as usize).saturating_sub(leaving.count());
        let staying = self.works.iter_mut().rev();
        for (slot, work) in staying.filter(|(_, work)| !work.is_stopping).take(more) {
            work.is_stopping = true;
            steps.stop.push(*slot);
        }
        for lease in &share.held {
            self.works.entry(lease.slot).or_insert_with(|| {
                steps.start.push(lease.clone());
                Work {
                    epoch: lease.epoch,
                    is_stopping: false,
                    is_lost: false,
                }
            });
        }
        steps
    }

    /// Takes in that the work of a slot has ended: if the slot is still held it is given back.
    pub(super) fn ended(&mut self, slot: u32) -> Ending {
        match self.works.remove(&slot) {
            Some(work) => {
                if !work.is_lost {
                    self.give_back.insert(slot);
                }
                if work.is_stopping {
                    Ending::Told
                } else {
                    Ending::Unasked
                }
            }
            None => Ending::Told,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn lease(slot: u32, epoch: u64) -> Lease {
        Lease {
            pool: "p".into(),
            slot,
            epoch,
        }
    }

    fn share(held: &[(u32, u64)], surplus: u32) -> Share {
        Share {
            pool: "p".into(),
            held: held
                .iter()
                .map(|(slot, epoch)| lease(*slot, *epoch))
                .collect(),
            surplus,
        }
    }

    #[test]
    fn a_slot_is_worked_on_once_while_it_is_held() {
        let mut holdings = Holdings::default();
        let first = holdings.take(&share(&[(0, 1), (1, 1)], 0));
        assert_eq!(first.start, [lease(0, 1), lease(1, 1)]);
        assert_eq!(
            holdings.take(&share(&[(0, 1), (1, 1)], 0)),
            Steps::default()
        );
        assert!(holdings.lacks(3) && !holdings.lacks(2));
    }

    #[test]
    fn the_highest_slots_make_up_the_surplus_and_are_given_back_when_their_work_has_ended() {
        let mut holdings = Holdings::default();
        let all = [(0, 1), (1, 1), (2, 1), (3, 1)];
        holdings.take(&share(&all, 0));
        assert_eq!(holdings.take(&share(&all, 2)).stop, [3, 2]);
        assert_eq!(holdings.take(&share(&all, 2)), Steps::default(), "on it");
        assert!(holdings.request("p", 4).give_back.is_empty());
        assert_eq!(holdings.ended(3), Ending::Told);
        assert_eq!(holdings.request("p", 4).give_back, [3]);
        let steps = holdings.take(&share(&[(0, 1), (1, 1), (2, 1)], 1));
        assert_eq!(steps, Steps::default(), "slot 2 is on its way");
        assert!(holdings.request("p", 4).give_back.is_empty());
    }

    #[test]
    fn a_lost_slot_stops_and_is_not_given_back() {
        let mut holdings = Holdings::default();
        holdings.take(&share(&[(0, 1), (1, 1)], 0));
        assert_eq!(holdings.take(&share(&[(0, 1)], 0)).stop, [1]);
        assert_eq!(holdings.ended(1), Ending::Told);
        assert!(holdings.request("p", 2).give_back.is_empty());
    }

    #[test]
    fn a_slot_that_came_back_in_another_epoch_starts_when_the_work_of_the_old_one_has_ended() {
        let mut holdings = Holdings::default();
        holdings.take(&share(&[(0, 1)], 0));
        let steps = holdings.take(&share(&[(0, 3)], 0));
        assert_eq!((steps.stop, steps.start), (vec![0], vec![]));
        holdings.ended(0);
        assert!(holdings.request("p", 1).give_back.is_empty());
        assert_eq!(holdings.take(&share(&[(0, 3)], 0)).start, [lease(0, 3)]);
    }

    #[test]
    fn a_work_that_ends_by_itself_gives_its_slot_back() {
        let mut holdings = Holdings::default();
        holdings.take(&share(&[(0, 1)], 0));
        assert_eq!(holdings.ended(0), Ending::Unasked);
        assert_eq!(holdings.request("p", 1).give_back, [0]);
        assert_eq!(holdings.take(&share(&[(0, 3)], 0)).start, [lease(0, 3)]);
    }

    /// The slots of a pool as a store keeps them: each with its epoch, some held by this member.
    #[derive(Debug, Default)]
    struct Book {
        slots: BTreeMap<u32, (u64, bool)>,
    }

    /// What happens next: an answer comes, a slot is taken by others, or a work ends.
    #[derive(Debug, Clone)]
    enum Event {
        Answer { allowed: usize },
        Lost { slot: u32 },
        Ended { nth: usize },
    }

    const SLOTS: u32 = 6;

    impl Book {
        fn answer(&mut self, request: &PoolRequest, allowed: usize) -> Share {
            for slot in &request.give_back {
                if let Some((epoch, held)) = self.slots.get_mut(slot)
                    && *held
                {
                    (*epoch, *held) = (*epoch + 1, false);
                }
            }
            let mut held = self.slots.values().filter(|(_, held)| *held).count();
            for slot in 0..request.slots {
                let (epoch, is_held) = self.slots.entry(slot).or_default();
                if !*is_held && held < allowed {
                    (*epoch, *is_held) = (*epoch + 1, true);
                    held += 1;
                }
            }
            let mine = self.slots.iter().filter(|(_, (_, held))| *held);
            let mine: Vec<_> = mine.map(|(slot, (epoch, _))| (*slot, *epoch)).collect();
            share(&mine, u32::try_from(held.saturating_sub(allowed)).unwrap())
        }
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            (0..=SLOTS as usize).prop_map(|allowed| Event::Answer { allowed }),
            (0..SLOTS).prop_map(|slot| Event::Lost { slot }),
            (0..SLOTS as usize).prop_map(|nth| Event::Ended { nth }),
        ];
        prop::collection::vec(event, 0..80)
    }

    proptest! {
        #[test]
        fn whatever_happens_a_slot_has_one_work_and_only_what_is_held_in_its_epoch_is_given_back(
            events in events()
        ) {
            let (mut book, mut holdings) = (Book::default(), Holdings::default());
            // The works that go on, and in which epoch.
            let mut works: BTreeMap<u32, u64> = BTreeMap::new();
            let answer = |book: &mut Book,
                              holdings: &mut Holdings,
                              works: &mut BTreeMap<u32, u64>,
                              allowed| {
                let share = book.answer(&holdings.request("p", SLOTS), allowed);
                let steps = holdings.take(&share);
                for lease in steps.start {
                    prop_assert!(share.held.contains(&lease));
                    prop_assert_eq!(works.insert(lease.slot, lease.epoch), None);
                }
                prop_assert!(steps.stop.iter().all(|slot| works.contains_key(slot)));
                Ok(())
            };
            for event in events {
                match event {
                    Event::Answer { allowed } => {
                        answer(&mut book, &mut holdings, &mut works, allowed)?;
                    }
                    Event::Lost { slot } => {
                        let (epoch, held) = book.slots.entry(slot).or_default();
                        (*epoch, *held) = (*epoch + 1, false);
                    }
                    Event::Ended { nth } => {
                        let slot = works.keys().nth(nth).copied();
                        if let Some(slot) = slot {
                            works.remove(&slot);
                            holdings.ended(slot);
                        }
                    }
                }
            }
            // When nothing more happens, what is held is what is worked on, in the same epochs. A
            // slot that came back waits for its old work, starts, turns out to be too much, ends,
            // and is given back: an answer for each.
            for _ in 0..5 {
                answer(&mut book, &mut holdings, &mut works, 3)?;
                for (slot, work) in &holdings.works {
                    if work.is_stopping {
                        works.remove(slot);
                    }
                }
                let stopped: Vec<u32> = holdings.works.keys().copied().collect();
                for slot in stopped.into_iter().filter(|slot| !works.contains_key(slot)) {
                    holdings.ended(slot);
                }
            }
            let held = book.slots.iter().filter(|(_, (_, held))| *held);
            let held: BTreeMap<u32, u64> = held.map(|(slot, (epoch, _))| (*slot, *epoch)).collect();
            prop_assert_eq!(held.len(), 3);
            prop_assert_eq!(held, works);
        }
    }
}
