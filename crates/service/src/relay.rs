//! From the store to the broker: events leave in commit order, and count as sent when confirmed and routed.
//!
//! The unsent events are spread over slots by their keys, and the relays of all replicas share the
//! slots. Should two of them publish the same slot for a moment, events leave twice but none leaves
//! before an earlier one of its key: each relay begins with the first one not confirmed.
//!
//! Of an event that has got a new version the store keeps that one. Beside it leaves a copy in the
//! version before, until the day the contract names; the event counts as sent when both are.

mod outgoing;
mod share;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use outcry_broker::{Broker, Message, PublishError};
use outcry_events::{SealedEvent, downcast};
use outcry_mesh::trace::Span;
use outcry_store::{StoreError, StoredEvent};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::backoff::Backoff;
use crate::context::Context;
use crate::faults::chain;
use crate::messaging;

use self::outgoing::Outgoing;

pub(crate) use self::share::RelayShare;

/// Events published together. The larger, the fewer round trips; the smaller, the sooner the first
/// of them counts as sent.
const BATCH: usize = 256;

/// Most unsent events looked at when the first ones are held back: how far the relay sees past a
/// key the broker refuses.
const WINDOW_MAX: usize = 16_384;

/// How often the relay looks without being woken: news of what another process commits can be lost
/// with the connection that would have told it.
const SWEEP: Duration = Duration::from_secs(5);

/// Waits before a key the broker did not take is tried again.
const HELD_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(5),
};

/// Waits while the store does not answer.
const STORE_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(5),
};

/// Takes the events of one service to the broker.
pub(crate) struct Relay {
    ctx: Context,
    broker: Arc<dyn Broker>,
    share: RelayShare,
    held: HeldKeys,
}

/// Keys whose first unsent event the broker did not take. Nothing of a key overtakes it.
#[derive(Debug, Default)]
struct HeldKeys {
    keys: HashMap<String, Held>,
}

#[derive(Debug)]
struct Held {
    failures: u32,
    until: Instant,
}

/// What one look at the store came to.
#[derive(Debug, PartialEq, Eq)]
enum Pass {
    /// There may be more to send at once.
    More,
    /// Nothing can be sent now.
    Done,
}

// === impl Relay ===

impl Relay {
    pub(crate) fn new(ctx: Context, broker: Arc<dyn Broker>, share: RelayShare) -> Self {
        Self {
            ctx,
            broker,
            share,
            held: HeldKeys::default(),
        }
    }

    /// Publishes the slots held until `stop`, then until nothing of them is left unsent. The caller
    /// bounds the latter.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut commits = self.ctx.store.commits();
        let share = self.share.clone();
        let mut store_failures = 0;
        loop {
            // Seen before looking: a commit during the look wakes the next one, and what was
            // committed before the stop is looked for after it.
            let stopping = stop.is_cancelled();
            commits.mark_unchanged();
            match self.pass().await {
                Ok(Pass::More) => {
                    store_failures = 0;
                    continue;
                }
                Ok(Pass::Done) => store_failures = 0,
                Err(error) => {
                    store_failures += 1;
                    warn!(
                        service = self.ctx.service,
                        error = chain(&error),
                        "relay waits for the store"
                    );
                    tokio::time::sleep(STORE_BACKOFF.after(store_failures)).await;
                    continue;
                }
            }
            self.measure().await;
            if stopping && self.held.keys.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => {}
                _ = commits.changed() => {}
                () = share.added() => {}
                () = tokio::time::sleep_until(self.held.next_due(Instant::now() + SWEEP)) => {}
            }
        }
    }

    /// Publishes one batch of the slots held.
    async fn pass(&mut self) -> Result<Pass, StoreError> {
        let share = self.share.clone();
        let in_flight = share.take_off();
        let mut window = BATCH;
        let now = Instant::now();
        let (batch, seen_all) = loop {
            let rows = if in_flight.slots.is_empty() {
                Vec::new()
            } else {
                self.ctx.store.unsent(in_flight.slots, window).await?
            };
            let seen_all = rows.len() < window;
            if seen_all {
                self.held.keep(&rows);
            }
            let batch = self.held.sendable(rows, now);
            if !batch.is_empty() || seen_all || window >= WINDOW_MAX {
                break (batch, seen_all);
            }
            // All of it is held back: look further.
            window = (window * 4).min(WINDOW_MAX);
        };
        if batch.is_empty() {
            return Ok(Pass::Done);
        }
        let all_sent = self.publish(batch).await?;
        Ok(if all_sent && seen_all {
            Pass::Done
        } else {
            Pass::More
        })
    }

    /// Publishes `batch` in commit order and marks what was confirmed; whether that was all of it.
    async fn publish(&mut self, batch: Vec<StoredEvent>) -> Result<bool, StoreError> {
        let now = self.ctx.clock.now();
        let mut left: Vec<Outgoing> = Vec::with_capacity(batch.len());
        for (place, row) in batch.iter().enumerate() {
            let fact = row.event.clone();
            let copies = self.copies(&fact, now);
            let events = std::iter::once(fact).chain(copies);
            left.extend(events.map(|event| Outgoing { place, event }));
        }
        let mut results = vec![Ok(()); batch.len()];
        while !left.is_empty() {
            let answers = self.send(&left).await;
            let settled = outgoing::settle(left, answers, &mut results);
            self.ctx.metrics().relay.copies.add(settled.copies);
            left = settled.behind_unwanted;
        }
        let mut sent = Vec::with_capacity(batch.len());
        for (row, result) in batch.iter().zip(results) {
            let key = row.event.partition_key();
            match result {
                Ok(()) => {
                    sent.push(row.position);
                    self.held.release(key);
                }
                // The one before it in the batch is what holds its key.
                Err(PublishError::HeldBack) => {}
                Err(error) => self.hold(row, &error),
            }
        }
        let all_sent = sent.len() == batch.len();
        self.ctx.metrics().relay.published.add(sent.len() as u64);
        if !sent.is_empty() {
            debug!(service = self.ctx.service, events = sent.len(), "published");
            self.ctx.store.mark_sent(sent).await?;
        }
        Ok(all_sent)
    }

    /// Hands events to the broker; what became of each.
    async fn send(&self, events: &[Outgoing]) -> Vec<Result<(), PublishError>> {
        let system = self.broker.system();
        let (messages, mut spans): (Vec<Message>, Vec<Span>) = events
            .iter()
            .map(|Outgoing { event, .. }| {
                let mut message = Message::of(event, self.ctx.cloud_events);
                let span = messaging::publish(self.ctx.service, system, event, &mut message);
                (message, span)
            })
            .unzip();
        let results = self.broker.publish(messages).await;
        for (span, result) in spans.iter_mut().zip(&results) {
            if let Err(error) = result {
                span.failed(failure(error));
            }
        }
        results
    }

    /// The copies of a fact in older versions. Without them the fact leaves alone: what cannot be
    /// copied now cannot be by this release, and would hold its key until another one comes.
    fn copies(&self, fact: &SealedEvent, now: SystemTime) -> Vec<SealedEvent> {
        downcast::registry()
            .copies(fact, now)
            .unwrap_or_else(|error| {
                self.ctx.metrics().relay.uncopied.count();
                error!(
                    service = self.ctx.service,
                    topic = fact.topic(),
                    event_id = %fact.id(),
                    error = chain(&error),
                    "published without a copy in its older version"
                );
                Vec::new()
            })
    }

    /// Lets the key of an event the broker did not take wait.
    fn hold(&mut self, row: &StoredEvent, error: &PublishError) {
        let failures = self.held.hold(row.event.partition_key(), Instant::now());
        self.ctx.metrics().relay.failed.count();
        warn!(
            service = self.ctx.service,
            topic = row.event.topic(),
            event_id = %row.event.id(),
            failures,
            error = chain(error),
            "broker did not take an event; its key waits"
        );
    }

    /// Notes how much waits and for how long. Failing to measure is no reason to stop relaying.
    async fn measure(&self) {
        let oldest = if self.held.keys.is_empty() {
            None
        } else {
            match self.ctx.store.oldest_unsent().await {
                Ok(oldest) => oldest,
                Err(_) => return,
            }
        };
        let relay = &self.ctx.metrics().relay;
        let (age, count) = oldest.map_or((Duration::ZERO, 0), |(since, count)| {
            let age = self.ctx.clock.now().duration_since(since);
            (age.unwrap_or_default(), count)
        });
        relay.unsent.set(count);
        relay
            .oldest_unsent_ms
            .set(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    }
}

/// A failure in one word, as spans have it.
fn failure(error: &PublishError) -> &'static str {
    match error {
        PublishError::HeldBack => "held back",
        _ => "not taken",
    }
}

// === impl HeldKeys ===

impl HeldKeys {
    /// The first events of `rows` that may be sent now, at most [`BATCH`], in their order.
    fn sendable(&self, rows: Vec<StoredEvent>, now: Instant) -> Vec<StoredEvent> {
        rows.into_iter()
            .filter(|row| self.may_send(row.event.partition_key(), now))
            .take(BATCH)
            .collect()
    }

    fn may_send(&self, key: &str, now: Instant) -> bool {
        self.keys.get(key).is_none_or(|held| held.until <= now)
    }

    /// Holds `key` back, longer each time; how often it has failed now.
    fn hold(&mut self, key: &str, now: Instant) -> u32 {
        let held = self.keys.entry(key.to_owned()).or_insert(Held {
            failures: 0,
            until: now,
        });
        held.failures += 1;
        held.until = now + HELD_BACKOFF.after(held.failures);
        held.failures
    }

    fn release(&mut self, key: &str) {
        self.keys.remove(key);
    }

    /// Forgets keys of which nothing is unsent here, `rows` being all that is: another relay has
    /// their slot, or has brought them through.
    fn keep(&mut self, rows: &[StoredEvent]) {
        if self.keys.is_empty() {
            return;
        }
        let unsent: HashSet<&str> = rows.iter().map(|row| row.event.partition_key()).collect();
        self.keys.retain(|key, _| unsent.contains(key.as_str()));
    }

    /// When the next key may be tried again, at the latest `latest`.
    fn next_due(&self, latest: Instant) -> Instant {
        self.keys
            .values()
            .map(|held| held.until)
            .fold(latest, Instant::min)
    }
}

#[cfg(test)]
mod tests {
    use outcry_contracts::payments::v1::PaymentExpiredEvent;
    use outcry_contracts::types::v1::Money;
    use outcry_events::{Cause, Stamp, seal};
    use uuid::Uuid;

    use super::*;

    fn row(position: u64, key: u128) -> StoredEvent {
        let event = PaymentExpiredEvent {
            payment_id: Uuid::from_u128(key).to_string(),
            user_id: Uuid::nil().to_string(),
            amount: Some(Money {
                currency_code: "USD".into(),
                units: 1,
                nanos: 0,
            }),
        };
        let cause = Cause::root(Uuid::now_v7(), "service:payments");
        let stamp = Stamp {
            event_id: Uuid::now_v7(),
            sequence: position,
            occurred_at: SystemTime::now(),
            recorded_at: SystemTime::now(),
            cause: &cause,
        };
        StoredEvent {
            position,
            event: seal(&event, stamp).unwrap(),
        }
    }

    fn positions(rows: &[StoredEvent]) -> Vec<u64> {
        rows.iter().map(|row| row.position).collect()
    }

    #[test]
    fn a_held_key_is_passed_over_until_its_time_comes() {
        let mut held = HeldKeys::default();
        let now = Instant::now();
        let rows = || vec![row(1, 7), row(2, 8), row(3, 7)];
        let key = Uuid::from_u128(7).to_string();
        assert_eq!(held.hold(&key, now), 1);
        assert_eq!(positions(&held.sendable(rows(), now)), [2]);
        let later = held.next_due(now + SWEEP);
        assert!(later > now && later < now + SWEEP);
        assert_eq!(positions(&held.sendable(rows(), later)), [1, 2, 3]);
        assert_eq!(held.hold(&key, later), 2);
        held.release(&key);
        assert_eq!(positions(&held.sendable(rows(), now)), [1, 2, 3]);
    }

    #[test]
    fn a_held_key_that_another_relay_has_brought_through_is_forgotten() {
        let mut held = HeldKeys::default();
        let now = Instant::now();
        for key in [7, 8] {
            held.hold(&Uuid::from_u128(key).to_string(), now);
        }
        held.keep(&[row(3, 8)]);
        assert_eq!(
            held.keys.keys().collect::<Vec<_>>(),
            [&Uuid::from_u128(8).to_string()]
        );
    }
}
