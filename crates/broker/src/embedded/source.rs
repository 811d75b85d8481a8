//! A subscription's partition: reads the log, delivers, and takes back.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use tokio::sync::OwnedSemaphorePermit;
use tracing::warn;

use super::groups::{Attachment, GroupState, PartitionState, Wanted};
use super::progress::Next;
use super::tail::Found;
use super::{Shared, log};
use crate::error::BrokerError;
use crate::subscription::{Delivery, Settle, Source};

/// One partition for one subscription.
pub(super) struct EmbeddedSource {
    shared: Arc<Shared>,
    group: Arc<GroupState>,
    index: usize,
    prefetch: usize,
    /// Held from the first message on.
    lease: Option<Arc<Lease>>,
    _attachment: Attachment,
}

/// The right to consume a partition. Ends when the subscription's partition and all deliveries in
/// hand are gone: the next consumer never meets this one's work.
struct Lease {
    shared: Arc<Shared>,
    partition: Arc<PartitionState>,
    _turn: OwnedSemaphorePermit,
    _attachment: Attachment,
}

/// A delivery in hand.
struct Held {
    lease: Arc<Lease>,
    position: u64,
    settled: bool,
}

// === impl EmbeddedSource ===

impl EmbeddedSource {
    pub(super) fn new(
        shared: &Arc<Shared>,
        group: &Arc<GroupState>,
        index: usize,
        prefetch: usize,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            group: Arc::clone(group),
            index,
            prefetch,
            lease: None,
            _attachment: Attachment::to(group),
        }
    }

    /// Waits until nobody else consumes the partition; none when the broker is closed.
    async fn lease(&mut self) -> Option<Arc<Lease>> {
        if let Some(lease) = &self.lease {
            return Some(Arc::clone(lease));
        }
        let partition = Arc::clone(self.group.partitions.get(self.index)?);
        let turn = Arc::clone(&partition.turn).acquire_owned().await.ok()?;
        let lease = Arc::new(Lease {
            shared: Arc::clone(&self.shared),
            partition,
            _turn: turn,
            _attachment: Attachment::to(&self.group),
        });
        self.lease = Some(Arc::clone(&lease));
        Some(lease)
    }

    /// Reads the log behind `after`; whether that led anywhere.
    async fn read(&self, lease: &Lease, after: u64) -> Result<bool, BrokerError> {
        let wanted = Wanted {
            group: &self.group,
            index: self.index,
        };
        let found = self
            .shared
            .tail
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .read(after, &wanted);
        let (messages, to) = match found {
            Found::Messages(messages, to) => (messages, to),
            Found::Older(in_memory_after) => {
                let (group, index) = (Arc::clone(&self.group), self.index);
                let look = self
                    .shared
                    .database
                    .read(move |connection| {
                        let group = group.as_ref();
                        log::read(connection, after, &Wanted { group, index })
                    })
                    .await?;
                // What the memory did not hold any more was in the file by then.
                let to = if look.at_end {
                    look.to.max(in_memory_after)
                } else {
                    look.to
                };
                (look.found, to)
            }
        };
        let advanced = to > after;
        lease.partition.progress().add(messages, to);
        Ok(advanced)
    }
}

#[async_trait]
impl Source for EmbeddedSource {
    async fn recv(&mut self) -> Option<Delivery> {
        let lease = self.lease().await?;
        loop {
            if self.shared.is_closed() {
                return None;
            }
            let next = lease.partition.progress().next(self.prefetch);
            match next {
                Next::Deliver {
                    position,
                    message,
                    redelivered,
                } => {
                    let settle = Held {
                        lease,
                        position,
                        settled: false,
                    };
                    return Some(Delivery::new(message, redelivered, settle));
                }
                Next::Full => lease.partition.changed.notified().await,
                Next::Read(after) => match self.read(&lease, after).await {
                    Ok(true) => {}
                    Ok(false) => lease.partition.changed.notified().await,
                    Err(error) => {
                        warn!(group = self.group.name, partition = self.index, %error, "reading the log failed");
                        return None;
                    }
                },
            }
        }
    }
}

// === impl Held ===

#[async_trait]
impl Settle for Held {
    async fn ack(mut self: Box<Self>) -> Result<(), BrokerError> {
        // What is acknowledged after the cursors were saved for good would come again anyway.
        self.lease.shared.refuse_closed()?;
        self.settled = true;
        let partition = &self.lease.partition;
        partition.progress().ack(self.position);
        partition.changed.notify_one();
        self.lease.shared.advanced.notify_one();
        Ok(())
    }

    async fn release(self: Box<Self>) {
        // Dropping does it.
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.settled {
            self.lease.partition.progress().release(self.position);
            self.lease.partition.changed.notify_one();
        }
    }
}
