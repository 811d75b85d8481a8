//! What an order is and what can happen to it. Pure: no clock, no randomness, no IO.
//!
//! Invariants, by the numbers the tests use:
//! - I8: an order's quantity is what is filled plus what is left; what is filled only grows, fill
//!   by fill, and the average price comes from integers.
//! - I16: an order has exactly one final status, and nothing happens to it after that.
//!
//! What may happen when is one table: [`lifecycle`]. `OPEN`, `PENDING_CANCEL` and `PENDING_REPLACE`
//! are no facts of the order's stream: the first is the venue's acknowledgement, the others are
//! questions to the venue that are still open. They stand in the order's view row (see
//! [`views`](crate::views)) until the venue's facts arrive.

mod average;
mod command;
mod deciding;
pub mod lifecycle;
mod rejection;

use std::collections::BTreeMap;
use std::sync::Arc;

use outcry_contracts::orders::v1::{
    CancelReason, OrderCancelledEvent, OrderCreatedEvent, OrderExpiredEvent, OrderFilledEvent,
    OrderRejectedEvent, OrderReplacedEvent, OrderStatus, OrderTerms, OrderValidatedEvent,
    RejectReason,
};
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
    /// Number of the last change; 0 before the first.
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
        lifecycle::is_final(self.status())
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

    /// The limit; none for an order without one.
    pub fn limit(&self) -> Option<Amount> {
        amount(self.terms.limit_price.as_ref())
    }

    /// The price that wakes a stop order; none for another.
    pub fn stop(&self) -> Option<Amount> {
        amount(self.terms.stop_price.as_ref())
    }
}

impl Decider for Order {
    const OWN_FLOW: bool = true;

    type Command = Command;
    type Event = OrderEvent;
    type Rejection = Rejection;

    fn decide(&self, command: &Command) -> Result<Vec<OrderEvent>, Rejection> {
        if self.has_done(command) {
            return Ok(Vec::new());
        }
        self.check_step(command)?;
        match command {
            Command::Place {
                order_id,
                user_id,
                client_order_id,
                terms,
                refused,
            } => Ok(deciding::place(
                order_id,
                user_id,
                client_order_id,
                terms,
                refused,
            )),
            Command::Validate { locked, protection } => {
                Ok(vec![self.validate(locked, *protection)])
            }
            Command::Reject(refused) => Ok(vec![self.reject(refused)]),
            Command::CancelBeforeVenue { reason } => {
                Ok(vec![self.cancelled(self.leaves(), *reason)])
            }
            Command::Fill(fill) => self.fill(fill),
            Command::TakeOff {
                cumulative,
                unfilled,
                reason,
            } => self.take_off(*cumulative, *unfilled, *reason),
            Command::Replace(new) => self.replace(new),
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
            // The end of an order whose new terms ask for no more than is filled.
            OrderEvent::Cancelled(event) if event.cancelled_quantity == 0 => {
                self.phase = Phase::Filled;
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
                // An order without a limit is told its collar: that is no term of it.
                if self.terms.limit_price.is_some() {
                    self.terms.limit_price.clone_from(&event.limit_price);
                }
                if event.stop_price.is_some() {
                    self.terms.stop_price.clone_from(&event.stop_price);
                }
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

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
