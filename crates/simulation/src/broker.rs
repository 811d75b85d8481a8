//! The broker in memory.

mod exchange;
mod faults;
mod queue;
mod source;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use outcry_broker::{Broker, BrokerError, Group, GroupStatus, Message, Partition, PublishError};
use tokio::task::yield_now;

use self::exchange::BrokerId;
pub use self::exchange::MemoryExchange;
pub use self::faults::{Acknowledged, Faults, Published};
use self::source::MemorySource;

/// One process's connection to a [`MemoryExchange`]. Clones are the same connection; several on one exchange share it as processes
/// share a broker.
///
/// A process that crashes drops its broker, its subscriptions and its deliveries; what it had in
/// hand goes to whoever subscribes next.
#[derive(Debug, Clone)]
pub struct MemoryBroker {
    exchange: MemoryExchange,
    id: BrokerId,
    closed: Arc<AtomicBool>,
}

// === impl MemoryBroker ===

impl MemoryBroker {
    /// Connects to `exchange`, which may hold what others have published.
    #[must_use]
    pub fn open(exchange: &MemoryExchange) -> Self {
        Self {
            exchange: exchange.clone(),
            id: exchange.state().next_broker(),
            closed: Arc::default(),
        }
    }

    /// What the broker stands on.
    #[must_use]
    pub fn exchange(&self) -> &MemoryExchange {
        &self.exchange
    }

    /// Breaks the connection: this broker's subscriptions end, what they had in hand is given back
    /// at once, and settling it is [`BrokerError::Stale`]. The broker can be used again.
    pub fn cut(&self) {
        self.exchange.state().cut(self.id);
    }

    fn refuse_closed(&self) -> Result<(), BrokerError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(BrokerError::Closed);
        }
        Ok(())
    }
}

/// Publishing and acknowledging let other tasks go first, as calls to a broker would; everything
/// else is done at once.
#[async_trait]
impl Broker for MemoryBroker {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<(), PublishError>> {
        yield_now().await;
        let mut state = self.exchange.state();
        let is_closed = self.closed.load(Ordering::SeqCst);
        let mut refused: BTreeSet<String> = BTreeSet::new();
        let mut results = Vec::with_capacity(messages.len());
        for message in messages {
            let result = if is_closed {
                Err(PublishError::Closed)
            } else if refused.contains(&message.partition_key) {
                Err(PublishError::HeldBack)
            } else {
                let message = Arc::new(message);
                let result = state.publish(&message);
                if result.is_err() {
                    refused.insert(message.partition_key.clone());
                }
                result
            };
            results.push(result);
        }
        results
    }

    async fn declare(&self, group: &Group) -> Result<(), BrokerError> {
        group.check()?;
        self.refuse_closed()?;
        self.exchange.state().declare(group)
    }

    async fn subscribe(&self, group: &Group, partition: u32) -> Result<Partition, BrokerError> {
        group.check()?;
        self.refuse_closed()?;
        let place = self.exchange.state().subscribe(group, partition, self.id)?;
        let source = MemorySource::new(&self.exchange, &self.closed, place, group.prefetch);
        Ok(Partition::new(partition, source))
    }

    async fn remove(&self, group: &str) -> Result<(), BrokerError> {
        self.refuse_closed()?;
        self.exchange.state().remove(group)
    }

    async fn groups(&self) -> Result<Vec<GroupStatus>, BrokerError> {
        self.refuse_closed()?;
        Ok(self.exchange.groups())
    }

    async fn close(&self) -> Result<(), BrokerError> {
        self.closed.store(true, Ordering::SeqCst);
        self.cut();
        Ok(())
    }
}
