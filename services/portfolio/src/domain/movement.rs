//! What happens to a holding.

use outcry_events::Amount;

use super::lot::Lot;
use super::sale::Sale;

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
    /// Shares went out.
    Disposed {
        /// The sale, with none of its shares covered yet.
        sale: Sale,
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
