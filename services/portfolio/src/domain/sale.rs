//! Shares that went out together, and where they came from.

use outcry_events::Amount;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ten_thousandths;

/// Shares that went out together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// The event that tells of it: the order of sales.
    pub event_id: Uuid,
    /// The portfolio it was for: its lots give first.
    pub portfolio_id: Uuid,
    /// Shares.
    pub quantity: i64,
    /// Those no lot has given yet: they come with later lots.
    pub uncovered: i64,
    /// The lot that gives before all others: that of a deposit that was taken back.
    pub of_lot: Option<Uuid>,
}

/// What a sale took of a lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    /// The event of the sale.
    pub sale: Uuid,
    /// The event that opened the lot.
    pub lot: Uuid,
    /// Shares.
    pub quantity: i64,
    /// What they had cost, fees included, in ten-thousandths.
    #[serde(with = "ten_thousandths")]
    pub cost: Amount,
}

// === impl Take ===

impl Take {
    /// Whether the sale was earlier than the shares it took.
    #[must_use]
    pub fn is_early(&self) -> bool {
        self.sale < self.lot
    }
}
