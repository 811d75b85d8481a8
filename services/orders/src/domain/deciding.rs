//! What an order does because of a command that the table allows.

use outcry_contracts::orders::v1::{
    CancelReason, OrderCancelledEvent, OrderCreatedEvent, OrderExpiredEvent, OrderFilledEvent,
    OrderRejectedEvent, OrderReplacedEvent, OrderStatus, OrderTerms, OrderValidatedEvent,
};
use outcry_contracts::types::v1::AssetAmount;
use outcry_events::Amount;

use super::lifecycle::{self, Step};
use super::{
    Command, Fill, Order, OrderEvent, Phase, Refused, Rejection, Replacement, average, filled_phase,
};

/// A new order; refused at once, if it is.
pub(super) fn place(
    order_id: &str,
    user_id: &str,
    client_order_id: &str,
    terms: &OrderTerms,
    refused: &Option<Refused>,
) -> Vec<OrderEvent> {
    let created = OrderCreatedEvent {
        order_id: order_id.to_owned(),
        user_id: user_id.to_owned(),
        client_order_id: client_order_id.to_owned(),
        terms: Some(terms.clone()),
    };
    let rejected = refused
        .as_ref()
        .map(|refused| rejected(order_id, user_id, terms, refused).into());
    std::iter::once(created.into()).chain(rejected).collect()
}

impl Order {
    /// Whether the command only says again what has happened.
    pub(super) fn has_done(&self, command: &Command) -> bool {
        match command {
            Command::Validate { .. } => {
                matches!(self.phase, Phase::Validated | Phase::PartiallyFilled)
            }
            Command::Reject(_) => self.phase == Phase::Rejected,
            Command::CancelBeforeVenue { .. } => self.phase == Phase::Cancelled,
            Command::Fill(fill) => {
                self.executions.get(&fill.cumulative) == Some(&fill.execution_id)
            }
            // The venue numbers changes as it makes them: an earlier one is known or obsolete.
            Command::Replace(new) => self.phase != Phase::New && new.revision <= self.revision,
            Command::Place { .. } | Command::TakeOff { .. } => false,
        }
    }

    /// Looks the command up in the table of an order's life.
    pub(super) fn check_step(&self, command: &Command) -> Result<(), Rejection> {
        let (phase, step) = (self.phase, command.step());
        let from = match (phase, step) {
            // Who changes an order or takes it off has it: the acknowledgement is in the fact.
            (Phase::Validated, Step::AskReplace) => OrderStatus::Open,
            _ => phase.status(),
        };
        if lifecycle::allows(from, step) {
            return Ok(());
        }
        Err(match (phase, command) {
            (Phase::Absent, _) => Rejection::Unknown,
            (_, Command::Place { .. }) => Rejection::AlreadyPlaced,
            (Phase::New, Command::Fill(_) | Command::TakeOff { .. } | Command::Replace(_)) => {
                Rejection::NotAtVenue
            }
            (phase, _) if phase.is_final() => Rejection::Final { phase },
            (phase, command) => Rejection::NotAllowed {
                phase,
                command: command.name(),
            },
        })
    }

    pub(super) fn validate(&self, locked: &AssetAmount, protection: Amount) -> OrderEvent {
        OrderValidatedEvent {
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            terms: Some(self.terms.clone()),
            locked: Some(locked.clone()),
            protection_price: Some(protection.to_money()),
        }
        .into()
    }

    pub(super) fn reject(&self, refused: &Refused) -> OrderEvent {
        rejected(&self.order_id, &self.user_id, &self.terms, refused).into()
    }

    /// A fill is taken when it is the next one and its total is one the order has had.
    pub(super) fn fill(&self, fill: &Fill) -> Result<Vec<OrderEvent>, Rejection> {
        if self.executions.contains_key(&fill.cumulative) {
            return Err(Rejection::contradiction(
                "two fills reach the same quantity",
            ));
        }
        let next = self.cumulative + fill.last;
        if fill.cumulative > next {
            return Err(Rejection::Gap {
                expected: next,
                found: fill.cumulative,
            });
        }
        if fill.cumulative < next {
            return Err(Rejection::contradiction("a fill overlaps an earlier one"));
        }
        self.check_total(fill.cumulative + fill.leaves)?;
        let leaves = self.terms.quantity - fill.cumulative;
        if leaves < 0 {
            let total = fill.cumulative + fill.leaves;
            return Err(Rejection::TermsNotKnown { total });
        }
        let notional = self.notional + i128::from(fill.price.raw()) * i128::from(fill.last);
        let average = average(notional, fill.cumulative)
            .ok_or(Rejection::contradiction("an average price out of range"))?;
        let filled = OrderFilledEvent {
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            symbol: self.terms.symbol.clone(),
            side: self.terms.side,
            last_quantity: fill.last,
            last_price: Some(fill.price.to_money()),
            cumulative_quantity: fill.cumulative,
            leaves_quantity: leaves,
            average_price: Some(average.to_money()),
            status: filled_phase(leaves).status().into(),
            execution_id: fill.execution_id.clone(),
        };
        Ok(vec![filled.into()])
    }

    /// The venue took it off: everything filled before must be known here first.
    pub(super) fn take_off(
        &self,
        cumulative: i64,
        unfilled: i64,
        reason: CancelReason,
    ) -> Result<Vec<OrderEvent>, Rejection> {
        if cumulative > self.cumulative {
            return Err(Rejection::Gap {
                expected: self.cumulative,
                found: cumulative,
            });
        }
        if cumulative < self.cumulative {
            return Err(Rejection::contradiction("less was filled than is known"));
        }
        self.check_total(cumulative + unfilled)?;
        let total = cumulative + unfilled;
        if total < self.terms.quantity {
            return Err(Rejection::TermsNotKnown { total });
        }
        if total > self.terms.quantity {
            return Err(Rejection::contradiction("taken off under earlier terms"));
        }
        Ok(vec![if reason == CancelReason::Expired {
            self.expired(unfilled)
        } else {
            self.cancelled(unfilled, reason)
        }])
    }

    pub(super) fn cancelled(&self, unfilled: i64, reason: CancelReason) -> OrderEvent {
        OrderCancelledEvent {
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            symbol: self.terms.symbol.clone(),
            side: self.terms.side,
            cumulative_quantity: self.cumulative,
            cancelled_quantity: unfilled,
            reason: reason.into(),
        }
        .into()
    }

    fn expired(&self, unfilled: i64) -> OrderEvent {
        OrderExpiredEvent {
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            symbol: self.terms.symbol.clone(),
            side: self.terms.side,
            cumulative_quantity: self.cumulative,
            expired_quantity: unfilled,
            time_in_force: self.terms.time_in_force,
        }
        .into()
    }

    /// New terms of what is filled already make the order a filled one. No fill will tell so any
    /// more, hence the cancellation of nothing: custody gives the rest of the lock back when it sees
    /// an order end.
    pub(super) fn replace(&self, new: &Replacement) -> Result<Vec<OrderEvent>, Rejection> {
        if new.quantity < self.cumulative {
            return Err(Rejection::contradiction("new terms below what is filled"));
        }
        let replaced = OrderReplacedEvent {
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            symbol: self.terms.symbol.clone(),
            side: self.terms.side,
            revision: new.revision,
            quantity: new.quantity,
            limit_price: Some(new.limit.to_money()),
            cumulative_quantity: self.cumulative,
            kept_priority: new.kept_priority,
            stop_price: new.stop.map(Amount::to_money),
        };
        let mut events = vec![replaced.into()];
        if new.quantity == self.cumulative {
            events.push(self.cancelled(0, CancelReason::User));
        }
        Ok(events)
    }

    /// A larger total than the order ever had belongs to new terms that are not written down yet.
    /// Others are from before: a later change, or a loss of shares that it made obsolete.
    fn check_total(&self, total: i64) -> Result<(), Rejection> {
        if self.quantities.iter().any(|known| total <= *known) {
            return Ok(());
        }
        Err(Rejection::TermsNotKnown { total })
    }
}

fn rejected(
    order_id: &str,
    user_id: &str,
    terms: &OrderTerms,
    refused: &Refused,
) -> OrderRejectedEvent {
    OrderRejectedEvent {
        order_id: order_id.to_owned(),
        user_id: user_id.to_owned(),
        symbol: terms.symbol.clone(),
        side: terms.side,
        reason: refused.reason.into(),
        message: refused.message.clone(),
    }
}
