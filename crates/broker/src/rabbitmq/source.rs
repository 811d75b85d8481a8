//! One partition's subscription: a channel with one consumer, and what it has in hand.
//!
//! The prefetch stays what it was when the subscription began, whatever the messages weigh. RabbitMQ
//! has no way of changing it under a consumer of a quorum queue, and subscribing again with a smaller
//! one would break the order: of the messages given back it takes the first few, and if it gives
//! those back, they queue up behind the rest. So in hand are at most prefetch times the largest body.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::{FutureExt as _, StreamExt as _};
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::declarer::within;
use super::fault::Fault;
use super::wire;
use crate::error::BrokerError;
use crate::message::Message;
use crate::subscription::{Delivery, Settle, Source};

/// One partition for one subscription.
pub(super) struct RabbitSource {
    hand: Arc<Hand>,
    channel: Channel,
    /// Moves what arrives into the hand.
    receiving: JoinHandle<()>,
}

/// What the server has delivered and nobody has settled.
#[derive(Debug)]
struct Hand {
    /// To be delivered, by the server's delivery tag: that is their order.
    waiting: Mutex<BTreeMap<u64, Waiting>>,
    changed: Notify,
    /// Nothing comes any more, and nothing can be settled.
    ended: CancellationToken,
    /// Shared with others that had the same queue before.
    unsettled: Arc<AtomicU64>,
    /// How many of them are this one's.
    held: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    message: Arc<Message>,
    redelivered: bool,
    acker: Acker,
}

/// A delivery in hand.
struct Held {
    hand: Arc<Hand>,
    tag: u64,
    /// Until it is settled.
    waiting: Option<Waiting>,
}

// === impl RabbitSource ===

impl RabbitSource {
    /// Subscribes on a channel of its own.
    pub(super) async fn start(
        channel: Channel,
        queue: &str,
        tag: &str,
        prefetch: usize,
        unsettled: Arc<AtomicU64>,
    ) -> Result<Self, Fault> {
        let what = format!("queue {queue}");
        let prefetch = u16::try_from(prefetch).unwrap_or(u16::MAX);
        within(channel.basic_qos(prefetch, BasicQosOptions::default()))
            .await?
            .map_err(|error| Fault::of(error, &what))?;
        let consumer = within(channel.basic_consume(
            queue.into(),
            tag.into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        ))
        .await?
        .map_err(|error| Fault::of(error, &what))?;
        let hand = Arc::new(Hand {
            waiting: Mutex::default(),
            changed: Notify::new(),
            ended: CancellationToken::new(),
            unsettled,
            held: AtomicU64::new(0),
        });
        let receiving = receive(Arc::clone(&hand), consumer, queue.to_owned());
        Ok(Self {
            hand,
            channel,
            receiving: tokio::spawn(receiving),
        })
    }
}

/// Takes what arrives until the server or the connection ends it. The prefetch bounds it.
async fn receive(hand: Arc<Hand>, mut consumer: Consumer, queue: String) {
    loop {
        match consumer.next().await {
            Some(Ok(mut delivery)) => hand.arrive(
                delivery.delivery_tag,
                Waiting {
                    message: Arc::new(wire::message(&mut delivery)),
                    redelivered: delivery.redelivered,
                    acker: delivery.acker,
                },
            ),
            Some(Err(error)) => {
                warn!(queue, error = %error, "a subscription broke");
                break;
            }
            None => {
                debug!(queue, "a subscription was ended");
                break;
            }
        }
    }
    hand.end();
}

#[async_trait]
impl Source for RabbitSource {
    async fn recv(&mut self) -> Option<Delivery> {
        loop {
            let changed = self.hand.changed.notified();
            if self.hand.has_ended() {
                return None;
            }
            if let Some((tag, waiting)) = self.hand.lock().pop_first() {
                let message = Arc::clone(&waiting.message);
                let redelivered = waiting.redelivered;
                let held = Held {
                    hand: Arc::clone(&self.hand),
                    tag,
                    waiting: Some(waiting),
                };
                return Some(Delivery::new(message, redelivered, held));
            }
            changed.await;
        }
    }
}

impl Drop for RabbitSource {
    fn drop(&mut self) {
        self.hand.end();
        // Closing the channel gives everything back at once and in order, which cancelling the
        // consumer would not. The frame is on its way when the call is made; nobody waits for the
        // answer. It must go before the consumer is dropped, which would cancel it.
        let _ = self.channel.close(200, "let go".into()).now_or_never();
        self.receiving.abort();
    }
}

// === impl Hand ===

impl Hand {
    fn arrive(&self, tag: u64, waiting: Waiting) {
        let mut all = self.lock();
        if self.has_ended() {
            return;
        }
        self.held.fetch_add(1, Ordering::SeqCst);
        self.unsettled.fetch_add(1, Ordering::SeqCst);
        all.insert(tag, waiting);
        drop(all);
        self.changed.notify_one();
    }

    /// To be delivered again; the server does not know.
    fn take_back(&self, tag: u64, waiting: Waiting) {
        let mut all = self.lock();
        if self.has_ended() {
            return;
        }
        let redelivered = true;
        all.insert(
            tag,
            Waiting {
                redelivered,
                ..waiting
            },
        );
        drop(all);
        self.changed.notify_one();
    }

    fn settled(&self) {
        let _all = self.lock();
        if !self.has_ended() {
            self.held.fetch_sub(1, Ordering::SeqCst);
            self.unsettled.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// The server has everything back.
    fn end(&self) {
        let mut all = self.lock();
        if self.has_ended() {
            return;
        }
        self.ended.cancel();
        all.clear();
        let held = self.held.swap(0, Ordering::SeqCst);
        self.unsettled.fetch_sub(held, Ordering::SeqCst);
        drop(all);
        self.changed.notify_one();
    }

    fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Waiting>> {
        // Nothing that panics happens while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Held ===

#[async_trait]
impl Settle for Held {
    async fn ack(mut self: Box<Self>) -> Result<(), BrokerError> {
        let Some(waiting) = self.waiting.take() else {
            return Err(BrokerError::Stale);
        };
        if self.hand.has_ended() {
            return Err(BrokerError::Stale);
        }
        // On a connection that breaks at this moment the client may never come to an end with it.
        let acknowledged = tokio::select! {
            acknowledged = waiting.acker.ack(BasicAckOptions::default()) => acknowledged,
            () = self.hand.ended.cancelled() => Ok(false),
        };
        match acknowledged {
            Ok(true) => {
                self.hand.settled();
                Ok(())
            }
            // The channel has ended meanwhile, and the server has the message back.
            Ok(false) | Err(_) => Err(BrokerError::Stale),
        }
    }

    async fn release(self: Box<Self>) {
        // Dropping does it.
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            self.hand.take_back(self.tag, waiting);
        }
    }
}
