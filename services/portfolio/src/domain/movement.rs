//! What happens to a holding.

use outcry_events::Amount;
use uuid::Uuid;

use super::lot::Lot;

/// What happens to a holding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Movement {
    /// Shares came in and open a lot.
    Acquired {
        /// The lot, with all its shares still there.
        lot: Lot,
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

/// A sum is larger than any amount can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a sum of {symbol} is too large")]
pub struct TooLarge {
    /// Of what.
    pub symbol: String,
}

// === impl Movement ===

impl Movement {
    /// The event that opens a lot, if one is opened.
    #[must_use]
    pub fn opened_by(&self) -> Option<Uuid> {
        match self {
            Movement::Acquired { lot, .. } => Some(lot.opened_by),
            Movement::Disposed { .. } => None,
        }
    }
}
