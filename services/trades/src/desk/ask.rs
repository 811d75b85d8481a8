//! Requests to a desk, and what comes of them.

use outcry_contracts::orders::v1::CancelReason;
use outcry_contracts::trades::v1::TradeCreatedEvent;
use uuid::Uuid;

use crate::book::{Refusal, Session};
use crate::views::{SessionRequest, Settled};

/// A request to a desk.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// Takes an order in, told as the event that will record it.
    Submit(Box<TradeCreatedEvent>),
    /// Takes an order out, or sees to it that it never comes in.
    Cancel(Cancel),
    /// Changes an order.
    Replace(Replace),
    /// Does what is due.
    Wake,
    /// Changes what the market allows.
    SetSession(SetSession),
    /// Gives the market back to its hours.
    Resume,
}

impl Ask {
    /// The order it is about, if it is about one.
    pub(crate) fn order_id(&self) -> Option<Uuid> {
        match self {
            Ask::Submit(created) => Uuid::try_parse(&created.order_id).ok(),
            Ask::Cancel(Cancel { order_id, .. }) | Ask::Replace(Replace { order_id, .. }) => {
                Some(*order_id)
            }
            Ask::Wake | Ask::SetSession(_) | Ask::Resume => None,
        }
    }
}

/// An order to take out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cancel {
    pub(crate) order_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) reason: CancelReason,
}

/// New terms for an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replace {
    pub(crate) order_id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) revision: u32,
    /// Total shares, those filled included.
    pub(crate) quantity: i64,
    /// Limit or collar, in ten-thousandths.
    pub(crate) price: i64,
    /// Ten-thousandths; `None` keeps it.
    pub(crate) stop: Option<i64>,
}

/// What the market is to allow.
#[derive(Clone, Debug)]
pub(crate) struct SetSession {
    /// Whoever repeats a request with an id is answered and nothing else.
    pub(crate) request_id: Option<Uuid>,
    pub(crate) session: Session,
    /// Why, in words.
    pub(crate) reason: String,
}

/// What a desk has to be told before it can decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    Nothing,
    /// Whether the store knows a trade of this order.
    Trade(Uuid),
    /// How much of this order's trade is settled.
    Settled(Uuid),
    /// What was asked for under this request id before.
    Request(Uuid),
}

/// What it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The owner of the order's trade, if there is one that is in the book no more.
    pub(crate) finished_owner: Option<Uuid>,
    pub(crate) settled: Settled,
    /// What was asked for under the same request id before.
    pub(crate) request: Option<SessionRequest>,
}

/// Why a request has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoEffect {
    /// No such order, or not of this user.
    #[error("the venue has no such order of this user")]
    NoSuchOrder,
    /// The new terms are not acceptable.
    #[error("the venue does not accept these terms: {0}")]
    Terms(#[from] Refusal),
    /// The venue has changed the order under this revision.
    #[error("the venue has changed the order meanwhile; ask with the next revision")]
    RevisionTaken,
    /// Something else was asked for under the same request id.
    #[error("this request id was used for another request; use a new one")]
    RequestReused,
}

/// The order whose trade is the answer; none where there is no trade to show.
pub(crate) type Verdict = Result<Option<Uuid>, NoEffect>;
