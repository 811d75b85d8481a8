//! Coming in from outside: payments, issued shares, and what turns out to be the user's.

use outcry_contracts::funds::v1::{DepositMethod, FundsDepositedEvent};

use super::account::{Account, Breach};
use super::asset::Value;
use super::movement::AccountEvent;

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming<'a> {
    /// How much of what.
    pub value: Value,
    /// How it came in.
    pub method: DepositMethod,
    /// Of what; the caller sees to it that a reference comes once per method.
    pub reference: &'a str,
    /// Of a reversal: the event that is taken back; empty otherwise.
    pub reverses: &'a str,
    /// Why an operator did it; empty otherwise.
    pub note: &'a str,
}

/// An account after an event of its own stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Booked {
    /// The account with the event.
    pub account: Account,
    /// What happened.
    pub event: AccountEvent,
}

// === impl Incoming ===

impl<'a> Incoming<'a> {
    /// What came in without an operator.
    #[must_use]
    pub fn of(value: Value, method: DepositMethod, reference: &'a str) -> Incoming<'a> {
        Incoming {
            value,
            method,
            reference,
            reverses: "",
            note: "",
        }
    }
}

/// Credits an account with what came in.
///
/// # Errors
/// [`Breach`] for nothing, less than nothing or too much.
pub fn deposit(account: Account, incoming: &Incoming<'_>) -> Result<Booked, Breach> {
    let value = &incoming.value;
    if value.amount() <= 0 {
        return Err(Breach::Negative {
            asset: value.asset().clone(),
        });
    }
    let mut event = FundsDepositedEvent {
        user_id: account.user_id.clone(),
        amount: Some(value.to_message()),
        available: None,
        method: incoming.method.into(),
        reference: incoming.reference.to_owned(),
        reverses_event_id: incoming.reverses.to_owned(),
        note: incoming.note.to_owned(),
    };
    let account = account.after(&event.clone().into())?;
    event.available = Some(account.available(value.asset()).to_message());
    Ok(Booked {
        account,
        event: event.into(),
    })
}
