//! What an order is and what can happen to it. Pure: no clock, no randomness, no IO.
//!
//! Invariants, by the numbers the tests use:
//! - I8: an order's quantity is what is filled plus what is left; what is filled only grows, fill
//!   by fill, and the average price comes from integers.
//! - I16: an order has exactly one final status, and nothing happens to it after that.
//!
//! `OPEN`, `PENDING_CANCEL` and `PENDING_REPLACE` are no facts of the order's stream: the first is
//! the venue's acknowledgement, the others are questions to the venue that are still open. They
//! stand in the order's view row (see [`views`](crate::views)) until the venue's facts arrive.

mod average;
mod command;
mod rejection;

use std::collections::BTreeMap;
use std::sync::Arc;

use outcry_contracts::orders::v1::{
    CancelReason, OrderCancelledEvent, OrderCreatedEvent, OrderExpiredEvent, OrderFilledEvent,
    OrderRejectedEvent, OrderReplacedEvent, OrderStatus, OrderTerms, OrderValidatedEvent,
    RejectReason,
};
use outcry_contracts::types::v1::AssetAmount;
use outcry_events::Amount;
use outcry_service::Decider;

pub use average::average;
pub use command::{Command, Fill, Refused, Replacement};
pub use rejection::Rejection;

outcry_events::event_set! {
    /// What can happen to an order.
    pub enum OrderEvent {
        /// It was placed.
        Created(OrderCreatedEvent),
        /// It passed every check and what it needs is locked.
        Validated(OrderValidatedEvent),
        /// Some of it was filled.
        Filled(OrderFilledEvent),
        /// It left the market with shares unfilled.
        Cancelled(OrderCancelledEvent),
        /// Its time ran out.
        Expired(OrderExpiredEvent),
        /// It was refused.
        Rejected(OrderRejectedEvent),
        /// It has new terms.
        Replaced(OrderReplacedEvent),
    }
}

/// Where an order is in its life, as far as its own events tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It was never placed.
    #[default]
    Absent,
    /// Placed, being checked.
    New,
    /// Checked and funded; on its way to the venue or there.
    Validated,
    /// At the venue, partly filled.
    PartiallyFilled,
    /// Filled completely. Final.
    Filled,
    /// Taken off the market. Final.
    Cancelled,
    /// Refused. Final.
    Rejected,
    /// Its time ran out. Final.
    Expired,
}

/// An order, folded from its events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Order {
    /// Its id.
    pub order_id: String,
    /// Whose it is.
    pub user_id: String,
    /// The user's own id for it; may be empty.
    pub client_order_id: String,
    /// The terms as they are now.
    pub terms: OrderTerms,
    /// Where it is in its life.
    pub phase: Phase,
    /// Shares filled so far.
    pub cumulative: i64,
    /// Sum of price × shares of all fills, in ten-thousandths.
    pub notional: i128,
    /// Execution ids by the cumulative quantity they reached. Shared, because states are copied
    /// more often than fills come.
    pub executions: Arc<BTreeMap<i64, String>>,
    /// Number of the last accepted change; 0 before the first.
    pub revision: u32,
    /// Every total quantity the order has had, the present one last. A fill from just before a
    /// change is still one of this order.
    pub quantities: Vec<i64>,
    /// Price beyond which it must not be filled; none before it was validated.
    pub protection: Option<Amount>,
    /// Why it was refused.
    pub reject_reason: RejectReason,
    /// Why it left the market.
    pub cancel_reason: CancelReason,
    /// Why it was refused, in words.
    pub message: String,
}

// === impl Phase ===

impl Phase {
    /// Whether nothing can happen any more.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Filled | Self::Cancelled | Self::Rejected | Self::Expired
        )
    }

    /// The contract's word for it.
    pub fn status(self) -> OrderStatus {
        match self {
            Self::Absent => OrderStatus::Unspecified,
            Self::New => OrderStatus::New,
            Self::Validated => OrderStatus::Validated,
            Self::PartiallyFilled => OrderStatus::PartiallyFilled,
            Self::Filled => OrderStatus::Filled,
            Self::Cancelled => OrderStatus::Cancelled,
            Self::Rejected => OrderStatus::Rejected,
            Self::Expired => OrderStatus::Expired,
        }
    }
}

// === impl Order ===

impl Order {
    /// Shares still wanted; 0 for an order that is final.
    pub fn leaves(&self) -> i64 {
        if self.phase.is_final() {
            return 0;
        }
        self.terms.quantity - self.cumulative
    }

    /// Average price of all fills; none while nothing is filled.
    pub fn average_price(&self) -> Option<Amount> {
        average(self.notional, self.cumulative)
    }

    /// The limit; none for a market order.
    pub fn limit(&self) -> Option<Amount> {
        amount(self.terms.limit_price.as_ref())
    }

    fn place(&self, command: &Command) -> Result<Vec<OrderEvent>, Rejection> {
        let Command::Place {
            order_id,
            user_id,
            client_order_id,
            terms,
            refused,
        } = command
        else {
            return Err(Rejection::Unknown);
        };
        let created = OrderCreatedEvent {
            order_id: order_id.clone(),
            user_id: user_id.clone(),
            client_order_id: client_order_id.clone(),
            terms: Some(terms.clone()),
        };
        let rejected = refused
            .as_ref()
            .map(|refused| rejected(order_id.clone(), user_id.clone(), terms, refused).into());
        Ok(std::iter::once(created.into()).chain(rejected).collect())
    }

    fn validate(&self, locked: &AssetAmount, protection: Amount) -> OrderEvent {
        OrderValidatedEvent {
            order_id: self.order_id.clone(),
            user_id: self.user_id.clone(),
            terms: Some(self.terms.clone()),
            locked: Some(locked.clone()),
            protection_price: Some(protection.to_money()),
        }
        .into()
    }

    fn reject(&self, refused: &Refused) -> OrderEvent {
        let (order_id, user_id) = (self.order_id.clone(), self.user_id.clone());
        rejected(order_id, user_id, &self.terms, refused).into()
    }

    /// A fill is taken when it is the next one and its total is one the order has had.
    fn fill(&self, fill: &Fill) -> Result<Vec<OrderEvent>, Rejection> {
        match self.executions.get(&fill.cumulative) {
            Some(known) if *known == fill.execution_id => return Ok(Vec::new()),
            Some(_) => {
                return Err(Rejection::contradiction(
                    "two fills reach the same quantity",
                ));
            }
            None => {}
        }
        if self.phase.is_final() {
            return Err(Rejection::Final { phase: self.phase });
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
            return Err(Rejection::contradiction("more is filled than was wanted"));
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
    fn take_off(
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
        if cumulative + unfilled != self.terms.quantity {
            return Err(Rejection::contradiction("taken off under earlier terms"));
        }
        Ok(vec![if reason == CancelReason::Expired {
            self.expired(unfilled)
        } else {
            self.cancelled(unfilled, reason)
        }])
    }

    fn cancelled(&self, unfilled: i64, reason: CancelReason) -> OrderEvent {
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

    /// New terms of what is filled already end the order. No fill will tell so any more, hence the
    /// cancellation of nothing: custody gives the rest of the lock back when it sees an order end.
    fn replace(&self, new: &Replacement) -> Result<Vec<OrderEvent>, Rejection> {
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
            ..Default::default()
        };
        let mut events = vec![replaced.into()];
        if new.quantity == self.cumulative {
            events.push(self.cancelled(0, CancelReason::User));
        }
        Ok(events)
    }

    /// A total that was never the order's belongs to new terms that are not written down yet.
    fn check_total(&self, total: i64) -> Result<(), Rejection> {
        if self.quantities.contains(&total) {
            return Ok(());
        }
        Err(Rejection::TermsNotKnown { total })
    }
}

impl Decider for Order {
    const OWN_FLOW: bool = true;

    type Command = Command;
    type Event = OrderEvent;
    type Rejection = Rejection;

    fn decide(&self, command: &Command) -> Result<Vec<OrderEvent>, Rejection> {
        use Phase::{Absent, Cancelled, New, PartiallyFilled, Rejected, Validated};
        match (self.phase, command) {
            (Absent, command) => self.place(command),
            (_, Command::Place { .. }) => Err(Rejection::AlreadyPlaced),

            (New, Command::Validate { locked, protection }) => {
                Ok(vec![self.validate(locked, *protection)])
            }
            (Validated | PartiallyFilled, Command::Validate { .. }) => Ok(Vec::new()),

            (New | Validated, Command::Reject(refused)) => Ok(vec![self.reject(refused)]),
            (Rejected, Command::Reject(_)) => Ok(Vec::new()),

            (New | Validated, Command::CancelBeforeVenue { reason }) => {
                Ok(vec![self.cancelled(self.leaves(), *reason)])
            }
            (Cancelled, Command::CancelBeforeVenue { .. }) => Ok(Vec::new()),

            (New, Command::Fill(_) | Command::TakeOff { .. } | Command::Replace(_)) => {
                Err(Rejection::NotAtVenue)
            }
            (_, Command::Fill(fill)) => self.fill(fill),

            (
                Validated | PartiallyFilled,
                Command::TakeOff {
                    cumulative,
                    unfilled,
                    reason,
                },
            ) => self.take_off(*cumulative, *unfilled, *reason),

            (_, Command::Replace(new)) if new.revision <= self.revision => Ok(Vec::new()),
            (Validated | PartiallyFilled, Command::Replace(new)) => self.replace(new),

            (phase, _) if phase.is_final() => Err(Rejection::Final { phase }),
            (phase, command) => Err(Rejection::NotAllowed {
                phase,
                command: command.name(),
            }),
        }
    }

    fn evolve(mut self, event: &OrderEvent) -> Self {
        match event {
            OrderEvent::Created(event) => {
                self.order_id.clone_from(&event.order_id);
                self.user_id.clone_from(&event.user_id);
                self.client_order_id.clone_from(&event.client_order_id);
                self.terms = event.terms.clone().unwrap_or_default();
                self.quantities.push(self.terms.quantity);
                self.phase = Phase::New;
            }
            OrderEvent::Validated(event) => {
                self.protection = amount(event.protection_price.as_ref());
                self.phase = Phase::Validated;
            }
            OrderEvent::Filled(event) => {
                let price = amount(event.last_price.as_ref()).unwrap_or_default();
                self.notional += i128::from(price.raw()) * i128::from(event.last_quantity);
                self.cumulative = event.cumulative_quantity;
                Arc::make_mut(&mut self.executions)
                    .insert(event.cumulative_quantity, event.execution_id.clone());
                self.phase = filled_phase(event.leaves_quantity);
            }
            OrderEvent::Cancelled(event) => {
                self.cancel_reason = event.reason();
                self.phase = Phase::Cancelled;
            }
            OrderEvent::Expired(_) => {
                self.cancel_reason = CancelReason::Expired;
                self.phase = Phase::Expired;
            }
            OrderEvent::Rejected(event) => {
                self.reject_reason = event.reason();
                self.message.clone_from(&event.message);
                self.phase = Phase::Rejected;
            }
            OrderEvent::Replaced(event) => {
                self.revision = event.revision;
                self.terms.quantity = event.quantity;
                self.terms.limit_price.clone_from(&event.limit_price);
                self.quantities.push(event.quantity);
                self.protection = amount(event.limit_price.as_ref());
            }
        }
        self
    }
}

/// Where a fill leaves an order.
fn filled_phase(leaves: i64) -> Phase {
    if leaves == 0 {
        Phase::Filled
    } else {
        Phase::PartiallyFilled
    }
}

/// An amount of an event; facts are not judged again, so one that cannot be read counts as none.
fn amount(money: Option<&outcry_contracts::types::v1::Money>) -> Option<Amount> {
    Amount::from_required(money).ok()
}

fn rejected(
    order_id: String,
    user_id: String,
    terms: &OrderTerms,
    refused: &Refused,
) -> OrderRejectedEvent {
    OrderRejectedEvent {
        order_id,
        user_id,
        symbol: terms.symbol.clone(),
        side: terms.side,
        reason: refused.reason.into(),
        message: refused.message.clone(),
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
