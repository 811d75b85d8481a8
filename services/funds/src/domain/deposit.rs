//! Coming in and going out: deposits and payouts.

use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsLockedEvent, FundsWithdrawnEvent,
};
use outcry_events::money::Amount;

use super::account::{Account, Breach, Standing};
use super::asset::{Asset, Value};
use super::lock::{Lock, Phase, Purpose};
use super::movement::{AccountEvent, LockStep};
use super::rejection::Rejection;

/// An account after events of its own stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Booked {
    /// The account with the events.
    pub account: Account,
    /// What happened, in order.
    pub events: Vec<AccountEvent>,
}

/// A payout: what happened, and its lock, which is over at once.
#[derive(Debug, Clone, PartialEq)]
pub struct PaidOut {
    /// The account and what happened to it.
    pub booked: Booked,
    /// The lock behind it.
    pub lock: Lock,
}

/// Credits an account with what came in. The caller sees to it that a reference comes once.
///
/// # Errors
/// [`Breach`] for nothing, less than nothing or too much.
pub fn deposit(
    account: Account,
    value: &Value,
    method: DepositMethod,
    reference: &str,
) -> Result<Booked, Breach> {
    if value.amount() <= 0 {
        return Err(Breach::Negative {
            asset: value.asset().clone(),
        });
    }
    let mut event = FundsDepositedEvent {
        user_id: account.user_id.clone(),
        amount: Some(value.to_message()),
        available: None,
        method: method.into(),
        reference: reference.to_owned(),
        ..Default::default()
    };
    let account = account.after(&event.clone().into())?;
    event.available = Some(account.available(value.asset()).to_message());
    Ok(Booked {
        account,
        events: vec![event.into()],
    })
}

/// Pays cash out: locks it and, since the built-in provider pays at once, uses the lock.
///
/// # Errors
/// [`Rejection`] when the user may not, or has not enough.
pub fn withdraw(
    account: Account,
    withdrawal_id: &str,
    amount: Amount,
    destination_last4: &str,
) -> Result<PaidOut, Rejection> {
    if account.standing != Standing::Active {
        return Err(Rejection::UserNotActive);
    }
    if !amount.is_positive() {
        return Err(Rejection::NotPositive);
    }
    let cash = Asset::cash();
    let (value, available) = (Value::cash(amount), account.available(&cash));
    if value.amount() > available.amount() {
        return Err(Rejection::insufficient(available, value));
    }
    let locked = FundsLockedEvent {
        user_id: account.user_id.clone(),
        lock_id: withdrawal_id.to_owned(),
        purpose: Purpose::Withdrawal.to_wire().into(),
        amount: Some(value.to_message()),
        remaining: Some(value.to_message()),
        revision: 0,
    };
    let mut withdrawn = FundsWithdrawnEvent {
        user_id: account.user_id.clone(),
        withdrawal_id: withdrawal_id.to_owned(),
        amount: Some(value.to_message()),
        available: None,
        destination_last4: destination_last4.to_owned(),
        ..Default::default()
    };
    let mut lock = Lock::new(withdrawal_id, &account.user_id, Purpose::Withdrawal, &cash)
        .after(LockStep::Raised {
            amount: value.amount(),
            revision: 0,
        })?
        .after(LockStep::Posted {
            amount: value.amount(),
            quantity: 0,
        })?;
    lock.phase = Phase::Closed;
    let account = account
        .after(&locked.clone().into())?
        .after(&withdrawn.clone().into())?;
    withdrawn.available = Some(account.available(&cash).to_message());
    Ok(PaidOut {
        booked: Booked {
            account,
            events: vec![locked.into(), withdrawn.into()],
        },
        lock,
    })
}
