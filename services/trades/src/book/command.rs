//! What the book can be asked to do.

use std::time::SystemTime;

use uuid::Uuid;

use super::event::CancelReason;

/// Which way an order trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// How many shares.
    pub quantity: i64,
    /// How long it stays.
    pub time_in_force: TimeInForce,
    /// It must rest first: refused when it would trade at once.
    pub post_only: bool,
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
    /// Changes quantity or price of a resting order.
    Replace {
        /// Which order.
        order_id: Uuid,
        /// The new total quantity, what is executed already included.
        quantity: i64,
        /// The new limit, in ten-thousandths.
        price: i64,
    },
    /// Takes out orders whose time has come. Backlog: see [`Book::backlog`](super::Book::backlog).
    Expire,
    /// Goes on matching an order that has more to match than fits one decision. Backlog as well.
    Continue {
        /// Which order.
        order_id: Uuid,
    },
    /// Stops trading: no new orders, no replacements.
    Halt,
    /// Lets trading go on.
    Resume,
}
