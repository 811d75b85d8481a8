//! Why an order does not do what is asked of it.

use outcry_contracts::orders::v1::OrderStatus;
use outcry_mesh::refusal::Refusal;
use tonic::Code;

use super::Phase;

/// Why the answer is no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such order.
    #[error("there is no such order")]
    Unknown,
    /// The id is taken.
    #[error("the order has been placed already")]
    AlreadyPlaced,
    /// Nothing can happen to it any more; a fact that comes now is too late to be one.
    #[error("the order is {} and final", .phase.status().as_str_name())]
    Final {
        /// How it ended.
        phase: Phase,
    },
    /// A fact of the venue about an order it cannot have seen yet.
    #[error("the order has not been sent to the venue yet")]
    NotAtVenue,
    /// A fact is missing in between: the one that came must wait for it.
    #[error("filled quantity {expected} comes next, got {found}")]
    Gap {
        /// Cumulative quantity that comes next.
        expected: i64,
        /// Cumulative quantity that came.
        found: i64,
    },
    /// The fact was made under terms that are not written down yet: it must wait for them.
    #[error("a total of {total} shares is not known for the order yet")]
    TermsNotKnown {
        /// Filled and unfilled shares of the fact.
        total: i64,
    },
    /// The fact cannot be true together with what is known.
    #[error("a fact contradicts the order's history: {what}")]
    Contradiction {
        /// What is wrong.
        what: &'static str,
    },
    /// The table of an order's life has no such step.
    #[error("an order does not go from {} to {}", .from.as_str_name(), .to.as_str_name())]
    IllegalMove {
        /// Where it is.
        from: OrderStatus,
        /// Where it would be.
        to: OrderStatus,
    },
    /// Not from where the order is.
    #[error("cannot {command} an order that is {}", .phase.status().as_str_name())]
    NotAllowed {
        /// Where it is.
        phase: Phase,
        /// What was asked.
        command: &'static str,
    },
}

// === impl Rejection ===

impl Rejection {
    pub(super) const fn contradiction(what: &'static str) -> Self {
        Self::Contradiction { what }
    }

    /// Whether the same may be possible in a moment, when another fact has arrived.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Gap { .. } | Self::TermsNotKnown { .. } | Self::NotAtVenue | Self::Unknown
        )
    }
}

impl Refusal for Rejection {
    fn code(&self) -> Code {
        match self {
            Self::Unknown => Code::NotFound,
            Self::AlreadyPlaced => Code::AlreadyExists,
            Self::Contradiction { .. } | Self::IllegalMove { .. } => Code::Internal,
            Self::Gap { .. } | Self::TermsNotKnown { .. } => Code::Aborted,
            Self::Final { .. } | Self::NotAtVenue | Self::NotAllowed { .. } => {
                Code::FailedPrecondition
            }
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unknown => "ORDER_UNKNOWN",
            Self::AlreadyPlaced => "ORDER_EXISTS",
            Self::Final { .. } => "ORDER_FINAL",
            Self::NotAtVenue => "NOT_AT_VENUE",
            Self::Gap { .. } => "FILL_GAP",
            Self::TermsNotKnown { .. } => "TERMS_NOT_KNOWN",
            Self::Contradiction { .. } => "CONTRADICTION",
            Self::IllegalMove { .. } => "ILLEGAL_MOVE",
            Self::NotAllowed { .. } => "NOT_ALLOWED_NOW",
        }
    }
}
