//! What is set aside for one order or payout, from its first lock to its end.

use outcry_contracts::funds::v1 as wire;
use serde::{Deserialize, Serialize};

use super::account::Breach;
use super::asset::{Asset, HOLDING_MAX, Value};
use super::movement::LockStep;

/// What is known under one order id or withdrawal id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Slot {
    /// Something is or was locked.
    Lock(Lock),
    /// The order ended before anything was locked for it: nothing can be locked any more.
    Barred {
        /// The order.
        lock_id: String,
        /// Whose order.
        user_id: String,
    },
}

/// A lock: `amount = posted + released + remaining`, always.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Order id or withdrawal id.
    pub lock_id: String,
    /// Whose.
    pub user_id: String,
    /// What for.
    pub purpose: Purpose,
    /// Of what.
    pub asset: Asset,
    /// The numbers.
    #[serde(flatten)]
    pub totals: LockTotals,
    /// Where it is in its life.
    pub phase: Phase,
}

/// The numbers of a lock, in the asset's unit: all that its events tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockTotals {
    /// Set aside in all.
    pub amount: i64,
    /// Used by settlements or a payout.
    pub posted: i64,
    /// Given back.
    pub released: i64,
    /// Shares settled so far.
    pub quantity: i64,
    /// Highest revision of the order it was raised for.
    pub revision: u32,
}

/// Why something is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// For an order.
    Order,
    /// For a payout.
    Withdrawal,
}

/// Where a lock is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// In use.
    Open,
    /// The order has ended, but not all of its fills are settled: the rest goes back with the last.
    Closing(Ending),
    /// Nothing is locked under it and nothing will be.
    Closed,
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Shares filled when it ended.
    pub cumulative_quantity: i64,
    /// Why the rest goes back.
    pub reason: Reason,
    /// The event that ended it, as cause of the release.
    pub event_id: uuid::Uuid,
    /// The order's flow.
    pub correlation_id: uuid::Uuid,
    /// The flow's trace context.
    pub traceparent: String,
}

/// Why what is left of a lock goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The order is filled.
    Filled,
    /// The order was cancelled.
    Cancelled,
    /// The order's time ran out.
    Expired,
    /// The order was refused.
    Rejected,
    /// The payout was refused.
    WithdrawalFailed,
    /// The order's new terms need less.
    Replaced,
}

// === impl Slot ===

impl Slot {
    /// Whose it is.
    #[must_use]
    pub fn user_id(&self) -> &str {
        match self {
            Self::Lock(lock) => &lock.user_id,
            Self::Barred { user_id, .. } => user_id,
        }
    }

    /// The order or withdrawal.
    #[must_use]
    pub fn lock_id(&self) -> &str {
        match self {
            Self::Lock(lock) => &lock.lock_id,
            Self::Barred { lock_id, .. } => lock_id,
        }
    }
}

// === impl Lock ===

impl Lock {
    /// A lock under which nothing is set aside yet.
    #[must_use]
    pub fn new(lock_id: &str, user_id: &str, purpose: Purpose, asset: &Asset) -> Lock {
        Lock {
            lock_id: lock_id.to_owned(),
            user_id: user_id.to_owned(),
            purpose,
            asset: asset.clone(),
            totals: LockTotals::default(),
            phase: Phase::Open,
        }
    }

    /// What is locked now.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        self.totals.remaining()
    }

    /// Whether it is neither ending nor over.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Where it is in its life, as callers see it.
    #[must_use]
    pub fn status(&self) -> wire::LockStatus {
        match (&self.phase, self.totals.posted, self.totals.released) {
            (Phase::Closed, _, 0) if self.totals.posted > 0 => wire::LockStatus::Settled,
            (Phase::Closed, _, _) => wire::LockStatus::Released,
            (_, 0, _) => wire::LockStatus::Locked,
            (_, _, _) => wire::LockStatus::PartiallyPosted,
        }
    }

    /// The lock as callers see it.
    #[must_use]
    pub fn to_message(&self) -> wire::Lock {
        let value = |amount| self.value(amount).map(|value| value.to_message()).ok();
        wire::Lock {
            lock_id: self.lock_id.clone(),
            user_id: self.user_id.clone(),
            purpose: self.purpose.to_wire().into(),
            status: self.status().into(),
            amount: value(self.totals.amount),
            posted: value(self.totals.posted),
            released: value(self.totals.released),
            remaining: value(self.remaining()),
        }
    }

    /// So much of what it holds.
    ///
    /// # Errors
    /// [`Breach::TooMuch`].
    pub fn value(&self, amount: i64) -> Result<Value, Breach> {
        self.asset.value(amount).map_err(|_| Breach::TooMuch {
            asset: self.asset.clone(),
        })
    }

    /// The lock after a step.
    ///
    /// # Errors
    /// [`Breach`] when it does not hold that much, or too much.
    pub fn after(mut self, step: LockStep) -> Result<Lock, Breach> {
        self.totals = self.totals.after(&self.lock_id, &self.asset, step)?;
        Ok(self)
    }
}

// === impl LockTotals ===

impl LockTotals {
    /// What is locked now.
    #[must_use]
    pub fn remaining(&self) -> i64 {
        // Cannot overflow: all three are between 0 and HOLDING_MAX, and steps keep the rest there.
        self.amount - self.posted - self.released
    }

    /// The numbers after a step.
    ///
    /// # Errors
    /// [`Breach`] when there is not that much, or too much.
    pub fn after(
        mut self,
        lock_id: &str,
        asset: &Asset,
        step: LockStep,
    ) -> Result<LockTotals, Breach> {
        let exceeded = || Breach::LockExceeded {
            lock_id: lock_id.to_owned(),
        };
        match step {
            LockStep::Raised { amount, revision } => {
                let raised = self.amount.checked_add(amount);
                self.amount = raised
                    .filter(|amount| *amount <= HOLDING_MAX)
                    .ok_or_else(|| Breach::TooMuch {
                        asset: asset.clone(),
                    })?;
                self.revision = self.revision.max(revision);
            }
            LockStep::Posted { amount, quantity } => {
                if amount > self.remaining() {
                    return Err(exceeded());
                }
                self.posted += amount;
                self.quantity = self.quantity.checked_add(quantity).ok_or_else(exceeded)?;
            }
            LockStep::Released { amount } => {
                if amount > self.remaining() {
                    return Err(exceeded());
                }
                self.released += amount;
            }
        }
        Ok(self)
    }
}

// === impl Purpose ===

impl Purpose {
    /// The contract's word.
    #[must_use]
    pub fn to_wire(self) -> wire::LockPurpose {
        match self {
            Self::Order => wire::LockPurpose::Order,
            Self::Withdrawal => wire::LockPurpose::Withdrawal,
        }
    }
}

// === impl Reason ===

impl Reason {
    /// The contract's word.
    #[must_use]
    pub fn to_wire(self) -> wire::ReleaseReason {
        match self {
            Self::Filled => wire::ReleaseReason::Filled,
            Self::Cancelled => wire::ReleaseReason::Cancelled,
            Self::Expired => wire::ReleaseReason::Expired,
            Self::Rejected => wire::ReleaseReason::Rejected,
            Self::WithdrawalFailed => wire::ReleaseReason::WithdrawalFailed,
            Self::Replaced => wire::ReleaseReason::Replaced,
        }
    }

    /// The reason a caller may give for an order; none for those that are not the end of one.
    #[must_use]
    pub fn of_order(reason: wire::ReleaseReason) -> Option<Reason> {
        match reason {
            wire::ReleaseReason::Filled => Some(Self::Filled),
            wire::ReleaseReason::Cancelled => Some(Self::Cancelled),
            wire::ReleaseReason::Expired => Some(Self::Expired),
            wire::ReleaseReason::Rejected => Some(Self::Rejected),
            wire::ReleaseReason::Unspecified
            | wire::ReleaseReason::WithdrawalFailed
            | wire::ReleaseReason::Replaced => None,
        }
    }
}
