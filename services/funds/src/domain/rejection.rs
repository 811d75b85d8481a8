//! Why funds says no.

use outcry_mesh::Refusal;
use tonic::Code;

use super::account::Breach;
use super::asset::Value;

/// Why funds says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The account has not been opened yet: the news of its user is still on the way.
    #[error("the account is not ready yet; try again in a moment")]
    AccountNotReady,
    /// The user is suspended or has left.
    #[error("the user is not active")]
    UserNotActive,
    /// Not enough is available.
    #[error("{available} is available, {needed} is needed")]
    Insufficient {
        /// What is available.
        available: Value,
        /// What is needed of it.
        needed: Value,
    },
    /// Nothing, or less, was asked for.
    #[error("the amount must be more than nothing")]
    NotPositive,
    /// The order has ended: nothing can be locked for it any more.
    #[error("the order has ended; nothing can be locked for it")]
    OrderEnded,
    /// Under this id something else is locked, or for somebody else.
    #[error("the order already has a lock of another user or asset")]
    LockMismatch,
    /// Fills the caller knows of are not settled yet.
    #[error("{filled} shares are filled, {settled} are settled so far; try again in a moment")]
    SettlementBehind {
        /// Shares the caller knows to be filled.
        filled: i64,
        /// Shares settled.
        settled: i64,
    },
    /// A lock that fills have used ends with its order's last event, not by a call.
    #[error("fills have used the lock; it ends when the order does")]
    LockInUse,
    /// Shares were issued under this reference before.
    #[error("shares were issued under this request id before; use a new one")]
    ReferenceUsed,
    /// No movement has this id.
    #[error("there is no such movement")]
    NoSuchTransaction,
    /// A movement that cannot be taken back.
    #[error("the movement cannot be taken back: {why}")]
    NotReversible {
        /// Why not.
        why: &'static str,
    },
    /// A movement that was taken back before.
    #[error("the movement is taken back already")]
    AlreadyReversed,
    /// Nothing of this payment was ever in suspense.
    #[error("nothing of this payment is in suspense")]
    NoSuchSuspense,
    /// What was in suspense of this payment is decided.
    #[error("what was in suspense of this payment is decided already")]
    SuspenseResolved,
    /// Accounts cannot hold it.
    #[error("accounts cannot hold {currency}; it can only be refunded")]
    OtherCurrency {
        /// In what it came.
        currency: String,
    },
    /// The numbers do not allow it.
    #[error(transparent)]
    Breach(#[from] Breach),
}

// === impl Rejection ===

impl Rejection {
    /// Not enough is available.
    #[must_use]
    pub fn insufficient(available: Value, needed: Value) -> Rejection {
        Rejection::Insufficient { available, needed }
    }
}

impl Refusal for Rejection {
    fn code(&self) -> Code {
        match self {
            Self::AccountNotReady
            | Self::UserNotActive
            | Self::Insufficient { .. }
            | Self::OrderEnded
            | Self::LockMismatch
            | Self::LockInUse
            | Self::NotReversible { .. }
            | Self::AlreadyReversed
            | Self::SuspenseResolved
            | Self::OtherCurrency { .. } => Code::FailedPrecondition,
            Self::NotPositive => Code::InvalidArgument,
            Self::ReferenceUsed => Code::AlreadyExists,
            Self::NoSuchTransaction | Self::NoSuchSuspense => Code::NotFound,
            Self::SettlementBehind { .. } => Code::Unavailable,
            Self::Breach(Breach::TooMuch { .. }) => Code::OutOfRange,
            Self::Breach(_) => Code::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::AccountNotReady => "ACCOUNT_NOT_READY",
            Self::UserNotActive => "USER_NOT_ACTIVE",
            Self::Insufficient { needed, .. } if needed.asset().is_cash() => "INSUFFICIENT_FUNDS",
            Self::Insufficient { .. } => "INSUFFICIENT_HOLDINGS",
            Self::NotPositive => "NOT_POSITIVE",
            Self::OrderEnded => "ORDER_ENDED",
            Self::LockMismatch => "LOCK_MISMATCH",
            Self::SettlementBehind { .. } => "SETTLEMENT_BEHIND",
            Self::LockInUse => "LOCK_IN_USE",
            Self::ReferenceUsed => "REFERENCE_USED",
            Self::NoSuchTransaction => "NO_SUCH_TRANSACTION",
            Self::NotReversible { .. } => "NOT_REVERSIBLE",
            Self::AlreadyReversed => "ALREADY_REVERSED",
            Self::NoSuchSuspense => "NO_SUCH_SUSPENSE",
            Self::SuspenseResolved => "SUSPENSE_RESOLVED",
            Self::OtherCurrency { .. } => "OTHER_CURRENCY",
            Self::Breach(Breach::TooMuch { .. }) => "TOO_LARGE",
            Self::Breach(_) => "CUSTODY_BREACH",
        }
    }

    fn metadata(&self) -> Vec<(String, String)> {
        match self {
            Self::Insufficient { available, needed } => vec![
                ("available".to_owned(), available.to_string()),
                ("needed".to_owned(), needed.to_string()),
            ],
            _ => Vec::new(),
        }
    }
}
