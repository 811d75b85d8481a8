//! What must exist on RabbitMQ, as values: the broker declares exactly these, and a plan compares a
//! server with them.
//!
//! Messages enter at the topic exchange [`EVENTS`]. Every group has a consistent-hash exchange bound
//! there by the group's patterns, and a queue per partition behind it. What a queue gives up, or a
//! group without queues gets, ends in the collector [`UNROUTED`].

mod access;
mod diff;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::access::{Access, ServiceSpec, user_of};
pub use self::diff::{Actual, ActualQueue, Drift, diff};
use crate::group::Group;

/// Begins the name of everything that is ours.
pub const PREFIX: &str = "outcry.";

/// The topic exchange that every message is published to.
pub const EVENTS: &str = "outcry.events";

/// The collector: fanout exchange and queue of what no queue of a group holds any more.
pub const UNROUTED: &str = "outcry.unrouted";

/// The header that the groups' exchanges hash: the partition key.
pub const KEY_HEADER: &str = "ce-partitionkey";

/// Exchange type of the plugin `rabbitmq_consistent_hash_exchange`.
const CONSISTENT_HASH: &str = "x-consistent-hash";

/// All partitions weigh the same.
const WEIGHT: &str = "1";

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
    /// In the order of declaration: it decides where keys live.
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// The exchange that messages come from.
    pub source: String,
    /// Where they go.
    pub destination: String,
    /// What that is.
    pub to: Destination,
    /// Topic pattern, weight, or nothing: as the exchange's type wants it.
    pub key: String,
}

/// What a binding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
        // Ascending: the ring gives places in the order of the bindings, and rebuilds itself from
        // sorted ones when the server starts. So keys stay where they are.
        let ring = queues.iter().map(|queue| Binding {
            source: exchange.clone(),
            destination: queue.name.clone(),
            to: Destination::Queue,
            key: WEIGHT.to_owned(),
        });
        // Last: nothing comes in before there is somewhere to go.
        let wanted = group.topics.iter().map(|topic| Binding {
            source: EVENTS.to_owned(),
            destination: exchange.clone(),
            to: Destination::Exchange,
            key: topic.clone(),
        });
        let bindings = ring.chain(wanted).collect();
        Self {
            exchanges: vec![Exchange {
                name: exchange,
                kind: CONSISTENT_HASH.to_owned(),
                arguments: arguments([
                    ("hash-header", text(KEY_HEADER)),
                    ("alternate-exchange", text(UNROUTED)),
                ]),
            }],
            queues,
            bindings,
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
        let bindings: Vec<_> = topology
            .bindings
            .iter()
            .map(|binding| {
                let Binding {
                    source,
                    destination,
                    key,
                    ..
                } = binding;
                format!("{source} -> {destination} ({key})")
            })
            .collect();
        assert_eq!(
            bindings,
            [
                "outcry.funds -> outcry.funds.000 (1)",
                "outcry.funds -> outcry.funds.001 (1)",
                "outcry.funds -> outcry.funds.002 (1)",
                "outcry.events -> outcry.funds (order.*)",
                "outcry.events -> outcry.funds (trade.#)",
            ]
        );
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
