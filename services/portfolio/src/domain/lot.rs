//! Shares that came in together.

use outcry_events::Amount;
use outcry_events::money::Rounding;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ten_thousandths;

/// Shares that came in together, and how many of them are left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// The event that opened it: the order of lots.
    pub opened_by: Uuid,
    /// The portfolio it is in.
    pub portfolio_id: Uuid,
    /// Match or issue that opened it.
    pub reference: String,
    /// When, in nanoseconds since 1970.
    pub opened_at_ns: i64,
    /// Shares that came in.
    pub acquired: i64,
    /// What they cost, fees included, in ten-thousandths.
    #[serde(with = "ten_thousandths")]
    pub full_cost: Amount,
    /// Shares that are left.
    pub quantity: i64,
    /// Cost of what is left, in ten-thousandths.
    #[serde(with = "ten_thousandths")]
    pub cost: Amount,
}

// === impl Lot ===

impl Lot {
    /// Whether shares of it are left.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.quantity > 0
    }

    /// The lot when so many shares are left. The cost of what was sold is rounded down, and what is
    /// lost by that stays with the rest: it depends on how many are left and not on who took them.
    pub(super) fn leave(&mut self, left: i64) {
        self.quantity = left;
        // Is there: the part is not more than the whole, and a lot that gives has shares.
        self.cost = self
            .full_cost
            .checked_mul_div(left, self.acquired, Rounding::Ceil)
            .unwrap_or_default();
    }
}
