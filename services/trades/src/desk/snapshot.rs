//! What is shown of a book.

use outcry_contracts::trades::v1::{BookLevel, GetBookResponse};

use super::hours::state_of;
use crate::book::{DepthLevel, Session};
use crate::trade::amount;

/// Levels of each side that are shown outside of the desk.
pub(super) const LEVELS_MAX: usize = 100;

/// Levels of each side when the caller does not say.
const LEVELS: usize = 10;

/// A book after a commit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) bids: Vec<DepthLevel>,
    pub(crate) asks: Vec<DepthLevel>,
    /// Ten-thousandths.
    pub(crate) last_price: Option<i64>,
    pub(crate) venue_seq: u64,
    pub(crate) session: Session,
}

// === impl Snapshot ===

impl Snapshot {
    /// The book for callers, with so many levels a side; 0 is the usual.
    pub(crate) fn shown(&self, symbol: &str, depth: i32) -> GetBookResponse {
        let levels = match usize::try_from(depth) {
            Ok(0) | Err(_) => LEVELS,
            Ok(depth) => depth.min(LEVELS_MAX),
        };
        GetBookResponse {
            symbol: symbol.to_owned(),
            bids: self.bids.iter().take(levels).map(level).collect(),
            asks: self.asks.iter().take(levels).map(level).collect(),
            last_price: self.last_price.map(|raw| amount(raw).to_money()),
            venue_sequence: self.venue_seq,
            halted: self.session == Session::Halted,
            session: state_of(self.session).into(),
        }
    }
}

fn level(level: &DepthLevel) -> BookLevel {
    BookLevel {
        price: Some(amount(level.price).to_money()),
        quantity: level.quantity,
        orders: i32::try_from(level.orders).unwrap_or(i32::MAX),
    }
}
