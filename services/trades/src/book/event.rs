//! What can happen in a book.

use thiserror::Error;
use uuid::Uuid;

use super::command::Terms;

/// One change of a book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookEvent {
    /// The order was accepted and stands in the book at its price. While a command is being
    /// decided it may stand across the other side: the events that follow resolve that.
    Placed(Terms),
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
    /// Trading stopped.
    Halted,
    /// Trading goes on.
    Resumed,
}

impl BookEvent {
    /// Whether the event takes the next number of its symbol. What leaves the book and its queue
    /// as they are does not.
    pub fn is_numbered(&self) -> bool {
        match self {
            BookEvent::Placed(_)
            | BookEvent::Matched(_)
            | BookEvent::Replaced(_)
            | BookEvent::Cancelled { .. } => true,
            BookEvent::Refused { .. } | BookEvent::Halted | BookEvent::Resumed => false,
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

/// New terms of a resting order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Which order.
    pub order_id: Uuid,
    /// Its total quantity from now on. Equal to what it has executed when the request asked for
    /// no more than that: the order is then filled.
    pub quantity: i64,
    /// Its limit from now on, in ten-thousandths.
    pub price: i64,
    /// Whether it keeps its place in the queue.
    pub keeps_priority: bool,
}

/// Why an order left with shares unfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The next order to trade with belongs to the same owner.
    SelfTrade,
}

/// Why a new order is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Trading is halted.
    #[error("trading is halted")]
    Halted,
    /// The price is not positive or not a multiple of the tick.
    #[error("price is not a positive multiple of the tick")]
    PriceOffTick,
    /// The price is too far from the last one.
    #[error("price is outside the band around the last price")]
    PriceOutsideBand,
    /// The quantity is not positive or not a multiple of the lot.
    #[error("quantity is not a positive multiple of the lot")]
    QuantityOffLot,
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
}

/// Why a request about an existing order, or about the book, changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The book holds no such order (any more).
    #[error("order is not in the book")]
    NotInBook,
    /// The new terms are not acceptable; the order stays as it is.
    #[error("new terms refused: {0}")]
    Terms(#[from] Refusal),
}
