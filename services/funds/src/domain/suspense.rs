//! Money that came in and could not be credited: kept apart until an operator decides, once.

use outcry_contracts::funds::v1 as wire;
use outcry_contracts::funds::v1::{DepositMethod, FundsWithdrawnEvent, WithdrawalMethod};
use outcry_contracts::types::v1::{AssetAmount, Money, asset_amount};
use outcry_events::money::{Amount, CURRENCY, MoneyError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::{Account, Breach};
use super::asset::{Asset, Value};
use super::deposit::{Booked, Incoming, deposit};
use super::rejection::Rejection;

/// Destination of what goes back where it came from: no account that we know of.
pub(super) const NO_DESTINATION: &str = "0000";

/// One capture that could not be credited. A payment has one for each such capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspenseItem {
    /// The payment.
    pub payment_id: String,
    /// 1 for the payment's first such capture, then 2, 3 …
    pub number: u32,
    /// Who paid.
    pub user_id: String,
    /// In what: not necessarily the currency accounts are kept in.
    pub currency: String,
    /// How much, in ten-thousandths of the currency's unit.
    pub amount: Amount,
    /// Why it could not be credited, in words.
    pub message: String,
    /// When it came in, in nanoseconds since 1970.
    pub at_ns: i64,
    /// What was decided; none while it is open.
    pub outcome: Option<Outcome>,
}

/// What becomes of money in suspense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is credited to the user who paid.
    Credit,
    /// It goes back to where it came from.
    Refund,
}

/// Money in whatever currency: the code, and how much.
///
/// # Errors
/// [`MoneyError`] for a number that is none.
pub fn foreign(money: &Money) -> Result<(String, Amount), MoneyError> {
    let number = Money {
        currency_code: CURRENCY.to_owned(),
        ..money.clone()
    };
    Ok((money.currency_code.clone(), Amount::from_money(&number)?))
}

/// Carries a decision out.
///
/// # Errors
/// [`Rejection::OtherCurrency`] for a credit of what accounts cannot hold; [`Breach`].
pub fn resolve(
    account: Account,
    item: &SuspenseItem,
    outcome: Outcome,
    note: &str,
) -> Result<Booked, Rejection> {
    match outcome {
        Outcome::Credit if item.currency != CURRENCY => Err(Rejection::OtherCurrency {
            currency: item.currency.clone(),
        }),
        Outcome::Credit => {
            let (value, reference) = (Value::cash(item.amount), item.reference());
            let incoming = Incoming {
                note,
                ..Incoming::of(value, DepositMethod::Suspense, &reference)
            };
            Ok(deposit(account, &incoming)?)
        }
        Outcome::Refund => Ok(refund(account, item, note)?),
    }
}

/// The user's balance is not touched: the money never was in it.
fn refund(account: Account, item: &SuspenseItem, note: &str) -> Result<Booked, Breach> {
    let event = FundsWithdrawnEvent {
        user_id: item.user_id.clone(),
        withdrawal_id: item.refund_id(),
        amount: Some(AssetAmount {
            asset: Some(asset_amount::Asset::Cash(item.money())),
        }),
        available: Some(account.available(&Asset::cash()).to_message()),
        destination_last4: NO_DESTINATION.to_owned(),
        method: WithdrawalMethod::SuspenseRefund.into(),
        reverses_event_id: String::new(),
        note: note.to_owned(),
    };
    let event = event.into();
    let account = account.after(&event)?;
    Ok(Booked { account, event })
}

// === impl SuspenseItem ===

impl SuspenseItem {
    /// What a credit of it is known by: the payment, and for a later capture its number.
    #[must_use]
    pub fn reference(&self) -> String {
        match self.number {
            1 => self.payment_id.clone(),
            number => format!("{}:{number}", self.payment_id),
        }
    }

    /// What a refund of it is known by: the payment's id, and for a later capture one made of it.
    fn refund_id(&self) -> String {
        match self.number {
            1 => self.payment_id.clone(),
            _ => Uuid::new_v5(&Uuid::NAMESPACE_OID, self.reference().as_bytes()).to_string(),
        }
    }

    /// How much, as it came in.
    #[must_use]
    pub fn money(&self) -> Money {
        Money {
            currency_code: self.currency.clone(),
            ..self.amount.to_money()
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// The outcome a caller asks for; none for one that says nothing.
    #[must_use]
    pub fn of(outcome: wire::SuspenseOutcome) -> Option<Outcome> {
        match outcome {
            wire::SuspenseOutcome::Unspecified => None,
            wire::SuspenseOutcome::Credit => Some(Self::Credit),
            wire::SuspenseOutcome::Refund => Some(Self::Refund),
        }
    }

    /// The contract's word.
    #[must_use]
    pub fn to_wire(self) -> wire::SuspenseOutcome {
        match self {
            Self::Credit => wire::SuspenseOutcome::Credit,
            Self::Refund => wire::SuspenseOutcome::Refund,
        }
    }
}
