//! When events arrive, and in which order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use outcry_broker::{Broker, Group, RabbitMq};
use outcry_events::SealedEvent;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::load::TOPIC;

/// Partitions of the group that listens.
const PARTITIONS: u32 = 4;

/// First occurrences of events at one consumer group.
pub struct Arrivals {
    seen: Arc<Mutex<Seen>>,
    _listening: JoinSet<anyhow::Result<()>>,
}

/// What has arrived.
#[derive(Default)]
pub struct Seen {
    /// When each event arrived for the first time.
    pub at: HashMap<Uuid, Instant>,
    /// The events of each key in the order of their first arrival.
    pub by_key: HashMap<String, Vec<Uuid>>,
}

// === impl Arrivals ===

impl Arrivals {
    /// Listens from now on.
    pub async fn listen(broker: &RabbitMq) -> anyhow::Result<Self> {
        let group = Group {
            name: "listener",
            topics: vec![TOPIC.to_owned()],
            partitions: PARTITIONS,
            prefetch: 64,
        };
        broker.declare(&group).await?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut listening = JoinSet::new();
        for partition in 0..PARTITIONS {
            let mut partition = broker.subscribe(&group, partition).await?;
            let seen = Arc::clone(&seen);
            listening.spawn(async move {
                while let Some(delivery) = partition.recv().await {
                    let now = Instant::now();
                    let event = SealedEvent::open(delivery.message.body.clone())?;
                    lock(&seen).add(&event, now);
                    delivery.ack().await?;
                }
                Ok(())
            });
        }
        Ok(Self {
            seen,
            _listening: listening,
        })
    }

    /// What has arrived so far. Nothing arrives while it is looked at.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Seen ===

impl Seen {
    fn add(&mut self, event: &SealedEvent, now: Instant) {
        if let Entry::Vacant(first) = self.at.entry(event.id()) {
            first.insert(now);
            let key = event.partition_key().to_owned();
            self.by_key.entry(key).or_default().push(event.id());
        }
    }
}
