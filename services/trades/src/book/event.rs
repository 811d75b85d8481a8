//! What can happen in a book.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use super::command::{Session, Terms};

/// One change of a book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookEvent {
    /// The order was accepted and stands in the book at its price; a stop order waits beside the
    /// book for its price. While a command is being decided an order may stand across the other
    /// side: the events that follow resolve that.
    Placed(Terms),
    /// A stop order's price was reached: it stands in the book now, as if it had just come.
    Triggered {
        /// Which order.
        order_id: Uuid,
        /// Its limit or collar, in ten-thousandths.
        price: i64,
    },
    /// The order was refused and never stood in the book.
    Refused {
        /// Which order.
        order_id: Uuid,
        /// Why.
        refusal: Refusal,
    },
    /// Two orders traded.
    Matched(Match),
    /// An order has a new quantity or price.
    Replaced(Replacement),
    /// An order left the book with shares unfilled.
    Cancelled {
        /// Which order.
        order_id: Uuid,
        /// Shares it never traded.
        leaves: i64,
        /// Why.
        reason: CancelReason,
    },
    /// The market allows something else from now on.
    SessionChanged(Session),
}

impl BookEvent {
    /// Whether the event takes the next number of its symbol. What leaves the book and its queue
    /// as they are does not.
    pub fn is_numbered(&self) -> bool {
        match self {
            BookEvent::Placed(_)
            | BookEvent::Triggered { .. }
            | BookEvent::Matched(_)
            | BookEvent::Replaced(_)
            | BookEvent::Cancelled { .. } => true,
            BookEvent::Refused { .. } | BookEvent::SessionChanged(_) => false,
        }
    }
}

/// Two orders trading with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The resting order's price, in ten-thousandths.
    pub price: i64,
    /// Shares traded.
    pub quantity: i64,
    /// The order that came in.
    pub taker: Execution,
    /// The order that was there.
    pub maker: Execution,
}

/// One side of a match, as that order sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Which order.
    pub order_id: Uuid,
    /// Shares it has traded so far, this match included.
    pub executed: i64,
    /// Shares still to trade.
    pub leaves: i64,
    /// Sum of price × shares so far, this match included, in ten-thousandths.
    pub notional: i128,
    /// Fee for this match, in ten-thousandths.
    pub fee: i64,
}

/// New terms of an order in the book, or beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Which order.
    pub order_id: Uuid,
    /// Its total quantity from now on. Equal to what it has executed when the request asked for
    /// no more than that: the order is then filled.
    pub quantity: i64,
    /// Its limit or collar from now on, in ten-thousandths.
    pub price: i64,
    /// The price it waits for from now on, if it waits, in ten-thousandths.
    pub stop: Option<i64>,
    /// Whether it keeps its place in the queue.
    pub keeps_priority: bool,
}

/// Why an order left with shares unfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CancelReason {
    /// Somebody asked.
    Requested,
    /// Its time had come.
    Expired,
    /// Immediate-or-cancel: what could not fill at once.
    ImmediateOrCancel,
    /// Fill-or-kill: not everything could fill at once.
    FillOrKill,
    /// A market order with nothing left to trade with inside its collar.
    NoLiquidity,
    /// It and the order it would trade with belong to the same owner.
    SelfTrade,
    /// A post-only order that was woken and would have traded at once.
    PostOnly,
}

/// Why a new order is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Trading is halted.
    #[error("trading is halted")]
    Halted,
    /// Orders may only leave.
    #[error("orders may only be cancelled at the moment")]
    CancelOnly,
    /// Outside of trading hours.
    #[error("the market is closed")]
    Closed,
    /// The market takes only orders that rest, and this one would trade at once or cannot rest.
    #[error("the market takes only orders that rest at the moment")]
    RestingOnly,
    /// A price is not positive or not a multiple of the tick.
    #[error("price is not a positive multiple of the tick")]
    PriceOffTick,
    /// The price is too far from the last one.
    #[error("price is outside the band around the last price")]
    PriceOutsideBand,
    /// The quantity is not positive or not a multiple of the lot.
    #[error("quantity is not a positive multiple of the lot")]
    QuantityOffLot,
    /// More shares than one order may have.
    #[error("order quantity is above the limit")]
    QuantityTooLarge,
    /// Price × quantity is above what one order may be worth.
    #[error("order value is above the limit")]
    ValueTooLarge,
    /// Post-only together with an order that cannot rest.
    #[error("a post-only order must be able to rest")]
    PostOnlyCannotRest,
    /// Post-only, and it would trade at once.
    #[error("a post-only order must not trade at once")]
    PostOnlyWouldTake,
    /// Its time had come before it arrived.
    #[error("order has expired before it arrived")]
    AlreadyExpired,
    /// A market order with nothing to trade with inside its collar.
    #[error("nothing to trade with")]
    NoLiquidity,
    /// A stop price for an order that waits for none (any more).
    #[error("the order does not wait for a stop price")]
    NotWaiting,
}

/// Why a request about an existing order, or about the book, changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The book knows no such order (any more).
    #[error("order is not in the book")]
    NotInBook,
    /// The new terms are not acceptable; the order stays as it is.
    #[error("new terms refused: {0}")]
    Terms(#[from] Refusal),
}
