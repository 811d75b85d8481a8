//! What one partition of a group is to get, and who gets it. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use outcry_broker::Message;
use tokio::sync::Notify;

use super::exchange::BrokerId;

/// A message and its place in the order of publishing.
pub(super) type Placed = (u64, Arc<Message>);

/// One subscription, of all there ever were.
pub(super) type SubscriptionId = u64;

/// A partition's messages, in order, and its subscriptions: the first one consumes, the others
/// wait.
#[derive(Default)]
pub(super) struct Queue {
    /// Not delivered yet.
    ahead: VecDeque<Placed>,
    /// Given back; all of these are before everything in `ahead`.
    returned: BTreeMap<u64, Arc<Message>>,
    in_hand: BTreeMap<u64, InHand>,
    /// Acknowledged, but to come once more: after so many deliveries, and by tag.
    again: BTreeMap<(u64, u64), Arc<Message>>,
    /// What is behind this has never been delivered.
    delivered_to: u64,
    /// How many deliveries there have been.
    deliveries: u64,
    line: VecDeque<Subscription>,
    changed: Arc<Notify>,
}

struct InHand {
    message: Arc<Message>,
    subscription: SubscriptionId,
    /// A delivery of something acknowledged already.
    is_again: bool,
}

struct Subscription {
    id: SubscriptionId,
    broker: BrokerId,
    /// Whether somebody may still receive with it. If not, it lives on until nothing is in hand.
    receives: bool,
}

/// What is delivered.
pub(super) struct Next {
    pub(super) tag: u64,
    pub(super) message: Arc<Message>,
    pub(super) redelivered: bool,
}

// === impl Queue ===

impl Queue {
    /// An empty one; what is behind `delivered_to` has never been delivered.
    pub(super) fn new(delivered_to: u64) -> Self {
        Self {
            delivered_to,
            ..Self::default()
        }
    }

    pub(super) fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    /// Behind everything that is there.
    pub(super) fn push(&mut self, placed: Placed) {
        self.ahead.push_back(placed);
        self.changed.notify_waiters();
    }

    pub(super) fn subscribe(&mut self, id: SubscriptionId, broker: BrokerId) {
        self.line.push_back(Subscription {
            id,
            broker,
            receives: true,
        });
    }

    pub(super) fn has(&self, subscription: SubscriptionId) -> bool {
        self.line.iter().any(|waiting| waiting.id == subscription)
    }

    pub(super) fn is_attached(&self) -> bool {
        !self.line.is_empty()
    }

    /// What a subscription gets next, if it is its turn and its hand is not full.
    pub(super) fn next(&mut self, subscription: SubscriptionId, prefetch: usize) -> Option<Next> {
        let is_first = self
            .line
            .front()
            .is_some_and(|first| first.id == subscription);
        if !is_first || self.in_hand.len() >= prefetch {
            return None;
        }
        let again = self.again.first_key_value();
        let next = if again.is_some_and(|((after, _), _)| *after <= self.deliveries) {
            None
        } else {
            self.returned.pop_first().or_else(|| self.ahead.pop_front())
        };
        let (tag, message, redelivered, is_again) = match next {
            Some((position, message)) => {
                let redelivered = position <= self.delivered_to;
                self.delivered_to = self.delivered_to.max(position);
                (position, message, redelivered, false)
            }
            None => {
                let ((_, tag), message) = self.again.pop_first()?;
                (tag, message, true, true)
            }
        };
        self.deliveries += 1;
        let in_hand = InHand {
            message: Arc::clone(&message),
            subscription,
            is_again,
        };
        self.in_hand.insert(tag, in_hand);
        Some(Next {
            tag,
            message,
            redelivered,
        })
    }

    /// Settles a delivery of this subscription: the message, and whether it was not one that had
    /// been acknowledged before.
    pub(super) fn ack(
        &mut self,
        subscription: SubscriptionId,
        tag: u64,
    ) -> Option<(Arc<Message>, bool)> {
        let in_hand = self.take(subscription, tag)?;
        self.settled(subscription);
        Some((in_hand.message, !in_hand.is_again))
    }

    /// What was acknowledged is to come once more, `after` so many other deliveries.
    pub(super) fn again(&mut self, tag: u64, message: Arc<Message>, after: u64) {
        let after = self.deliveries.saturating_add(after);
        self.again.insert((after, tag), message);
        self.changed.notify_waiters();
    }

    /// A delivery of this subscription is to come again.
    pub(super) fn release(&mut self, subscription: SubscriptionId, tag: u64) {
        if let Some(in_hand) = self.take(subscription, tag) {
            self.give_back(tag, in_hand);
            self.settled(subscription);
        }
    }

    /// Nobody receives with this subscription any more.
    pub(super) fn let_go(&mut self, subscription: SubscriptionId) {
        let mut line = self.line.iter_mut();
        if let Some(leaving) = line.find(|waiting| waiting.id == subscription) {
            leaving.receives = false;
        }
        self.settled(subscription);
    }

    /// Ends every subscription of a connection and takes back what they have in hand.
    pub(super) fn cut(&mut self, broker: BrokerId) {
        let theirs: Vec<_> = self
            .line
            .iter()
            .filter(|waiting| waiting.broker == broker)
            .map(|waiting| waiting.id)
            .collect();
        if theirs.is_empty() {
            return;
        }
        let lost: Vec<_> = self
            .in_hand
            .extract_if(.., |_, in_hand| theirs.contains(&in_hand.subscription))
            .collect();
        for (tag, in_hand) in lost {
            self.give_back(tag, in_hand);
        }
        self.line.retain(|waiting| waiting.broker != broker);
        self.changed.notify_waiters();
    }

    /// Messages not acknowledged.
    pub(super) fn lag(&self) -> u64 {
        let in_hand = self.in_hand.values().filter(|in_hand| !in_hand.is_again);
        (self.ahead.len() + self.returned.len() + in_hand.count()) as u64
    }

    /// The same messages; in no order.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = Placed> {
        let in_hand = self.in_hand.iter().filter(|(_, in_hand)| !in_hand.is_again);
        let in_hand = in_hand.map(|(tag, in_hand)| (*tag, &in_hand.message));
        let returned = self.returned.iter().map(|(tag, message)| (*tag, message));
        let ahead = self.ahead.iter().map(|(tag, message)| (*tag, message));
        let all = in_hand.chain(returned).chain(ahead);
        all.map(|(tag, message)| (tag, Arc::clone(message)))
    }

    pub(super) fn delivered_to(&self) -> u64 {
        self.delivered_to
    }

    fn take(&mut self, subscription: SubscriptionId, tag: u64) -> Option<InHand> {
        let in_hand = self.in_hand.get(&tag)?;
        if in_hand.subscription != subscription {
            return None;
        }
        self.in_hand.remove(&tag)
    }

    fn give_back(&mut self, tag: u64, in_hand: InHand) {
        if in_hand.is_again {
            self.again.insert((0, tag), in_hand.message);
        } else {
            self.returned.insert(tag, in_hand.message);
        }
    }

    /// There is room again, or the next subscription's turn has come.
    fn settled(&mut self, subscription: SubscriptionId) {
        let has_in_hand = || {
            let mut in_hand = self.in_hand.values();
            in_hand.any(|in_hand| in_hand.subscription == subscription)
        };
        let is_over = |waiting: &Subscription| waiting.id == subscription && !waiting.receives;
        if self.line.iter().any(is_over) && !has_in_hand() {
            self.line.retain(|waiting| waiting.id != subscription);
        }
        self.changed.notify_waiters();
    }
}
