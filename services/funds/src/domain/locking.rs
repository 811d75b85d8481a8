//! Setting aside for an order, and giving back what it did not need.

use outcry_contracts::funds::v1::{FundsLockedEvent, FundsReleasedEvent};

use super::account::{Account, Breach, Standing};
use super::asset::Value;
use super::lock::{Ending, Lock, Phase, Purpose, Reason, Slot};
use super::movement::{AccountEvent, LockStep};
use super::rejection::Rejection;

/// What an order needs locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The order.
    pub order_id: String,
    /// Its revision; a revision is served once.
    pub revision: u32,
    /// What must be locked for the shares not filled yet.
    pub value: Value,
    /// Shares filled that `value` leaves out. What those not settled yet will use is locked beside.
    pub cumulative_quantity: i64,
}

/// The answer to a [`Need`].
#[derive(Debug, Clone, PartialEq)]
pub struct Locked {
    /// The account; as it was when exactly so much was locked already.
    pub account: Account,
    /// The lock.
    pub lock: Lock,
    /// What happened: more was locked or the surplus released. None when so much was locked already.
    pub event: Option<AccountEvent>,
    /// Whether anything is different from before.
    pub changed: bool,
}

/// What becomes of a lock whose order has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The lock.
    pub lock: Lock,
    /// The account and what happened to it, if something went back.
    pub released: Option<(Account, FundsReleasedEvent)>,
}

/// Locks what an order needs: raises its lock to that, or gives back what is locked beyond it.
///
/// # Errors
/// [`Rejection`]; nothing is locked then.
pub fn lock(account: Account, slot: Option<Slot>, need: &Need) -> Result<Locked, Rejection> {
    let asset = need.value.asset();
    let lock = match slot {
        None => {
            let user_id = &account.user_id;
            Lock::new(&need.order_id, user_id, Purpose::Order, asset)
        }
        Some(Slot::Barred { .. }) => return Err(Rejection::OrderEnded),
        Some(Slot::Lock(lock)) => {
            let fits = lock.user_id == account.user_id
                && lock.asset == *asset
                && lock.purpose == Purpose::Order;
            if !fits {
                return Err(Rejection::LockMismatch);
            }
            if !lock.is_open() {
                return Err(Rejection::OrderEnded);
            }
            if need.revision <= lock.totals.revision {
                return Ok(Locked {
                    account,
                    lock,
                    event: None,
                    changed: false,
                });
            }
            lock
        }
    };
    adjust(account, lock, need)
}

fn adjust(account: Account, mut lock: Lock, need: &Need) -> Result<Locked, Rejection> {
    if need.value.amount() <= 0 {
        return Err(Rejection::NotPositive);
    }
    if lock.totals.quantity < need.cumulative_quantity {
        return Err(Rejection::SettlementBehind {
            filled: need.cumulative_quantity,
            settled: lock.totals.quantity,
        });
    }
    // Both are within HOLDING_MAX and not negative, so the difference is.
    match need.value.amount() - lock.remaining() {
        0 => {
            lock.totals.revision = need.revision;
            Ok(Locked {
                account,
                lock,
                event: None,
                changed: true,
            })
        }
        added if added > 0 => raise(account, lock, added, need.revision),
        surplus => lower(account, lock, -surplus, need.revision),
    }
}

fn raise(account: Account, lock: Lock, added: i64, revision: u32) -> Result<Locked, Rejection> {
    if account.standing != Standing::Active {
        return Err(Rejection::UserNotActive);
    }
    let available = account.available(&lock.asset);
    if added > available.amount() {
        return Err(Rejection::insufficient(available, lock.value(added)?));
    }
    let lock = lock.after(LockStep::Raised {
        amount: added,
        revision,
    })?;
    let event = AccountEvent::from(FundsLockedEvent {
        user_id: account.user_id.clone(),
        lock_id: lock.lock_id.clone(),
        purpose: lock.purpose.to_wire().into(),
        amount: Some(lock.value(added)?.to_message()),
        remaining: Some(lock.value(lock.remaining())?.to_message()),
        revision,
    });
    Ok(Locked {
        account: account.after(&event)?,
        lock,
        event: Some(event),
        changed: true,
    })
}

/// Gives back what is locked beyond what the order needs. Whoever asks has the venue's word for the
/// new terms and for what was filled under the old ones, and that is settled: so nothing that can
/// still be filled needs the surplus.
fn lower(account: Account, lock: Lock, surplus: i64, revision: u32) -> Result<Locked, Rejection> {
    let mut lock = lock.after(LockStep::Released { amount: surplus })?;
    lock.totals.revision = revision;
    let event = AccountEvent::from(released(&lock, surplus, Reason::Replaced)?);
    Ok(Locked {
        account: account.after(&event)?,
        lock,
        event: Some(event),
        changed: true,
    })
}

/// Ends a lock because its order has ended: gives the rest back when all fills are settled, else
/// remembers to do it with the last of them. A lock that is ending already stays as it is.
///
/// # Errors
/// [`Breach::OverSettled`] when more is settled than was filled.
pub fn end(account: &Account, lock: &Lock, ending: Ending) -> Result<Ended, Breach> {
    if !lock.is_open() {
        return Ok(Ended {
            lock: lock.clone(),
            released: None,
        });
    }
    if lock.totals.quantity < ending.cumulative_quantity {
        let mut lock = lock.clone();
        lock.phase = Phase::Closing(ending);
        return Ok(Ended {
            lock,
            released: None,
        });
    }
    close(
        account.clone(),
        lock.clone(),
        ending.cumulative_quantity,
        ending.reason,
    )
}

/// Gives back what is left of a lock whose last fill was just settled, if its order has ended.
/// None while there is more to come.
///
/// # Errors
/// [`Breach::OverSettled`] when more is settled than was filled.
pub fn end_if_due(account: &Account, lock: &Lock) -> Result<Option<(Ended, Ending)>, Breach> {
    let Phase::Closing(ending) = &lock.phase else {
        return Ok(None);
    };
    if lock.totals.quantity < ending.cumulative_quantity {
        return Ok(None);
    }
    let (filled, reason) = (ending.cumulative_quantity, ending.reason);
    let ended = close(account.clone(), lock.clone(), filled, reason)?;
    Ok(Some((ended, ending.clone())))
}

/// Ends a lock at once, for an order that never was at the venue.
///
/// # Errors
/// [`Rejection::LockInUse`] once fills have used it; [`Rejection::LockMismatch`] for a payout's.
pub fn release(account: Account, lock: Lock, reason: Reason) -> Result<Ended, Rejection> {
    if lock.purpose != Purpose::Order {
        return Err(Rejection::LockMismatch);
    }
    if !lock.is_open() {
        return Ok(Ended {
            lock,
            released: None,
        });
    }
    if lock.totals.quantity > 0 {
        return Err(Rejection::LockInUse);
    }
    Ok(close(account, lock, 0, reason)?)
}

/// Closes a lock of which `filled` shares are settled.
fn close(account: Account, lock: Lock, filled: i64, reason: Reason) -> Result<Ended, Breach> {
    if lock.totals.quantity > filled {
        return Err(Breach::OverSettled {
            lock_id: lock.lock_id,
            settled: lock.totals.quantity,
            filled,
        });
    }
    let rest = lock.remaining();
    let mut lock = lock.after(LockStep::Released { amount: rest })?;
    lock.phase = Phase::Closed;
    if rest == 0 {
        return Ok(Ended {
            lock,
            released: None,
        });
    }
    let event = released(&lock, rest, reason)?;
    let account = account.after(&AccountEvent::from(event.clone()))?;
    Ok(Ended {
        lock,
        released: Some((account, event)),
    })
}

/// The event of what went back from a lock, which is as it is after it.
pub(super) fn released(
    lock: &Lock,
    amount: i64,
    reason: Reason,
) -> Result<FundsReleasedEvent, Breach> {
    Ok(FundsReleasedEvent {
        user_id: lock.user_id.clone(),
        lock_id: lock.lock_id.clone(),
        purpose: lock.purpose.to_wire().into(),
        amount: Some(lock.value(amount)?.to_message()),
        remaining: Some(lock.value(lock.remaining())?.to_message()),
        reason: reason.to_wire().into(),
    })
}
