//! One order the book holds.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::command::{Pricing, SelfTrade, Side, Terms};
use super::event::{CancelReason, Execution};
use super::fees::FeeAccount;

/// An order while it stands in the book, or waits beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Id of the order.
    pub order_id: Uuid,
    /// Whose order it is.
    pub owner: Uuid,
    /// Which way it trades.
    pub side: Side,
    /// Its limit or collar, in ten-thousandths.
    pub price: i64,
    /// The price it waits for, in ten-thousandths; `None` once it stands in the book.
    pub stop: Option<i64>,
    /// Total shares wanted.
    pub quantity: i64,
    /// Shares traded so far.
    pub executed: i64,
    /// Σ price × shares traded so far, in ten-thousandths.
    pub notional: i128,
    /// When it stops being good, if ever.
    pub expires_at: Option<SystemTime>,
    /// It must never take.
    pub post_only: bool,
    /// What happens when it comes in and meets orders of its owner.
    pub self_trade: SelfTrade,
    /// Its price is a collar, not a limit.
    pub(super) collared: bool,
    /// Why what does not fill at once cannot stay; `None` if it rests.
    pub(super) immediate: Option<CancelReason>,
    pub(super) fees: FeeAccount,
}

impl Order {
    pub(super) fn placed(terms: &Terms) -> Order {
        Order {
            order_id: terms.order_id,
            owner: terms.owner,
            side: terms.side,
            price: terms.limit(),
            stop: terms.stop,
            quantity: terms.quantity,
            executed: 0,
            notional: 0,
            expires_at: terms.expires_at(),
            post_only: terms.post_only,
            self_trade: terms.self_trade,
            collared: matches!(terms.pricing, Pricing::Market { .. }),
            immediate: terms.immediate(),
            fees: FeeAccount::default(),
        }
    }

    /// Shares still to trade.
    pub fn leaves(&self) -> i64 {
        self.quantity - self.executed
    }

    /// Whether its time has come.
    pub(super) fn is_due(&self, at: SystemTime) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }

    /// This side of a match of `quantity` shares at `price`.
    pub(super) fn execution(&self, price: i64, quantity: i64, fee_bps: u32) -> Execution {
        let notional = i128::from(price) * i128::from(quantity);
        Execution {
            order_id: self.order_id,
            executed: self.executed + quantity,
            leaves: self.leaves() - quantity,
            notional: self.notional + notional,
            // One match is worth at most what one order may be worth, and fees are at most that.
            fee: i64::try_from(self.fees.next_fee(fee_bps, notional)).unwrap_or(i64::MAX),
        }
    }

    pub(super) fn execute(&mut self, execution: &Execution, fee_bps: u32) {
        self.fees
            .charge(fee_bps, execution.notional - self.notional, execution.fee);
        self.executed = execution.executed;
        self.notional = execution.notional;
    }
}
