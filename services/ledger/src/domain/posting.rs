//! What each event of funds is booked as.

use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent, LockPurpose,
};
use outcry_contracts::ledger::v1::TransactionKind;
use outcry_contracts::types::v1::{AssetAmount, Money, asset_amount};
use outcry_events::money::{Amount, CURRENCY, MoneyError};
use outcry_events::{Event, PayloadError, SealedEvent};
use serde::{Deserialize, Serialize};

use super::chart::AccountName;

/// The events that are booked.
#[derive(Debug, Clone, PartialEq)]
pub enum FundsEvent {
    /// From outside to a user.
    Deposited(FundsDepositedEvent),
    /// From a user to outside.
    Withdrawn(FundsWithdrawnEvent),
    /// From available to locked.
    Locked(FundsLockedEvent),
    /// From locked to available.
    Released(FundsReleasedEvent),
    /// Between two users and the house.
    Settled(FundsSettledEvent),
}

/// What is to be booked for one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Books it once: no two transactions have the same key.
    pub key: String,
    /// What kind of fact it is: a number of [`TransactionKind`].
    pub kind: i32,
    /// Payment, order, withdrawal or match.
    pub reference: String,
    /// From one account to another, so that every transaction sums to zero.
    pub transfers: Vec<Transfer>,
}

/// So much from one account to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Loses it.
    pub from: AccountName,
    /// Gains it.
    pub to: AccountName,
    /// Ten-thousandths of the currency unit for cash, whole shares for symbols.
    pub amount: i64,
}

/// Why an event cannot be booked.
#[derive(Debug, thiserror::Error)]
pub enum PostingError {
    /// It is not one of those that are booked.
    #[error("{topic} is not booked")]
    NotBooked {
        /// Its topic.
        topic: String,
    },
    /// It cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A field is missing or says nothing.
    #[error("field {field} is missing")]
    Missing {
        /// Which.
        field: &'static str,
    },
    /// An amount is none.
    #[error("field {field} is no amount")]
    Amount {
        /// Which.
        field: &'static str,
        /// Why.
        #[source]
        source: MoneyError,
    },
    /// An amount is negative, or nothing where something must be.
    #[error("field {field} is out of range")]
    Range {
        /// Which.
        field: &'static str,
    },
    /// Price times quantity is not the notional.
    #[error("the notional is not price times quantity")]
    Notional,
}

/// An asset's name and a number in its unit.
struct Held {
    asset: String,
    amount: i64,
}

// === impl FundsEvent ===

impl FundsEvent {
    /// Topics of the events that are booked.
    pub const TOPICS: &'static [&'static str] = &[
        FundsDepositedEvent::TOPIC,
        FundsWithdrawnEvent::TOPIC,
        FundsLockedEvent::TOPIC,
        FundsReleasedEvent::TOPIC,
        FundsSettledEvent::TOPIC,
    ];

    /// Reads an event.
    ///
    /// # Errors
    /// [`PostingError::NotBooked`] and [`PostingError::Payload`].
    pub fn open(event: &SealedEvent) -> Result<FundsEvent, PostingError> {
        if event.is::<FundsDepositedEvent>() {
            Ok(Self::Deposited(event.payload()?))
        } else if event.is::<FundsWithdrawnEvent>() {
            Ok(Self::Withdrawn(event.payload()?))
        } else if event.is::<FundsLockedEvent>() {
            Ok(Self::Locked(event.payload()?))
        } else if event.is::<FundsReleasedEvent>() {
            Ok(Self::Released(event.payload()?))
        } else if event.is::<FundsSettledEvent>() {
            Ok(Self::Settled(event.payload()?))
        } else {
            Err(PostingError::NotBooked {
                topic: event.topic().to_owned(),
            })
        }
    }

    /// What it is booked as. `sequence` is its place in its stream.
    ///
    /// # Errors
    /// [`PostingError`].
    pub fn posting(&self, sequence: u64) -> Result<Posting, PostingError> {
        match self {
            Self::Deposited(event) => deposited(event),
            Self::Withdrawn(event) => withdrawn(event),
            Self::Locked(event) => locked(event),
            Self::Released(event) => released(event, sequence),
            Self::Settled(event) => settled(event),
        }
    }
}

fn deposited(event: &FundsDepositedEvent) -> Result<Posting, PostingError> {
    let held = held(event.amount.as_ref())?;
    let to = AccountName::available(&event.user_id, &held.asset);
    let (key, kind, from) = match event.method() {
        DepositMethod::Payment => (
            format!("pay:{}", event.reference),
            TransactionKind::Deposit,
            AccountName::world(&held.asset),
        ),
        DepositMethod::Issue => (
            format!("issue:{}:{}", held.asset, event.reference),
            TransactionKind::Issue,
            AccountName::issuer(&held.asset),
        ),
        DepositMethod::Unspecified | DepositMethod::Suspense | DepositMethod::Reversal => {
            return Err(PostingError::Missing { field: "method" });
        }
    };
    Ok(one(key, kind, &event.reference, from, to, held.amount))
}

fn withdrawn(event: &FundsWithdrawnEvent) -> Result<Posting, PostingError> {
    let held = held(event.amount.as_ref())?;
    Ok(one(
        format!("wd:{}:post", event.withdrawal_id),
        TransactionKind::Withdrawal,
        &event.withdrawal_id,
        AccountName::locked(&event.user_id, &held.asset),
        AccountName::world(&held.asset),
        held.amount,
    ))
}

fn locked(event: &FundsLockedEvent) -> Result<Posting, PostingError> {
    let held = held(event.amount.as_ref())?;
    let key = match event.purpose() {
        LockPurpose::Order => format!("lock:{}:{}", event.lock_id, event.revision),
        LockPurpose::Withdrawal => format!("wd:{}:lock", event.lock_id),
        LockPurpose::Unspecified => return Err(PostingError::Missing { field: "purpose" }),
    };
    Ok(one(
        key,
        TransactionKind::Lock,
        &event.lock_id,
        AccountName::available(&event.user_id, &held.asset),
        AccountName::locked(&event.user_id, &held.asset),
        held.amount,
    ))
}

fn released(event: &FundsReleasedEvent, sequence: u64) -> Result<Posting, PostingError> {
    let held = held(event.amount.as_ref())?;
    Ok(one(
        format!("rel:{}:{sequence}", event.lock_id),
        TransactionKind::Release,
        &event.lock_id,
        AccountName::locked(&event.user_id, &held.asset),
        AccountName::available(&event.user_id, &held.asset),
        held.amount,
    ))
}

fn settled(event: &FundsSettledEvent) -> Result<Posting, PostingError> {
    let price = cash(event.price.as_ref(), "price")?;
    let notional = cash(event.notional.as_ref(), "notional")?;
    if price.checked_mul(event.quantity) != Some(notional) {
        return Err(PostingError::Notional);
    }
    let buyer_fee = cash(event.buyer_fee.as_ref(), "buyer_fee")?.raw();
    let seller_fee = cash(event.seller_fee.as_ref(), "seller_fee")?.raw();
    let quantity = positive(event.quantity, "quantity")?;
    let notional = positive(notional.raw(), "notional")?;
    let (buyer, seller) = (&event.buyer_user_id, &event.seller_user_id);
    let proceeds = AccountName::available(seller, CURRENCY);
    let paid = AccountName::locked(buyer, CURRENCY);
    let mut transfers = vec![Transfer {
        from: paid.clone(),
        to: proceeds.clone(),
        amount: notional,
    }];
    for (from, amount) in [(paid, buyer_fee), (proceeds, seller_fee)] {
        if amount > 0 {
            let to = AccountName::fees();
            transfers.push(Transfer { from, to, amount });
        }
    }
    transfers.push(Transfer {
        from: AccountName::locked(seller, &event.symbol),
        to: AccountName::available(buyer, &event.symbol),
        amount: quantity,
    });
    Ok(Posting {
        key: format!("match:{}", event.match_id),
        kind: TransactionKind::Settlement.into(),
        reference: event.match_id.clone(),
        transfers,
    })
}

fn one(
    key: String,
    kind: TransactionKind,
    reference: &str,
    from: AccountName,
    to: AccountName,
    amount: i64,
) -> Posting {
    Posting {
        key,
        kind: kind.into(),
        reference: reference.to_owned(),
        transfers: vec![Transfer { from, to, amount }],
    }
}

fn held(amount: Option<&AssetAmount>) -> Result<Held, PostingError> {
    const FIELD: &str = "amount";
    match amount.and_then(|amount| amount.asset.as_ref()) {
        None => Err(PostingError::Missing { field: FIELD }),
        Some(asset_amount::Asset::Cash(money)) => Ok(Held {
            asset: CURRENCY.to_owned(),
            amount: positive(cash(Some(money), FIELD)?.raw(), FIELD)?,
        }),
        // Shares under the currency's name would be booked as cash.
        Some(asset_amount::Asset::Shares(shares)) if shares.symbol == CURRENCY => {
            Err(PostingError::Range { field: FIELD })
        }
        Some(asset_amount::Asset::Shares(shares)) => Ok(Held {
            asset: shares.symbol.clone(),
            amount: positive(shares.quantity, FIELD)?,
        }),
    }
}

/// An amount that is not negative.
fn cash(money: Option<&Money>, field: &'static str) -> Result<Amount, PostingError> {
    let money = money.ok_or(PostingError::Missing { field })?;
    let amount =
        Amount::from_money(money).map_err(|source| PostingError::Amount { field, source })?;
    if amount.is_negative() {
        return Err(PostingError::Range { field });
    }
    Ok(amount)
}

fn positive(number: i64, field: &'static str) -> Result<i64, PostingError> {
    if number <= 0 {
        return Err(PostingError::Range { field });
    }
    Ok(number)
}
