//! How a server differs from what it should be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Access, Binding, Destination, EVENTS, Exchange, PREFIX, Queue, Topology, UNROUTED};

/// What a server has, of whatever origin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actual {
    /// Its exchanges.
    pub exchanges: Vec<Exchange>,
    /// Its queues.
    pub queues: Vec<ActualQueue>,
    /// Its bindings.
    pub bindings: Vec<Binding>,
    /// Its users.
    pub users: BTreeSet<String>,
    /// Its users' permissions; only what they may do in this virtual host.
    pub accesses: Vec<Access>,
}

/// A queue, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActualQueue {
    /// The queue.
    pub queue: Queue,
    /// Messages it holds, delivered or not; as the server counted last.
    pub messages: u64,
    /// Who consumes it, active or not.
    pub consumers: u64,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// An exchange is missing.
    MissingExchange(Exchange),
    /// An exchange is there, but otherwise. Only deleting it would change it.
    DifferentExchange {
        /// As it should be.
        desired: Exchange,
        /// As it is.
        actual: Exchange,
    },
    /// A queue is missing.
    MissingQueue(Queue),
    /// A queue is there, but otherwise. Only deleting it would change it.
    DifferentQueue {
        /// As it should be.
        desired: Queue,
        /// As it is.
        actual: Queue,
    },
    /// A group has another number of partitions. Changing it moves keys.
    Partitions {
        /// The group's exchange.
        exchange: String,
        /// Partitions as bound.
        found: usize,
        /// Partitions that should be; in order.
        desired: Vec<Queue>,
        /// Partitions that should not be.
        surplus: Vec<ActualQueue>,
        /// Bindings that should not be.
        stale: Vec<Binding>,
    },
    /// A binding is missing.
    MissingBinding(Binding),
    /// The user of a service is missing.
    MissingUser(String),
    /// A service's user may do something else than it should.
    DifferentAccess(Access),
    /// One of our bindings is not wanted.
    SurplusBinding(Binding),
    /// One of our queues is not wanted.
    SurplusQueue(ActualQueue),
    /// One of our exchanges is not wanted.
    SurplusExchange(Exchange),
    /// The collector holds messages that no group got. Somebody has to look.
    Collected {
        /// How many.
        messages: u64,
    },
}

// === impl Drift ===

impl Drift {
    /// Whether the services need it put right. What is only too much, or waits to be looked at, is in nobody's way.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        match self {
            Self::MissingExchange(_)
            | Self::DifferentExchange { .. }
            | Self::MissingQueue(_)
            | Self::DifferentQueue { .. }
            | Self::Partitions { .. }
            | Self::MissingBinding(_)
            | Self::MissingUser(_)
            | Self::DifferentAccess(_) => true,
            Self::SurplusBinding(_)
            | Self::SurplusQueue(_)
            | Self::SurplusExchange(_)
            | Self::Collected { .. } => false,
        }
    }
}

/// What is not as desired, in the order in which it is put right. Looks only at what is ours, by
/// its name.
#[must_use]
pub fn diff(desired: &Topology, actual: &Actual) -> Vec<Drift> {
    let mut drifts = Vec::new();
    exchanges(desired, actual, &mut drifts);
    let rings = rings(desired, actual);
    queues(desired, actual, &rings, &mut drifts);
    bindings(desired, actual, &rings, &mut drifts);
    accesses(desired, actual, &mut drifts);
    surplus(desired, actual, &rings, &mut drifts);
    let collected = actual
        .queues
        .iter()
        .find(|found| found.queue.name == UNROUTED)
        .map_or(0, |found| found.messages);
    if collected > 0 {
        drifts.push(Drift::Collected {
            messages: collected,
        });
    }
    drifts
}

fn exchanges(desired: &Topology, actual: &Actual, drifts: &mut Vec<Drift>) {
    for exchange in &desired.exchanges {
        let found = actual
            .exchanges
            .iter()
            .find(|found| found.name == exchange.name);
        match found {
            None => drifts.push(Drift::MissingExchange(exchange.clone())),
            Some(found) if found != exchange => drifts.push(Drift::DifferentExchange {
                desired: exchange.clone(),
                actual: found.clone(),
            }),
            Some(_) => {}
        }
    }
}

/// Exchanges of groups that are bound to another number of partitions than they should be, but to
/// some: those that exist and the desired ones.
fn rings<'a>(
    desired: &'a Topology,
    actual: &'a Actual,
) -> BTreeMap<&'a str, (BTreeSet<&'a str>, BTreeSet<&'a str>)> {
    let ring = |bindings: &'a [Binding], exchange: &str| -> BTreeSet<&'a str> {
        bindings
            .iter()
            .filter(|binding| binding.source == exchange && binding.to == Destination::Queue)
            .map(|binding| binding.destination.as_str())
            .collect()
    };
    desired
        .exchanges
        .iter()
        .map(|exchange| exchange.name.as_str())
        .filter(|exchange| ![EVENTS, UNROUTED].contains(exchange))
        .map(|exchange| {
            let found = ring(&actual.bindings, exchange);
            (exchange, (found, ring(&desired.bindings, exchange)))
        })
        .filter(|(_, (found, wanted))| !found.is_empty() && found != wanted)
        .collect()
}

type Rings<'a> = BTreeMap<&'a str, (BTreeSet<&'a str>, BTreeSet<&'a str>)>;

fn in_ring(rings: &Rings<'_>, queue: &str) -> bool {
    rings
        .values()
        .any(|(found, wanted)| found.contains(queue) || wanted.contains(queue))
}

fn queues(desired: &Topology, actual: &Actual, rings: &Rings<'_>, drifts: &mut Vec<Drift>) {
    for queue in &desired.queues {
        let found = actual
            .queues
            .iter()
            .find(|found| found.queue.name == queue.name);
        match found {
            None if in_ring(rings, &queue.name) => {}
            None => drifts.push(Drift::MissingQueue(queue.clone())),
            Some(found) if found.queue != *queue => drifts.push(Drift::DifferentQueue {
                desired: queue.clone(),
                actual: found.queue.clone(),
            }),
            Some(_) => {}
        }
    }
    for (exchange, (found, wanted)) in rings {
        drifts.push(Drift::Partitions {
            exchange: (*exchange).to_owned(),
            found: found.len(),
            desired: desired
                .queues
                .iter()
                .filter(|queue| wanted.contains(queue.name.as_str()))
                .cloned()
                .collect(),
            surplus: actual
                .queues
                .iter()
                .filter(|queue| {
                    let name = queue.queue.name.as_str();
                    found.contains(name) && !wanted.contains(name)
                })
                .cloned()
                .collect(),
            stale: actual
                .bindings
                .iter()
                .filter(|binding| {
                    binding.source == *exchange && !desired.bindings.contains(binding)
                })
                .cloned()
                .collect(),
        });
    }
}

fn bindings(desired: &Topology, actual: &Actual, rings: &Rings<'_>, drifts: &mut Vec<Drift>) {
    for binding in &desired.bindings {
        if !actual.bindings.contains(binding) && !rings.contains_key(binding.source.as_str()) {
            drifts.push(Drift::MissingBinding(binding.clone()));
        }
    }
}

fn accesses(desired: &Topology, actual: &Actual, drifts: &mut Vec<Drift>) {
    for access in &desired.accesses {
        if !actual.users.contains(&access.user) {
            drifts.push(Drift::MissingUser(access.user.clone()));
        }
        if !actual.accesses.contains(access) {
            drifts.push(Drift::DifferentAccess(access.clone()));
        }
    }
}

fn surplus(desired: &Topology, actual: &Actual, rings: &Rings<'_>, drifts: &mut Vec<Drift>) {
    let wanted_exchange = |name: &str| {
        desired
            .exchanges
            .iter()
            .any(|exchange| exchange.name == name)
    };
    for binding in &actual.bindings {
        // Bindings go with their exchange or queue.
        let stays = wanted_exchange(&binding.source)
            && !desired.bindings.contains(binding)
            && !rings.contains_key(binding.source.as_str())
            && binding.destination.starts_with(PREFIX);
        let ends_here = match binding.to {
            Destination::Exchange => wanted_exchange(&binding.destination),
            Destination::Queue => desired
                .queues
                .iter()
                .any(|queue| queue.name == binding.destination),
        };
        if stays && ends_here {
            drifts.push(Drift::SurplusBinding(binding.clone()));
        }
    }
    // Exchanges first: nothing comes into a queue any more when it is looked at.
    for exchange in &actual.exchanges {
        if exchange.name.starts_with(PREFIX) && !wanted_exchange(&exchange.name) {
            drifts.push(Drift::SurplusExchange(exchange.clone()));
        }
    }
    for found in &actual.queues {
        let name = &found.queue.name;
        let wanted = desired.queues.iter().any(|queue| queue.name == *name);
        if name.starts_with(PREFIX) && !wanted && !in_ring(rings, name) {
            drifts.push(Drift::SurplusQueue(found.clone()));
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingExchange(exchange) => write!(f, "exchange {} is missing", exchange.name),
            Self::DifferentExchange { desired, .. } => write!(
                f,
                "exchange {} has another type or other arguments than it should",
                desired.name
            ),
            Self::MissingQueue(queue) => write!(f, "queue {} is missing", queue.name),
            Self::DifferentQueue { desired, actual } => {
                write!(f, "queue {} differs:", desired.name)?;
                let names: BTreeSet<_> = desired
                    .arguments
                    .keys()
                    .chain(actual.arguments.keys())
                    .collect();
                for name in names {
                    if desired.arguments.get(name) != actual.arguments.get(name) {
                        write!(f, " {name}")?;
                    }
                }
                Ok(())
            }
            Self::Partitions {
                exchange,
                found,
                desired,
                ..
            } => write!(
                f,
                "{exchange} has {found} partitions instead of {}",
                desired.len()
            ),
            Self::MissingBinding(binding) => write!(f, "binding {binding} is missing"),
            Self::MissingUser(user) => write!(f, "user {user} is missing"),
            Self::DifferentAccess(access) => {
                write!(
                    f,
                    "permissions of user {} are not as they should",
                    access.user
                )
            }
            Self::SurplusBinding(binding) => write!(f, "binding {binding} is not wanted"),
            Self::SurplusQueue(found) => write!(
                f,
                "queue {} is not wanted ({} messages, {} consumers)",
                found.queue.name, found.messages, found.consumers
            ),
            Self::SurplusExchange(exchange) => {
                write!(f, "exchange {} is not wanted", exchange.name)
            }
            Self::Collected { messages } => {
                write!(f, "{messages} messages in {UNROUTED} that no group got")
            }
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.source, self.destination)?;
        if !self.key.is_empty() {
            write!(f, " ({})", self.key)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::Group;
    use crate::topology::ServiceSpec;

    fn services(partitions: u32, topics: &[&str]) -> Vec<ServiceSpec> {
        vec![ServiceSpec {
            name: "funds".to_owned(),
            publishes: vec!["funds.locked".to_owned()],
            groups: vec![Group {
                name: "funds",
                topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
                partitions,
                prefetch: 8,
            }],
        }]
    }

    /// A server that is exactly so.
    fn server(topology: &Topology) -> Actual {
        Actual {
            exchanges: topology.exchanges.clone(),
            queues: topology
                .queues
                .iter()
                .map(|queue| ActualQueue {
                    queue: queue.clone(),
                    messages: 0,
                    consumers: 0,
                })
                .collect(),
            bindings: topology.bindings.clone(),
            users: topology
                .accesses
                .iter()
                .map(|access| access.user.clone())
                .collect(),
            accesses: topology.accesses.clone(),
        }
    }

    fn lines(desired: &Topology, actual: &Actual) -> Vec<String> {
        diff(desired, actual).iter().map(Drift::to_string).collect()
    }

    #[test]
    fn a_server_that_is_as_desired_has_no_drift() {
        let desired = Topology::desired(&services(2, &["order.*"]));
        let mut actual = server(&desired);
        // What is not ours does not matter.
        actual.queues.push(ActualQueue {
            queue: Queue {
                name: "somebody else's".to_owned(),
                arguments: super::super::Arguments::new(),
            },
            messages: 5,
            consumers: 1,
        });
        assert_eq!(lines(&desired, &actual), [""; 0]);
    }

    #[test]
    fn on_an_empty_server_everything_is_missing() {
        let desired = Topology::desired(&services(2, &["order.*"]));
        let all = desired.exchanges.len() + desired.queues.len() + desired.bindings.len() + 2;
        let drifts = diff(&desired, &Actual::default());
        assert_eq!(drifts.len(), all, "{drifts:?}");
    }

    #[test]
    fn topics_come_and_go_as_bindings() {
        let desired = Topology::desired(&services(2, &["order.*", "trade.*"]));
        let actual = server(&Topology::desired(&services(2, &["order.*", "user.*"])));
        assert_eq!(
            lines(&desired, &actual),
            [
                "binding outcry.events -> outcry.funds (trade.*) is missing",
                "permissions of user outcry-funds are not as they should",
                "binding outcry.events -> outcry.funds (user.*) is not wanted",
            ]
        );
    }

    #[test]
    fn another_number_of_partitions_is_one_drift() {
        for (found, wanted) in [(2, 3), (3, 2)] {
            let desired = Topology::desired(&services(wanted, &["order.*"]));
            let actual = server(&Topology::desired(&services(found, &["order.*"])));
            assert_eq!(
                lines(&desired, &actual),
                [format!(
                    "outcry.funds has {found} partitions instead of {wanted}"
                )]
            );
        }
    }

    #[test]
    fn leftovers_and_collected_messages_are_reported() {
        let desired = Topology::shared();
        let mut actual = server(&Topology::desired(&services(1, &["order.*"])));
        for found in &mut actual.queues {
            found.messages = 7;
        }
        assert_eq!(
            lines(&desired, &actual),
            [
                "exchange outcry.funds.strays is not wanted",
                "exchange outcry.funds is not wanted",
                "queue outcry.funds.000 is not wanted (7 messages, 0 consumers)",
                "7 messages in outcry.unrouted that no group got",
            ]
        );
    }

    #[test]
    fn a_queue_with_other_arguments_says_which() {
        let desired = Topology::desired(&services(1, &["order.*"]));
        let mut actual = server(&desired);
        for found in &mut actual.queues {
            found.queue.arguments.remove("x-delivery-limit");
        }
        let drifts = lines(&desired, &actual);
        assert!(
            drifts.contains(&"queue outcry.funds.000 differs: x-delivery-limit".to_owned()),
            "{drifts:?}"
        );
    }
}
