//! What outlives the brokers that are connected to it: groups and what is kept for them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outcry_broker::{BrokerError, Group, GroupStatus, Message, PublishError};
use outcry_events::key::{key_hash, place_of_hash};
use outcry_events::topic::topic_matches;
use tokio::sync::Notify;

use super::faults::{Acknowledged, Arranged, Faultless, Faults, Published};
use super::queue::{Placed, Queue, SubscriptionId};

/// Topics whose groups are remembered. The contract has a few dozen.
const ROUTES_MAX: usize = 1024;

/// A broker's durable part: declared groups and the messages kept for them. Cheap to clone; clones
/// are the same exchange.
#[derive(Clone, Default)]
pub struct MemoryExchange {
    state: Arc<Mutex<State>>,
}

/// One connection.
pub(super) type BrokerId = u64;

pub(super) struct State {
    groups: BTreeMap<&'static str, Declared>,
    /// Which groups want a topic, once asked; emptied when groups change.
    routes: BTreeMap<String, Arc<[&'static str]>>,
    /// The newest message, subscription or connection.
    last: u64,
    faults: Arc<dyn Faults>,
}

struct Declared {
    topics: Vec<String>,
    partitions: Vec<Queue>,
}

/// A subscription's place.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) group: &'static str,
    pub(super) partition: u32,
    pub(super) subscription: SubscriptionId,
    /// Something about the partition has changed.
    pub(super) changed: Arc<Notify>,
}

// === impl MemoryExchange ===

impl MemoryExchange {
    /// An exchange without groups and without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on, these decide what goes wrong.
    pub fn set_faults(&self, faults: Arc<dyn Faults>) {
        self.state().faults = faults;
    }

    /// From now on, nothing goes wrong.
    pub fn clear_faults(&self) {
        self.set_faults(Arc::new(Faultless));
    }

    /// Every declared group, by name, whoever declared it.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupStatus> {
        let state = self.state();
        let groups = state.groups.iter().map(|(name, group)| {
            let queues = group.partitions.iter();
            let partition_lag: Vec<u64> = queues.map(Queue::lag).collect();
            GroupStatus {
                name: (*name).to_owned(),
                topics: group.topics.clone(),
                partitions: group.partition_count(),
                lag: partition_lag.iter().sum(),
                partition_lag,
            }
        });
        groups.collect()
    }

    /// Messages that some group has not acknowledged, counted once for each of them.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let state = self.state();
        let queues = state.groups.values().flat_map(|group| &group.partitions);
        queues.map(Queue::lag).sum()
    }

    /// Never held across an await; nothing that panics happens while it is held but a faulty
    /// fault.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryExchange {
    /// Shows the groups and no message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryExchange")
            .field("groups", &self.groups())
            .finish()
    }
}

// === impl State ===

impl Default for State {
    fn default() -> Self {
        Self {
            groups: BTreeMap::new(),
            routes: BTreeMap::new(),
            last: 0,
            faults: Arc::new(Faultless),
        }
    }
}

impl State {
    pub(super) fn next_broker(&mut self) -> BrokerId {
        self.next()
    }

    /// Keeps a message for every group that wants it.
    pub(super) fn publish(&mut self, message: &Arc<Message>) -> Result<(), PublishError> {
        message.check()?;
        let route = self.route(&message.topic);
        if route.is_empty() {
            return Err(PublishError::Unroutable {
                topic: message.topic.clone(),
            });
        }
        let fault = self.faults.published(message);
        let failed = || Err(PublishError::Backend(Arc::new(Arranged)));
        if fault == Published::Refused {
            return failed();
        }
        let position = self.next();
        let hash = key_hash(&message.partition_key);
        for name in route.iter() {
            if let Some(group) = self.groups.get_mut(name) {
                group.push(hash, (position, Arc::clone(message)));
            }
        }
        match fault {
            Published::Unconfirmed => failed(),
            Published::Confirmed | Published::Refused => Ok(()),
        }
    }

    pub(super) fn declare(&mut self, group: &Group) -> Result<(), BrokerError> {
        let known = self.groups.get(group.name);
        if known.is_some_and(|known| known.is_like(group)) {
            return Ok(());
        }
        if known.is_some_and(Declared::is_attached) {
            return Err(BrokerError::InUse {
                group: group.name.to_owned(),
            });
        }
        // What is still there for it, or, for a new group, for anybody.
        let known = self.groups.remove(group.name);
        let delivered_to = known.as_ref().map_or(0, Declared::delivered_to);
        let mut kept = BTreeMap::new();
        match &known {
            Some(known) => kept.extend(known.unsettled()),
            None => {
                let others = self.groups.values();
                kept.extend(others.flat_map(Declared::unsettled));
            }
        }
        let mut declared = Declared {
            topics: group.topics.clone(),
            partitions: (0..group.partitions)
                .map(|_| Queue::new(delivered_to))
                .collect(),
        };
        for (position, message) in kept {
            if declared.wants(&message.topic) {
                let hash = key_hash(&message.partition_key);
                declared.push(hash, (position, message));
            }
        }
        self.groups.insert(group.name, declared);
        self.routes.clear();
        Ok(())
    }

    pub(super) fn remove(&mut self, group: &str) -> Result<(), BrokerError> {
        if self.groups.get(group).is_some_and(Declared::is_attached) {
            return Err(BrokerError::InUse {
                group: group.to_owned(),
            });
        }
        self.groups.remove(group);
        self.routes.clear();
        Ok(())
    }

    /// A place behind the other subscriptions of the partition.
    pub(super) fn subscribe(
        &mut self,
        group: &Group,
        partition: u32,
        broker: BrokerId,
    ) -> Result<Place, BrokerError> {
        let subscription = self.next();
        let declared = self.groups.get_mut(group.name);
        let queue = declared
            .filter(|declared| declared.is_like(group))
            .and_then(|declared| declared.partitions.get_mut(partition as usize));
        let Some(queue) = queue else {
            return Err(BrokerError::NotDeclared {
                group: group.name.to_owned(),
            });
        };
        queue.subscribe(subscription, broker);
        Ok(Place {
            group: group.name,
            partition,
            subscription,
            changed: Arc::clone(queue.changed()),
        })
    }

    /// Ends every subscription of a connection and takes back what they have in hand.
    pub(super) fn cut(&mut self, broker: BrokerId) {
        for group in self.groups.values_mut() {
            for queue in &mut group.partitions {
                queue.cut(broker);
            }
        }
    }

    /// The queue of a place, for as long as its subscription lives.
    pub(super) fn queue(&mut self, place: &Place) -> Option<&mut Queue> {
        let group = self.groups.get_mut(place.group)?;
        let queue = group.partitions.get_mut(place.partition as usize)?;
        queue.has(place.subscription).then_some(queue)
    }

    /// Settles a delivery; whether it was still in the subscription's hand.
    pub(super) fn ack(&mut self, place: &Place, tag: u64) -> bool {
        let faults = Arc::clone(&self.faults);
        let again = self.last + 1;
        let Some(queue) = self.queue(place) else {
            return false;
        };
        let Some((message, is_first)) = queue.ack(place.subscription, tag) else {
            return false;
        };
        if is_first
            && let Acknowledged::Again { after } =
                faults.acknowledged(place.group, place.partition, &message)
        {
            queue.again(again, message, after);
            self.last = again;
        }
        true
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn route(&mut self, topic: &str) -> Arc<[&'static str]> {
        if let Some(route) = self.routes.get(topic) {
            return Arc::clone(route);
        }
        let groups = self.groups.iter().filter(|(_, group)| group.wants(topic));
        let route: Arc<[&'static str]> = groups.map(|(name, _)| *name).collect();
        if self.routes.len() < ROUTES_MAX {
            self.routes.insert(topic.to_owned(), Arc::clone(&route));
        }
        route
    }
}

// === impl Declared ===

impl Declared {
    fn wants(&self, topic: &str) -> bool {
        let mut patterns = self.topics.iter();
        patterns.any(|pattern| topic_matches(pattern, topic))
    }

    fn is_like(&self, group: &Group) -> bool {
        self.topics == group.topics && self.partition_count() == group.partitions
    }

    fn is_attached(&self) -> bool {
        self.partitions.iter().any(Queue::is_attached)
    }

    fn partition_count(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap_or(u32::MAX)
    }

    fn push(&mut self, key_hash: u64, placed: Placed) {
        let place = place_of_hash(key_hash, self.partition_count());
        if let Some(queue) = self.partitions.get_mut(place as usize) {
            queue.push(placed);
        }
    }

    fn unsettled(&self) -> impl Iterator<Item = Placed> {
        self.partitions.iter().flat_map(Queue::unsettled)
    }

    /// What is behind this has not been delivered in any partition.
    fn delivered_to(&self) -> u64 {
        let queues = self.partitions.iter();
        queues.map(Queue::delivered_to).max().unwrap_or(0)
    }
}
