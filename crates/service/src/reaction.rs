//! What a service does about the events of others.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use outcry_events::SealedEvent;
use outcry_store::Commit;

use crate::backoff::Backoff;

/// A consumer: turns each event of its topics into one commit.
///
/// The runtime adds the inbox mark to that commit, so an event delivered twice has its effect
/// once. Events with the same partition key arrive one after the other, in order, unless the group
/// asks for [less](Handling::ByAggregate).
#[async_trait]
pub trait Reaction: Send + Sync + 'static {
    /// Name, topics and manners of the consumer.
    fn group(&self) -> GroupSpec;

    /// What `event` leads to; an empty commit when it does not matter here.
    ///
    /// May run more than once for the same event: calls to other services must be idempotent. Of
    /// several replicas one has the event's partition, and the commit takes effect only as long as
    /// that is this one; it cannot be made for a slot of the service's own.
    ///
    /// # Errors
    /// A [`Fault`] says what is to happen with the event.
    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault>;

    /// What the first events of a run lead to, one commit each, in their order; each as if those before it were
    /// applied. As many as can be told before the first of them is: none, and any commit that is refused, leave an
    /// event to [`react`](Self::react). Only asked of groups [in runs](GroupSpec::in_runs()).
    async fn react_to_run(&self, _events: &[SealedEvent]) -> Vec<Commit> {
        Vec::new()
    }

    /// Called after the commit of `event` is durable, for wake-ups inside the process. Not called
    /// again after a crash: nothing that must happen may depend on it.
    async fn committed(&self, _event: &SealedEvent) {}
}

/// Name, topics and manners of a consumer group.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// Name of the group: the name of the service.
    pub name: &'static str,
    /// Topic patterns: `*` is one word, `#` any number of words.
    pub topics: &'static [&'static str],
    /// How many keys can be worked on at the same time. 1 keeps all events in one order.
    pub partitions: u32,
    /// Which events of a partition wait for each other.
    pub handling: Handling,
    /// What happens with events this build does not know.
    pub unknown: Unknown,
    /// How often and how patiently a failed event is tried again before it is parked.
    pub retry: Retry,
}

/// Which events of a partition wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Those of a key, one after the other; those of different keys are handled side by side.
    ByKey,
    /// Those of an aggregate; those of different aggregates are handled side by side, also when their key is the same.
    ByAggregate,
    /// All, in runs.
    InRuns,
}

/// What a group does with an event type it does not know, or a newer version of one it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Skip and count: for projections, which can be rebuilt.
    Skip,
    /// Park its key: for consumers that move money.
    Park,
    /// Hand it to the reaction like any other: for consumers that only keep what they are given.
    Handle,
}

/// How a retryable fault is tried again, in place: its partition waits, other partitions go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Tries in all, the first one included; then the event is parked.
    pub attempts: u32,
    /// Waits between the tries.
    pub backoff: Backoff,
}

/// Why a reaction did not come to a commit, and what is to happen with the event.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// May work later: tried again with backoff, parked when that does not help.
    #[error("reaction failed for now")]
    Retry(#[source] Box<dyn Error + Send + Sync>),
    /// Needs a person: the event is parked, and its key with it.
    #[error("event cannot be handled: {0}")]
    Park(String),
    /// Rightly without effect, but worth a line in the log.
    #[error("event discarded: {0}")]
    Discard(String),
}

/// Keys worked on at the same time, unless the group says otherwise: a commit waits for the disk,
/// and the waits of several partitions share one write.
pub const PARTITIONS: u32 = 8;

/// Tries of an event before it is parked; with [`RETRY_BACKOFF`] about twenty seconds.
pub const RETRY_ATTEMPTS: u32 = 10;

/// Waits between tries: short at first because most faults are races, capped so that a partition
/// notices soon when the cause is gone.
pub const RETRY_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    most: Duration::from_secs(5),
};

// === impl GroupSpec ===

impl GroupSpec {
    /// A group with the usual partitions and retries.
    pub const fn new(
        name: &'static str,
        topics: &'static [&'static str],
        unknown: Unknown,
    ) -> Self {
        Self {
            name,
            topics,
            partitions: PARTITIONS,
            handling: Handling::ByKey,
            unknown,
            retry: Retry::USUAL,
        }
    }

    /// The same with another number of partitions.
    #[must_use]
    pub const fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// The same with events in runs: those of a partition one after the other, whatever their keys, as many of them
    /// in one write to the disk as are there. For reactions that are quick, call nobody and write rows that events of
    /// several keys share. One that fails holds up its partition while it is tried again.
    #[must_use]
    pub const fn in_runs(mut self) -> Self {
        self.handling = Handling::InRuns;
        self
    }

    /// The same with only the events of an aggregate in order: for reactions to which those of different aggregates
    /// mean the same in any order, when many of them have one key. A parked event still parks its key.
    #[must_use]
    pub const fn by_aggregate(mut self) -> Self {
        self.handling = Handling::ByAggregate;
        self
    }

    /// The same with other retries.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

// === impl Retry ===

impl Retry {
    /// [`RETRY_ATTEMPTS`] with [`RETRY_BACKOFF`].
    pub const USUAL: Self = Self {
        attempts: RETRY_ATTEMPTS,
        backoff: RETRY_BACKOFF,
    };
}

impl Default for Retry {
    fn default() -> Self {
        Self::USUAL
    }
}

// === impl Fault ===

impl Fault {
    /// A fault that may pass.
    pub fn retry(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Retry(cause.into())
    }

    /// A fault that needs a person.
    pub fn park(reason: impl std::fmt::Display) -> Self {
        Self::Park(reason.to_string())
    }

    /// No fault in truth: the event has no effect, and the log says why.
    pub fn discard(reason: impl std::fmt::Display) -> Self {
        Self::Discard(reason.to_string())
    }
}
