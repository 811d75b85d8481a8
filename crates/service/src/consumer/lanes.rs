//! Events in hand, by what has to stay in order.

use std::collections::{BTreeMap, VecDeque};

use outcry_broker::{Delivery, Message};
use outcry_events::SealedEvent;

use crate::reaction::Handling;

/// What an event has to stay in order with: others of its lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane(String);

/// What is in hand: of each lane one event is worked on, and the others wait in their order.
#[derive(Default)]
pub(super) struct Lanes {
    waiting: BTreeMap<Lane, VecDeque<Delivery>>,
    taken: usize,
}

// === impl Lane ===

impl Lane {
    /// The lane of an event: its key, or its aggregate's stream if that is enough. What cannot be read has its key
    /// alone, as the place where it will be parked.
    pub(super) fn of(message: &Message, handling: Handling) -> Lane {
        let stream = match handling {
            Handling::ByAggregate => SealedEvent::open(message.body.clone()).ok(),
            Handling::ByKey | Handling::InRuns => None,
        };
        Lane(stream.map_or_else(|| message.partition_key.clone(), |event| event.stream()))
    }
}

// === impl Lanes ===

impl Lanes {
    /// Events in hand.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Takes an event in hand; gives it back at once to be worked on, unless one of its lane is.
    pub(super) fn take(&mut self, lane: &Lane, delivery: Delivery) -> Option<Delivery> {
        self.taken += 1;
        if let Some(behind) = self.waiting.get_mut(lane) {
            behind.push_back(delivery);
            return None;
        }
        self.waiting.insert(lane.clone(), VecDeque::new());
        Some(delivery)
    }

    /// An event of this lane has come to its end: the next one of it.
    pub(super) fn next(&mut self, lane: &Lane) -> Option<Delivery> {
        self.taken = self.taken.saturating_sub(1);
        let next = self.waiting.get_mut(lane).and_then(VecDeque::pop_front);
        if next.is_none() {
            self.waiting.remove(lane);
        }
        next
    }

    /// All that wait, those of a lane in their order.
    pub(super) fn rest(self) -> impl Iterator<Item = Delivery> {
        self.waiting.into_values().flatten()
    }
}
