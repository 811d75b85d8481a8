//! Taking a movement back: never by an edit, always by a movement in the other direction.

use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsWithdrawnEvent, WithdrawalMethod,
};

use super::account::{Account, Breach};
use super::asset::Value;
use super::deposit::{Booked, Incoming, deposit};
use super::movement::AccountEvent;
use super::rejection::Rejection;
use super::suspense::NO_DESTINATION;

/// Takes a deposit or a payout back. The caller sees to it that an event is taken back once.
///
/// # Errors
/// [`Rejection::NotReversible`] for all else; [`Rejection::Insufficient`] when what came in is not
/// available any more.
pub fn reverse(
    account: Account,
    event: &AccountEvent,
    event_id: &str,
    note: &str,
) -> Result<Booked, Rejection> {
    match event {
        AccountEvent::Deposited(event) => take(account, event, event_id, note),
        AccountEvent::Withdrawn(event) => give_back(account, event, event_id, note),
        AccountEvent::Locked(_) | AccountEvent::Released(_) => Err(Rejection::NotReversible {
            why: "it moved nothing in or out; the lock ends with its order or payout",
        }),
    }
}

fn take(
    account: Account,
    event: &FundsDepositedEvent,
    event_id: &str,
    note: &str,
) -> Result<Booked, Rejection> {
    if event.method() == DepositMethod::Reversal {
        return Err(reversed_already());
    }
    let value = Value::from_message(event.amount.as_ref()).map_err(Breach::Unreadable)?;
    let available = account.available(value.asset());
    if value.amount() > available.amount() {
        return Err(Rejection::insufficient(available, value));
    }
    let mut taken = FundsWithdrawnEvent {
        user_id: account.user_id.clone(),
        // Unique, since an event is taken back once.
        withdrawal_id: event_id.to_owned(),
        amount: Some(value.to_message()),
        available: None,
        destination_last4: NO_DESTINATION.to_owned(),
        method: WithdrawalMethod::Reversal.into(),
        reverses_event_id: event_id.to_owned(),
        note: note.to_owned(),
    };
    let account = account.after(&taken.clone().into())?;
    taken.available = Some(account.available(value.asset()).to_message());
    Ok(Booked {
        account,
        event: taken.into(),
    })
}

fn give_back(
    account: Account,
    event: &FundsWithdrawnEvent,
    event_id: &str,
    note: &str,
) -> Result<Booked, Rejection> {
    match event.method() {
        WithdrawalMethod::Unspecified | WithdrawalMethod::Payout => {}
        WithdrawalMethod::Reversal => return Err(reversed_already()),
        WithdrawalMethod::SuspenseRefund => {
            return Err(Rejection::NotReversible {
                why: "it went back to where it came from and never was the user's",
            });
        }
    }
    let value = Value::from_message(event.amount.as_ref()).map_err(Breach::Unreadable)?;
    let incoming = Incoming {
        reverses: event_id,
        note,
        ..Incoming::of(value, DepositMethod::Reversal, &event.withdrawal_id)
    };
    Ok(deposit(account, &incoming)?)
}

fn reversed_already() -> Rejection {
    Rejection::NotReversible {
        why: "it takes another movement back",
    }
}
