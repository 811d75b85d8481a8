//! Payments as they are shown: one row each, written with the events. Payouts, and money that fits
//! no payment, which are rows and nothing else.

use std::time::SystemTime;

use outcry_contracts::payments::v1 as contract;
use outcry_contracts::types::v1::PageInfo;
use outcry_events::Amount;
use outcry_service::Page;
use outcry_store::{Scan, Store, StoreError, ViewRow, ViewWrite, timer};
use serde::{Deserialize, Serialize};

use crate::domain::Payment;
use crate::provider::{Capture, Charge, Payout};

/// Payments by id: rows are [`PaymentRow`].
pub const PAYMENTS: &str = "payments";

/// Payments of a user, oldest first.
const BY_USER: &str = "user";

/// Payments without a capture, the one that expires first at the beginning.
pub(crate) const UNCAPTURED: &str = "uncaptured";

/// Payouts by id: rows are [`PayoutRow`].
pub const PAYOUTS: &str = "payouts";

/// Money that fits no payment, by provider and reference: rows are [`StrayRow`].
pub const STRAYS: &str = "strays";

/// A payment as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRow {
    /// Its id.
    pub payment_id: String,
    /// Whose it is.
    pub user_id: String,
    /// How much was asked for.
    pub amount: Amount,
    /// The contract's number of its status.
    pub status: i32,
    /// Who captures it.
    pub provider: String,
    /// The provider's id of the capture, also of one that did not fit; empty before.
    pub provider_reference: String,
    /// The contract's number of why it failed; 0 when it did not.
    pub failure: i32,
    /// The capture came late.
    pub late: bool,
    /// When it was started, in nanoseconds since 1970.
    pub created_ns: i64,
    /// When it expires, in nanoseconds since 1970.
    pub expires_ns: i64,
}

// === impl PaymentRow ===

impl PaymentRow {
    /// The row of a payment; none before it exists.
    pub fn of(payment: &Payment, created: SystemTime) -> Option<Self> {
        let terms = payment.terms.as_ref()?;
        let expires = terms
            .expires_at
            .and_then(|at| SystemTime::try_from(at).ok());
        let reference = if payment.provider_reference.is_empty() {
            &payment.suspended_reference
        } else {
            &payment.provider_reference
        };
        Some(Self {
            payment_id: terms.payment_id.clone(),
            user_id: terms.user_id.clone(),
            amount: payment.amount(),
            status: payment.status.into(),
            provider: terms.provider.clone(),
            provider_reference: reference.clone(),
            failure: payment.failure.into(),
            late: payment.late,
            created_ns: timer::nanos(created).unwrap_or_default(),
            expires_ns: expires.and_then(timer::nanos).unwrap_or_default(),
        })
    }

    /// The write of this row, with its place in the listing.
    ///
    /// # Errors
    /// It does not serialise.
    pub fn write(&self) -> Result<ViewWrite, StoreError> {
        let place = format!("{}/{:020}", self.user_id, self.created_ns);
        let write = ViewWrite::put(PAYMENTS, &self.payment_id, self)?.index(BY_USER, place);
        if self.is_captured() {
            return Ok(write);
        }
        Ok(write.index(UNCAPTURED, format!("{:020}", self.expires_ns.max(0))))
    }

    /// Whether nothing has been decided about it.
    pub(crate) fn is_pending(&self) -> bool {
        self.status == contract::PaymentStatus::Pending as i32
    }

    /// Whether its money has been captured, so that nothing can happen to it any more.
    pub fn is_captured(&self) -> bool {
        self.status == contract::PaymentStatus::Success as i32
    }

    /// For the provider.
    pub fn charge(&self) -> Charge {
        Charge {
            payment_id: self.payment_id.clone(),
            amount: self.amount,
            created: timer::time_of(self.created_ns),
            expires: timer::time_of(self.expires_ns),
        }
    }

    /// For callers.
    pub fn shown(&self) -> contract::Payment {
        contract::Payment {
            payment_id: self.payment_id.clone(),
            user_id: self.user_id.clone(),
            amount: Some(self.amount.to_money()),
            status: self.status,
            provider: self.provider.clone(),
            provider_reference: self.provider_reference.clone(),
            failure: self.failure,
            late: self.late,
            created_at: Some(timer::time_of(self.created_ns).into()),
            expires_at: Some(timer::time_of(self.expires_ns).into()),
        }
    }
}

/// A payout as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutRow {
    /// Its id, which funds chose.
    pub payout_id: String,
    /// Whose money it is.
    pub user_id: String,
    /// How much.
    pub amount: Amount,
    /// Last four digits of the destination account.
    pub destination_last4: String,
    /// Who pays it.
    pub provider: String,
    /// The contract's number of its status.
    pub status: i32,
    /// Why it was refused; empty when it was not.
    pub message: String,
    /// When it was asked for, in nanoseconds since 1970.
    pub asked_ns: i64,
}

// === impl PayoutRow ===

impl PayoutRow {
    /// Whether nothing can happen to it any more.
    pub fn has_ended(&self) -> bool {
        self.status != contract::PayoutStatus::Pending as i32
    }

    /// Whether both ask for the same.
    pub(crate) fn is_for_the_same(&self, other: &Self) -> bool {
        self.user_id == other.user_id
            && self.amount == other.amount
            && self.destination_last4 == other.destination_last4
    }

    /// For the provider.
    pub(crate) fn payout(&self) -> Payout {
        Payout {
            payout_id: self.payout_id.clone(),
            amount: self.amount,
            destination_last4: self.destination_last4.clone(),
            asked: timer::time_of(self.asked_ns),
        }
    }
}

/// Money a provider took that fits no payment as it stands: captured twice, captured otherwise
/// after the payment had ended, or for a payment nobody started. For a person to send back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrayRow {
    /// Who took it.
    pub provider: String,
    /// The provider's id of the capture.
    pub reference: String,
    /// The payment it names.
    pub payment_id: String,
    /// Its currency.
    pub currency: String,
    /// Whole units of it.
    pub units: i64,
    /// And billionths.
    pub nanos: i32,
    /// When we last heard of it, in nanoseconds since 1970.
    pub heard_ns: i64,
}

// === impl StrayRow ===

impl StrayRow {
    pub(crate) fn of(provider: &str, payment_id: &str, capture: &Capture, now: SystemTime) -> Self {
        Self {
            provider: provider.to_owned(),
            reference: capture.reference.clone(),
            payment_id: payment_id.to_owned(),
            currency: capture.money.currency_code.clone(),
            units: capture.money.units,
            nanos: capture.money.nanos,
            heard_ns: timer::nanos(now).unwrap_or_default(),
        }
    }

    /// The write of this row; the same money heard of again is the same row.
    pub(crate) fn write(&self) -> Result<ViewWrite, StoreError> {
        ViewWrite::put(
            STRAYS,
            format!("{}/{}", self.provider, self.reference),
            self,
        )
    }
}

/// One payout, and how often its row was written.
pub(crate) async fn payout(
    store: &dyn Store,
    id: &str,
) -> Result<Option<(PayoutRow, u64)>, StoreError> {
    let Some(row) = store.view(PAYOUTS, id).await? else {
        return Ok(None);
    };
    Ok(Some((row.decode()?, row.version)))
}

/// One payment.
///
/// # Errors
/// The store cannot be read.
pub async fn payment(store: &dyn Store, id: &str) -> Result<Option<PaymentRow>, StoreError> {
    let row = store.view(PAYMENTS, id).await?;
    row.map(|row| row.decode()).transpose()
}

/// Payments of a user, newest first, and where the next page begins.
///
/// # Errors
/// The store cannot be read, or the cursor is none.
pub async fn payments_of(
    store: &dyn Store,
    user_id: &str,
    page: Page,
) -> Result<(Vec<PaymentRow>, PageInfo), StoreError> {
    let scan = Scan::new(PAYMENTS)
        .index(BY_USER)
        .prefix(format!("{user_id}/"))
        .reverse();
    let (rows, page) = page.read(store, scan).await?;
    let payments = rows.iter().map(ViewRow::decode).collect::<Result<_, _>>()?;
    Ok((payments, page))
}
