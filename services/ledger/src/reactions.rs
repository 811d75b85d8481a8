//! Booking: each event of funds becomes one transaction.

use async_trait::async_trait;
use outcry_events::SealedEvent;
use outcry_service::{Context, Fault, GroupSpec, Reaction, Unknown};
use outcry_store::Commit;
use outcry_store::timer::nanos;

use crate::NAME;
use crate::books;
use crate::domain::{FundsEvent, record};

/// Books what funds says.
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
        GroupSpec::new(NAME, FundsEvent::TOPICS, Unknown::Park).partitions(1)
    }

    async fn react(&self, event: &SealedEvent) -> Result<Commit, Fault> {
        let posting = FundsEvent::open(event)
            .and_then(|funds| funds.posting(event.sequence()))
            .map_err(Fault::park)?;
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
        let (head, version) = books::head(store).await?;
        let balances = books::balances_for(store, &posting).await?;
        let at_ns =
            nanos(event.occurred_at()).ok_or_else(|| Fault::park("the event's time is no time"))?;
        let transaction =
            record(&head, &posting, event.id(), at_ns, &balances).map_err(Fault::park)?;
        Ok(Commit {
            views: books::writes(&transaction, version)?,
            ..Commit::default()
        })
    }
}
