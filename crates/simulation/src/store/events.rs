//! Streams of events, and which of them have not been sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use outcry_events::SealedEvent;
use outcry_store::lease::relay_slot;
use outcry_store::limits::RELAY_SLOTS;
use outcry_store::{Append, CommitError, Conflict, RelaySlots, StoredEvent};

/// All events by position, and where those of a stream, a key or a relay slot are.
#[derive(Clone, Default)]
pub(super) struct Events {
    /// The event at position 1 first; there are no gaps.
    log: Vec<SealedEvent>,
    /// Positions of a stream's events: that of sequence 1 first.
    streams: BTreeMap<String, Vec<u64>>,
    keys: BTreeMap<String, Vec<u64>>,
    unsent: [BTreeSet<u64>; RELAY_SLOTS as usize],
    /// How many events there were before the commit.
    kept: usize,
}

// === impl Events ===

impl Events {
    /// Adds events to a stream that still ends where it is expected to.
    pub(super) fn append(&mut self, append: Append) -> Result<(), CommitError> {
        let found = self.streams.get(&append.stream).map_or(0, Vec::len) as u64;
        if found != append.expected {
            return Err(CommitError::Conflict(Conflict::Stream {
                stream: append.stream,
                expected: append.expected,
                found,
            }));
        }
        if append.events.is_empty() {
            return Ok(());
        }
        let positions = self.streams.entry(append.stream).or_default();
        for event in append.events {
            let position = self.log.len() as u64 + 1;
            let key = event.partition_key();
            positions.push(position);
            match self.keys.get_mut(key) {
                Some(positions) => positions.push(position),
                None => {
                    self.keys.insert(key.to_owned(), vec![position]);
                }
            }
            if let Some(slot) = self.unsent.get_mut(relay_slot(key) as usize) {
                slot.insert(position);
            }
            self.log.push(event);
        }
        Ok(())
    }

    pub(super) fn keep(&mut self) {
        self.kept = self.log.len();
    }

    pub(super) fn undo(&mut self) {
        while self.log.len() > self.kept {
            let position = self.log.len() as u64;
            let Some(event) = self.log.pop() else { return };
            let key = event.partition_key();
            drop_last(&mut self.streams, &event.stream());
            drop_last(&mut self.keys, key);
            if let Some(slot) = self.unsent.get_mut(relay_slot(key) as usize) {
                slot.remove(&position);
            }
        }
    }

    pub(super) fn stream(&self, stream: &str, after: u64, limit: usize) -> Vec<StoredEvent> {
        let positions = self.streams.get(stream).map_or(&[][..], Vec::as_slice);
        let first = index(after).min(positions.len());
        let positions = positions.iter().skip(first).take(limit);
        positions.filter_map(|at| self.at(*at)).collect()
    }

    pub(super) fn all(&self, after: u64, limit: usize) -> Vec<StoredEvent> {
        let behind = (after.saturating_add(1)..).zip(self.log.iter().skip(index(after)));
        let stored = |(position, event): (u64, &SealedEvent)| StoredEvent {
            position,
            event: event.clone(),
        };
        behind.take(limit).map(stored).collect()
    }

    pub(super) fn of_key(&self, key: &str, after: u64, limit: usize) -> Vec<StoredEvent> {
        let positions = self.keys.get(key).map_or(&[][..], Vec::as_slice);
        let first = positions.partition_point(|position| *position <= after);
        let positions = positions.iter().skip(first).take(limit);
        positions.filter_map(|at| self.at(*at)).collect()
    }

    /// The slots hold their positions in order, so the next one is always the first of some slot.
    pub(super) fn unsent(&self, slots: RelaySlots, limit: usize) -> Vec<StoredEvent> {
        let mut fronts: Vec<_> = (0..)
            .zip(&self.unsent)
            .filter(|(slot, _)| slots.has(*slot))
            .map(|(_, positions)| positions.iter().peekable())
            .collect();
        let mut found = Vec::new();
        while found.len() < limit {
            let first = fronts
                .iter_mut()
                .filter_map(|front| front.peek().copied().map(|position| (position, front)))
                .min_by_key(|(position, _)| **position);
            let Some((position, front)) = first else {
                break;
            };
            found.extend(self.at(*position));
            front.next();
        }
        found
    }

    pub(super) fn mark_sent(&mut self, positions: &[u64]) {
        for position in positions {
            let event = position
                .checked_sub(1)
                .and_then(|at| self.log.get(index(at)));
            let slot = event.map(|event| relay_slot(event.partition_key()) as usize);
            if let Some(slot) = slot.and_then(|slot| self.unsent.get_mut(slot)) {
                slot.remove(position);
            }
        }
    }

    pub(super) fn oldest_unsent(&self) -> Option<(SystemTime, u64)> {
        let first = self.unsent.iter().filter_map(BTreeSet::first).min()?;
        let event = self.at(*first)?.event;
        let recorded_at = event.recorded_at().unwrap_or(event.occurred_at());
        Some((recorded_at, self.unsent_count()))
    }

    pub(super) fn unsent_count(&self) -> u64 {
        self.unsent.iter().map(|slot| slot.len() as u64).sum()
    }

    pub(super) fn count(&self) -> u64 {
        self.log.len() as u64
    }

    fn at(&self, position: u64) -> Option<StoredEvent> {
        let event = self.log.get(index(position.checked_sub(1)?))?.clone();
        Some(StoredEvent { position, event })
    }
}

/// A number of events as an index; beyond the largest there is nothing anyway.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn drop_last(lists: &mut BTreeMap<String, Vec<u64>>, name: &str) {
    if let Some(list) = lists.get_mut(name) {
        list.pop();
        if list.is_empty() {
            lists.remove(name);
        }
    }
}
