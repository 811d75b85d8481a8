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
    /// What custody holds for it and need not any more.
    #[serde(default)]
    pub surplus: Option<Surplus>,
    /// Number of the last change that was tried, accepted or not. Custody and venue do each number
    /// once, so none may be used twice.
    pub last_revision: u32,
    /// Whether a stop order has been woken. Stays when the order is final.
    #[serde(default)]
    pub triggered: bool,
    /// Place in the user's life, as far as it was known when the order was made: a suspension that
    /// came after it ends the order. Stays when the order is final.
    #[serde(default)]
    pub user_sequence: u64,
}

/// Something locked that the order, after a change, does not need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surplus {
    /// The number under which custody is told of the smaller need.
    pub revision: u32,
    /// Shares the venue had filled when the order changed: only once they are settled is it known
    /// what the rest needs.
    pub cumulative_quantity: i64,
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
    /// Limit, in ten-thousandths; the collar of an order without one.
    pub limit_price: i64,
    /// New stop price, in ten-thousandths; none keeps the present one.
    #[serde(default)]
    pub stop_price: Option<i64>,
    /// Whether the venue's news has told already that it is accepted. Who asked for it has still to
    /// bring it to its end.
    #[serde(default)]
    pub is_applied: bool,
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
    /// Number of the last change it has accepted.
    #[serde(default)]
    pub revision: u32,
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
            triggered: progress.triggered,
            user_sequence: progress.user_sequence,
            ..Self::default()
        }
    }

    /// The venue says how it is with the order. What it said before and is ahead of this stays:
    /// answers overtake each other.
    pub(crate) fn hear(&mut self, said: VenueState) {
        // Whoever says so has it.
        self.placing = None;
        self.triggered |= said.has_been_in_the_book();
        if !self
            .venue
            .as_ref()
            .is_some_and(|known| known.is_ahead_of(&said))
        {
            self.venue = Some(said);
        }
    }

    /// The wish to cancel. The first one stays: its reason is the one the venue was given.
    pub(crate) fn wish_cancel(&mut self, reason: CancelReason) {
        let reason = reason.into();
        self.cancelling = self.cancelling.or(Some(Cancelling { reason }));
    }

    /// What the venue answered to the wish to cancel. Final is final, and its event ends the wish;
    /// anything else is a no.
    pub(crate) fn answer_cancel(&mut self, said: VenueState) {
        if !said.is_final() {
            self.cancelling = None;
        }
        self.hear(said);
    }

    /// The venue tells of a change before whoever may have asked for it has its answer. Marks it as
    /// accepted, when it is the one that is asked for. When nobody asked, the order lost shares
    /// because it met another order of its user: what it needs less goes back.
    ///
    /// A change that is being asked for has a smaller number than what is given back now would
    /// have, and custody would take it for an older one: then the rest goes back with the end of
    /// the order.
    pub(crate) fn changed(&mut self, revision: u32, quantity: i64, filled: i64) {
        if let Some(new) = &mut self.replacing {
            let is_same = new.revision == revision && new.quantity.max(filled) == quantity;
            new.is_applied |= is_same;
            return;
        }
        self.last_revision = self.last_revision.max(revision) + 1;
        self.surplus = Some(Surplus {
            revision: self.last_revision,
            cumulative_quantity: filled,
        });
    }

    /// The wish to change it under this number is decided.
    pub(crate) fn end_replace(&mut self, revision: u32) {
        self.replacing.take_if(|one| one.revision == revision);
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
            revision: trade.revision,
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

    /// Whether it knows more than what is said now.
    fn is_ahead_of(&self, said: &Self) -> bool {
        self.is_final()
            || said.cumulative_quantity < self.cumulative_quantity
            || said.revision < self.revision
            || said.stage() < self.stage()
    }

    /// How far it is: grows over the life of a trade.
    fn stage(&self) -> u8 {
        match self.status() {
            TradeStatus::Unspecified | TradeStatus::Created => 0,
            TradeStatus::TriggerPending => 1,
            TradeStatus::Placed => 2,
            TradeStatus::PartiallyFilled => 3,
            TradeStatus::Filled
            | TradeStatus::Closed
            | TradeStatus::Cancelled
            | TradeStatus::Failed => 4,
        }
    }

    /// Whether a stop order in this state must have been woken.
    fn has_been_in_the_book(&self) -> bool {
        self.cumulative_quantity > 0
            || matches!(
                self.status(),
                TradeStatus::Placed
                    | TradeStatus::PartiallyFilled
                    | TradeStatus::Filled
                    | TradeStatus::Closed
            )
    }
}
