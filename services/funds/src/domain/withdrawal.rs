//! A payout to the user's bank account, from the lock that reserves it to its end.
//!
//! `REQUESTED → SENT → DONE | VOID`. The amount is locked from the first moment on, so payouts that
//! are under way never exceed what there is (I18), and only the provider's word ends the lock: as
//! long as nobody knows what became of a payout, it stays.

use std::time::Duration;

use outcry_contracts::funds::v1 as wire;
use outcry_contracts::funds::v1::{FundsLockedEvent, FundsWithdrawnEvent, WithdrawalMethod};
use outcry_contracts::payments::v1::PayoutStatus;
use outcry_events::money::Amount;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::{Account, Breach, Standing};
use super::asset::{Asset, Value};
use super::deposit::Booked;
use super::lock::{Lock, Phase, Purpose, Reason};
use super::locking::released;
use super::movement::{AccountEvent, LockStep};
use super::rejection::Rejection;

/// Wait before the provider is asked about a payout again, the first time: banks answer some at
/// once.
const ASK_FIRST: Duration = Duration::from_millis(500);

/// The longest such wait. A payout can take days; its user sees the end within this time.
const ASK_MOST: Duration = Duration::from_secs(300);

/// Doublings after which the wait is the longest in any case.
const DOUBLINGS_MAX: u32 = 16;

/// Longest message kept of a provider, in characters.
const MESSAGE_MAX: usize = 256;

/// The document of one payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Its id, which is its lock's and the provider's, too.
    pub withdrawal_id: String,
    /// Whose.
    pub user_id: String,
    /// How much.
    pub amount: Amount,
    /// Last four digits of the destination account.
    pub destination_last4: String,
    /// Where it is in its life.
    pub stage: Stage,
    /// Why it was refused, in words; empty otherwise.
    pub message: String,
    /// When it was asked for, in nanoseconds since 1970.
    pub requested_ns: i64,
    /// When its stage changed last, in nanoseconds since 1970.
    pub updated_ns: i64,
    /// How often the provider was asked in this stage.
    pub asked: u32,
    /// The flow it belongs to.
    pub flow: Flow,
}

/// Where a payout is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Locked; the provider has certainly not heard of it.
    Requested,
    /// On its way to the provider, which may have heard of it.
    Sending,
    /// The provider has it.
    Sent,
    /// Paid out. Final.
    Done,
    /// Not paid out; the amount is available again. Final.
    Void,
}

/// What events that follow later belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The flow's root.
    pub correlation_id: Uuid,
    /// The flow's last event, which they follow from.
    pub event_id: Uuid,
    /// Trace context of the flow.
    pub traceparent: String,
}

/// A payout as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// Whose.
    pub user_id: String,
    /// How much.
    pub amount: Amount,
    /// Last four digits of the destination account.
    pub destination_last4: String,
}

/// What is to be done about a payout next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Write down that it is being sent.
    Begin,
    /// Give it to the provider.
    Send,
    /// Ask the provider what became of it.
    Ask,
    /// Give the amount back: it was never sent and must not be any more.
    GiveUp,
    /// Nothing: it is over.
    Nothing,
}

/// What the provider's word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is paid out.
    Paid,
    /// It will never be.
    Refused,
    /// The provider has it, and will tell.
    Open,
    /// Nothing is known: the amount stays locked.
    Nothing,
}

/// Account and lock after an event of a payout.
#[derive(Debug, Clone, PartialEq)]
pub struct Reserved {
    /// Account and event.
    pub booked: Booked,
    /// The lock.
    pub lock: Lock,
}

/// Sets the amount of a payout aside.
///
/// # Errors
/// [`Rejection`] when the user may not, or has not enough.
pub fn reserve(account: Account, id: &str, payout: &Payout) -> Result<Reserved, Rejection> {
    if account.standing != Standing::Active {
        return Err(Rejection::UserNotActive);
    }
    if !payout.amount.is_positive() {
        return Err(Rejection::NotPositive);
    }
    let cash = Asset::cash();
    let (value, available) = (Value::cash(payout.amount), account.available(&cash));
    if value.amount() > available.amount() {
        return Err(Rejection::insufficient(available, value));
    }
    let step = LockStep::Raised {
        amount: value.amount(),
        revision: 0,
    };
    let lock = Lock::new(id, &account.user_id, Purpose::Withdrawal, &cash).after(step)?;
    let event = AccountEvent::from(FundsLockedEvent {
        user_id: account.user_id.clone(),
        lock_id: id.to_owned(),
        purpose: lock.purpose.to_wire().into(),
        amount: Some(value.to_message()),
        remaining: Some(value.to_message()),
        revision: 0,
    });
    let account = account.after(&event)?;
    Ok(Reserved {
        booked: Booked { account, event },
        lock,
    })
}

/// Uses the lock: the payout has left.
///
/// # Errors
/// [`Breach`] when lock and payout do not fit.
pub fn post(account: Account, lock: Lock, payout: &Withdrawal) -> Result<Reserved, Breach> {
    payout.fits(&lock)?;
    let value = Value::cash(payout.amount);
    let mut lock = lock.after(LockStep::Posted {
        amount: value.amount(),
        quantity: 0,
    })?;
    lock.phase = Phase::Closed;
    let mut event = FundsWithdrawnEvent {
        user_id: payout.user_id.clone(),
        withdrawal_id: payout.withdrawal_id.clone(),
        amount: Some(value.to_message()),
        available: None,
        destination_last4: payout.destination_last4.clone(),
        method: WithdrawalMethod::Payout.into(),
        reverses_event_id: String::new(),
        note: String::new(),
    };
    let account = account.after(&event.clone().into())?;
    event.available = Some(account.available(&Asset::cash()).to_message());
    let event = event.into();
    Ok(Reserved {
        booked: Booked { account, event },
        lock,
    })
}

/// Gives the amount back: the payout will never be made.
///
/// # Errors
/// [`Breach`] when lock and payout do not fit.
pub fn void(account: Account, lock: Lock, payout: &Withdrawal) -> Result<Reserved, Breach> {
    payout.fits(&lock)?;
    let amount = lock.remaining();
    let mut lock = lock.after(LockStep::Released { amount })?;
    lock.phase = Phase::Closed;
    let event = AccountEvent::from(released(&lock, amount, Reason::WithdrawalFailed)?);
    let account = account.after(&event)?;
    Ok(Reserved {
        booked: Booked { account, event },
        lock,
    })
}

// === impl Withdrawal ===

impl Withdrawal {
    /// What is to be done next, for a user in this standing.
    ///
    /// A payout that may have reached the provider goes on whatever the user's standing: whether
    /// it is paid is not ours to decide any more.
    #[must_use]
    pub fn next(&self, standing: Standing) -> Step {
        match self.stage {
            Stage::Requested if standing == Standing::Active => Step::Begin,
            Stage::Requested => Step::GiveUp,
            Stage::Sending => Step::Send,
            Stage::Sent => Step::Ask,
            Stage::Done | Stage::Void => Step::Nothing,
        }
    }

    /// The payout in another stage.
    #[must_use]
    pub fn in_stage(mut self, stage: Stage, at_ns: i64) -> Withdrawal {
        self.stage = stage;
        self.updated_ns = at_ns;
        self.asked = 0;
        self
    }

    /// The payout refused, for a reason in words.
    #[must_use]
    pub fn refused(mut self, why: &str, at_ns: i64) -> Withdrawal {
        self.message = why.chars().take(MESSAGE_MAX).collect();
        self.in_stage(Stage::Void, at_ns)
    }

    /// The payout after one more question that brought nothing new.
    #[must_use]
    pub fn asked_again(mut self) -> Withdrawal {
        self.asked = self.asked.saturating_add(1);
        self
    }

    /// How long to wait before the provider is asked again.
    #[must_use]
    pub fn wait(&self) -> Duration {
        let doublings = self.asked.saturating_sub(1).min(DOUBLINGS_MAX);
        ASK_FIRST.saturating_mul(1 << doublings).min(ASK_MOST)
    }

    /// Whether nothing more becomes of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Done | Stage::Void)
    }

    fn fits(&self, lock: &Lock) -> Result<(), Breach> {
        let fits = lock.lock_id == self.withdrawal_id
            && lock.user_id == self.user_id
            && lock.purpose == Purpose::Withdrawal
            && lock.is_open()
            && lock.remaining() == self.amount.raw();
        if fits {
            return Ok(());
        }
        Err(Breach::LockMisfit {
            lock_id: lock.lock_id.clone(),
            why: "it is not what the payout reserved",
        })
    }
}

// === impl Stage ===

impl Stage {
    /// The contract's word.
    #[must_use]
    pub fn to_wire(self) -> wire::WithdrawalStatus {
        match self {
            Self::Requested | Self::Sending => wire::WithdrawalStatus::Requested,
            Self::Sent => wire::WithdrawalStatus::Sent,
            Self::Done => wire::WithdrawalStatus::Done,
            Self::Void => wire::WithdrawalStatus::Void,
        }
    }
}

// === impl Heard ===

impl Heard {
    /// What a status of the provider means. Neither silence nor ignorance is a refusal.
    #[must_use]
    pub fn of(status: PayoutStatus) -> Heard {
        match status {
            PayoutStatus::Paid => Self::Paid,
            PayoutStatus::Refused => Self::Refused,
            PayoutStatus::Pending => Self::Open,
            PayoutStatus::Unspecified | PayoutStatus::Unknown => Self::Nothing,
        }
    }
}
