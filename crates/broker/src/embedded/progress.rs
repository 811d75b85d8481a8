//! How far one partition of a group has come. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::tail::Placed;
use crate::message::Message;

/// How far one partition has come: everything up to a position has been read; what was read is
/// waiting to be delivered, in hand, given back, or settled.
#[derive(Debug)]
pub(super) struct Progress {
    /// The log has been read up to here.
    read_to: u64,
    /// Read and not delivered yet, in order.
    ahead: VecDeque<Placed>,
    /// Delivered and not settled.
    in_hand: BTreeMap<u64, Arc<Message>>,
    /// Given back. All of these are before everything in `ahead`.
    returned: BTreeMap<u64, Arc<Message>>,
    /// What is behind this has never been delivered before.
    delivered_to: u64,
}

/// What a partition does next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Deliver this.
    Deliver {
        position: u64,
        message: Arc<Message>,
        redelivered: bool,
    },
    /// Wait until something is settled.
    Full,
    /// Read on behind this position.
    Read(u64),
}

// === impl Progress ===

impl Progress {
    /// Everything up to `settled_to` is settled; what is behind `delivered_to` has never been
    /// delivered.
    pub(super) fn new(settled_to: u64, delivered_to: u64) -> Self {
        Self {
            read_to: settled_to,
            ahead: VecDeque::new(),
            in_hand: BTreeMap::new(),
            returned: BTreeMap::new(),
            delivered_to,
        }
    }

    /// What comes next, with at most `prefetch` unsettled deliveries.
    pub(super) fn next(&mut self, prefetch: usize) -> Next {
        if self.in_hand.len() >= prefetch {
            return Next::Full;
        }
        let next = self.returned.pop_first().or_else(|| self.ahead.pop_front());
        let Some((position, message)) = next else {
            return Next::Read(self.read_to);
        };
        let redelivered = position <= self.delivered_to;
        self.delivered_to = self.delivered_to.max(position);
        self.in_hand.insert(position, Arc::clone(&message));
        Next::Deliver {
            position,
            message,
            redelivered,
        }
    }

    /// The log was read on: these were found and nothing else up to `to`.
    pub(super) fn add(&mut self, found: Vec<Placed>, to: u64) {
        self.ahead.extend(found);
        self.read_to = self.read_to.max(to);
    }

    /// A delivery is done with.
    pub(super) fn ack(&mut self, position: u64) {
        self.in_hand.remove(&position);
    }

    /// A delivery is to come again.
    pub(super) fn release(&mut self, position: u64) {
        if let Some(message) = self.in_hand.remove(&position) {
            self.returned.insert(position, message);
        }
    }

    /// Everything up to here is settled.
    pub(super) fn floor(&self) -> u64 {
        let unsettled = [
            self.in_hand.keys().next(),
            self.returned.keys().next(),
            self.ahead.front().map(|(position, _)| position),
        ];
        match unsettled.into_iter().flatten().min() {
            Some(first) => first - 1,
            None => self.read_to,
        }
    }

    /// Where the log is read on, when nothing that was read is left to be delivered.
    pub(super) fn idle_at(&self) -> Option<u64> {
        (self.ahead.is_empty() && self.returned.is_empty()).then_some(self.read_to)
    }

    pub(super) fn delivered_to(&self) -> u64 {
        self.delivered_to
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn message() -> Arc<Message> {
        Arc::new(Message {
            topic: "order.created".to_owned(),
            partition_key: "key".to_owned(),
            event_id: String::new(),
            correlation_id: String::new(),
            source: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
        })
    }

    fn with_messages(positions: impl IntoIterator<Item = u64>, to: u64) -> Progress {
        let mut progress = Progress::new(0, 0);
        let found = positions.into_iter().map(|at| (at, message())).collect();
        progress.add(found, to);
        progress
    }

    fn deliver(progress: &mut Progress) -> Option<(u64, bool)> {
        match progress.next(100) {
            Next::Deliver {
                position,
                redelivered,
                ..
            } => Some((position, redelivered)),
            Next::Full | Next::Read(_) => None,
        }
    }

    #[test]
    fn the_floor_stays_before_the_first_unsettled_message() {
        let mut progress = with_messages([3, 5, 8], 9);
        assert_eq!(progress.floor(), 2);
        for _ in 0..3 {
            deliver(&mut progress);
        }
        progress.ack(5);
        assert_eq!(progress.floor(), 2);
        progress.ack(3);
        assert_eq!(progress.floor(), 7);
        progress.release(8);
        assert_eq!(progress.floor(), 7);
        assert_eq!(deliver(&mut progress), Some((8, true)));
        progress.ack(8);
        assert_eq!(progress.floor(), 9);
    }

    #[test]
    fn no_more_than_the_prefetch_is_in_hand() {
        let mut progress = with_messages([1, 2, 3], 3);
        assert!(matches!(progress.next(2), Next::Deliver { .. }));
        assert!(matches!(progress.next(2), Next::Deliver { .. }));
        assert_eq!(progress.next(2), Next::Full);
        progress.ack(1);
        assert!(matches!(progress.next(2), Next::Deliver { .. }));
    }

    #[test]
    fn what_may_have_been_delivered_before_says_so() {
        let mut progress = Progress::new(1, 3);
        progress.add(vec![(2, message()), (4, message())], 4);
        assert_eq!(deliver(&mut progress), Some((2, true)));
        assert_eq!(deliver(&mut progress), Some((4, false)));
    }

    proptest! {
        /// Whatever is acknowledged or given back in whichever order: everything is acknowledged
        /// once, the next delivery is always the first one left, and the floor never passes
        /// anything unsettled and never goes back.
        #[test]
        fn messages_come_in_order_and_none_is_lost(
            positions in prop::collection::btree_set(1_u64..200, 0..40),
            choices in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..200),
            prefetch in 1_usize..8,
        ) {
            let mut progress = with_messages(positions.iter().copied(), 200);
            let mut left = positions.clone();
            let mut held: Vec<u64> = Vec::new();
            let mut floor = 0;
            let mut choices = choices.into_iter();
            loop {
                match progress.next(prefetch) {
                    Next::Deliver { position, .. } => {
                        let first = left.iter().find(|at| !held.contains(at)).copied();
                        prop_assert_eq!(Some(position), first);
                        held.push(position);
                    }
                    Next::Full | Next::Read(_) if held.is_empty() => break,
                    Next::Full | Next::Read(_) => {}
                }
                if held.is_empty() {
                    continue;
                }
                // Without choices left, everything in hand is acknowledged.
                let (place, ack) = choices
                    .next()
                    .map_or((0, true), |(index, ack)| (index.index(held.len()), ack));
                let position = held.remove(place);
                if ack {
                    progress.ack(position);
                    left.remove(&position);
                } else {
                    progress.release(position);
                }
                prop_assert!(progress.floor() >= floor);
                floor = progress.floor();
                prop_assert!(left.first().is_none_or(|first| floor < *first));
            }
            prop_assert!(left.is_empty());
            prop_assert_eq!(progress.floor(), 200);
        }
    }
}
