//! What can be asked of an order.

use outcry_contracts::orders::v1::{CancelReason, OrderTerms, RejectReason};
use outcry_contracts::types::v1::AssetAmount;
use outcry_events::Amount;

use super::lifecycle::Step;

/// What can be asked of an order: a decision of this service, or a fact of the venue.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Places it.
    Place {
        /// Id of the new order.
        order_id: String,
        /// Whose it is.
        user_id: String,
        /// The user's own id for it; may be empty.
        client_order_id: String,
        /// What is wanted.
        terms: Box<OrderTerms>,
        /// Why it is refused at once, if it is.
        refused: Option<Refused>,
    },
    /// It passed every check, and this is locked for it.
    Validate {
        /// Cash for a buy, shares for a sell.
        locked: AssetAmount,
        /// Price beyond which the venue must not fill it.
        protection: Amount,
    },
    /// It is refused: by a check, by custody or by the venue.
    Reject(Refused),
    /// The venue filled some of it.
    Fill(Fill),
    /// The venue took it off the market; an expiry when that is the reason.
    TakeOff {
        /// Shares filled before.
        cumulative: i64,
        /// Shares that will not be filled.
        unfilled: i64,
        /// Why.
        reason: CancelReason,
    },
    /// It is cancelled before the venue has seen it.
    CancelBeforeVenue {
        /// Why.
        reason: CancelReason,
    },
    /// The venue accepted new terms.
    Replace(Replacement),
}

/// Why an order is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// For programs.
    pub reason: RejectReason,
    /// For people; at most 256 characters.
    pub message: String,
}

/// One fill, as the venue tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The venue's id of it.
    pub execution_id: String,
    /// Shares of this fill.
    pub last: i64,
    /// Price of this fill.
    pub price: Amount,
    /// Shares filled so far, this fill included.
    pub cumulative: i64,
    /// Shares the venue still wanted after it, under the terms of that moment.
    pub leaves: i64,
}

/// New terms, as the venue accepted them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// Grows with every change; a refused change leaves its number unused.
    pub revision: u32,
    /// Total shares wanted, those filled included; never less than what the venue had filled.
    pub quantity: i64,
    /// Limit; the collar of an order without one.
    pub limit: Amount,
    /// The price that wakes a stop order, if it is a new one.
    pub stop: Option<Amount>,
    /// Whether it kept its place in the queue.
    pub kept_priority: bool,
}

// === impl Command ===

impl Command {
    /// What it is called in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Place { .. } => "place",
            Self::Validate { .. } => "validate",
            Self::Reject(_) => "reject",
            Self::Fill(_) => "fill",
            Self::TakeOff { .. } => "take off",
            Self::CancelBeforeVenue { .. } => "cancel before the venue",
            Self::Replace(_) => "replace",
        }
    }

    /// Its step in the table of an order's life. A change that the venue accepted had to be asked
    /// for, and where that may be is where it may be accepted.
    pub fn step(&self) -> Step {
        match self {
            Self::Place { .. } => Step::Place,
            Self::Validate { .. } => Step::Validate,
            Self::Reject(_) => Step::Reject,
            Self::Fill(_) => Step::Fill,
            Self::TakeOff { .. } => Step::TakeOff,
            Self::CancelBeforeVenue { .. } => Step::CancelBeforeVenue,
            Self::Replace(_) => Step::AskReplace,
        }
    }
}
