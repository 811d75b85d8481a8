//! What a group receives, and how it answers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::BrokerError;
use crate::message::Message;

/// A subscription: the messages of one partition, in order.
///
/// Letting it go gives unsettled messages back and lets another subscription take over, at the
/// latest when the deliveries still in hand are gone as well.
pub struct Partition {
    /// From 0.
    pub index: u32,
    source: Box<dyn Source>,
}

/// A message to be settled: acknowledged or given back. One that is just dropped is given back, at
/// the latest with its partition.
pub struct Delivery {
    /// What was published.
    pub message: Arc<Message>,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    settle: Box<dyn Settle>,
}

/// Where a partition's messages come from: the part a broker implements.
#[async_trait]
pub trait Source: Send {
    /// The next message; none when the subscription has ended. A call that is not waited for to
    /// the end loses no message.
    async fn recv(&mut self) -> Option<Delivery>;
}

/// How a delivery is settled: the part a broker implements. Dropped without a call, it gives the
/// message back.
#[async_trait]
pub trait Settle: Send {
    /// The message is done with.
    async fn ack(self: Box<Self>) -> Result<(), BrokerError>;

    /// The message is to be delivered again.
    async fn release(self: Box<Self>);
}

// === impl Partition ===

impl Partition {
    /// A partition whose messages come from `source`.
    pub fn new(index: u32, source: impl Source + 'static) -> Self {
        Self {
            index,
            source: Box::new(source),
        }
    }

    /// The next message; none when the subscription has ended. Waits while the group's prefetch is
    /// in hand. A call that is not waited for to the end loses no message.
    pub async fn recv(&mut self) -> Option<Delivery> {
        self.source.recv().await
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

// === impl Delivery ===

impl Delivery {
    /// A delivery to be settled by `settle`.
    pub fn new(message: Arc<Message>, redelivered: bool, settle: impl Settle + 'static) -> Self {
        Self {
            message,
            redelivered,
            settle: Box::new(settle),
        }
    }

    /// The message is done with: it is not delivered again, except after a crash soon afterwards.
    ///
    /// # Errors
    /// The acknowledgement did not reach the broker; the message comes again.
    pub async fn ack(self) -> Result<(), BrokerError> {
        self.settle.ack().await
    }

    /// Gives the message back unhandled: it is delivered again before anything behind it that is
    /// not in hand yet. Whoever has taken several gives all of them back to keep their order.
    pub async fn release(self) {
        self.settle.release().await;
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.message)
            .field("redelivered", &self.redelivered)
            .finish_non_exhaustive()
    }
}
