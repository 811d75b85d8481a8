//! The sums of a holding, and the last price of a symbol.

use std::collections::BTreeMap;

use outcry_events::Amount;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ten_thousandths;

/// Sums over a portfolio, or over all of them. Amounts are written as ten-thousandths of the
/// currency unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Shares held: those left in the lots.
    pub quantity: i64,
    /// Cost of the open lots, fees of the purchases included.
    #[serde(with = "ten_thousandths")]
    pub cost: Amount,
    /// What sales brought, less their fees and less the cost of what was sold. The cost of shares
    /// that are [`uncovered`](Sums::uncovered) is not known yet and counts as nothing.
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
}

/// What a user holds of a symbol, and what it brought so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Whose.
    pub user_id: String,
    /// Of what.
    pub symbol: String,
    /// Over all portfolios.
    #[serde(flatten)]
    pub total: Sums,
    /// By portfolio. The cost of a lot that gave to a sale of another portfolio counts there.
    pub portfolios: BTreeMap<Uuid, Sums>,
    /// The newest event that moved it. An older one comes late.
    pub newest: Option<Uuid>,
    /// The first sale whose lots must be chosen again, and all later ones with it. At rest none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewind: Option<Uuid>,
    /// When the row was last written, in nanoseconds since 1970; grows with every change.
    pub changed_ns: i64,
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
    /// When the row was last written, in nanoseconds since 1970; grows with every change.
    #[serde(default)]
    pub changed_ns: i64,
}

/// A change of [`Sums`], with amounts in ten-thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Difference {
    pub(super) quantity: i64,
    pub(super) cost: i64,
    pub(super) realised_profit: i64,
    pub(super) fees: i64,
    pub(super) bought: i64,
    pub(super) sold: i64,
    pub(super) uncovered: i64,
}

// === impl Sums ===

impl Sums {
    /// What the shares held are worth at `price`, unless it is too large.
    #[must_use]
    pub fn market_value(&self, price: Amount) -> Option<Amount> {
        price.checked_mul(self.quantity)
    }

    fn with(&self, by: &Difference) -> Option<Sums> {
        let amount = |amount: Amount, by: i64| amount.checked_add(Amount::from_raw(by).ok()?);
        Some(Sums {
            quantity: self.quantity.checked_add(by.quantity)?,
            cost: amount(self.cost, by.cost)?,
            realised_profit: amount(self.realised_profit, by.realised_profit)?,
            fees: amount(self.fees, by.fees)?,
            bought: amount(self.bought, by.bought)?,
            sold: amount(self.sold, by.sold)?,
            uncovered: self.uncovered.checked_add(by.uncovered)?,
        })
    }
}

// === impl Position ===

impl Position {
    /// Nothing yet.
    #[must_use]
    pub fn empty(user_id: &str, symbol: &str) -> Position {
        Position {
            user_id: user_id.to_owned(),
            symbol: symbol.to_owned(),
            total: Sums::default(),
            portfolios: BTreeMap::new(),
            newest: None,
            rewind: None,
            changed_ns: 0,
        }
    }

    /// The sums of one portfolio.
    #[must_use]
    pub fn of(&self, portfolio_id: Uuid) -> Sums {
        self.portfolios
            .get(&portfolio_id)
            .copied()
            .unwrap_or_default()
    }

    /// Whether nothing has vanished: `realised profit = sold − bought − fees + cost`, over all
    /// portfolios, and the portfolios add up to the total.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let raw = |amount: Amount| i128::from(amount.raw());
        let total = &self.total;
        let profit = raw(total.sold) - raw(total.bought) - raw(total.fees) + raw(total.cost);
        let each = || self.portfolios.values();
        raw(total.realised_profit) == profit
            && each().map(|one| raw(one.realised_profit)).sum::<i128>() == profit
            && each().map(|one| raw(one.cost)).sum::<i128>() == raw(total.cost)
            && each().map(|one| one.quantity).sum::<i64>() == total.quantity
    }

    /// Adds to the sums of a portfolio and to the total; none, and nothing has changed, when one of
    /// them is too large.
    pub(super) fn add(&mut self, portfolio_id: Uuid, by: &Difference) -> Option<()> {
        let of_portfolio = self.of(portfolio_id).with(by)?;
        self.total = self.total.with(by)?;
        self.portfolios.insert(portfolio_id, of_portfolio);
        Some(())
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
