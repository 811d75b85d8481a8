//! Writing events down: sealed, in order, each with its cause.

use std::time::SystemTime;

use outcry_contracts::trades::v1::{SessionChangedEvent, TradeCreatedEvent};
use outcry_events::{Cause, EventSet, SealError, SealedEvent, Stamp, seal};
use outcry_service::Clock;
use outcry_store::StoreError;
use uuid::Uuid;

use super::batch::Batch;
use crate::trade::{Trade, TradeEvent, Unreadable};

/// Why a command's events cannot be written down. The command is given up, not the book.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritable {
    /// An event breaks the contract's rules.
    #[error("an event breaks its contract")]
    Seal(#[from] SealError),
    /// An event does not fit its trade.
    #[error("an event does not fit its trade")]
    Trade(#[from] Unreadable),
    /// A read model cannot be written.
    #[error("a read model cannot be written")]
    View(#[from] StoreError),
    /// The book tells of an order that the desk does not have.
    #[error("the book tells of order {0}, which has no trade")]
    Stray(Uuid),
}

/// Writes the events of one command into a batch.
pub(crate) struct Pen<'a> {
    /// When the command is carried out.
    pub(crate) at: SystemTime,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) batch: &'a mut Batch,
    /// What led to the command, and the order it is about. Events of other orders follow from
    /// what happened to those orders before.
    pub(crate) lead: Option<(Uuid, Cause)>,
}

impl Pen<'_> {
    /// Begins the trade of a new order.
    pub(crate) fn begin(
        &mut self,
        created: &TradeCreatedEvent,
        cause: &Cause,
    ) -> Result<Trade, Unwritable> {
        let stamp = self.stamp(1, cause);
        let sealed = seal(created, stamp)?;
        let trade = Trade::born(&sealed, created)?;
        self.batch.append(sealed);
        // What follows is caused by this event.
        self.lead = Some((
            trade.order_id,
            Cause {
                causation_id: None,
                ..cause.clone()
            },
        ));
        Ok(trade)
    }

    /// Writes the next event of a trade and applies it.
    pub(crate) fn write(
        &mut self,
        trade: &mut Trade,
        event: &TradeEvent,
    ) -> Result<(), Unwritable> {
        let cause = match &mut self.lead {
            Some((order_id, cause)) if *order_id == trade.order_id => {
                let caused = trade.caused_by(cause);
                // The command causes the first event; each further one follows from it.
                cause.causation_id = None;
                caused
            }
            _ => trade.own_cause(),
        };
        self.write_caused(trade, event, &cause)
    }

    /// Writes the next event of a trade, which the venue brings about on its own whatever the
    /// command was, and applies it.
    pub(crate) fn write_own(
        &mut self,
        trade: &mut Trade,
        event: &TradeEvent,
    ) -> Result<(), Unwritable> {
        let cause = trade.own_cause();
        self.write_caused(trade, event, &cause)
    }

    fn write_caused(
        &mut self,
        trade: &mut Trade,
        event: &TradeEvent,
        cause: &Cause,
    ) -> Result<(), Unwritable> {
        let sealed: SealedEvent = event.seal(self.stamp(trade.sequence + 1, cause))?;
        trade.apply(&sealed, event)?;
        self.batch.append(sealed);
        Ok(())
    }

    /// Writes a change of the session, the so manieth of its symbol.
    pub(crate) fn write_session(
        &mut self,
        changed: &SessionChangedEvent,
        sequence: u64,
        cause: &Cause,
    ) -> Result<(), Unwritable> {
        let sealed = seal(changed, self.stamp(sequence, cause))?;
        self.batch.append(sealed);
        Ok(())
    }

    fn stamp<'c>(&self, sequence: u64, cause: &'c Cause) -> Stamp<'c> {
        Stamp {
            event_id: self.clock.new_id(),
            sequence,
            occurred_at: self.at,
            recorded_at: self.at,
            cause,
        }
    }
}
