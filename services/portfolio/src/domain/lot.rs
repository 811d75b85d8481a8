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

    /// Shares of it that were sold.
    #[must_use]
    pub fn sold(&self) -> i64 {
        self.acquired - self.quantity
    }

    /// The lot when `sold` of its shares are. Their cost is rounded down, and what is lost by that
    /// stays with the rest. It depends on how many are left and not on the sales that took them.
    pub(super) fn sell(&mut self, sold: i64) {
        self.quantity = self.acquired - sold;
        self.cost = if sold == 0 {
            self.full_cost
        } else {
            // Is there: the part is not more than the whole, and a lot that sells has shares.
            self.full_cost
                .checked_mul_div(self.quantity, self.acquired, Rounding::Ceil)
                .unwrap_or_default()
        };
    }
}
