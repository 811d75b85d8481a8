//! Booking: each event that moves something becomes one transaction.

use async_trait::async_trait;
use outcry_events::SealedEvent;
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown};
use outcry_store::Commit;
use outcry_store::timer::nanos;
use tracing::debug;

use crate::books;
use crate::domain::{Bookable, Waiting, record_covered};
use crate::{CONSUMES, NAME};

/// Postings that may wait at once. Those of events on their way at the same time do, for a moment;
/// so many mean that something is wrong, and the next one is for a person to look at.
const WAITING_MAX: usize = 1000;

/// Books what moved.
pub(crate) struct Bookkeeper {
    ctx: Context,
}

// === impl Bookkeeper ===

impl Bookkeeper {
    pub(crate) fn new(ctx: Context) -> Bookkeeper {
        Bookkeeper { ctx }
    }
}

#[async_trait]
impl Reaction for Bookkeeper {
    /// One partition: a chain has one order.
    fn group(&self) -> GroupSpec {
        GroupSpec::new(NAME, CONSUMES, Unknown::Park).partitions(1)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let posting = Bookable::open(event)
            .and_then(|bookable| bookable.posting(event.id(), event.sequence()))
            .map_err(Fault::park)?;
        let Some(posting) = posting else {
            return Ok(Commit::default());
        };
        let store = self.ctx.store.as_ref();
        if let Some(number) = books::number_of(store, &posting.key).await? {
            let booked = books::transaction(store, number).await?;
            return match booked {
                Some(booked) if booked.event_id == event.id() => {
                    Err(Fault::discard("the event is booked already"))
                }
                _ => Err(Fault::park(format!(
                    "key {} is booked for another event as number {number}",
                    posting.key
                ))),
            };
        }
        let at_ns =
            nanos(event.occurred_at()).ok_or_else(|| Fault::park("the event's time is no time"))?;
        // The end first: whatever else is read belongs to this end or to a later one, and then the
        // commit is a conflict.
        let (head, version) = books::head(store).await?;
        let mut waiting = books::waiting(store, WAITING_MAX).await?;
        if waiting.iter().any(|one| one.posting.key == posting.key) {
            return Err(Fault::park(format!(
                "key {} waits to be booked for another event",
                posting.key
            )));
        }
        let already = waiting.len();
        let new = Waiting {
            posting,
            event_id: event.id(),
            at_ns,
        };
        waiting.insert(0, new);
        let postings = waiting.iter().map(|one| &one.posting);
        let balances = books::balances_for(store, postings).await?;
        let held = balances
            .iter()
            .map(|(account, kept)| (account.clone(), kept.balance));
        let recorded = record_covered(head, waiting, held.collect()).map_err(Fault::park)?;
        if recorded.waiting.len() > WAITING_MAX {
            return Err(Fault::park(format!("{already} events wait to be covered")));
        }
        if !recorded.waiting.is_empty() {
            debug!(
                waiting = recorded.waiting.len(),
                "events wait to be covered"
            );
        }
        Ok(Commit {
            views: books::writes(event.id(), &recorded, (&head, version), balances)?,
            ..Commit::default()
        })
    }
}
