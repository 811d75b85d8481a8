//! What is under way with an order and no fact yet.

use std::time::SystemTime;

use outcry_contracts::orders::v1::CancelReason;
use outcry_contracts::trades::v1::{FailureReason, Trade, TradeStatus};
use outcry_events::Amount;
use outcry_store::Answer;
use serde::{Deserialize, Serialize};

use crate::pretrade::Need;

/// What is under way with an order. All of it is settled by the venue's answers and facts; an
/// order that is final has nothing under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What the order needs, until the venue has it.
    pub placing: Option<Need>,
    /// What the venue last answered; none before it has the order. Events may be behind it.
    pub venue: Option<VenueState>,
    /// The wish to cancel it.
    pub cancelling: Option<Cancelling>,
    /// The wish to change it.
    pub replacing: Option<Replacing>,
    /// Number of the last change that was tried, accepted or not. Custody and venue do each number
    /// once, so none may be used twice.
    pub last_revision: u32,
}

/// A wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelling {
    /// `CancelReason`.
    pub reason: i32,
}

/// A wish to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacing {
    /// The request it came with: its repetition goes on with it, and whoever brings it to its end
    /// stores the answer.
    pub request: RequestKey,
    /// The number of the change.
    pub revision: u32,
    /// Total shares wanted.
    pub quantity: i64,
    /// Limit, in ten-thousandths.
    pub limit_price: i64,
}

/// Which request a wish came with: what its answer will be stored under.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestKey {
    /// Who asked.
    pub principal: String,
    /// What was called.
    pub method: String,
    /// The id the caller gave the request.
    pub request_id: String,
    /// Hash of the request's body.
    pub request_hash: [u8; 32],
}

/// An order at the venue, as the venue answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VenueState {
    /// `TradeStatus`.
    pub status: i32,
    /// Shares filled.
    pub cumulative_quantity: i64,
    /// Average price in ten-thousandths.
    pub average_price: Option<i64>,
    /// `CancelReason`.
    pub cancel_reason: i32,
    /// `FailureReason`.
    pub failure_reason: i32,
    /// Why it failed, in words.
    pub message: String,
}

// === impl Progress ===

impl Progress {
    /// What is left of it when the order is final.
    pub(crate) fn ended(progress: &Self) -> Self {
        Self {
            last_revision: progress.last_revision,
            ..Self::default()
        }
    }
}

// === impl Cancelling ===

impl Cancelling {
    /// Why.
    pub fn reason(self) -> CancelReason {
        CancelReason::try_from(self.reason).unwrap_or_default()
    }
}

// === impl RequestKey ===

impl RequestKey {
    /// The key of an answer.
    pub(crate) fn of(answer: &Answer) -> Self {
        Self {
            principal: answer.principal.clone(),
            method: answer.method.clone(),
            request_id: answer.request_id.clone(),
            request_hash: answer.request_hash,
        }
    }

    /// The answer under this key; none for a request that asked for no such protection.
    pub(crate) fn answer(&self, response: Vec<u8>, at: SystemTime) -> Option<Answer> {
        if self.request_id.is_empty() {
            return None;
        }
        Some(Answer {
            principal: self.principal.clone(),
            method: self.method.clone(),
            request_id: self.request_id.clone(),
            request_hash: self.request_hash,
            response,
            at,
        })
    }
}

// === impl VenueState ===

impl VenueState {
    /// What an answer says.
    pub(crate) fn of(trade: &Trade) -> Self {
        Self {
            status: trade.status,
            cumulative_quantity: trade.cumulative_quantity,
            average_price: Amount::from_required(trade.average_price.as_ref())
                .ok()
                .filter(|_| trade.cumulative_quantity > 0)
                .map(Amount::raw),
            cancel_reason: trade.cancel_reason,
            failure_reason: trade.failure_reason,
            message: trade.message.clone(),
        }
    }

    /// Where it is in its life.
    pub(crate) fn status(&self) -> TradeStatus {
        TradeStatus::try_from(self.status).unwrap_or_default()
    }

    /// Why the venue refused it.
    pub(crate) fn failure_reason(&self) -> FailureReason {
        FailureReason::try_from(self.failure_reason).unwrap_or_default()
    }

    /// Whether the venue is done with it.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self.status(),
            TradeStatus::Filled
                | TradeStatus::Closed
                | TradeStatus::Cancelled
                | TradeStatus::Failed
        )
    }
}
