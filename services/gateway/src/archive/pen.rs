//! The pen: where the next event goes, as far as this process knows.
//!
//! Positions are given one after the other: each is one more than the newest of the archive, and
//! its row must be new. So whoever believes in an older end, because another process has written
//! meanwhile, meets a conflict and asks the store.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// What this process knows of the next position.
#[derive(Debug, Default)]
pub(super) struct Pen {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Behind the event this process has written last.
    next: Option<u64>,
    /// The events on their way, with their positions, in their order.
    given: VecDeque<(Uuid, u64)>,
}

impl Pen {
    /// The next position. It is known once only: it is known again when that write was durable.
    pub(super) fn take_next(&self) -> Option<u64> {
        self.state().next.take()
    }

    /// Notes what positions events are to be written at. Whatever was on its way before is forgotten.
    pub(super) fn give(&self, places: impl IntoIterator<Item = (Uuid, u64)>) {
        self.state().given = places.into_iter().collect();
    }

    /// The event is written; its position, unless another event came in between.
    pub(super) fn written(&self, event_id: Uuid) -> Option<u64> {
        let mut state = self.state();
        let (_, position) = state.given.pop_front_if(|(given, _)| *given == event_id)?;
        if state.given.is_empty() {
            state.next = position.checked_add(1);
        }
        Some(position)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment: a panic elsewhere leaves the state right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Uuid = Uuid::from_u128(1);
    const B: Uuid = Uuid::from_u128(2);

    #[test]
    fn the_next_position_is_known_only_after_a_write_that_is_durable() {
        let pen = Pen::default();
        assert_eq!(pen.take_next(), None);
        pen.give([(A, 7)]);
        assert_eq!(pen.take_next(), None, "it may have failed");
        assert_eq!(pen.written(A), Some(7));
        assert_eq!(pen.take_next(), Some(8));
        assert_eq!(pen.take_next(), None);
    }

    #[test]
    fn of_two_events_on_their_way_the_earlier_one_is_forgotten() {
        let pen = Pen::default();
        pen.give([(A, 7)]);
        pen.give([(B, 7)]);
        assert_eq!(pen.written(A), None);
        assert_eq!(pen.take_next(), None);
        assert_eq!(pen.written(B), Some(7));
    }

    #[test]
    fn the_next_position_is_known_when_a_whole_run_is_durable() {
        let pen = Pen::default();
        pen.give([(A, 7), (B, 8)]);
        assert_eq!(pen.written(B), None, "they become durable in their order");
        assert_eq!(pen.written(A), Some(7));
        assert_eq!(pen.take_next(), None);
        assert_eq!(pen.written(B), Some(8));
        assert_eq!(pen.take_next(), Some(9));
    }
}
