//! What the book can be asked to do.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::CancelReason;

/// Which way an order trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// Takes shares for cash.
    Buy,
    /// Gives shares for cash.
    Sell,
}

impl Side {
    /// The side this one trades with.
    pub fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }

    /// Whether an order of this side with this limit accepts the price.
    pub fn accepts(self, limit: i64, price: i64) -> bool {
        match self {
            Side::Buy => price <= limit,
            Side::Sell => price >= limit,
        }
    }

    /// Whether a trade at `price` wakes an order of this side that waits for `stop`.
    pub fn wakes(self, stop: i64, price: i64) -> bool {
        match self {
            Side::Buy => price >= stop,
            Side::Sell => price <= stop,
        }
    }
}

/// What happens instead when an incoming order would trade with one of the same owner. The
/// incoming order's choice counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelfTrade {
    /// What is left of the incoming order is cancelled.
    #[default]
    CancelNewest,
    /// The resting order is cancelled, and the incoming one goes on.
    CancelOldest,
    /// Both are cancelled.
    CancelBoth,
    /// Both lose the smaller quantity; what is used up by that is cancelled.
    Decrement,
}

/// What the market allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Session {
    /// Everything.
    #[default]
    Open,
    /// Nothing trades and nothing comes in; orders may leave.
    Halted,
    /// Orders may leave, no more.
    CancelOnly,
    /// Orders that rest may come in; nothing takes, and no stop order is woken.
    PostOnly,
    /// Outside of trading hours; orders may leave.
    Closed,
}

/// What an order says about its price, in ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pricing {
    /// This price or better.
    Limit(i64),
    /// The best there is, but nothing worse than the collar; never rests.
    Market {
        /// The worst price the order may trade at.
        collar: i64,
    },
}

/// How long an order stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeInForce {
    /// Until it is filled or cancelled.
    GoodTillCancel,
    /// Until this moment: a day order until the end of its session, or a date the owner chose.
    GoodUntil(SystemTime),
    /// Fills what it can at once; the rest is cancelled.
    ImmediateOrCancel,
    /// All at once or nothing.
    FillOrKill,
}

/// An order as it comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Id of the order.
    pub order_id: Uuid,
    /// Whose order it is.
    pub owner: Uuid,
    /// Which way it trades.
    pub side: Side,
    /// At what price.
    pub pricing: Pricing,
    /// It waits for a trade at this price or beyond, in ten-thousandths.
    pub stop: Option<i64>,
    /// How many shares.
    pub quantity: i64,
    /// How long it stays.
    pub time_in_force: TimeInForce,
    /// It must rest first: refused when it would trade at once.
    pub post_only: bool,
    /// What happens when it meets orders of its owner.
    pub self_trade: SelfTrade,
}

impl Terms {
    /// The worst price the order may trade at.
    pub fn limit(&self) -> i64 {
        match self.pricing {
            Pricing::Limit(price) => price,
            Pricing::Market { collar } => collar,
        }
    }

    /// Why what does not fill at once cannot stay in the book; `None` if it may.
    pub fn immediate(&self) -> Option<CancelReason> {
        match (self.pricing, self.time_in_force) {
            (_, TimeInForce::FillOrKill) => Some(CancelReason::FillOrKill),
            (Pricing::Market { .. }, _) => Some(CancelReason::NoLiquidity),
            (_, TimeInForce::ImmediateOrCancel) => Some(CancelReason::ImmediateOrCancel),
            (_, TimeInForce::GoodTillCancel | TimeInForce::GoodUntil(_)) => None,
        }
    }

    /// When the order stops being good, if ever.
    pub fn expires_at(&self) -> Option<SystemTime> {
        match self.time_in_force {
            TimeInForce::GoodUntil(at) => Some(at),
            TimeInForce::GoodTillCancel
            | TimeInForce::ImmediateOrCancel
            | TimeInForce::FillOrKill => None,
        }
    }
}

/// One request to the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A new order. An order the book already holds changes nothing.
    Submit(Terms),
    /// Takes an order out.
    Cancel {
        /// Which order.
        order_id: Uuid,
    },
    /// Changes quantity or prices of an order.
    Replace {
        /// Which order.
        order_id: Uuid,
        /// The new total quantity, what is executed already included.
        quantity: i64,
        /// The new limit, or collar of an order without one, in ten-thousandths.
        price: i64,
        /// The new price it waits for, in ten-thousandths; `None` keeps it.
        stop: Option<i64>,
    },
    /// Takes out orders whose time has come. Backlog: see [`Book::backlog`](super::Book::backlog).
    Expire,
    /// Goes on matching an order that has more to match than fits one decision. Backlog as well.
    Continue {
        /// Which order.
        order_id: Uuid,
    },
    /// Lets the next stop order go whose price has been reached. Backlog as well.
    Trigger,
    /// Changes what the market allows.
    SetSession(Session),
}
