//! The seam itself.

use async_trait::async_trait;

use crate::error::{BrokerError, PublishError};
use crate::group::Group;
use crate::message::Message;
use crate::subscription::Partition;

/// Takes messages to every group that wants their topic, in order per partition key.
#[async_trait]
pub trait Broker: Send + Sync + 'static {
    /// Name of the messaging system, as OpenTelemetry's conventions have it.
    fn system(&self) -> &'static str {
        "outcry"
    }

    /// Publishes messages in their order; the outcome of each, in the same order. Success means
    /// that the message is durable and at least one declared group will get it.
    ///
    /// A message that failed may be published again: a group gets it at least once. Later messages
    /// of its key in the same call have failed then, too ([`PublishError::HeldBack`]), whatever
    /// that takes: nothing of a key overtakes.
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<(), PublishError>>;

    /// Makes a group known, or changes it. From then on messages of its topics are kept for it; a
    /// new one also gets what the broker still holds. Idempotent.
    ///
    /// # Errors
    /// The group is invalid, is being consumed and would change, or the broker failed.
    async fn declare(&self, group: &Group) -> Result<(), BrokerError>;

    /// Receives what one partition of a declared group gets. While another subscription of the
    /// partition lives, this one is silent; it takes over when the other is let go.
    ///
    /// # Errors
    /// The group has not been declared with these topics and partitions, it has no partition of
    /// this number ([`BrokerError::NotDeclared`]), or the broker failed.
    async fn subscribe(&self, group: &Group, partition: u32) -> Result<Partition, BrokerError>;

    /// Forgets a group that is no longer wanted, with what was kept for it. None is fine.
    ///
    /// # Errors
    /// The group is being consumed, or the broker failed.
    async fn remove(&self, group: &str) -> Result<(), BrokerError>;

    /// Every declared group; of a broker that processes share, those that this one has declared.
    ///
    /// # Errors
    /// The broker failed.
    async fn groups(&self) -> Result<Vec<GroupStatus>, BrokerError>;

    /// Makes acknowledgements durable and lets go. Afterwards everything is refused, and
    /// subscriptions end.
    ///
    /// # Errors
    /// The broker failed; then some messages are delivered again after the next start.
    async fn close(&self) -> Result<(), BrokerError>;
}

/// A declared group, as the broker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// Its topic patterns.
    pub topics: Vec<String>,
    /// Its partitions.
    pub partitions: u32,
    /// Messages it has not acknowledged, in all partitions. Short of what other processes have in hand.
    pub lag: u64,
    /// The same per partition.
    pub partition_lag: Vec<u64>,
}
