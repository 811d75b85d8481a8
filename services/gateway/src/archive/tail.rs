//! The growing end of the archive: the newest events in memory, and who follows them.
//!
//! Readers see up to the *end*: everything up to there is durable and known here. It may lie behind
//! the newest event of the store while another process archives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outcry_events::SealedEvent;
use tokio::sync::watch;

/// Events kept in memory for those who follow closely; the store has the rest.
pub(super) const RECENT_MAX: usize = 4096;
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
    end: u64,
    recent: VecDeque<Arc<Entry>>,
    recent_bytes: usize,
    /// Everything after this position and up to the end is in `recent`.
    recent_from: u64,
}

impl Tail {
    /// The tail of an archive whose newest event has position `last`; 0 when there is none.
    pub(super) fn after(last: u64) -> Tail {
        let state = State {
            end: last,
            recent: VecDeque::new(),
            recent_bytes: 0,
            recent_from: last,
        };
        Tail {
            state: Mutex::new(state),
            end: watch::Sender::new(last),
        }
    }

    /// Moves the end to `reached`: `entries` are all the events behind `after` and up to there.
    /// Nothing happens, and the answer is no, when the end lies before `after`: what is between
    /// is not known.
    pub(super) fn append(&self, after: u64, entries: Vec<Arc<Entry>>, reached: u64) -> bool {
        let mut state = self.state();
        if state.end < after {
            return false;
        }
        if state.end < reached {
            let known = state.end;
            for entry in entries {
                if entry.position > known {
                    state.remember(entry);
                }
            }
            state.end = reached;
            // Still holding the state, so that the end never goes back.
            self.end.send_replace(reached);
        }
        true
    }

    /// Moves the end without knowing the events up to there.
    pub(super) fn jump(&self, end: u64) {
        let mut state = self.state();
        if state.end < end {
            *state = State {
                end,
                recent: VecDeque::new(),
                recent_bytes: 0,
                recent_from: end,
            };
            self.end.send_replace(end);
        }
    }

    /// Whether anybody waits for the end to move.
    pub(super) fn is_followed(&self) -> bool {
        self.end.receiver_count() > 0
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
    use uuid::Uuid;

    use super::*;

    fn entry(position: u64) -> Arc<Entry> {
        let changed = UserPasswordChangedEvent {
            user_id: Uuid::from_u128(1).to_string(),
            token_epoch: 1,
        };
        let cause = Cause::root(Uuid::from_u128(2), "service:users");
        let stamp = Stamp {
            event_id: Uuid::from_u128(position.into()),
            sequence: 1,
            occurred_at: UNIX_EPOCH,
            recorded_at: UNIX_EPOCH,
            cause: &cause,
        };
        Arc::new(Entry {
            position,
            event: seal(&changed, stamp).unwrap(),
            subjects: vec![],
        })
    }

    fn entries(positions: impl IntoIterator<Item = u64>) -> Vec<Arc<Entry>> {
        positions.into_iter().map(entry).collect()
    }

    fn end(tail: &Tail) -> u64 {
        *tail.end().borrow()
    }

    fn seen(tail: &Tail, after: u64) -> Vec<u64> {
        let entries = tail.recent_after(after, usize::MAX).unwrap();
        entries.iter().map(|entry| entry.position).collect()
    }

    #[test]
    fn the_end_moves_only_over_what_is_known() {
        let tail = Tail::after(10);
        assert!(!tail.append(11, entries([12]), 12), "11 is not known");
        assert_eq!((end(&tail), seen(&tail, 10)), (10, vec![]));
        // What is missing was read from the store; position 11 was never given.
        assert!(tail.append(10, entries([12, 13]), 13));
        assert_eq!((end(&tail), seen(&tail, 10)), (13, vec![12, 13]));
        assert_eq!(seen(&tail, 12), [13]);
        assert!(tail.recent_after(9, 1).is_none());
    }

    #[test]
    fn what_is_told_twice_is_remembered_once() {
        let tail = Tail::after(0);
        assert!(tail.append(0, entries(1..=3), 3));
        assert!(tail.append(0, entries(1..=2), 2));
        assert!(tail.append(1, entries(2..=5), 5));
        assert_eq!((end(&tail), seen(&tail, 0)), (5, vec![1, 2, 3, 4, 5]));
    }

    #[test]
    fn memory_begins_anew_behind_a_jump() {
        let tail = Tail::after(0);
        tail.append(0, entries(1..=3), 3);
        tail.jump(2);
        assert_eq!(seen(&tail, 0), [1, 2, 3], "the end never goes back");
        tail.jump(9000);
        assert_eq!((end(&tail), seen(&tail, 9000)), (9000, vec![]));
        assert!(tail.recent_after(3, 1).is_none());
    }

    #[test]
    fn memory_is_bounded_and_says_where_it_begins() {
        let tail = Tail::after(0);
        for position in 1..=RECENT_MAX as u64 + 10 {
            tail.append(position - 1, entries([position]), position);
        }
        assert!(tail.recent_after(9, 1).is_none());
        assert_eq!(tail.recent_after(10, 1).unwrap()[0].position, 11);
    }

    #[test]
    fn followers_are_noticed() {
        let tail = Tail::after(0);
        assert!(!tail.is_followed());
        let follower = tail.end();
        assert!(tail.is_followed());
        drop(follower);
        assert!(!tail.is_followed());
    }

    proptest! {
        #[test]
        fn whatever_pieces_come_readers_see_every_position_once_in_order(
            pieces in prop::collection::vec((0u64..20, 0u64..20), 0..40),
        ) {
            let tail = Tail::after(0);
            let mut read = Vec::new();
            for (after, length) in pieces {
                let reached = after + length;
                tail.append(after, entries(after + 1..=reached), reached);
                read.extend(seen(&tail, read.last().copied().unwrap_or(0)));
                prop_assert_eq!(end(&tail), read.len() as u64);
            }
            prop_assert_eq!(&read, &(1..=read.len() as u64).collect::<Vec<_>>());
        }
    }
}
