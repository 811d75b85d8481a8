//! What must exist on RabbitMQ, as values: the broker declares exactly these, and a plan compares a
//! server with them.
//!
//! Messages enter at the topic exchange [`EVENTS`]. Every group has a headers exchange bound there by
//! the group's patterns, and a queue per partition behind it. Which one a message goes to says its
//! slot: one of [`SLOTS`] headers, which the publisher derives from the partition key. Each queue is
//! bound to its share of the slots, so a key's place depends on nothing but the key and the number of
//! partitions; neither the order of bindings nor a restart moves it, which the consistent-hash
//! exchange cannot promise (its ring takes the order in which a starting server finds the bindings).
//! What has no slot comes from a stranger and goes to the first partition. What a queue gives up ends
//! in the collector [`UNROUTED`].

mod access;
mod diff;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::access::{Access, ServiceSpec, user_of};
pub use self::diff::{Actual, ActualQueue, Drift, diff};
use crate::group::{Group, partition_of};
use crate::limits::PARTITIONS_MAX;

/// Begins the name of everything that is ours.
pub const PREFIX: &str = "outcry.";

/// The topic exchange that every message is published to.
pub const EVENTS: &str = "outcry.events";

/// The collector: fanout exchange and queue of what no queue of a group holds any more.
pub const UNROUTED: &str = "outcry.unrouted";

/// Shares of the keys that go to one partition together. As many as a group may have partitions.
/// Never changes: it would move keys.
pub const SLOTS: u32 = PARTITIONS_MAX;

/// Value of a slot's header. It is the name that counts.
pub const SLOT_VALUE: &str = "1";

/// Deliveries of one message before the broker puts it aside. Attempts are counted and bounded by
/// the consumers, in their own store; the broker's limit would count innocent neighbours of a
/// message that fails, too. So it is set, and out of reach.
const DELIVERY_LIMIT: i64 = 1_000_000_000;

/// Exchanges, queues, bindings and permissions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Topology {
    /// In the order of declaration.
    pub exchanges: Vec<Exchange>,
    /// In the order of declaration.
    pub queues: Vec<Queue>,
    /// In the order of declaration.
    pub bindings: Vec<Binding>,
    /// What the services' users may do.
    pub accesses: Vec<Access>,
}

/// An exchange; always durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// Its type as AMQP spells it.
    pub kind: String,
    /// What else is said of it.
    pub arguments: Arguments,
}

/// A queue; always durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// What else is said of it.
    pub arguments: Arguments,
}

/// A way from an exchange to a queue or another exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The exchange that messages come from.
    pub source: String,
    /// Where they go.
    pub destination: String,
    /// What that is.
    pub to: Destination,
    /// A topic pattern, or nothing: as the exchange's type wants it.
    pub key: String,
    /// Slots, or nothing.
    pub arguments: Arguments,
}

/// What a binding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Destination {
    /// A queue.
    Queue,
    /// Another exchange.
    Exchange,
}

/// Arguments of an exchange or a queue.
pub type Arguments = BTreeMap<String, Argument>;

/// The value of an argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Argument {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// Text.
    Text(String),
    /// Something that none of ours is.
    Other(serde_json::Value),
}

/// A group's exchange.
#[must_use]
pub fn group_exchange(group: &str) -> String {
    format!("{PREFIX}{group}")
}

/// The exchange for what came to a group without a slot.
#[must_use]
pub fn strays_exchange(group: &str) -> String {
    format!("{PREFIX}{group}.strays")
}

/// The header that says which slot a partition key has.
#[must_use]
pub fn slot_header(partition_key: &str) -> String {
    header_of(partition_of(partition_key, SLOTS))
}

fn header_of(slot: u32) -> String {
    format!("outcry-slot-{slot:03}")
}

/// The queue of a group's partition.
#[must_use]
pub fn partition_queue(group: &str, partition: u32) -> String {
    format!("{PREFIX}{group}.{partition:03}")
}

// === impl Topology ===

impl Topology {
    /// Everything these services need: what is shared, their groups, and what each may do.
    #[must_use]
    pub fn desired(services: &[ServiceSpec]) -> Self {
        let mut topology = Self::shared();
        let mut seen = BTreeSet::new();
        for group in services.iter().flat_map(|service| &service.groups) {
            if seen.insert(group.name) {
                topology.add(Self::of_group(group));
            }
        }
        topology.accesses = services.iter().map(Access::of).collect();
        topology
    }

    /// What exists once, whoever publishes or consumes.
    #[must_use]
    pub fn shared() -> Self {
        Self {
            exchanges: vec![
                Exchange {
                    name: UNROUTED.to_owned(),
                    kind: "fanout".to_owned(),
                    arguments: Arguments::new(),
                },
                // Without an alternate exchange: there the publisher is told, and keeps the event.
                Exchange {
                    name: EVENTS.to_owned(),
                    kind: "topic".to_owned(),
                    arguments: Arguments::new(),
                },
            ],
            queues: vec![Queue {
                name: UNROUTED.to_owned(),
                arguments: arguments([
                    ("x-queue-type", text("quorum")),
                    ("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)),
                ]),
            }],
            bindings: vec![Binding {
                source: UNROUTED.to_owned(),
                destination: UNROUTED.to_owned(),
                to: Destination::Queue,
                key: String::new(),
                arguments: Arguments::new(),
            }],
            accesses: Vec::new(),
        }
    }

    /// What one group needs besides.
    #[must_use]
    pub fn of_group(group: &Group) -> Self {
        let exchange = group_exchange(group.name);
        let queues: Vec<_> = (0..group.partitions)
            .map(|partition| Queue {
                name: partition_queue(group.name, partition),
                arguments: partition_arguments(),
            })
            .collect();
        let strays = strays_exchange(group.name);
        let first = Binding {
            source: strays.clone(),
            destination: partition_queue(group.name, 0),
            to: Destination::Queue,
            key: String::new(),
            arguments: Arguments::new(),
        };
        let shares = (0..group.partitions).map(|partition| Binding {
            source: exchange.clone(),
            destination: partition_queue(group.name, partition),
            to: Destination::Queue,
            key: String::new(),
            arguments: share(partition, group.partitions),
        });
        // Last: nothing comes in before there is somewhere to go.
        let wanted = group.topics.iter().map(|topic| Binding {
            source: EVENTS.to_owned(),
            destination: exchange.clone(),
            to: Destination::Exchange,
            key: topic.clone(),
            arguments: Arguments::new(),
        });
        Self {
            bindings: [first].into_iter().chain(shares).chain(wanted).collect(),
            exchanges: vec![
                Exchange {
                    name: strays.clone(),
                    kind: "fanout".to_owned(),
                    arguments: Arguments::new(),
                },
                Exchange {
                    name: exchange,
                    kind: "headers".to_owned(),
                    arguments: arguments([("alternate-exchange", text(&strays))]),
                },
            ],
            queues,
            accesses: Vec::new(),
        }
    }

    fn add(&mut self, other: Self) {
        self.exchanges.extend(other.exchanges);
        self.queues.extend(other.queues);
        self.bindings.extend(other.bindings);
        self.accesses.extend(other.accesses);
    }
}

/// The slots of one partition: a message with any of them is its own.
fn share(partition: u32, partitions: u32) -> Arguments {
    let slots = (0..SLOTS).filter(|slot| slot % partitions.max(1) == partition);
    let mut share = arguments([("x-match", text("any"))]);
    share.extend(slots.map(|slot| (header_of(slot), text(SLOT_VALUE))));
    share
}

/// A partition's queue: replicated, one consumer at a time, never giving anything up silently.
fn partition_arguments() -> Arguments {
    arguments([
        ("x-queue-type", text("quorum")),
        ("x-single-active-consumer", Argument::Flag(true)),
        ("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)),
        ("x-dead-letter-exchange", text(UNROUTED)),
        ("x-dead-letter-strategy", text("at-least-once")),
        // Needed by the strategy; there is no length limit that it could apply to.
        ("x-overflow", text("reject-publish")),
    ])
}

fn arguments<const N: usize>(arguments: [(&str, Argument); N]) -> Arguments {
    arguments
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn text(text: &str) -> Argument {
    Argument::Text(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_bound_to_its_topics_after_its_queues() {
        let group = Group {
            name: "funds",
            topics: vec!["order.*".to_owned(), "trade.#".to_owned()],
            partitions: 3,
            prefetch: 8,
        };
        let topology = Topology::of_group(&group);
        let bindings: Vec<_> = topology.bindings.iter().map(Binding::to_string).collect();
        assert_eq!(
            bindings,
            [
                "outcry.funds.strays -> outcry.funds.000",
                "outcry.funds -> outcry.funds.000",
                "outcry.funds -> outcry.funds.001",
                "outcry.funds -> outcry.funds.002",
                "outcry.events -> outcry.funds (order.*)",
                "outcry.events -> outcry.funds (trade.#)",
            ]
        );
    }

    #[test]
    fn every_slot_is_one_partitions_own() {
        for partitions in [1, 2, 3, 8, 255, 256] {
            let mut slots = BTreeSet::new();
            for partition in 0..partitions {
                let share = share(partition, partitions);
                assert!(share.len() > 1, "{partition} of {partitions} has none");
                for slot in share.into_keys().filter(|name| name != "x-match") {
                    assert!(slots.insert(slot));
                }
            }
            assert_eq!(slots.len(), SLOTS as usize);
        }
    }

    #[test]
    fn a_keys_slot_never_changes() {
        for (key, header) in [("", "outcry-slot-037"), ("a", "outcry-slot-140")] {
            assert_eq!(slot_header(key), header);
        }
    }

    #[test]
    fn a_group_that_two_services_name_is_there_once() {
        let group = Group {
            name: "shared",
            topics: vec!["#".to_owned()],
            partitions: 1,
            prefetch: 8,
        };
        let service = |name: &str| ServiceSpec {
            name: name.to_owned(),
            publishes: Vec::new(),
            groups: vec![group.clone()],
        };
        let topology = Topology::desired(&[service("one"), service("two")]);
        assert_eq!(topology.queues.len(), 2);
        assert_eq!(topology.accesses.len(), 2);
    }
}
