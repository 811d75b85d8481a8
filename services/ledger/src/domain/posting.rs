//! What each event is booked as: the posting templates.
//!
//! | event | key | from → to | kind |
//! |---|---|---|---|
//! | deposit of a payment | `pay:<payment>` | world → available | deposit |
//! | issue of shares | `issue:<symbol>:<reference>` | issuer → available | issue |
//! | capture of a failed payment | `susp:<event>` | world → suspense | suspense |
//! | suspense credited | `susp:<reference>:credit` | suspense → available | suspense |
//! | suspense refunded | `susp:<withdrawal>:refund` | suspense → world | suspense |
//! | lock for an order | `lock:<order>:<revision>` | available → locked | lock |
//! | release of an order's lock | `rel:<order>:<sequence>` | locked → available | release |
//! | lock for a payout | `wd:<withdrawal>:lock` | available → locked | lock |
//! | payout paid | `wd:<withdrawal>:post` | locked → clearing → world | withdrawal |
//! | payout refused | `wd:<withdrawal>:void` | locked → available | release |
//! | match settled | `match:<match>` | buyer's locked cash → seller's available cash, fees; seller's locked shares → buyer's available shares | settlement |
//! | deposit taken back | `rev:<reversed event>` | available → world or issuer | reversal |
//! | payout taken back | `rev:<reversed event>` | world → clearing → available | reversal |
//!
//! A reversal mirrors what it takes back, save that a payout comes back as available, since its
//! lock is over, and suspense that was credited does not wait for a decision again: it leaves.

use outcry_contracts::funds::v1::{
    DepositMethod, FundsDepositedEvent, FundsLockedEvent, FundsReleasedEvent, FundsSettledEvent,
    FundsWithdrawnEvent, LockPurpose, WithdrawalMethod,
};
use outcry_contracts::ledger::v1::TransactionKind;
use outcry_contracts::payments::v1::PaymentFailedEvent;
use outcry_events::money::{CURRENCY, MoneyError};
use outcry_events::{Event, PayloadError, SealedEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::chart::AccountName;
use super::held::{Held, cash, positive};

/// The events that are booked.
#[derive(Debug, Clone, PartialEq)]
pub enum Bookable {
    /// Something came into an account.
    Deposited(FundsDepositedEvent),
    /// Something left for the outside.
    Withdrawn(FundsWithdrawnEvent),
    /// From available to locked.
    Locked(FundsLockedEvent),
    /// From locked to available.
    Released(FundsReleasedEvent),
    /// Between two users and the house.
    Settled(FundsSettledEvent),
    /// A payment failed; something may have been captured all the same.
    PaymentFailed(PaymentFailedEvent),
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

// === impl Bookable ===

impl Bookable {
    /// Topics of the events that are booked.
    pub const TOPICS: &'static [&'static str] = &[
        FundsDepositedEvent::TOPIC,
        FundsWithdrawnEvent::TOPIC,
        FundsLockedEvent::TOPIC,
        FundsReleasedEvent::TOPIC,
        FundsSettledEvent::TOPIC,
        PaymentFailedEvent::TOPIC,
    ];

    /// Reads an event.
    ///
    /// # Errors
    /// [`PostingError::NotBooked`] and [`PostingError::Payload`].
    pub fn open(event: &SealedEvent) -> Result<Bookable, PostingError> {
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
        } else if event.is::<PaymentFailedEvent>() {
            Ok(Self::PaymentFailed(event.payload()?))
        } else {
            Err(PostingError::NotBooked {
                topic: event.topic().to_owned(),
            })
        }
    }

    /// What it is booked as; none if it moved nothing. `event_id` and `sequence` are the event's
    /// own id and its place in its stream.
    ///
    /// # Errors
    /// [`PostingError`].
    pub fn posting(&self, event_id: Uuid, sequence: u64) -> Result<Option<Posting>, PostingError> {
        match self {
            Self::Deposited(event) => deposited(event).map(Some),
            Self::Withdrawn(event) => withdrawn(event).map(Some),
            Self::Locked(event) => locked(event).map(Some),
            Self::Released(event) => released(event, sequence).map(Some),
            Self::Settled(event) => settled(event).map(Some),
            Self::PaymentFailed(event) => captured(event, event_id),
        }
    }
}

fn deposited(event: &FundsDepositedEvent) -> Result<Posting, PostingError> {
    let held = Held::read(event.amount.as_ref())?;
    let reference = &event.reference;
    // Only money is paid in and out and kept in suspense; an issue is of shares.
    if held.is_shares != (event.method() == DepositMethod::Issue) {
        return Err(PostingError::Range { field: "amount" });
    }
    let to = AccountName::available(&event.user_id, &held.asset);
    let (key, kind, through) = match event.method() {
        DepositMethod::Payment => (
            format!("pay:{reference}"),
            TransactionKind::Deposit,
            vec![AccountName::world(&held.asset), to],
        ),
        DepositMethod::Issue => (
            format!("issue:{}:{reference}", held.asset),
            TransactionKind::Issue,
            vec![AccountName::issuer(&held.asset), to],
        ),
        DepositMethod::Suspense => (
            format!("susp:{reference}:credit"),
            TransactionKind::Suspense,
            vec![AccountName::suspense(&held.asset), to],
        ),
        DepositMethod::Reversal => (
            reversal_key(&event.reverses_event_id)?,
            TransactionKind::Reversal,
            vec![
                AccountName::world(CURRENCY),
                AccountName::payout_clearing(),
                to,
            ],
        ),
        DepositMethod::Unspecified => return Err(PostingError::Missing { field: "method" }),
    };
    Ok(chain(key, kind, reference, &through, held.amount))
}

fn withdrawn(event: &FundsWithdrawnEvent) -> Result<Posting, PostingError> {
    let id = &event.withdrawal_id;
    if event.method() == WithdrawalMethod::SuspenseRefund {
        let held = Held::in_any_currency(event.amount.as_ref())?;
        let through = [
            AccountName::suspense(&held.asset),
            AccountName::world(&held.asset),
        ];
        let key = format!("susp:{id}:refund");
        let kind = TransactionKind::Suspense;
        return Ok(chain(key, kind, id, &through, held.amount));
    }
    let held = Held::read(event.amount.as_ref())?;
    if event.method() == WithdrawalMethod::Reversal {
        let outside = match held.is_shares {
            true => AccountName::issuer(&held.asset),
            false => AccountName::world(&held.asset),
        };
        let through = [AccountName::available(&event.user_id, &held.asset), outside];
        let key = reversal_key(&event.reverses_event_id)?;
        return Ok(chain(
            key,
            TransactionKind::Reversal,
            id,
            &through,
            held.amount,
        ));
    }
    if held.is_shares {
        return Err(PostingError::Range { field: "amount" });
    }
    let through = [
        AccountName::locked(&event.user_id, &held.asset),
        AccountName::payout_clearing(),
        AccountName::world(&held.asset),
    ];
    let key = format!("wd:{id}:post");
    Ok(chain(
        key,
        TransactionKind::Withdrawal,
        id,
        &through,
        held.amount,
    ))
}

fn locked(event: &FundsLockedEvent) -> Result<Posting, PostingError> {
    let held = Held::read(event.amount.as_ref())?;
    let key = match event.purpose() {
        LockPurpose::Order => format!("lock:{}:{}", event.lock_id, event.revision),
        LockPurpose::Withdrawal => format!("wd:{}:lock", event.lock_id),
        LockPurpose::Unspecified => return Err(PostingError::Missing { field: "purpose" }),
    };
    let through = [
        AccountName::available(&event.user_id, &held.asset),
        AccountName::locked(&event.user_id, &held.asset),
    ];
    Ok(chain(
        key,
        TransactionKind::Lock,
        &event.lock_id,
        &through,
        held.amount,
    ))
}

fn released(event: &FundsReleasedEvent, sequence: u64) -> Result<Posting, PostingError> {
    let held = Held::read(event.amount.as_ref())?;
    let key = match event.purpose() {
        LockPurpose::Order => format!("rel:{}:{sequence}", event.lock_id),
        LockPurpose::Withdrawal => format!("wd:{}:void", event.lock_id),
        LockPurpose::Unspecified => return Err(PostingError::Missing { field: "purpose" }),
    };
    let through = [
        AccountName::locked(&event.user_id, &held.asset),
        AccountName::available(&event.user_id, &held.asset),
    ];
    Ok(chain(
        key,
        TransactionKind::Release,
        &event.lock_id,
        &through,
        held.amount,
    ))
}

fn captured(event: &PaymentFailedEvent, event_id: Uuid) -> Result<Option<Posting>, PostingError> {
    const FIELD: &str = "captured";
    let Some(money) = &event.captured else {
        return Ok(None);
    };
    let held = Held::of_money(money, FIELD)?;
    let through = [
        AccountName::world(&held.asset),
        AccountName::suspense(&held.asset),
    ];
    let key = format!("susp:{event_id}");
    let kind = TransactionKind::Suspense;
    Ok(Some(chain(
        key,
        kind,
        &event.payment_id,
        &through,
        held.amount,
    )))
}

fn reversal_key(reversed: &str) -> Result<String, PostingError> {
    match reversed {
        "" => Err(PostingError::Missing {
            field: "reverses_event_id",
        }),
        reversed => Ok(format!("rev:{reversed}")),
    }
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

/// So much from the first account to the last, through those between.
fn chain(
    key: String,
    kind: TransactionKind,
    reference: &str,
    through: &[AccountName],
    amount: i64,
) -> Posting {
    let transfers = through.iter().zip(through.iter().skip(1));
    Posting {
        key,
        kind: kind.into(),
        reference: reference.to_owned(),
        transfers: transfers
            .map(|(from, to)| Transfer {
                from: from.clone(),
                to: to.clone(),
                amount,
            })
            .collect(),
    }
}
