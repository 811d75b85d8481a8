//! The growing end of the archive: which positions are given away, which are final, and the newest events in memory.
//!
//! Events are archived side by side, so a later position may be durable before an earlier one.
//! Readers only ever see up to the *end*: the position below which nothing can appear any more.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outcry_events::SealedEvent;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

/// Events kept in memory for those who follow closely; the store has the rest.
const RECENT_MAX: usize = 4096;
/// Bytes of events kept in memory, whatever their number.
const RECENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One archived event.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) position: u64,
    pub(crate) event: SealedEvent,
    /// Ids of the users it is about.
    pub(crate) subjects: Vec<String>,
}

/// The end of the archive, shared by who writes and who follows.
#[derive(Debug)]
pub(super) struct Tail {
    state: Mutex<State>,
    end: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// Positions given away and not yet behind the end.
    in_flight: BTreeMap<u64, Slot>,
    by_event: HashMap<Uuid, u64>,
    recent: VecDeque<Arc<Entry>>,
    recent_bytes: usize,
    /// Everything after this position and up to the end is in `recent`.
    recent_from: u64,
}

#[derive(Debug)]
struct Slot {
    event_id: Uuid,
    since: Instant,
    entry: Option<Arc<Entry>>,
}

impl Tail {
    /// The tail of an archive whose newest event has position `last`; 0 when there is none.
    pub(super) fn after(last: u64) -> Tail {
        let state = State {
            next: last + 1,
            in_flight: BTreeMap::new(),
            by_event: HashMap::new(),
            recent: VecDeque::new(),
            recent_bytes: 0,
            recent_from: last,
        };
        Tail {
            state: Mutex::new(state),
            end: watch::Sender::new(last),
        }
    }

    /// The position an event was given that is still being archived.
    pub(super) fn given(&self, event_id: Uuid) -> Option<u64> {
        self.state().by_event.get(&event_id).copied()
    }

    /// Gives an event its position: the next one, or the one it was given before.
    pub(super) fn give(&self, event_id: Uuid) -> u64 {
        let mut state = self.state();
        if let Some(position) = state.by_event.get(&event_id) {
            return *position;
        }
        let position = state.next;
        state.next += 1;
        state.by_event.insert(event_id, position);
        let slot = Slot {
            event_id,
            since: Instant::now(),
            entry: None,
        };
        state.in_flight.insert(position, slot);
        position
    }

    /// The event is durable: it is seen as soon as all before it are.
    pub(super) fn settle(&self, event: &SealedEvent, subjects: Vec<String>) {
        let mut state = self.state();
        let Some(position) = state.by_event.get(&event.id()).copied() else {
            return;
        };
        if let Some(slot) = state.in_flight.get_mut(&position) {
            slot.entry = Some(Arc::new(Entry {
                position,
                event: event.clone(),
                subjects,
            }));
        }
        let mut end = None;
        while let Some(first) = state.in_flight.first_entry() {
            let Some(entry) = first.get().entry.clone() else {
                break;
            };
            let slot = first.remove();
            state.by_event.remove(&slot.event_id);
            end = Some(entry.position);
            state.remember(entry);
        }
        drop(state);
        if let Some(end) = end {
            self.end.send_replace(end);
        }
    }

    /// Positions that hold the end back for longer than `patience`, with their events.
    pub(super) fn overdue(&self, patience: Duration) -> Vec<(u64, Uuid)> {
        let state = self.state();
        let open = state
            .in_flight
            .iter()
            .filter(|(_, slot)| slot.entry.is_none());
        open.filter(|(_, slot)| slot.since.elapsed() >= patience)
            .map(|(position, slot)| (*position, slot.event_id))
            .collect()
    }

    /// Events after a position, oldest first; `None` when memory does not reach back so far.
    pub(super) fn recent_after(&self, position: u64, limit: usize) -> Option<Vec<Arc<Entry>>> {
        let state = self.state();
        if position < state.recent_from {
            return None;
        }
        let start = state
            .recent
            .partition_point(|entry| entry.position <= position);
        Some(
            state
                .recent
                .iter()
                .skip(start)
                .take(limit)
                .cloned()
                .collect(),
        )
    }

    /// The end, and how to hear of it moving.
    pub(super) fn end(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No step between taking the lock and giving it back can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remember(&mut self, entry: Arc<Entry>) {
        self.recent_bytes += entry.event.bytes().len();
        self.recent.push_back(entry);
        while self.recent.len() > RECENT_MAX || self.recent_bytes > RECENT_BYTES_MAX {
            let Some(oldest) = self.recent.pop_front() else {
                break;
            };
            self.recent_bytes -= oldest.event.bytes().len();
            self.recent_from = oldest.position;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use outcry_contracts::users::v1::UserPasswordChangedEvent;
    use outcry_events::{Cause, Stamp, seal};
    use proptest::prelude::*;

    use super::*;

    fn event(id: u128) -> SealedEvent {
        let changed = UserPasswordChangedEvent {
            user_id: Uuid::from_u128(1).to_string(),
            token_epoch: 1,
        };
        let cause = Cause::root(Uuid::from_u128(2), "service:users");
        let stamp = Stamp {
            event_id: Uuid::from_u128(id),
            sequence: 1,
            occurred_at: UNIX_EPOCH,
            recorded_at: UNIX_EPOCH,
            cause: &cause,
        };
        seal(&changed, stamp).unwrap()
    }

    fn seen(tail: &Tail, after: u64) -> Vec<u64> {
        let entries = tail.recent_after(after, usize::MAX).unwrap();
        entries.iter().map(|entry| entry.position).collect()
    }

    #[test]
    fn nothing_is_seen_before_all_earlier_positions_are_final() {
        let tail = Tail::after(10);
        let (a, b) = (event(1), event(2));
        assert_eq!((tail.give(a.id()), tail.give(b.id())), (11, 12));
        tail.settle(&b, vec![]);
        assert_eq!((*tail.end().borrow(), seen(&tail, 10)), (10, vec![]));
        tail.settle(&a, vec![]);
        assert_eq!((*tail.end().borrow(), seen(&tail, 10)), (12, vec![11, 12]));
        assert_eq!(seen(&tail, 11), [12]);
        assert!(
            tail.recent_after(9, 1).is_none(),
            "memory begins at the start"
        );
    }

    #[test]
    fn an_event_tried_again_keeps_its_position() {
        let tail = Tail::after(0);
        let again = event(1);
        assert_eq!(tail.give(again.id()), 1);
        assert_eq!(tail.given(again.id()), Some(1));
        assert_eq!(tail.give(again.id()), 1);
        assert_eq!(tail.overdue(Duration::ZERO), [(1, again.id())]);
        tail.settle(&again, vec![]);
        tail.settle(&again, vec![]);
        assert_eq!((tail.given(again.id()), seen(&tail, 0)), (None, vec![1]));
        assert!(tail.overdue(Duration::ZERO).is_empty());
    }

    #[test]
    fn memory_is_bounded_and_says_where_it_begins() {
        let tail = Tail::after(0);
        for id in 1..=RECENT_MAX as u128 + 10 {
            let event = event(id);
            tail.give(event.id());
            tail.settle(&event, vec![]);
        }
        assert!(tail.recent_after(9, 1).is_none());
        assert_eq!(tail.recent_after(10, 1).unwrap()[0].position, 11);
    }

    proptest! {
        #[test]
        fn whatever_the_order_of_settling_readers_see_every_position_once_in_order(
            order in Just((1u128..=20).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let tail = Tail::after(0);
            let events: Vec<_> = (1..=20).map(event).collect();
            for event in &events {
                tail.give(event.id());
            }
            let mut read = Vec::new();
            for id in order {
                tail.settle(&events[id as usize - 1], vec![]);
                read.extend(seen(&tail, read.last().copied().unwrap_or(0)));
            }
            prop_assert_eq!(read, (1..=20).collect::<Vec<u64>>());
        }
    }
}
