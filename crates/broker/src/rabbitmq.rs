//! RabbitMQ as the broker, from 3.10 on; it needs no plugin.
//!
//! What it looks like on the server is in [`crate::topology`]. One connection publishes and one
//! consumes: a server that takes nothing at the moment blocks the first and not the second. Either
//! is made again by itself when it broke; a subscription whose connection broke ends, and whoever
//! consumes subscribes again.

mod declarer;
mod fault;
mod groups;
mod link;
mod management;
mod plan;
mod publisher;
mod source;
mod waves;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use self::declarer::Declarer;
pub use self::fault::Fault;
use self::groups::Groups;
use self::link::Link;
pub use self::management::{Management, ManagementError, NodeStanding, ServerStanding};
pub use self::plan::{ApplyError, ApplyOptions, Done, Plan, apply, plan};
pub use self::publisher::CONFIRM_MAX;
use self::publisher::Publisher;
use self::source::RabbitSource;
use crate::broker::{Broker, GroupStatus};
use crate::error::{BrokerError, PublishError};
use crate::group::Group;
use crate::limits::{PARTITIONS_MAX, TEXT_BYTES_MAX};
use crate::message::Message;
use crate::subscription::Partition;
use crate::topology::{
    EVENTS, Topology, UNROUTED, group_exchange, partition_queue, strays_exchange,
};

/// Time between two signs of life. A connection without any for twice as long is given up, and the
/// server gives its partitions to others.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long connecting for the first time may take, with however many attempts: enough for a server
/// that is starting at the same moment.
const FIRST_CONNECT_MAX: Duration = Duration::from_secs(20);

/// How long everything but publishing waits for a connection while there is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long closing waits for confirms that are still to come, and then for the server's goodbye.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// How often a server is asked whether a group is there as it should be, with growing pauses: about
/// three seconds, in which another process has declared it.
const DECLARING_LOOKS: u32 = 6;

/// How to reach a server.
#[derive(Clone)]
pub struct RabbitOptions {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. The virtual host `/` is
    /// written `%2f`.
    pub url: String,
    /// Name of the connections as operators see it: service and member.
    pub name: String,
    /// Time between two signs of life, in whole seconds.
    pub heartbeat: Duration,
    /// Certificates (PEM) to trust besides those of the system.
    pub ca_certificates: Option<String>,
}

/// A broker on a RabbitMQ server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RabbitMq {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    publisher: Publisher,
    consuming: Link,
    groups: Arc<Groups>,
    /// So that no two subscriptions of a connection have the same tag.
    subscriptions: AtomicU64,
    closed: AtomicBool,
}

// === impl RabbitOptions ===

impl RabbitOptions {
    /// Options with everything else at its default.
    #[must_use]
    pub fn new(url: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            name: name.into(),
            heartbeat: HEARTBEAT,
            ca_certificates: None,
        }
    }
}

impl std::fmt::Debug for RabbitOptions {
    /// Without the address: it has the password in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RabbitOptions")
            .field("name", &self.name)
            .field("heartbeat", &self.heartbeat)
            .finish_non_exhaustive()
    }
}

// === impl RabbitMq ===

impl RabbitMq {
    /// Connects, and makes sure of what all share on the server.
    ///
    /// # Errors
    /// The server cannot be reached in time, refuses the connection, or lacks what this user may not
    /// make.
    pub async fn connect(options: RabbitOptions) -> Result<Self, Fault> {
        let groups = Arc::new(Groups::default());
        let nothing = Arc::new(Groups::default());
        let shared = Shared {
            publisher: Publisher::new(Link::new(&options, "publishing", nothing)?),
            consuming: Link::new(&options, "consuming", Arc::clone(&groups))?,
            groups,
            subscriptions: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        };
        let publishing = shared
            .publisher
            .link()
            .with_connection(FIRST_CONNECT_MAX, async |_| Ok(()));
        publishing.await?;
        let consuming = shared
            .consuming
            .with_connection(FIRST_CONNECT_MAX, async |_| Ok(()));
        consuming.await?;
        Ok(Self {
            shared: Arc::new(shared),
        })
    }
}

#[async_trait]
impl Broker for RabbitMq {
    fn system(&self) -> &'static str {
        "rabbitmq"
    }

    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<(), PublishError>> {
        if self.shared.is_closed() {
            return vec![Err(PublishError::Closed); messages.len()];
        }
        self.shared.publisher.publish(&messages).await
    }

    /// Also on a server where somebody else has declared it: a user who may not declare gets along.
    /// Topics that are no longer wanted are unbound when they are this process's own; others are
    /// surplus bindings of a plan. Partitions are added only while all are empty and nobody consumes
    /// them, and never taken away: keys move.
    async fn declare(&self, group: &Group) -> Result<(), BrokerError> {
        check(group)?;
        let shared = &self.shared;
        shared.refuse_closed()?;
        let known = shared.groups.get(group.name);
        if known.as_ref().is_some_and(|known| is_like(known, group)) {
            return Ok(());
        }
        shared.declare(group, known.as_ref()).await?;
        shared.groups.insert(group);
        Ok(())
    }

    /// The subscription ends when its connection breaks or the server ends it; subscribe again, with
    /// a pause in between. Topics are compared only with those this process has declared.
    async fn subscribe(&self, group: &Group, partition: u32) -> Result<Partition, BrokerError> {
        check(group)?;
        let shared = &self.shared;
        shared.refuse_closed()?;
        let not_declared = || BrokerError::NotDeclared {
            group: group.name.to_owned(),
        };
        let known = shared.groups.get(group.name);
        if partition >= group.partitions || known.is_some_and(|known| !is_like(&known, group)) {
            return Err(not_declared());
        }
        let queue = partition_queue(group.name, partition);
        let channel = shared.consuming.channel(PATIENCE).await?;
        let number = shared.subscriptions.fetch_add(1, Ordering::SeqCst);
        let tag = consumer_tag(shared.consuming.name(), &queue, number);
        let counter = shared.groups.counter(&queue);
        match RabbitSource::start(channel, &queue, &tag, group.prefetch, counter).await {
            Ok(source) if shared.is_closed() => {
                drop(source);
                Err(BrokerError::Closed)
            }
            Ok(source) => Ok(Partition::new(partition, source)),
            Err(Fault::Missing { .. }) => Err(not_declared()),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn remove(&self, group: &str) -> Result<(), BrokerError> {
        let shared = &self.shared;
        shared.refuse_closed()?;
        let removed = shared
            .consuming
            .with_connection(PATIENCE, async |connection| {
                let mut declarer = Declarer::new(connection);
                let mut queues = Vec::new();
                for partition in 0..PARTITIONS_MAX {
                    let queue = partition_queue(group, partition);
                    match declarer.look(&queue).await? {
                        Some(look) if look.consumers > 0 => return Ok(false),
                        Some(_) => queues.push(queue),
                        None => break,
                    }
                }
                // First of all nothing comes in any more.
                declarer.delete_exchange(&group_exchange(group)).await?;
                declarer.delete_exchange(&strays_exchange(group)).await?;
                for queue in queues {
                    declarer.delete_queue(&queue).await?;
                }
                declarer.finish().await;
                Ok(true)
            })
            .await?;
        if !removed {
            return Err(BrokerError::InUse {
                group: group.to_owned(),
            });
        }
        shared.groups.remove(group);
        Ok(())
    }

    /// The groups this process has declared. A partition's lag is what waits on the server and what
    /// this process has in hand: exact for partitions that are consumed here or by nobody, short of
    /// what others have in hand.
    async fn groups(&self) -> Result<Vec<GroupStatus>, BrokerError> {
        let shared = &self.shared;
        shared.refuse_closed()?;
        let groups = shared.groups.all();
        let statuses = shared
            .consuming
            .with_connection(PATIENCE, async |connection| {
                let mut declarer = Declarer::new(connection);
                let mut statuses = Vec::new();
                for group in groups {
                    let mut partition_lag = Vec::new();
                    for partition in 0..group.partitions {
                        let queue = partition_queue(group.name, partition);
                        let ready = declarer.look(&queue).await?.map_or(0, |look| look.ready);
                        partition_lag.push(ready + shared.groups.unsettled(&queue));
                    }
                    statuses.push(GroupStatus {
                        name: group.name.to_owned(),
                        topics: group.topics,
                        partitions: group.partitions,
                        lag: partition_lag.iter().sum(),
                        partition_lag,
                    });
                }
                declarer.finish().await;
                Ok(statuses)
            })
            .await?;
        Ok(statuses)
    }

    /// Waits a few seconds for confirms that are still to come.
    async fn close(&self) -> Result<(), BrokerError> {
        let shared = &self.shared;
        if shared.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        // Both at once: whoever waits for a message need not wait for confirms.
        tokio::join!(
            shared.publisher.close(CLOSE_MAX),
            shared.consuming.close(CLOSE_MAX)
        );
        Ok(())
    }
}

// === impl Shared ===

impl Shared {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn refuse_closed(&self) -> Result<(), BrokerError> {
        if self.is_closed() {
            return Err(BrokerError::Closed);
        }
        Ok(())
    }

    async fn declare(&self, group: &Group, known: Option<&Group>) -> Result<(), BrokerError> {
        let desired = Topology::of_group(group);
        let verdict = self
            .consuming
            .with_connection(PATIENCE, async |connection| {
                let mut declarer = Declarer::new(connection);
                let found = match partitions(&mut declarer, group, known).await? {
                    Ok(found) => found,
                    Err(obstacle) => return Ok(Some(obstacle)),
                };
                declarer::ensure(connection, &desired).await?;
                // What the group was before: its topics, its shares of the slots.
                let mut stale = known.map(Topology::of_group).unwrap_or_default().bindings;
                if found > 0 && found < group.partitions {
                    let before = Group {
                        partitions: found,
                        ..group.clone()
                    };
                    stale.extend(Topology::of_group(&before).bindings);
                }
                stale.retain(|binding| !desired.bindings.contains(binding));
                for binding in &stale {
                    declarer.unbind(binding).await?;
                }
                declarer.finish().await;
                Ok(None)
            })
            .await?;
        verdict.map_or(Ok(()), Err)
    }
}

/// How many of its partitions a group has on this server, or why it cannot be declared as wanted.
async fn partitions(
    declarer: &mut Declarer<'_>,
    group: &Group,
    known: Option<&Group>,
) -> Result<Result<u32, BrokerError>, Fault> {
    let mut attempt = 1;
    loop {
        let found = count_partitions(declarer, group, known.is_some()).await?;
        // Somebody else may be declaring the group at this moment; then it grows.
        if found.is_ok() || attempt == DECLARING_LOOKS {
            return Ok(found);
        }
        link::pause(attempt).await;
        attempt += 1;
    }
}

async fn count_partitions(
    declarer: &mut Declarer<'_>,
    group: &Group,
    changing: bool,
) -> Result<Result<u32, BrokerError>, Fault> {
    let name = || group.name.to_owned();
    let invalid = |reason| {
        Ok(Err(BrokerError::InvalidGroup {
            group: name(),
            reason,
        }))
    };
    let (mut found, mut used, mut filled) = (0, false, false);
    // Numbered without gaps.
    for partition in 0..=group.partitions {
        let queue = partition_queue(group.name, partition);
        let Some(look) = declarer.look(&queue).await? else {
            break;
        };
        found += 1;
        used |= look.consumers > 0;
        filled |= look.ready > 0;
    }
    let grows = found > 0 && found < group.partitions;
    if found > group.partitions {
        invalid("it exists with more partitions, which only a plan changes")
    } else if used && (grows || changing) {
        Ok(Err(BrokerError::InUse { group: name() }))
    } else if grows && filled {
        // A key would move while messages of it wait where it was.
        invalid("it exists with fewer partitions, which still hold messages")
    } else {
        Ok(Ok(found))
    }
}

/// Judges a group by itself.
fn check(group: &Group) -> Result<(), BrokerError> {
    group.check()?;
    let exchange = group_exchange(group.name);
    let reason = if [EVENTS, UNROUTED].contains(&exchange.as_str()) {
        "its name is taken by what all groups share"
    } else if partition_queue(group.name, group.partitions).len() > TEXT_BYTES_MAX {
        "its name is too long"
    } else {
        return Ok(());
    };
    Err(BrokerError::InvalidGroup {
        group: group.name.to_owned(),
        reason,
    })
}

fn is_like(known: &Group, group: &Group) -> bool {
    known.topics == group.topics && known.partitions == group.partitions
}

/// Readable for operators, and unique on its connection; no longer than AMQP allows.
fn consumer_tag(connection: &str, queue: &str, number: u64) -> String {
    let mut tag = format!("{queue} {number} {connection}");
    let mut end = tag.len().min(TEXT_BYTES_MAX);
    while !tag.is_char_boundary(end) {
        end -= 1;
    }
    tag.truncate(end);
    tag
}
