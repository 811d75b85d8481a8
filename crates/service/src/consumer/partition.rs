//! One partition of a group: its events one after the other, each settled before the next.

use outcry_broker::{Delivery, Message, Partition};
use outcry_events::SealedEvent;
use outcry_store::{Commit, CommitError, Conflict};
use tracing::{Instrument, debug, error_span, info, trace, warn};

use super::attempt::Effect;
use super::parking::Behind;
use super::{Consumer, Stopped};
use crate::faults::{Trouble, chain, unknown};
use crate::messaging;
use crate::reaction::Unknown;
use crate::tenure::Tenure;

/// How an event was settled, or what stands in the way.
#[derive(Debug)]
enum Settled {
    /// Handled, parked, skipped or discarded: durably.
    Yes,
    /// Its key is parked, from this position on.
    KeyParked(u64),
}

/// The broker has ended the subscription.
#[derive(Debug)]
pub(super) struct Closed;

impl Consumer {
    /// Settles the events of `partition` until the tenure ends, or until the broker closes it.
    ///
    /// An event is acknowledged when its effect is durable and not before; one that is still being
    /// worked on when the tenure ends is given back.
    pub(super) async fn work(
        &self,
        mut partition: Partition,
        system: &'static str,
        tenure: &Tenure,
    ) -> Result<Closed, Stopped> {
        loop {
            let delivery = tokio::select! {
                biased;
                () = tenure.stop.cancelled() => return Err(Stopped),
                delivery = partition.recv() => delivery,
            };
            let Some(delivery) = delivery else {
                return Ok(Closed);
            };
            // Wherever anything is logged, its lines say which event they are about.
            let span = error_span!(
                "react",
                group = self.spec.name,
                partition = partition.index,
                topic = delivery.message.topic,
                event_id = delivery.message.event_id,
                correlation_id = delivery.message.correlation_id,
            );
            let traced =
                messaging::process(self.ctx.service, system, self.spec.name, &delivery.message);
            let settled = traced.within(self.settle(&delivery.message, tenure));
            let settled = settled.instrument(span).await;
            drop(traced);
            match settled {
                Ok(()) => acknowledge(delivery).await,
                Err(Stopped) => {
                    delivery.release().await;
                    return Err(Stopped);
                }
            }
        }
    }

    /// Brings one event to its end: handled, parked or skipped, and that durably.
    async fn settle(&self, message: &Message, tenure: &Tenure) -> Result<(), Stopped> {
        let event = match SealedEvent::open(message.body.clone()) {
            Ok(event) => event,
            Err(error) => {
                let parcel = self.unreadable(message, &chain(&error));
                return self.park(parcel, tenure).await;
            }
        };
        if event.copy_of().is_some() {
            // The fact it repeats comes, too, and is what the group handles: no platform starts
            // with a group whose topics match an event but not its next version.
            self.metrics.copies.count();
            debug!("copy in an older version skipped");
            return Ok(());
        }
        let unknown = unknown(&event).filter(|_| self.spec.unknown != Unknown::Handle);
        if let Some(reason) = &unknown
            && self.spec.unknown == Unknown::Skip
        {
            self.metrics.skipped.count();
            debug!(reason, "event skipped");
            return Ok(());
        }
        let (group, key) = (self.spec.name, event.partition_key());
        let (handled, mut parked) = self
            .insist(tenure, || async {
                let store = &self.ctx.store;
                let handled = store.is_handled(group, event.id());
                tokio::try_join!(handled, store.first_parked(group, key))
            })
            .await?;
        if handled {
            self.metrics.duplicates.count();
            return Ok(());
        }
        // The store refuses to handle an event of a parked key and to park behind nothing, so
        // whatever happens to the key meanwhile, one of the two goes through in the end.
        loop {
            if let Some(first) = parked
                && self.park_behind(message, &event, first, tenure).await? == Behind::Parked
            {
                return Ok(());
            }
            if let Some(reason) = &unknown {
                let parcel = self.parcel(message, &event, reason, 0);
                return self.park(parcel, tenure).await;
            }
            match self.handle(message, &event, tenure).await? {
                Settled::Yes => {
                    trace!("event settled");
                    return Ok(());
                }
                Settled::KeyParked(first) => parked = Some(first),
            }
        }
    }

    /// Reacts to `event` until that succeeds or there is nothing left but to park it.
    async fn handle(
        &self,
        message: &Message,
        event: &SealedEvent,
        tenure: &Tenure,
    ) -> Result<Settled, Stopped> {
        let mut attempts = 0;
        let mut pauses = 0;
        loop {
            let trouble = match self.attempt(event, None, tenure).await {
                Ok(Effect::Committed) => {
                    self.metrics.handled.count();
                    return Ok(Settled::Yes);
                }
                // Nothing is unparked here, so no row can have moved.
                Ok(Effect::AlreadyDone | Effect::RowMoved) => {
                    self.metrics.duplicates.count();
                    return Ok(Settled::Yes);
                }
                Ok(Effect::KeyParked(first)) => return Ok(Settled::KeyParked(first)),
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Store(reason) => {
                    pauses += 1;
                    self.pause(pauses, &reason, tenure).await?;
                }
                Trouble::Retry(reason) => {
                    attempts += 1;
                    if attempts >= self.spec.retry.attempts {
                        let parcel = self.parcel(message, event, &reason, attempts);
                        self.park(parcel, tenure).await?;
                        return Ok(Settled::Yes);
                    }
                    self.metrics.retried.count();
                    warn!(attempts, reason, "reaction failed; trying again");
                    if !self.spec.retry.backoff.wait(attempts, &tenure.stop).await {
                        return Err(Stopped);
                    }
                }
                Trouble::Park(reason) => {
                    let parcel = self.parcel(message, event, &reason, attempts + 1);
                    self.park(parcel, tenure).await?;
                    return Ok(Settled::Yes);
                }
                Trouble::Fenced(reason) => return Err(self.fenced(&reason)),
                Trouble::Discard(reason) => return self.discard(event, &reason, tenure).await,
            }
        }
    }

    /// Marks an event handled that has no effect.
    async fn discard(
        &self,
        event: &SealedEvent,
        reason: &str,
        tenure: &Tenure,
    ) -> Result<Settled, Stopped> {
        let mut commit = Commit::default();
        self.finish(&mut commit, event, None);
        match self.insist_commit(tenure, commit).await? {
            Err(CommitError::Conflict(Conflict::KeyParked { first, .. })) => {
                return Ok(Settled::KeyParked(first));
            }
            Err(refused) => debug!(reason = chain(&refused), "mark not needed"),
            Ok(()) => {
                self.metrics.discarded.count();
                info!(reason, "event discarded");
            }
        }
        Ok(Settled::Yes)
    }
}

/// Tells the broker that an event is settled. When that fails the event comes again, and the inbox
/// knows it.
async fn acknowledge(delivery: Delivery) {
    let event_id = delivery.message.event_id.clone();
    if let Err(error) = delivery.ack().await {
        warn!(
            event_id,
            error = chain(&error),
            "acknowledging failed; the event comes again"
        );
    }
}
