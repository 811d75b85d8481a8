//! One partition of a group: the events of a lane one after the other, each settled before the next; those of other
//! lanes meanwhile.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use outcry_broker::{Delivery, Message, Partition};
use outcry_events::SealedEvent;
use outcry_store::{Commit, CommitError, Conflict, ParkedFilter, StoreError};
use tracing::{Instrument, Span, debug, error_span, info, trace, warn};

use super::attempt::Effect;
use super::lanes::{Lane, Lanes};
use super::parking::Behind;
use super::{Consumer, Stopped};
use crate::faults::{Trouble, chain, unknown};
use crate::messaging;
use crate::reaction::{Handling, Unknown};
use crate::tenure::Tenure;

/// Events of one partition in hand, those of different lanes at the same time: a commit takes as long as the disk, and
/// so many are written to it together. More would wait for the store's connections, or for each other's rows.
const IN_HAND_MAX: usize = 8;

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
    /// An event is acknowledged when its effect is durable and not before. When the tenure ends, those that are
    /// worked on come to their end, and what waits behind them is given back.
    pub(super) async fn work(
        &self,
        mut partition: Partition,
        system: &'static str,
        tenure: &Tenure,
    ) -> Result<Closed, Stopped> {
        let any = ParkedFilter {
            group: Some(self.spec.name.to_owned()),
            limit: 1,
            ..ParkedFilter::default()
        };
        let parked = self.insist(tenure, || self.ctx.store.parked(&any)).await?;
        tenure.note_parked(!parked.is_empty());
        if self.spec.handling == Handling::InRuns {
            return self.work_in_order(partition, system, tenure).await;
        }
        let mut lanes = Lanes::default();
        let mut running = FuturesUnordered::new();
        let index = partition.index;
        let outcome = loop {
            tokio::select! {
                biased;
                () = tenure.stop.cancelled() => break Err(Stopped),
                Some(ended) = running.next(), if !running.is_empty() => {
                    let (lane, (delivery, settled)): (Lane, (Delivery, _)) = ended;
                    if self.end(delivery, settled).await.is_err() {
                        break Err(Stopped);
                    }
                    if let Some(next) = lanes.next(&lane) {
                        running.push(self.settled_in(lane, next, index, system, tenure));
                    }
                }
                delivery = partition.recv(), if lanes.taken() < IN_HAND_MAX => {
                    let Some(delivery) = delivery else {
                        break Ok(Closed);
                    };
                    let lane = Lane::of(&delivery.message, self.spec.handling);
                    if let Some(free) = lanes.take(&lane, delivery) {
                        running.push(self.settled_in(lane, free, index, system, tenure));
                    }
                }
            }
        };
        let mut stopped = false;
        while let Some((_, (delivery, settled))) = running.next().await {
            stopped |= self.end(delivery, settled).await.is_err();
        }
        for delivery in lanes.rest() {
            delivery.release().await;
        }
        if stopped { Err(Stopped) } else { outcome }
    }

    /// Settles one event of a lane, and says how that went.
    async fn settled_in(
        &self,
        lane: Lane,
        delivery: Delivery,
        partition: u32,
        system: &'static str,
        tenure: &Tenure,
    ) -> (Lane, (Delivery, Result<(), Stopped>)) {
        (
            lane,
            self.settled(delivery, partition, system, tenure).await,
        )
    }

    /// Settles one event, and says how that went.
    pub(super) async fn settled(
        &self,
        delivery: Delivery,
        partition: u32,
        system: &'static str,
        tenure: &Tenure,
    ) -> (Delivery, Result<(), Stopped>) {
        let span = self.span(&delivery.message, partition);
        let traced =
            messaging::process(self.ctx.service, system, self.spec.name, &delivery.message);
        let settled = traced.within(self.settle(&delivery.message, delivery.redelivered, tenure));
        let settled = settled.instrument(span).await;
        drop(traced);
        (delivery, settled)
    }

    /// Wherever anything is logged, its lines say which event they are about.
    pub(super) fn span(&self, message: &Message, partition: u32) -> Span {
        error_span!(
            "react",
            group = self.spec.name,
            partition,
            topic = message.topic,
            event_id = message.event_id,
            correlation_id = message.correlation_id,
        )
    }

    /// Acknowledges an event that is settled, and gives another one back.
    pub(super) async fn end(
        &self,
        delivery: Delivery,
        settled: Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        match settled {
            Ok(()) => acknowledge(delivery).await,
            Err(Stopped) => delivery.release().await,
        }
        settled
    }

    /// Brings one event to its end: handled, parked or skipped, and that durably.
    ///
    /// An event that comes for the first time while no key is parked is handled without looking into the inbox: the
    /// commit looks there anyway.
    async fn settle(
        &self,
        message: &Message,
        redelivered: bool,
        tenure: &Tenure,
    ) -> Result<(), Stopped> {
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
        let unknown = self.unknown(&event);
        if let Some(reason) = &unknown
            && self.spec.unknown == Unknown::Skip
        {
            self.metrics.skipped.count();
            debug!(reason, "event skipped");
            return Ok(());
        }
        let mut parked = None;
        if unknown.is_some() || redelivered || tenure.has_parked() {
            match self.known(&event, tenure).await? {
                Some(Settled::Yes) => return Ok(()),
                Some(Settled::KeyParked(first)) => parked = Some(first),
                None => {}
            }
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

    /// Why the group cannot handle an event of this kind, if it cannot.
    pub(super) fn unknown(&self, event: &SealedEvent) -> Option<String> {
        unknown(event).filter(|_| self.spec.unknown != Unknown::Handle)
    }

    /// What the inbox says of an event; nothing when it is new and its key is free.
    async fn known(
        &self,
        event: &SealedEvent,
        tenure: &Tenure,
    ) -> Result<Option<Settled>, Stopped> {
        let (handled, parked) = self.insist(tenure, || self.inbox(event)).await?;
        if handled {
            self.metrics.duplicates.count();
            return Ok(Some(Settled::Yes));
        }
        Ok(parked.map(Settled::KeyParked))
    }

    /// Whether an event is handled, and where its key is parked first.
    pub(super) async fn inbox(
        &self,
        event: &SealedEvent,
    ) -> Result<(bool, Option<u64>), StoreError> {
        let (group, store) = (self.spec.name, &self.ctx.store);
        let handled = store.is_handled(group, event.id());
        let parked = store.first_parked(group, event.partition_key());
        tokio::try_join!(handled, parked)
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
            // Who reacts to what is handled, or out of turn, may say anything.
            if !matches!(trouble, Trouble::Store(_) | Trouble::Fenced(_))
                && let Some(settled) = self.known(event, tenure).await?
            {
                return Ok(settled);
            }
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
pub(super) async fn acknowledge(delivery: Delivery) {
    let event_id = delivery.message.event_id.clone();
    if let Err(error) = delivery.ack().await {
        warn!(
            event_id,
            error = chain(&error),
            "acknowledging failed; the event comes again"
        );
    }
}
