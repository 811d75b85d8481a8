//! A subscription's end of a queue: waits, delivers and takes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use outcry_broker::{BrokerError, Delivery, Settle, Source};
use tokio::task::yield_now;

use super::exchange::{MemoryExchange, Place};

/// One partition for one subscription.
pub(super) struct MemorySource {
    exchange: MemoryExchange,
    closed: Arc<AtomicBool>,
    place: Place,
    prefetch: usize,
}

/// A delivery in hand.
struct Held {
    exchange: MemoryExchange,
    closed: Arc<AtomicBool>,
    place: Place,
    tag: u64,
    settled: bool,
}

// === impl MemorySource ===

impl MemorySource {
    pub(super) fn new(
        exchange: &MemoryExchange,
        closed: &Arc<AtomicBool>,
        place: Place,
        prefetch: usize,
    ) -> Self {
        Self {
            exchange: exchange.clone(),
            closed: Arc::clone(closed),
            place,
            prefetch,
        }
    }
}

#[async_trait]
impl Source for MemorySource {
    async fn recv(&mut self) -> Option<Delivery> {
        let changed = Arc::clone(&self.place.changed);
        loop {
            // Made before looking: a change from now on is not missed.
            let news = changed.notified();
            let next = {
                let mut state = self.exchange.state();
                let queue = state.queue(&self.place)?;
                queue.next(self.place.subscription, self.prefetch)
            };
            if let Some(next) = next {
                let settle = Held {
                    exchange: self.exchange.clone(),
                    closed: Arc::clone(&self.closed),
                    place: self.place.clone(),
                    tag: next.tag,
                    settled: false,
                };
                return Some(Delivery::new(next.message, next.redelivered, settle));
            }
            news.await;
        }
    }
}

impl Drop for MemorySource {
    fn drop(&mut self) {
        let mut state = self.exchange.state();
        if let Some(queue) = state.queue(&self.place) {
            queue.let_go(self.place.subscription);
        }
    }
}

// === impl Held ===

#[async_trait]
impl Settle for Held {
    async fn ack(mut self: Box<Self>) -> Result<(), BrokerError> {
        yield_now().await;
        if self.closed.load(Ordering::SeqCst) {
            return Err(BrokerError::Closed);
        }
        self.settled = true;
        let was_in_hand = self.exchange.state().ack(&self.place, self.tag);
        was_in_hand.then_some(()).ok_or(BrokerError::Stale)
    }

    async fn release(self: Box<Self>) {
        // Dropping does it.
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let mut state = self.exchange.state();
        if let Some(queue) = state.queue(&self.place) {
            queue.release(self.place.subscription, self.tag);
        }
    }
}
