//! The sums of a holding, and the last price of a symbol.

use std::collections::BTreeSet;

use outcry_events::Amount;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::movement::Movement;
use super::ten_thousandths;

/// What a user holds of a symbol, and what it brought so far. Amounts are written as
/// ten-thousandths of the currency unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Whose.
    pub user_id: String,
    /// Of what.
    pub symbol: String,
    /// Shares held: those left in the lots.
    pub quantity: i64,
    /// Cost of the open lots, fees of the purchases included.
    #[serde(with = "ten_thousandths")]
    pub cost: Amount,
    /// What sales brought, less their fees and less the cost of what was sold. The cost of shares
    /// that are [`uncovered`](Position::uncovered) is not known yet and counts as nothing.
    #[serde(with = "ten_thousandths")]
    pub realised_profit: Amount,
    /// Fees of purchases and sales.
    #[serde(with = "ten_thousandths")]
    pub fees: Amount,
    /// Paid for purchases, without fees.
    #[serde(with = "ten_thousandths")]
    pub bought: Amount,
    /// Received for sales, before fees.
    #[serde(with = "ten_thousandths")]
    pub sold: Amount,
    /// Shares that are sold and were in no lot so far: the event that brings them is on its way.
    pub uncovered: i64,
    /// The newest lot that sales took shares from. A lot older than that comes late.
    pub sold_into: Option<Uuid>,
    /// Events that count in the sums already, while some of the lots still have to follow: those
    /// that change more lots than fit into one commit. Mostly none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unfinished: BTreeSet<Uuid>,
}

/// The price a symbol was last settled at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The symbol.
    pub symbol: String,
    /// Price of one share in ten-thousandths.
    #[serde(with = "ten_thousandths")]
    pub price: Amount,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
    /// The event that told it: the one with the greatest id has the last price.
    pub told_by: Uuid,
}

// === impl Position ===

impl Position {
    /// Nothing yet.
    #[must_use]
    pub fn empty(user_id: &str, symbol: &str) -> Position {
        Position {
            user_id: user_id.to_owned(),
            symbol: symbol.to_owned(),
            quantity: 0,
            cost: Amount::ZERO,
            realised_profit: Amount::ZERO,
            fees: Amount::ZERO,
            bought: Amount::ZERO,
            sold: Amount::ZERO,
            uncovered: 0,
            sold_into: None,
            unfinished: BTreeSet::new(),
        }
    }

    /// What the shares held are worth at `price`, unless it is too large.
    #[must_use]
    pub fn market_value(&self, price: Amount) -> Option<Amount> {
        price.checked_mul(self.quantity)
    }

    /// Whether nothing has vanished: `realised profit = sold − bought − fees + cost`.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        i128::from(self.realised_profit.raw()) == self.profit()
    }

    /// With the sums of `movement`; which lots a sale takes is another matter.
    pub(super) fn counting(&self, movement: &Movement) -> Option<Position> {
        let mut next = self.clone();
        match movement {
            Movement::Acquired { lot, paid, fee } => {
                next.quantity = self.quantity.checked_add(lot.quantity)?;
                next.cost = self.cost.checked_add(lot.cost)?;
                next.bought = self.bought.checked_add(*paid)?;
                next.fees = self.fees.checked_add(*fee)?;
            }
            Movement::Disposed {
                quantity,
                received,
                fee,
            } => {
                next.uncovered = self.uncovered.checked_add(*quantity)?;
                next.sold = self.sold.checked_add(*received)?;
                next.fees = self.fees.checked_add(*fee)?;
            }
        }
        let cost = next.cost.raw().into();
        next.realised(cost)
    }

    /// When the open lots cost `cost`.
    pub(super) fn realised(mut self, cost: i128) -> Option<Position> {
        let amount = |raw: i128| Amount::from_raw(i64::try_from(raw).ok()?).ok();
        self.cost = amount(cost)?;
        self.realised_profit = amount(self.profit())?;
        Some(self)
    }

    fn profit(&self) -> i128 {
        let raw = |amount: Amount| i128::from(amount.raw());
        raw(self.sold) - raw(self.bought) - raw(self.fees) + raw(self.cost)
    }
}

// === impl Price ===

impl Price {
    /// Whether this is the last price, and not `other`.
    #[must_use]
    pub fn is_after(&self, other: &Price) -> bool {
        self.told_by > other.told_by
    }
}
