//! An order as its events tell it.

use std::time::SystemTime;

use outcry_contracts::orders::v1::{OrderStatus, OrderTerms, OrderType, Side};
use outcry_events::{Amount, EventSet, PayloadError, SealedEvent};
use outcry_service::Decider;
use outcry_store::timer;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{Order, OrderEvent, lifecycle};

/// An order as its events tell it: what an auditor recomputes. Enums are the contract's numbers,
/// prices are ten-thousandths, times are nanoseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Its id.
    pub order_id: String,
    /// Whose it is.
    pub user_id: String,
    /// The user's own id for it; may be empty.
    pub client_order_id: String,
    /// What is traded.
    pub symbol: String,
    /// `Side`.
    pub side: i32,
    /// `OrderType`.
    pub order_type: i32,
    /// `TimeInForce`.
    pub time_in_force: i32,
    /// Refuse rather than take liquidity.
    pub post_only: bool,
    /// Total shares wanted now.
    pub quantity: i64,
    /// Limit now; none for an order without one.
    pub limit_price: Option<i64>,
    /// The price that wakes a stop order.
    #[serde(default)]
    pub stop_price: Option<i64>,
    /// The end of a GTD order.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// `SelfTradePrevention`.
    #[serde(default)]
    pub self_trade_prevention: i32,
    /// The portfolio it is for; empty for the user's default one.
    #[serde(default)]
    pub portfolio_id: String,
    /// `OrderStatus`, as far as events tell: never `OPEN` or a pending one.
    pub status: i32,
    /// Shares filled.
    pub cumulative_quantity: i64,
    /// Shares still wanted; 0 when final.
    pub leaves_quantity: i64,
    /// Average price of the fills; none while nothing is filled.
    pub average_price: Option<i64>,
    /// Price beyond which it must not be filled; none before it was validated.
    pub protection_price: Option<i64>,
    /// `RejectReason`.
    pub reject_reason: i32,
    /// `CancelReason`.
    pub cancel_reason: i32,
    /// Why it was refused, in words.
    pub message: String,
    /// Number of the last accepted change.
    pub revision: u32,
    /// When it was placed.
    pub created_at: i64,
    /// When the last event happened.
    pub updated_at: i64,
    /// The order's flow.
    pub correlation_id: Uuid,
}

/// The document that a whole stream of one order makes; none for an empty stream.
///
/// # Errors
/// An event cannot be read.
pub fn refold(events: &[SealedEvent]) -> Result<Option<Document>, PayloadError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Ok(None);
    };
    let mut order = Order::default();
    for event in events {
        order = order.evolve(&OrderEvent::open(event)?);
    }
    let born = Birth {
        at: nanos(first.occurred_at()),
        correlation_id: first.correlation_id(),
    };
    Ok(Some(Document::of(&order, born, last.occurred_at())))
}

/// What only the first event tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth {
    pub(crate) at: i64,
    pub(crate) correlation_id: Uuid,
}

// === impl Document ===

impl Document {
    /// The order after `events`, of which it knows the state `order`.
    pub(crate) fn after(
        before: Option<&Document>,
        order: &Order,
        events: &[SealedEvent],
    ) -> Document {
        let Some(last) = events.last() else {
            return before.cloned().unwrap_or_default();
        };
        let born = match before {
            Some(before) => Birth {
                at: before.created_at,
                correlation_id: before.correlation_id,
            },
            None => Birth {
                at: nanos(last.occurred_at()),
                correlation_id: last.correlation_id(),
            },
        };
        Document::of(order, born, last.occurred_at())
    }

    pub(crate) fn of(order: &Order, born: Birth, updated_at: SystemTime) -> Document {
        let terms = &order.terms;
        Document {
            order_id: order.order_id.clone(),
            user_id: order.user_id.clone(),
            client_order_id: order.client_order_id.clone(),
            symbol: terms.symbol.clone(),
            side: terms.side,
            order_type: terms.r#type,
            time_in_force: terms.time_in_force,
            post_only: terms.post_only,
            quantity: terms.quantity,
            limit_price: order.limit().map(Amount::raw),
            stop_price: order.stop().map(Amount::raw),
            expires_at: terms.expires_at.and_then(|at| {
                let at = SystemTime::try_from(at).ok()?;
                timer::nanos(at)
            }),
            self_trade_prevention: terms.self_trade_prevention,
            portfolio_id: terms.portfolio_id.clone(),
            status: order.phase.status().into(),
            cumulative_quantity: order.cumulative,
            leaves_quantity: order.leaves(),
            average_price: order.average_price().map(Amount::raw),
            protection_price: order.protection.map(Amount::raw),
            reject_reason: order.reject_reason.into(),
            cancel_reason: order.cancel_reason.into(),
            message: order.message.clone(),
            revision: order.revision,
            created_at: born.at,
            updated_at: nanos(updated_at),
            correlation_id: born.correlation_id,
        }
    }

    /// Where it is in its life.
    pub fn status(&self) -> OrderStatus {
        OrderStatus::try_from(self.status).unwrap_or_default()
    }

    /// Whether nothing can happen any more.
    pub fn is_final(&self) -> bool {
        lifecycle::is_final(self.status())
    }

    /// Its side.
    pub fn side(&self) -> Side {
        Side::try_from(self.side).unwrap_or_default()
    }

    /// How it is priced.
    pub fn order_type(&self) -> OrderType {
        OrderType::try_from(self.order_type).unwrap_or_default()
    }

    /// The limit; none for an order without one.
    pub fn limit(&self) -> Option<Amount> {
        Amount::from_raw(self.limit_price?).ok()
    }

    /// The price beyond which it must not be filled: its limit or its collar.
    pub fn protection(&self) -> Option<Amount> {
        Amount::from_raw(self.protection_price.or(self.limit_price)?).ok()
    }

    /// Its terms as the contract says them.
    pub fn terms(&self) -> OrderTerms {
        OrderTerms {
            symbol: self.symbol.clone(),
            side: self.side,
            r#type: self.order_type,
            quantity: self.quantity,
            limit_price: self.limit().map(Amount::to_money),
            time_in_force: self.time_in_force,
            post_only: self.post_only,
            stop_price: self
                .stop_price
                .and_then(|raw| Amount::from_raw(raw).ok())
                .map(Amount::to_money),
            expires_at: self.expires_at.map(|at| timer::time_of(at).into()),
            self_trade_prevention: self.self_trade_prevention,
            portfolio_id: self.portfolio_id.clone(),
        }
    }
}

/// Event times are in the range of the contract's timestamps, far inside of what fits.
fn nanos(at: SystemTime) -> i64 {
    timer::nanos(at).unwrap_or_default()
}
