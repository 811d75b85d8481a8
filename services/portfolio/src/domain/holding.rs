//! One user's holding of one symbol: the position and its lots.

use std::collections::BTreeMap;

use outcry_events::Amount;
use outcry_events::money::Rounding;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ten_thousandths;

/// What a user holds of a symbol, and what it brought so far. Amounts are written as
/// ten-thousandths of the currency unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Whose.
    pub user_id: String,
    /// Of what.
    pub symbol: String,
    /// Shares held.
    pub quantity: i64,
    /// Cost of the open lots, fees of the purchases included.
    #[serde(with = "ten_thousandths")]
    pub cost: Amount,
    /// What sales brought, less their fees and less the cost of what was sold.
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
}

/// Shares that came in together and are not sold completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// The event that opened it: the order of lots.
    pub opened_by: Uuid,
    /// Match or issue that opened it.
    pub reference: String,
    /// When, in nanoseconds since 1970.
    pub opened_at_ns: i64,
    /// Shares that are left.
    pub quantity: i64,
    /// Cost of what is left, fees included, in ten-thousandths.
    #[serde(with = "ten_thousandths")]
    pub cost: Amount,
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
}

/// What happens to a holding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Movement {
    /// Shares came in and open a lot.
    Acquired {
        /// The lot's place among the others.
        opened_by: Uuid,
        /// Match or issue.
        reference: String,
        /// When, in nanoseconds since 1970.
        at_ns: i64,
        /// Shares.
        quantity: i64,
        /// Paid for them, without the fee.
        paid: Amount,
        /// Fee on top: part of the cost.
        fee: Amount,
    },
    /// Shares went out, the oldest first.
    Disposed {
        /// Shares.
        quantity: i64,
        /// Received for them, before the fee.
        received: Amount,
        /// Fee taken from that.
        fee: Amount,
    },
}

/// Why a movement cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// Shares are sold that have not come in: the event that brings them is still on its way.
    #[error("{wanted} shares of {symbol} are sold, the lots known so far hold {held}")]
    Short {
        /// What is sold.
        symbol: String,
        /// Shares sold.
        wanted: i64,
        /// Shares in the lots.
        held: i64,
    },
    /// A sum is larger than any amount can be.
    #[error("a sum of {symbol} is too large")]
    TooLarge {
        /// Of what.
        symbol: String,
    },
}

/// A position with its lots: all of them, or as many of the oldest as a sale takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The position.
    pub position: Position,
    /// Open lots, the oldest first.
    pub lots: BTreeMap<Uuid, Lot>,
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
        let raw = |amount: Amount| i128::from(amount.raw());
        raw(self.realised_profit)
            == raw(self.sold) - raw(self.bought) - raw(self.fees) + raw(self.cost)
    }
}

// === impl Movement ===

impl Movement {
    /// Shares that go out.
    #[must_use]
    pub fn outgoing(&self) -> i64 {
        match self {
            Movement::Acquired { .. } => 0,
            Movement::Disposed { quantity, .. } => *quantity,
        }
    }
}

// === impl Holding ===

impl Holding {
    /// Nothing yet.
    #[must_use]
    pub fn empty(user_id: &str, symbol: &str) -> Holding {
        Holding {
            position: Position::empty(user_id, symbol),
            lots: BTreeMap::new(),
        }
    }

    /// The holding after `movement`.
    ///
    /// # Errors
    /// [`MoveError`].
    pub fn after(&self, movement: &Movement) -> Result<Holding, MoveError> {
        match movement {
            Movement::Acquired { paid, fee, .. } => self
                .acquired(movement, *paid, *fee)
                .ok_or_else(|| self.too_large()),
            Movement::Disposed {
                quantity,
                received,
                fee,
            } => self.disposed(*quantity, *received, *fee),
        }
    }

    fn acquired(&self, movement: &Movement, paid: Amount, fee: Amount) -> Option<Holding> {
        let Movement::Acquired {
            opened_by,
            reference,
            at_ns,
            quantity,
            ..
        } = movement
        else {
            return Some(self.clone());
        };
        let cost = paid.checked_add(fee)?;
        let mut next = self.clone();
        let lot = Lot {
            opened_by: *opened_by,
            reference: reference.clone(),
            opened_at_ns: *at_ns,
            quantity: *quantity,
            cost,
        };
        next.lots.insert(*opened_by, lot);
        let position = &mut next.position;
        position.quantity = position.quantity.checked_add(*quantity)?;
        position.cost = position.cost.checked_add(cost)?;
        position.bought = position.bought.checked_add(paid)?;
        position.fees = position.fees.checked_add(fee)?;
        Some(next)
    }

    fn disposed(&self, quantity: i64, received: Amount, fee: Amount) -> Result<Holding, MoveError> {
        let mut next = self.clone();
        let mut wanted = quantity;
        let mut cost = Amount::ZERO;
        while wanted > 0 {
            let Some(mut oldest) = next.lots.first_entry() else {
                return Err(MoveError::Short {
                    symbol: self.position.symbol.clone(),
                    wanted: quantity,
                    held: quantity - wanted,
                });
            };
            let taken = wanted.min(oldest.get().quantity);
            let part = oldest
                .get()
                .cost_of(taken)
                .ok_or_else(|| self.too_large())?;
            cost = cost.checked_add(part).ok_or_else(|| self.too_large())?;
            wanted -= taken;
            if taken == oldest.get().quantity {
                oldest.remove();
            } else {
                let left = oldest.get_mut();
                left.quantity -= taken;
                // Cannot overflow: the part is not more than the whole, and both are not negative.
                left.cost = left.cost.checked_sub(part).unwrap_or_default();
            }
        }
        next.position = self
            .position
            .sold_at(quantity, received, fee, cost)
            .ok_or_else(|| self.too_large())?;
        Ok(next)
    }

    fn too_large(&self) -> MoveError {
        MoveError::TooLarge {
            symbol: self.position.symbol.clone(),
        }
    }
}

impl Position {
    /// After a sale of shares that had cost `cost`.
    fn sold_at(
        &self,
        quantity: i64,
        received: Amount,
        fee: Amount,
        cost: Amount,
    ) -> Option<Position> {
        let profit = received.checked_sub(fee)?.checked_sub(cost)?;
        Some(Position {
            quantity: self.quantity.checked_sub(quantity)?,
            cost: self.cost.checked_sub(cost)?,
            realised_profit: self.realised_profit.checked_add(profit)?,
            fees: self.fees.checked_add(fee)?,
            sold: self.sold.checked_add(received)?,
            ..self.clone()
        })
    }
}

// === impl Lot ===

impl Lot {
    /// Cost of some of the shares that are left. Rounded down; what is lost by that stays with the
    /// rest of the lot, so that the last share takes all that remains.
    fn cost_of(&self, shares: i64) -> Option<Amount> {
        self.cost
            .checked_mul_div(shares, self.quantity, Rounding::Floor)
    }
}
